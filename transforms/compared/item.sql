-- One row per provider, layout and coded field: whether its facts are dated, and whether a code that it may send means Gypsy, Roma or Traveller.
-- after: gypsy_roma_traveller
with recording as (
    select m.system, m.vocabulary, m.valid_from, m.valid_to
    from standard.code_map as m join compared.gypsy_roma_traveller as g using (code)
    where m.system = (select system from standard.characteristic where characteristic = getvariable('ethnicity'))
)
select d.provider, d.layout, d.field, bool_or(d.is_dated) as is_dated,
       -- Only one field can: of any other the question makes no sense.
       case when d.field = getvariable('ethnicity') then bool_or(r.vocabulary is not null) end as can_record
from compared.declared as d
join compared.delivery as n on n.provider = d.provider and n.layout = d.layout and n.is_newest
left join recording as r
  on r.system = d.system and r.vocabulary = d.vocabulary
 and is_valid_on(last_day(strptime(n.period || '-01', '%Y-%m-%d')::date), r.valid_from, r.valid_to)
group by d.provider, d.layout, d.field
