-- What is changing more than chance explains, for whom, where, and since when.
select metric, place_kind, place, breakdown, category, direction, is_worse, since, words
from signal where is_now order by is_worse desc nulls last, since;
