-- One row per provider, period, layout, field without codes and measure: records that are right, wrong or blank by its rules.
with broken as (
    -- What one rule finds wrong no other one of the same field does: a number is blank, or it fails its check.
    select a.provider, a.period, a.layout, i.field, i.letter, sum(r.failed)::bigint as n, max(r.checked)::bigint as n_records,
           max(r.n_people_failed)::bigint as n_people, max(r.n_people_failed + r.n_people_passed)::bigint as n_people_of,
           min(r.n_people_passed)::bigint as n_people_passed
    from results.rule_result as r
    join measure.arrival_in_force as a using (provider, period, arrival, layout)
    join standard.layout as l using (layout)
    join standard.index_claim as i on r.rule = l.layout_table || '.' || i.field || '.' || i.claim
    group by all
),
field as (
    select m.provider, m.period, m.layout, m.field, m.n_records, m.n as n_missing, coalesce(w.n, 0) as n_invalid,
           m.n_people as people_missing, coalesce(w.n_people, 0) as people_invalid, m.n_people_of as people,
           least(m.n_people_passed, coalesce(w.n_people_passed, m.n_people_passed)) as people_valid
    from broken as m
    left join broken as w
      on w.provider = m.provider and w.period = m.period and w.layout = m.layout and w.field = m.field and w.letter = 'invalid'
    where m.letter = 'missing' and m.n_records > 0
),
counted as (
    select *, greatest(people_missing, people_invalid) as people_wrong, unnest([
        {'measure': 'valid', 'n': greatest(0, n_records - n_missing - n_invalid), 'who': people_valid,
         'rest': greatest(people_missing, people_invalid)},
        {'measure': 'invalid', 'n': n_invalid, 'who': people_invalid, 'rest': greatest(people_valid, people_missing)},
        {'measure': 'missing', 'n': n_missing, 'who': people_missing, 'rest': greatest(people_valid, people_invalid)},
        {'measure': 'national_valid', 'n': n_records - n_missing, 'who': greatest(people_valid, people_invalid),
         'rest': people_missing},
        {'measure': 'national_missing', 'n': n_missing, 'who': people_missing, 'rest': greatest(people_valid, people_invalid)}
    ]) as m
    from field
)
select c.provider, c.period, c.layout, c.field, c.m.measure as measure, c.m.n::bigint as numerator, c.n_records as denominator,
       c.m.who as n_people_numerator, c.people as n_people_denominator, c.m.rest as n_people_difference, false as is_partial,
       c.m.n::bigint as n_part
from counted as c
where exists (select 1 from standard.measurable as a where a.layout = c.layout and a.field = c.field and a.measure = c.m.measure)
