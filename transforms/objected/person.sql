-- One row per person who is left out, and why: an objection, or the national opt-out, which goes second.
with objecting as (
    select distinct r.person_no
    from objected.matched as m join linked.person_record as r using (submission_no, layout, patient_no)
),
looked_up as (
    -- Of whom somebody sends records to which the opt-out was not applied: they stay if every number of theirs may.
    select distinct r.person_no
    from objected.to_check as c join linked.person_record as r using (submission_no, layout)
),
numbered as (
    select r.person_no, bool_and(p.patient_no is not null) as is_permitted
    from looked_up
    join linked.person_record as r using (person_no)
    join harmonised.patient as h on h.submission_no = r.submission_no and h.layout = r.layout and h.patient_no = r.patient_no
    left join objected.permitted as p
      on p.submission_no = r.submission_no and p.layout = r.layout and p.patient_no = r.patient_no
    where is_nhs_number(h.nhs_number)
    group by r.person_no
)
select person_no, 'objection' as reason from objecting
union all
select l.person_no, 'national'
from looked_up as l left join numbered as n using (person_no)
where coalesce(not n.is_permitted, not getvariable('numberless_stay')) and l.person_no not in (select person_no from objecting)
