-- One row per person: the message from which the person's public identifier is made.
-- after: person_member
-- A verified number that no other person holds names its person. A disputed one stays with the person whom most
-- providers know (tie: smallest key). Everyone else is named by their smallest record key, and by their birth date as
-- well where two people of one provider share a local id.
with person as (
    select person_no, min(record_key) as record_key, count(distinct provider) as n_providers,
           arg_min(birth_date, (not is_verified, record_key, birth_date)) as birth_date, min(number) filter (is_verified) as number
    from linked.person_member group by person_no
),
holder as (
    select *, row_number() over (partition by number order by n_providers desc, record_key) as place
    from person
),
named as (
    select *, number is not null and place = 1 as is_named_by_number,
           count(*) over (partition by record_key) > 1 as is_key_shared
    from holder
)
select person_no, record_key, n_providers, birth_date, is_named_by_number,
       case when is_named_by_number then part('n') || part(number)
            else part('r') || part(record_key::text) || case when is_key_shared then part(birth_date::text) || part(number) else '' end
       end as message
from named
