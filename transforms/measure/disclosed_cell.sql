-- One row per published number: the true value suppressed or rounded. Everything that leaves the protected area reads this.
-- after: judged_cell
-- measure.hidden, what is hidden so that nothing can be worked out, measure.not_broken_down and measure.without_row are made by secondary.py.
with hidden as (
    select c.*, is_primary or numerator_quantity in (select quantity from measure.hidden)
                or denominator_quantity in (select quantity from measure.hidden) as is_hidden,
           is_base_small or denominator_quantity in (select quantity from measure.hidden) as is_base_hidden
    from measure.judged_cell as c
    -- A row alone says that there is somebody: where few people are not broken down, there is none.
    where release = 0
      and (is_left_out or denominator_quantity not in (select quantity from measure.not_broken_down union all from measure.without_row)
                          and numerator_quantity not in (from measure.without_row))
),
weighed as (
    select *, is_left_out or avg(is_hidden::integer) over (partition by "table", metric, period, place_kind, place, breakdown)
                             > 1 - smallest_share("table", breakdown) as is_out
    from hidden
),
blurred as (
    select "table", metric, period, place_kind, place, breakdown, category,
           case when is_hidden then 'suppressed' else 'shown' end as status,
           case when not is_hidden then (round(numerator / rounding_base) * rounding_base)::bigint end as numerator,
           case when not is_base_hidden then (round(denominator / rounding_base) * rounding_base)::bigint end as denominator
    from weighed where not is_out
    union all by name
    -- A breakdown that is left out says so, once.
    select distinct "table", metric, period, place_kind, place, breakdown, 'every category' as category, 'left_out' as status
    from weighed where is_out
),
rated as (
    -- Rates and intervals use rounded numbers only. Days can be below zero, where a file came before its month was over:
    -- no share of anything.
    select *, case when denominator > 0 and numerator >= 0 then least(numerator, denominator) end as counted from blurred
)
select * exclude (counted), counted / denominator as share,
       wilson(counted, denominator, -1) as share_low, wilson(counted, denominator, 1) as share_high
from rated
