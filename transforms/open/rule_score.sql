-- One row per provider, period, layout and rule: the share of records that break the rule.
select c.period, c.place as provider, c.category as layout, c.metric as rule, r.topic, r.dimension, r.severity, r.message,
       c.status as cell_status, c.numerator as n_failed, c.denominator as n_checked, c.share as share_failed,
       getvariable('is_invented') as is_invented
from measure.disclosed_cell as c
left join standard.rule as r on r.id = c.metric
where c."table" = 'rule_score'
order by all
