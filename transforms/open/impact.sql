-- One row per metric, place, breakdown and category that is counted in twelve months: the latest twelve beside the twelve before them.
-- after: metric_value
-- Everything here is made of shown and rounded numbers. The interval of a change comes from the intervals of its two sides (Newcombe,
-- 1998, method 10; Donner and Zou, 2012, for rates). A change is told apart from chance where its interval leaves out zero; what
-- caused it is another question: people, records and services change too. Where much less or much more was counted of everyone in
-- a place, as when a feed began in between, the two are `not_comparable`.
with spans as (
    select period, row_number() over (order by ends_on desc) as back from open.period where grain = 'year'
),
counted as (
    -- What was counted of everyone: of a share those who could have been, of a rate the events.
    select v.metric, v.place_kind, v.place, s.back, case when v.unit = 'share' then v.denominator else v.numerator end as n
    from open.metric_value as v join spans as s on s.period = v.period and s.back <= 2
    where v.breakdown = 'everyone'
),
alike as (
    select metric, place_kind, place, least(max(n) filter (back = 1), max(n) filter (back = 2))
           >= getvariable('alike_from') * greatest(max(n) filter (back = 1), max(n) filter (back = 2), 1) as is_alike
    from counted group by all
),
beside as (
    select n.metric, n.place_kind, n.place, n.breakdown, n.category, n.unit, b.period as baseline_period, n.period,
           case when b.value is null or n.value is null then 'suppressed'
                when a.is_alike then 'shown' else 'not_comparable' end as cell_status,
           case when a.is_alike then b.value end as baseline_value, n.value, b.value_low as baseline_low, b.value_high as baseline_high,
           n.value_low, n.value_high
    from open.metric_value as n
    join spans as latest on latest.period = n.period and latest.back = 1
    join spans as earlier on earlier.back = 2
    join open.metric_value as b
      on b.period = earlier.period and b.metric = n.metric and b.place_kind = n.place_kind and b.place = n.place
     and b.breakdown = n.breakdown and b.category = n.category
    left join alike as a on a.metric = n.metric and a.place_kind = n.place_kind and a.place = n.place
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
