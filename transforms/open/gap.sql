-- One row per metric, period, place, breakdown, category and kind of gap: how far a group is from everyone in that place.
-- after: metric_value
-- Everything here is made of shown and rounded numbers. kind_of_gap:
--   absolute        the group's value less everyone's
--   relative        the group's value divided by everyone's
--   slope_index     across all quintiles of deprivation: how much the value rises from the least to the most deprived end
--   relative_index  the slope divided by everyone's value
with everyone as (
    select metric, period, place_kind, place, numerator, denominator, value from open.metric_value
    where breakdown = 'everyone' and value is not null
),
paired as (
    select g.metric, g.period, g.place_kind, g.place, g.breakdown, g.category, g.unit, g.cell_status, g.numerator, g.denominator,
           g.value, g.value_low, g.value_high, e.value as value_of_everyone,
           -- The group is part of everyone: what tells them apart is how it differs from the rest, and how large the rest is.
           greatest(e.denominator - g.denominator, 0) as rest_of,
           least(greatest(e.numerator - g.numerator, 0), case when g.unit = 'share' then rest_of else e.numerator end) as rest_n,
           greatest(0, 1 - g.denominator / e.denominator) as weight
    from open.metric_value as g
    left join everyone as e using (metric, period, place_kind, place)
    where g.breakdown <> 'everyone'
),
rested as (
    select *, case when rest_of > 0 then case when unit = 'share' then rest_n / rest_of else 1000 * rest_n / rest_of end end as rest,
           case when unit = 'share' then wilson(rest_n, rest_of, -1) else 1000 * byar_low(rest_n) / nullif(rest_of, 0) end as rest_low,
           case when unit = 'share' then wilson(rest_n, rest_of, 1) else 1000 * byar_high(rest_n) / nullif(rest_of, 0) end as rest_high
    from paired
),
compared as (
    -- The interval of a difference from the intervals of its two sides (Newcombe, 1998, method 10).
    select *, value - value_of_everyone as gap,
           gap - coalesce(weight * sqrt(pow(value - value_low, 2) + pow(rest_high - rest, 2)), 0) as gap_low,
           gap + coalesce(weight * sqrt(pow(value_high - value, 2) + pow(rest - rest_low, 2)), 0) as gap_high
    from rested
),
said as (
    select metric, period, place_kind, place, breakdown, category, 'absolute' as kind_of_gap, cell_status, value as value_of_group,
           value_of_everyone, gap as value, gap_low as value_low, gap_high as value_high, 0.0 as no_gap
    from compared
    union all
    select metric, period, place_kind, place, breakdown, category, 'relative', cell_status, value, value_of_everyone,
           value / nullif(value_of_everyone, 0), case when gap is not null and value_of_everyone > 0 then greatest(0, 1 + gap_low / nullif(value_of_everyone, 0)) end,
           1 + gap_high / nullif(value_of_everyone, 0), 1.0
    from compared
),
-- The slope: a straight line through the quintiles, each where its people stand between the most (0) and the least deprived (1),
-- and weighing as many as they are.
standing as (
    select metric, period, place_kind, place, value, value_of_everyone, denominator / sum(denominator) over of_place as share,
           (sum(denominator) over (partition by metric, period, place_kind, place order by category) - denominator / 2)
           / sum(denominator) over of_place as stands_at,
           (value_high - value_low) / 3.92 as error, count(*) over of_place as n_quintiles
    from compared
    where breakdown = 'deprivation_quintile' and category in ('1', '2', '3', '4', '5') and value is not null
    window of_place as (partition by metric, period, place_kind, place)
),
centred as (
    select *, stands_at - sum(share * stands_at) over (partition by metric, period, place_kind, place) as off from standing
    where n_quintiles = 5
),
slope as (
    select metric, period, place_kind, place, any_value(value_of_everyone) as value_of_everyone,
           -sum(share * off * value) / sum(share * off * off) as slope,
           1.96 * sqrt(sum(pow(share * off * error, 2))) / sum(share * off * off) as reach
    from centred group by all
),
indexed as (
    select metric, period, place_kind, place, 'slope_index' as kind_of_gap, value_of_everyone, slope as value,
           slope - reach as value_low, slope + reach as value_high
    from slope
    union all
    select metric, period, place_kind, place, 'relative_index', value_of_everyone, slope / nullif(value_of_everyone, 0),
           (slope - reach) / nullif(value_of_everyone, 0), (slope + reach) / nullif(value_of_everyone, 0)
    from slope
),
every as (
    select * from said
    union all by name
    select *, 'deprivation_quintile' as breakdown, 'all quintiles' as category, 'shown' as cell_status, 0.0 as no_gap from indexed
)
-- A gap is told apart from chance where its interval leaves out what would be no gap. Nothing is said where a side is not shown.
select e.metric, e.period, e.place_kind, e.place, e.breakdown, e.category, e.kind_of_gap, 'everyone' as compared_with,
       case when e.value is null and e.cell_status = 'shown' then 'suppressed' else e.cell_status end as cell_status, e.value_of_group, e.value_of_everyone,
       round(e.value, 6) as value, round(e.value_low, 6) as value_low, round(e.value_high, 6) as value_high,
       e.value_low > e.no_gap or e.value_high < e.no_gap as is_more_than_chance, getvariable('is_invented') as is_invented
from every as e
order by all
