-- One row per number that might be published, exact. The only source of everything that is shown to others.
-- after: coverage_cell, moved_cell, rule_cell, scorecard_cell, measured_cell, margin_cell, delivery_cell, method_cell, linkage_cell
-- metric_cell is made from standards/metrics by measure.py.
with told as (
    select * from measure.coverage_cell
    union all by name select * from measure.moved_cell
    union all by name select * from measure.rule_cell
    union all by name select * from measure.scorecard_cell
    union all by name select * from measure.measured_cell
    union all by name select * from measure.margin_cell
    union all by name select * from measure.delivery_cell
    union all by name select * from measure.method_cell
    union all by name select * from measure.linkage_cell
    union all by name select * from measure.metric_cell
)
-- The characteristic that a number is about says how it must be suppressed; of a rule it is the field that it judges.
select t.*, case t."table" when 'delivery_measure' then 'deliveries' else coalesce(y.suppression, 'standard') end as suppression
from told as t
left join standard.characteristic as y
  on y.characteristic = case t."table" when 'rule_score' then split_part(t.metric, '.', 2) else t.metric end
