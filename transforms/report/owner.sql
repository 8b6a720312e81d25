-- One row per provider and record key: whose record it truly is.
select h.provider, h.record_key, min(r.person_no) as person_no
from (select distinct provider, layout, local_patient_id, record_key from harmonised.patient) as h
join truth.record as r using (provider, layout, local_patient_id)
where r.person_no > 0
group by all
