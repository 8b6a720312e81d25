-- One row per number that might be published, exact. The only source of everything that is shown to others.
-- after: coverage_cell, rule_cell, scorecard_cell
-- metric_cell is made from standards/metrics by measure.py.
select * from measure.coverage_cell
union all by name select * from measure.rule_cell
union all by name select * from measure.scorecard_cell
union all by name select * from measure.metric_cell
