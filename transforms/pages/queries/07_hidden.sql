-- How much of each metric is hidden, by breakdown: where nothing can be said is a finding too.
select metric, breakdown, count(*) as n_cells, count(*) filter (cell_status <> 'shown') as n_hidden,
       round(n_hidden / n_cells, 2) as share_hidden
from metric_value group by all order by share_hidden desc, n_cells desc;
