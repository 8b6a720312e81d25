-- One row per row of a list of objections: whom it names, and what is wrong with it.
-- What is sound in a row counts although something else in it is not: an objection is not lost to a slip of the pen.
with cleaned as (
    select line, clean_number(nhs_number) as number, upper(clean_text(provider)) as provider, clean_text(local_id) as local_id,
           clean_text(birth_date) as born, try_strptime(clean_text(birth_date), getvariable('date_forms'))::date as birth_date
    from objected.sent
),
owned as (
    -- A provider that names its own patients need not say who it is.
    select * replace (case when local_id is not null then coalesce(provider, nullif(getvariable('own_code'), '')) else provider end as provider,
                      case when birth_date <= getvariable('today')::date then birth_date end as birth_date)
    from cleaned
),
judged as (
    select *, coalesce(is_nhs_number(number), false) as has_number, local_id is not null and provider is not null as has_both,
           list_contains(getvariable('speaks_for'), provider) as may_speak
    from owned
)
select line, case when has_number then number end as number,
       case when has_both and may_speak then provider end as provider,
       case when has_both and may_speak then local_id end as local_id, birth_date,
       list_filter([
           case when number is null and local_id is null and provider is null then 'nobody' end,
           case when number is not null and not has_number then 'number' end,
           case when local_id is not null and provider is null or provider is not null and local_id is null and number is null then 'local_id' end,
           case when has_both and not may_speak then 'provider' end,
           case when born is not null and birth_date is null then 'birth_date' end
       ], lambda fault: fault is not null) as faults
from judged
