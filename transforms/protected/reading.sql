-- One row per provider, layout, characteristic, value and reading: what its maps make of a value, which is a keyed hash
-- and never itself. The next release is compared with it.
-- after: characteristic_record
select provider, layout, characteristic, value_key, code, detail, status, split_part(reason, ':', 1) as reason,
       sum(n_records)::bigint as n_records, count(distinct person_no) as n_people
from protected.characteristic_record
where derived_from is null
group by all
