-- One row per layout and rule that finds faults: rows that were made wrong so, rows found, and those of them that are the same.
-- after: claim, issue
with wrong as (select distinct provider, period, arrival, layout, line, rule from report.claim),
found as (
    select * from report.issue where (layout, rule) in (select (layout, rule) from seen.fault_rule)
)
select layout, rule, count(made) as n_made_wrong, count(seen) as n_found, count(*) filter (made and seen) as n_both
from (select *, true as made from wrong) full join (select *, true as seen from found)
     using (provider, period, arrival, layout, line, rule)
group by all order by all
