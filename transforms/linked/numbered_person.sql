-- One row per person at one provider: the number that speaks for them, and the birth date and names beside it.
-- after: local_cluster
-- A verified number speaks before one that only passes its check, a later one before an earlier one.
select local_no, provider, min(record_key) as record_key,
       arg_max(number, (is_verified, seen_on, n_records, number)) filter (number is not null) as number,
       coalesce(bool_or(is_verified), false) as is_verified,
       arg_max(birth_date, (seen_on, n_records, birth_date)) as birth_date,
       arg_max(given_name, (seen_on, node_no)) as given_name, arg_max(family_name, (seen_on, node_no)) as family_name,
       bool_or(has_date_conflict) as has_date_conflict, bool_or(has_number_conflict) as has_number_conflict
from linked.local_cluster
group by local_no, provider
