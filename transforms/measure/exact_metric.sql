-- One row per metric, period, place (small areas too), breakdown and category, exact: never to leave the protected area.
with told as (
    select * from measure.metric_cell
    union all by name
    select * from measure.small_area_cell
)
select t.metric, t.period, t.place_kind, t.place, t.breakdown, t.category, m.unit, t.numerator, t.denominator,
       t.numerator / t.denominator * case when m.unit = 'rate' then 1000 else 1 end as value
from told as t join standard.metric as m using (metric)
