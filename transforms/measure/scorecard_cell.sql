-- One row per provider, period, layout, field and VODIM status: records with that status, of all whose layout has the field.
with said as (
    select c.provider, c.period, c.layout, c.characteristic, c.patient_no, c.n_records,
           case when c.status = 'known' then 'valid' else k.vodim end as vodim
    from harmonised.characteristic as c
    join measure.arrival_in_force as a using (provider, period, layout)
    join standard.collected as f on f.layout = c.layout and f.field = c.characteristic
    join standard.characteristic as y using (characteristic)
    left join standard.code as k on k.system = y.system and k.code = c.status and k.kind = 'absence'
),
total as (
    select provider, period, layout, characteristic, sum(n_records)::bigint as n, count(distinct patient_no) as n_people
    from said group by all
),
-- A whole grid: a status that nobody has is a zero, not a gap.
grid as (
    select t.*, v.vodim from total as t cross join (select distinct vodim from standard.code where vodim <> '') as v
),
counted as (
    select provider, period, layout, characteristic, vodim, sum(n_records)::bigint as n, count(distinct patient_no) as n_people
    from said group by all
)
select 'provider_scorecard' as "table", g.characteristic as metric, g.period, 'provider' as place_kind, g.provider as place,
       g.layout || ' vodim' as breakdown, g.vodim as category, coalesce(c.n, 0) as numerator, g.n as denominator,
       coalesce(c.n_people, 0) as n_people_numerator, g.n_people as n_people_denominator,
       g.n_people - coalesce(c.n_people, 0) as n_people_difference
from grid as g left join counted as c using (provider, period, layout, characteristic, vodim)
