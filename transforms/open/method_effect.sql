-- One row per method and ethnic group (or status where a method gives no value): the share of people whom the method puts there.
select period, metric as characteristic, breakdown as method, category as ethnic_group, status as cell_status,
       numerator as n_people, denominator as n_people_in_all, share, share_low, share_high, getvariable('is_invented') as is_invented
from measure.disclosed_cell where "table" = 'method_effect'
order by all
