-- One row per submission, layout, local id and distinct identity, numbered by the line at which it first appears.
-- The last place that holds names, numbers and postcodes.
select
    r.submission_no, s.provider, s.period, s.layout, i.patient_no,
    -- A layout of patients has made this very key already, as that of its record.
    case when s.is_of_patients then r.record_key
         when r.local_patient_id is not null then patient_key(s.provider::varchar, r.local_patient_id)
         else record_key(part(s.sha256) || part(s.layout::varchar) || part(r.line::text)) end as record_key,
    r.local_patient_id is not null as is_key_stable,
    r.local_patient_id, r.nhs_number, r.nhs_number_status, r.given_name, r.family_name, r.birth_date, r.death_date,
    r.sex, r.postcode, coalesce(r.gp_practice_code, s.practice) as gp_practice_code, r.registered_on, r.deregistered_on,
    case when r.is_test_record then 'test record'
         when r.is_confidential or r.is_withheld then 'withheld' end as exclusion,
    i.n_records
from one.identity as i
join one.record as r on r.line = i.patient_no
cross join one.submission as s
