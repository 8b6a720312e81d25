-- One row per identity that a submission holds: as linked.person_record, of everybody.
with told as (
    -- Of one record key that did not change there is one person.
    select distinct record_key, person_no, basis, weight, model, has_date_conflict, has_number_conflict
    from nearby.former_person_record as f semi join nearby.sender using (provider) anti join nearby.touched using (record_key)
)
select f.* from nearby.former_person_record as f anti join nearby.sender using (provider) anti join nearby.touched using (record_key)
union all by name
-- Whoever sent something may have sent the same people in other rows.
select p.submission_no, p.provider, p.period, p.layout, p.patient_no, p.record_key, t.person_no,
       t.basis, t.weight, t.model, t.has_date_conflict, t.has_number_conflict
from harmonised.every_patient as p
semi join nearby.sender using (provider)
join linked.in_force as f using (submission_no, layout)
join told as t on t.record_key = p.record_key
where p.exclusion is null
union all by name
select * replace (person_no + getvariable('first_person') as person_no) from linked.person_record
