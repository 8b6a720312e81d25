-- One row per person at one provider: the number that speaks for them, and what is said beside it.
-- after: local_cluster
-- A verified number speaks before one that only passes its check, a later one before an earlier one.
with spoken as (
    select local_no, provider, min(record_key) as record_key, bool_and(is_key_stable) as is_key_stable,
           arg_max(number, (is_verified, seen_on, n_records, number)) filter (number is not null) as number,
           coalesce(bool_or(is_verified), false) as is_verified,
           arg_max(birth_date, (seen_on, n_records, birth_date)) as birth_date,
           arg_max(given_name, (seen_on, node_no)) as given_name, arg_max(family_name, (seen_on, node_no)) as family_name,
           arg_max(sex, (seen_on, node_no)) as sex, arg_max(postcode, (seen_on, node_no)) as postcode,
           arg_max(gp_practice_code, (seen_on, node_no)) as gp_practice_code, max(digits) as digits,
           bool_or(has_date_conflict) as has_date_conflict, bool_or(has_number_conflict) as has_number_conflict
    from linked.local_cluster
    group by local_no, provider
)
-- The values that a reviewer judges, as one key: when one of them changes, a judgement of before is none. And all that is
-- compared, as another, so that two who were compared once need not be again.
select *, md5(concat_ws('|', part(number), part(birth_date::text), part(given_name), part(family_name), part(sex), part(postcode),
                        part(gp_practice_code)))::uuid as values_key,
       md5(concat_ws('|', values_key, provider, record_key, is_verified,
                     case when number is null then coalesce(digits, '') else '' end, is_key_stable))::uuid as comparand_key
from spoken
