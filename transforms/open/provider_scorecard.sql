-- One row per provider, period, layout, field and VODIM status: valid, other, default, invalid, missing.
select period, place as provider, split_part(breakdown, ' ', 1) as layout, metric as field, category as vodim,
       status as cell_status, numerator as n_records, denominator as n_records_in_all, share,
       getvariable('is_invented') as is_invented
from measure.disclosed_cell where "table" = 'provider_scorecard'
order by all
