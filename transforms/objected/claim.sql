-- One row per record in the lake and name that it goes by: the keyed hash of its number, and of its local id.
with named as (
    select submission_no, layout, patient_no, record_key, birth_date, 'number' as kind, part('n') || part(nhs_number) as message
    from harmonised.patient where is_nhs_number(nhs_number)
    union all
    select submission_no, layout, patient_no, record_key, birth_date, 'local_id',
           part('l') || part(provider::varchar) || part(local_patient_id)
    from harmonised.patient where local_patient_id is not null
),
-- Hashed once for all records that share it, and only where something is to be compared with it.
hashed as (
    select kind, message, keyed(message) as name_key
    from (select distinct kind, message from named where list_contains(getvariable('kinds_asked'), kind))
)
select n.submission_no, n.layout, n.patient_no, n.record_key, n.birth_date, n.message, kind, h.name_key
from named as n join hashed as h using (kind, message)
