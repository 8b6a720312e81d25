-- One row per metric, place, breakdown and category that is counted in twelve months: the latest twelve beside the twelve before them.
-- after: metric_value
-- Everything here is made of shown and rounded numbers. The interval of a change comes from the intervals of its two sides (Newcombe,
-- 1998, method 10; Donner and Zou, 2012, for rates). A change is told apart from chance where its interval leaves out zero; what
-- caused it is another question: people, records and services change too.
with spans as (
    select period, row_number() over (order by ends_on desc) as back from open.period where grain = 'year'
),
beside as (
    select n.metric, n.place_kind, n.place, n.breakdown, n.category, n.unit, b.period as baseline_period, n.period,
           case when b.value is null or n.value is null then 'suppressed' else 'shown' end as cell_status,
           b.value as baseline_value, n.value, b.value_low as baseline_low, b.value_high as baseline_high, n.value_low, n.value_high
    from open.metric_value as n
    join spans as latest on latest.period = n.period and latest.back = 1
    join spans as earlier on earlier.back = 2
    join open.metric_value as b
      on b.period = earlier.period and b.metric = n.metric and b.place_kind = n.place_kind and b.place = n.place
     and b.breakdown = n.breakdown and b.category = n.category
),
changed as (
    select *, value - baseline_value as change,
           change - sqrt(pow(value - value_low, 2) + pow(baseline_high - baseline_value, 2)) as change_low,
           change + sqrt(pow(value_high - value, 2) + pow(baseline_value - baseline_low, 2)) as change_high
    from beside
)
select metric, place_kind, place, breakdown, category, unit, baseline_period, period, cell_status, baseline_value, value,
       round(change, 6) as change, round(change_low, 6) as change_low, round(change_high, 6) as change_high,
       change_low > 0 or change_high < 0 as is_more_than_chance, getvariable('is_invented') as is_invented
from changed
order by all
