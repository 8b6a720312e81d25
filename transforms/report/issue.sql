-- One row per rule and row that breaks it, in the files that are in force.
with found as (
    select provider, period, arrival, layout, line, rule from results.issue
    union all select provider, period, arrival, layout, line, rule from compared.issue
)
select * from found semi join seen.file using (provider, period, arrival, layout)
