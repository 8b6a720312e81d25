-- Protected. Appointments missed by people who need an interpreter beside those who do not: exact, for your eyes only.
select coalesce(c.code, c.status) as interpreter, count(*) as n_appointments,
       round(avg((a.outcome_code in ('3', '7'))::integer), 4) as share_missed
from protected.activity as a
join protected.person_characteristic as c on c.person_no = a.person_no and c.characteristic = 'interpreter_required'
where a.kind = 'appointment' and a.outcome_code in ('3', '5', '6', '7')
group by 1 order by n_appointments desc;
