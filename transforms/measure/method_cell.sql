-- One row per method and ethnic group, and per pair of methods and ethnic group: people, of everybody or of those whom both methods know.
-- after: method_effect, method_agreement
select 'method_effect' as "table", getvariable('ethnicity') as metric, getvariable('latest_period') as period,
       'everyone' as place_kind, 'everyone' as place, method as breakdown, ethnic_group as category,
       n_people as numerator, n_people_in_all as denominator, n_people as n_people_numerator,
       n_people_in_all as n_people_denominator, n_people_in_all - n_people as n_people_difference
from measure.method_effect
union all by name
select 'method_agreement' as "table", getvariable('ethnicity') as metric, getvariable('latest_period') as period,
       'everyone' as place_kind, 'everyone' as place, method || ' ' || other_method as breakdown, ethnic_group as category,
       n_agree as numerator, n_known_by_both as denominator, n_agree as n_people_numerator,
       n_known_by_both as n_people_denominator, n_known_by_both - n_agree as n_people_difference
from measure.method_agreement where n_known_by_both > 0
