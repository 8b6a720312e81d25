-- One row per identity that a submission holds: the person it belongs to, and how it was linked.
-- after: person
select p.submission_no, p.provider, p.period, p.layout, p.patient_no, p.record_key, m.person_no,
       m.basis, m.weight, case when m.basis = 'score' then getvariable('model') end as model,
       m.has_date_conflict, m.has_number_conflict
from harmonised.patient as p
join linked.in_force as f using (submission_no, layout)
join standard.provider as o on o.code = p.provider
join linked.local_cluster as c
  on c.provider = p.provider and c.record_key = p.record_key
 and c.birth_date is not distinct from p.birth_date
 and c.number is not distinct from linking_number(p.nhs_number, f.pseudonym_key, o.demo = 'true')
join linked.person_member as m on m.local_no = c.local_no
where p.exclusion is null
