-- One row per characteristic and pair of readings: how many records are read differently than in the release before.
select period, metric as characteristic, breakdown as was, category as becomes, status as cell_status,
       numerator as n_records, denominator as n_records_in_all, share, getvariable('is_invented') as is_invented
from measure.disclosed_cell where "table" = 'moved'
order by all
