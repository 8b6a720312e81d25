-- One row per pair of methods and ethnic group (by the default): of people to whom both give a value, the share to whom they give the same.
select period, metric as characteristic, split_part(breakdown, ' ', 1) as method, split_part(breakdown, ' ', 2) as other_method,
       category as ethnic_group, status as cell_status, numerator as n_agree, denominator as n_known_by_both, share, share_low,
       share_high, getvariable('is_invented') as is_invented
from measure.disclosed_cell where "table" = 'method_agreement'
order by all
