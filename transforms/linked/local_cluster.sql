-- One row per node: the person at one provider to whom it belongs. The same local id is one person unless birth dates
-- conflict, or two verified numbers do: two different verified numbers never share a person.
-- after: node
with dated as (
    -- The date that the provider gave last stands for the local id; others either agree with it or are somebody else.
    select provider, record_key, arg_max(birth_date, (seen_on, n_records, birth_date)) as main_date,
           arg_max(given_name, (seen_on, given_name)) as main_given, arg_max(family_name, (seen_on, family_name)) as main_family
    from linked.node where birth_date is not null group by provider, record_key
),
grouped as (
    select n.*, d.main_date,
           case when n.birth_date is null or d.main_date is null then null
                when birth_dates_agree(n.birth_date, d.main_date) then null
                when birth_dates_agree(n.birth_date, d.main_date) is null
                 and names_agree(n.given_name, n.family_name, d.main_given, d.main_family) then null
                else n.birth_date end as other_date
    from linked.node as n left join dated as d using (provider, record_key)
),
numbered as (
    select *, arg_max(number, (seen_on, n_records, number)) filter (is_verified)
                  over (partition by provider, record_key, other_date) as main_number
    from grouped
)
select * exclude (main_date, other_date, main_number),
       dense_rank() over (order by provider, record_key, other_date,
                          case when is_verified and number <> main_number then number end)::integer as local_no,
       other_date is not null as has_date_conflict,
       coalesce(is_verified and number <> main_number, false) as has_number_conflict
from numbered
