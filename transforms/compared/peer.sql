-- One row per provider, layout and coded field: what the current open release shows of the others of its kind together, and of the region.
-- after: item
-- Every other provider speaks by the newest period that is shown of it and is no later than the one looked at. The
-- provider's own figures are taken off the sum of its kind; the region's figures hold those of everybody, its own too.
with looked as (
    select distinct layout, period from compared.delivery where is_newest
),
own as (
    select l.layout, l.period, o.kind, p.place, p.field, p.measure,
           arg_max(p.numerator, p.period) as numerator, arg_max(p.denominator, p.period) as denominator
    from looked as l
    join compared.published as p on p.place_kind = 'provider' and p.layout = l.layout and p.period <= l.period
    join standard.provider as o on o.code = p.place
    group by all
),
region as (
    -- In the region a field is one, whichever layout it comes in.
    select l.period, p.field, p.measure,
           arg_max(p.numerator, p.period) / nullif(arg_max(p.denominator, p.period), 0) as share
    from (select distinct period from looked) as l
    join compared.published as p
      on p.place_kind = 'region' and p.place = getvariable('region') and p.period <= l.period
    group by all
),
total as (
    select layout, period, kind, field, measure, count(*) as n, sum(numerator) as numerator, sum(denominator) as denominator
    from own group by all
),
beside as (
    select i.provider, i.layout, i.field, s.measure, r.share as region_share,
           coalesce(t.n, 0) - (o.place is not null)::integer as n_peers,
           (t.numerator - coalesce(o.numerator, 0)) / nullif(t.denominator - coalesce(o.denominator, 0), 0) as peers_share
    from compared.item as i
    join compared.delivery as d on d.provider = i.provider and d.layout = i.layout and d.is_newest
    cross join (select unnest(['valid', 'other', 'default']) as measure) as s
    left join total as t
      on t.layout = d.layout and t.period = d.period and t.kind = d.kind and t.field = i.field and t.measure = s.measure
    left join own as o
      on o.layout = d.layout and o.period = d.period and o.place = d.provider and o.field = i.field
     and o.measure = s.measure
    left join region as r on r.period = d.period and r.field = i.field and r.measure = s.measure
),
told as (
    -- Too few of them are no peers.
    select * replace (case when n_peers >= getvariable('fewest_peers') then peers_share end as peers_share) from beside
)
select provider, layout, field, max(n_peers) filter (measure = 'valid') as n_peers,
       max(peers_share) filter (measure = 'valid') as peers_share_known,
       max(peers_share) filter (measure = 'other') as peers_share_not_stated,
       max(peers_share) filter (measure = 'default') as peers_share_not_known,
       max(region_share) filter (measure = 'valid') as region_share_known,
       max(region_share) filter (measure = 'other') as region_share_not_stated
from told group by provider, layout, field
order by all
