-- One row per metric, period, place, breakdown and category: a rate with its interval.
select metric, period, place_kind, place, breakdown, category, status as cell_status, numerator, denominator,
       share as value, share_low as value_low, share_high as value_high, getvariable('is_invented') as is_invented
from measure.disclosed_cell where "table" = 'metric_value'
order by all
