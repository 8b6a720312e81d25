-- One row per published number: the true value suppressed or rounded. Everything that leaves the protected area reads this.
-- after: cell
with judged as (
    select c.*, d.rounding_base,
           numerator between 1 and d.smallest_count_shown - 1
             or n_people_numerator between 1 and d.smallest_count_shown - 1 as is_small,
           denominator between 1 and d.smallest_count_shown - 1
             or n_people_denominator between 1 and d.smallest_count_shown - 1 as is_base_small,
           -- What is left over can be found by subtraction: it must not be small either.
           denominator - numerator between 1 and d.smallest_count_shown - 1
             or n_people_difference between 1 and d.smallest_count_shown - 1 as is_rest_small,
           -- Nobody, or everybody, would say it of each person there. What no feed collects says nothing of anybody,
           -- and a rule that nobody breaks nothing of what they answered.
           d.hides_none_and_all and (numerator = 0 or numerator = denominator)
             and category <> 'not_collected' and "table" <> 'rule_score' as is_none_or_all
    from measure.cell as c
    join standard.suppression as d using (suppression)
),
hidden as (
    select *, is_small or is_rest_small or is_base_small or is_none_or_all as is_hidden from judged
),
blurred as (
    select "table", metric, period, place_kind, place, breakdown, category,
           case when is_hidden then 'suppressed' else 'shown' end as status,
           case when not is_hidden then (round(numerator / rounding_base) * rounding_base)::bigint end as numerator,
           case when not is_base_small then (round(denominator / rounding_base) * rounding_base)::bigint end as denominator
    from hidden
),
rated as (
    -- Rates and intervals use rounded numbers only. Days can be below zero, where a file came before its month was over:
    -- no share of anything.
    select *, case when denominator > 0 and numerator >= 0 then least(numerator, denominator) end as counted from blurred
)
select * exclude (counted), counted / denominator as share,
       wilson(counted, denominator, -1) as share_low, wilson(counted, denominator, 1) as share_high
from rated
