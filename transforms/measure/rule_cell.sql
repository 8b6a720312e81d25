-- One row per provider, period, layout and rule: records that break it, of those to which it applies.
select 'rule_score' as "table", r.rule as metric, r.period, 'provider' as place_kind, r.provider as place,
       'layout' as breakdown, r.layout as category, r.failed as numerator, r.checked as denominator,
       r.n_people_failed as n_people_numerator, r.n_people_failed + r.n_people_passed as n_people_denominator,
       r.n_people_passed as n_people_difference
from results.rule_result as r
-- Of the arrivals of a submission the one in force speaks, and only where an agreement lets us publish.
join measure.arrival_in_force as a using (provider, period, arrival, layout)
-- A rule that is gone or has another name says nothing any more; what it judged is judged again.
semi join standard.rule as known on known.id = r.rule
where r.checked > 0
