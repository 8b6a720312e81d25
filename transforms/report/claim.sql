-- One row per fault of a row, and rule that must find it: a rule that compares judges the newest file only.
-- after: fault_row
with judged as (
    select provider, period, arrival, layout, rule from results.rule_result
    union all select provider, period, arrival, layout, rule from compared.rule_result
)
select f.provider, f.period, f.arrival, f.layout, f.line, f.fault, f.field, r.rule
from report.fault_row as f
join seen.fault_rule as r using (fault, layout, field)
semi join judged as j using (provider, period, arrival, layout, rule)
