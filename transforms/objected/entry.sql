-- One row per name by which a list calls an objecting person: a keyed hash, with marks of the birth date where one is stated.
-- after: said
with named as (
    select 'number' as kind, part('n') || part(number) as message, birth_date from objected.said where number is not null
    union all
    select 'local_id', part('l') || part(provider) || part(local_id), birth_date from objected.said where local_id is not null
)
select distinct getvariable('armed_key') as key_id, kind, keyed(message) as name_key, birth_marks(message, birth_date) as birth_marks
from named
