-- One row per period, kind of place, place, layout and measure of deliveries: when they came, and how many of those expected.
with grouped as (
    select 'provider' as place_kind, provider as place, d.* from measure.delivery as d
    union all
    select 'provider_kind', p.kind, d.* from measure.delivery as d join standard.provider as p on p.code = d.provider
    union all
    select 'region', getvariable('region'), d.* replace ('every layout' as layout) from measure.delivery as d
)
-- Days and numbers of deliveries are no people: the door lets them pass, by the class that it has for them.
select 'delivery_measure' as "table", '' as metric, period, place_kind, place, layout as breakdown, measure as category,
       sum(numerator)::bigint as numerator, sum(denominator)::bigint as denominator, 0 as n_people_numerator,
       0 as n_people_denominator, 0 as n_people_difference
from grouped group by all
having place_kind = 'provider' or count(distinct provider) >= getvariable('fewest_peers')
