-- How much a metric rises from the least to the most deprived end, with its interval, place by place.
select g.metric, l.name, round(g.value, 3) as slope, round(g.value_low, 3) as low, round(g.value_high, 3) as high
from gap as g join place as l using (place_kind, place)
where g.kind_of_gap = 'slope_index' and g.value is not null
order by g.metric, slope desc;
