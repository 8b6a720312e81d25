-- One row per table: how many numbers it tells, and how many are hidden and why.
-- after: published_cell
with left_out as (
    select "table", count(*) as n from measure.disclosed_cell where status = 'left_out' group by all
)
select c."table", count(*) as n_cells, count(*) filter (hidden_as is null) as n_shown,
       count(*) filter (hidden_as = 'few') as n_few, count(*) filter (hidden_as = 'none_or_all') as n_none_or_all,
       count(*) filter (hidden_as = 'secondary') as n_secondary, count(*) filter (hidden_as = 'not_broken_down') as n_not_broken_down,
       coalesce(any_value(l.n), 0) as n_crosses_left_out
from measure.published_cell as c left join left_out as l using ("table")
where not was_left_out
group by all
