-- One row per metric, period, place, breakdown and category: a share, or a rate per 1,000 people, with its interval.
with told as (
    select c.*, m.unit, c.numerator / nullif(c.denominator, 0) as part
    from measure.disclosed_cell as c join standard.metric as m using (metric)
    where c."table" = 'metric_value'
)
-- Of shown and rounded numbers only. A share has Wilson's interval, a rate Byar's; what the machine adds up of fractions is rounded.
select metric, period, place_kind, place, breakdown, category, status as cell_status, unit, numerator, denominator,
       round(case when unit = 'share' then share else 1000 * part end, 6) as value,
       round(case when unit = 'share' then share_low else 1000 * byar_low(numerator) / nullif(denominator, 0) end, 6) as value_low,
       round(case when unit = 'share' then share_high else 1000 * byar_high(numerator) / nullif(denominator, 0) end, 6) as value_high,
       getvariable('is_invented') as is_invented
from told
order by all
