-- One row per layout, coded field and value sent to which a published national rule applies: the letter that the rule gives it.
select v.layout, v.field, v.value, arg_min(r.vodim, r.place) as vodim
from (select distinct layout, field, value from results.value_count) as v
join standard.national_rule as r
  on r.layout = v.layout and r.field = v.field and regexp_matches(upper(coalesce(trim(v.value), '')), r.pattern)
group by v.layout, v.field, v.value
