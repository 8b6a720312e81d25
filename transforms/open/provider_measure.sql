-- One row per period, place (provider, kind of provider or region), layout, field and measure: a rounded share with its interval, or days, kappa, or points of the index.
with told as (
    -- Of what stays in the protected area only the statuses are told: the national rules name single codes.
    select c.*, m.unit
    from measure.disclosed_cell as c
    join standard.measure as m on m.measure = c.category
    left join standard.characteristic as y on y.characteristic = c.metric
    where c."table" in ('provider_measure', 'delivery_measure') and (m.tells = 'status' or coalesce(y.area, 'open') = 'open')
),
-- What is added up of fractions is rounded: the machine adds in any order, and equal releases are to be equal.
-- Chance agreement, of shown and rounded numbers only: a code that is hidden on either side adds nothing.
chance as (
    select o.period, o.place_kind, o.place, o.metric, sum(o.share * e.share) as expected
    from measure.disclosed_cell as o
    join measure.disclosed_cell as e
      on e."table" = 'agreement_margin' and e.breakdown = 'elsewhere' and e.period = o.period and e.place_kind = o.place_kind
     and e.place = o.place and e.metric = o.metric and e.category = o.category
    where o."table" = 'agreement_margin' and o.breakdown = 'own'
    group by all
),
-- The index, again of shown and rounded numbers: a fault of few people counts as none, and an item of which most is hidden
-- is left out.
item as (
    select t.period, t.place_kind, t.place, t.breakdown, t.metric,
           1 - coalesce(sum(t.share) filter (t.category in ('missing', 'invalid')), 0)
           - greatest(0, coalesce(sum(t.share) filter (t.category = 'default'), 0) - any_value(i.threshold) / 100) as score
    from told as t
    join standard.index_item as i on i.field = t.metric
    left join standard.collected as f on f.layout = t.breakdown and f.field = t.metric
    where t.category in ('valid', 'other', 'default', 'invalid', 'missing') and not coalesce(f.is_partial, false)
    group by t.period, t.place_kind, t.place, t.breakdown, t.metric
    having round(sum(t.share), 6) >= 0.9
),
own_index as (
    select i.period, i.place, p.kind, round(100 * avg(greatest(0, i.score)) * avg(v.share), 6) as points
    from item as i
    join told as v
      on v.category = 'coverage' and v.period = i.period and v.place_kind = i.place_kind and v.place = i.place
     and v.breakdown = i.breakdown
    join standard.provider as p on p.code = i.place
    where i.place_kind = 'provider'
    group by all
),
-- Of a kind and of the region it is the mean of those who have one.
indexed as (
    select period, 'provider' as place_kind, place, points from own_index
    union all
    select period, 'provider_kind', kind, round(avg(points), 6) from own_index group by period, kind
    having count(*) >= getvariable('fewest_peers')
    union all
    select period, 'region', getvariable('region'), round(avg(points), 6) from own_index group by period
    having count(*) >= getvariable('fewest_peers')
)
select period, place_kind, place, breakdown as layout, metric as field, category as measure, unit, status as cell_status,
       numerator, denominator, case when unit = 'share' then share end as share,
       case when "table" = 'provider_measure' then share_low end as share_low,
       case when "table" = 'provider_measure' then share_high end as share_high,
       case when unit = 'share' then share else numerator / nullif(denominator, 0) end as value,
       getvariable('is_invented') as is_invented
from told
union all by name
select c.period, c.place_kind, c.place, c.breakdown as layout, c.metric as field, m.measure, m.unit, c.status as cell_status,
       case when c.share is not null and h.expected < 1 then round((c.share - h.expected) / (1 - h.expected), 6) end as value,
       getvariable('is_invented') as is_invented
from told as c
join chance as h on h.period = c.period and h.place_kind = c.place_kind and h.place = c.place and h.metric = c.metric
join standard.measure as m on m.unit = 'kappa'
where c.category = 'agreement'
union all by name
select i.period, i.place_kind, i.place, 'every layout' as layout, '' as field, m.measure, m.unit, 'shown' as cell_status,
       i.points as value, getvariable('is_invented') as is_invented
from indexed as i join standard.measure as m on m.unit = 'points'
order by all
