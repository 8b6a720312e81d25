-- One row per expected and actual outcome: how many deliveries.
select t.expected, s.outcome, count(*) as n_deliveries, count(distinct t.provider) as n_providers,
       count(distinct t.provider || t.period) as n_submissions
from truth.outcome as t left join seen.delivery as s using (provider, period, delivery)
group by all order by all
