-- One row per place, characteristic and status (or status and reason): the share of people for whom it is so.
select period, place_kind, place, metric as characteristic, breakdown, category, status as cell_status,
       numerator as n_people, denominator as n_people_in_place, share, share_low, share_high, getvariable('is_invented') as is_invented
from measure.disclosed_cell where "table" = 'coverage'
order by all
