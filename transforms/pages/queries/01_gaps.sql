-- Where groups are further from everyone than chance explains, in the whole region; the widest first.
select m.title, g.breakdown, g.category, round(g.value_of_group, 3) as this_group, round(g.value_of_everyone, 3) as everyone,
       round(g.value, 3) as difference
from gap as g join metric as m on m.metric = g.metric join period as p on p.period = g.period
where g.kind_of_gap = 'absolute' and g.place_kind = 'region' and g.is_more_than_chance and p.grain in ('year', 'day')
  and m.unit = 'share'
order by abs(g.value) desc limit 20;
