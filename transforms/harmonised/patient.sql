-- One row per submission, layout, local id and distinct identity, numbered by the line at which it first appears.
-- The last place that holds names, numbers and postcodes.
select
    r.submission_no, s.provider, s.period, s.layout,
    min(r.line)::integer as patient_no,
    case when any_value(r.local_patient_id) is not null
         then patient_key(s.provider, any_value(r.local_patient_id))
         else record_key(part(s.sha256) || part(s.layout) || part(min(r.line)::text)) end as record_key,
    any_value(r.local_patient_id) is not null as is_key_stable,
    any_value(r.local_patient_id) as local_patient_id,
    any_value(r.nhs_number) as nhs_number,
    any_value(r.nhs_number_status) as nhs_number_status,
    any_value(r.given_name) as given_name,
    any_value(r.family_name) as family_name,
    any_value(r.birth_date) as birth_date,
    any_value(r.death_date) as death_date,
    any_value(r.sex) as sex,
    any_value(r.postcode) as postcode,
    coalesce(any_value(r.gp_practice_code), any_value(s.practice)) as gp_practice_code,
    any_value(r.registered_on) as registered_on,
    any_value(r.deregistered_on) as deregistered_on,
    case when bool_or(r.is_test_record) then 'test record'
         when bool_or(r.is_confidential) or bool_or(r.is_withheld) then 'withheld' end as exclusion,
    count(*) as n_records
from one.record as r cross join one.submission as s
-- Without a local id and a number nothing says that two rows are one person: each record is its own.
group by r.submission_no, s.provider, s.period, s.layout, s.sha256, r.identity_a, r.identity_b,
         r.own_line
