-- One row per method and ethnic group (or status): people whom the method puts there, whom the default does, and who come and go.
-- after: method_said
with pair as (
    select b.method, b.ethnic_group, d.ethnic_group as default_group, count(*) as n
    from measure.method_said as b join measure.method_said as d on d.person_no = b.person_no and d.method = 'default'
    group by all
),
side as (
    select method, ethnic_group, n, 0 as n_default, case when ethnic_group = default_group then n else 0 end as n_both from pair
    union all
    select method, default_group, 0, n, 0 from pair
)
select method, ethnic_group, sum(n)::bigint as n_people, sum(n_default)::bigint as n_people_by_default,
       sum(n - n_both)::bigint as n_came, sum(n_default - n_both)::bigint as n_went,
       sum(sum(n)) over (partition by method)::bigint as n_people_in_all
from side
group by method, ethnic_group
