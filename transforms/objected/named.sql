-- One row per name by which a list calls somebody, as the message that is hashed.
-- after: said
select 'number' as kind, part('n') || part(number) as message, null::varchar as provider, null::varchar as local_id, birth_date
from objected.said where number is not null
union all
select 'local_id', part('l') || part(provider) || part(local_id), provider, local_id, birth_date
from objected.said where local_id is not null
