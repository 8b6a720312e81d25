-- One row per provider, period, layout, coded field and measure: how many records it is true of, and of how many people.
-- after: national_value, letter
with told as (
    select s.provider, s.period, c.layout, c.characteristic as field, c.patient_no, c.n_records as n, k.vodim,
           w.vodim as national, g.code is not null as is_general,
           list_contains(getvariable('self_stated'), c.stated_by) as is_self_stated,
           c.recorded_on_basis <> 'period'
           and c.recorded_on < last_day((c.period || '-01')::date) - to_months(l.months) as is_stale
    from harmonised.characteristic as c
    -- Who objects is counted on the provider's own page, and nowhere else.
    anti join objected.record as o using (submission_no, layout, patient_no)
    join measure.arrival_in_force as s using (provider, period, layout)
    join standard.collected as f on f.layout = c.layout and f.field = c.characteristic
    join standard.characteristic as y using (characteristic)
    join measure.letter as k on k.system = y.system and k.status = c.status
    left join standard.code as g on g.system = y.system and g.code = c.code and g.kind = 'group'
    left join standard.staleness as l on l.field = c.characteristic
    left join measure.national_value as w
      on w.layout = c.layout and w.field = c.characteristic and w.value is not distinct from c.source_value
),
-- A person once: what is true of their records, and of how many of them.
person as (
    select provider, period, layout, field, sum(n)::bigint as n,
           sum(case when vodim = 'valid' then n else 0 end)::bigint as n_valid,
           sum(case when vodim = 'other' then n else 0 end)::bigint as n_other,
           sum(case when vodim = 'default' then n else 0 end)::bigint as n_default,
           sum(case when vodim = 'invalid' then n else 0 end)::bigint as n_invalid,
           sum(case when vodim = 'missing' then n else 0 end)::bigint as n_missing,
           sum(case when is_general then n else 0 end)::bigint as n_general,
           sum(case when is_self_stated and vodim = 'valid' then n else 0 end)::bigint as n_self_stated,
           sum(case when is_stale and vodim = 'valid' then n else 0 end)::bigint as n_stale,
           sum(case when national = 'valid' then n else 0 end)::bigint as n_national_valid,
           sum(case when national = 'other' then n else 0 end)::bigint as n_national_other,
           sum(case when national = 'default' then n else 0 end)::bigint as n_national_default,
           sum(case when national = 'invalid' then n else 0 end)::bigint as n_national_invalid,
           sum(case when national = 'missing' then n else 0 end)::bigint as n_national_missing
    from told group by provider, period, layout, field, patient_no
),
counted as (
    select provider, period, layout, field, sum(n)::bigint as n_records, count(*) as n_people, sum(n_other)::bigint as n_declined, unnest([
        {'measure': 'valid', 'n': sum(n_valid), 'who': count(*) filter (n_valid > 0), 'rest': count(*) filter (n_valid < n)},
        {'measure': 'other', 'n': sum(n_other), 'who': count(*) filter (n_other > 0), 'rest': count(*) filter (n_other < n)},
        {'measure': 'default', 'n': sum(n_default), 'who': count(*) filter (n_default > 0), 'rest': count(*) filter (n_default < n)},
        {'measure': 'invalid', 'n': sum(n_invalid), 'who': count(*) filter (n_invalid > 0), 'rest': count(*) filter (n_invalid < n)},
        {'measure': 'missing', 'n': sum(n_missing), 'who': count(*) filter (n_missing > 0), 'rest': count(*) filter (n_missing < n)},
        {'measure': 'usable', 'n': sum(n_valid), 'who': count(*) filter (n_valid > 0), 'rest': count(*) filter (n_valid < n)},
        -- Those who answered less those whose answer is usable are those who declined: as few as they are, so few it rests on.
        {'measure': 'answered', 'n': sum(n_valid + n_other),
         'who': coalesce(least(nullif(count(*) filter (n_valid > 0), 0), nullif(count(*) filter (n_other > 0), 0)), 0),
         'rest': count(*) filter (n_valid + n_other < n)},
        {'measure': 'over_general', 'n': sum(n_general), 'who': count(*) filter (n_general > 0), 'rest': count(*) filter (n_general < n)},
        {'measure': 'self_stated', 'n': sum(n_self_stated), 'who': count(*) filter (n_self_stated > 0),
         'rest': count(*) filter (n_self_stated < n)},
        {'measure': 'stale', 'n': sum(n_stale), 'who': count(*) filter (n_stale > 0), 'rest': count(*) filter (n_stale < n)},
        {'measure': 'national_valid', 'n': sum(n_national_valid), 'who': count(*) filter (n_national_valid > 0),
         'rest': count(*) filter (n_national_valid < n)},
        {'measure': 'national_other', 'n': sum(n_national_other), 'who': count(*) filter (n_national_other > 0),
         'rest': count(*) filter (n_national_other < n)},
        {'measure': 'national_default', 'n': sum(n_national_default), 'who': count(*) filter (n_national_default > 0),
         'rest': count(*) filter (n_national_default < n)},
        {'measure': 'national_invalid', 'n': sum(n_national_invalid), 'who': count(*) filter (n_national_invalid > 0),
         'rest': count(*) filter (n_national_invalid < n)},
        {'measure': 'national_missing', 'n': sum(n_national_missing), 'who': count(*) filter (n_national_missing > 0),
         'rest': count(*) filter (n_national_missing < n)}
    ]) as m
    from person group by provider, period, layout, field
)
select c.provider, c.period, c.layout, c.field, c.m.measure as measure, c.m.n::bigint as numerator, c.n_records as denominator,
       c.m.who as n_people_numerator, c.n_people as n_people_denominator, c.m.rest as n_people_difference, f.is_partial,
       -- Of what is found by subtraction too, the part that could be: it must not be few either.
       case c.m.measure when 'answered' then c.n_declined else c.m.n end::bigint as n_part
from counted as c
join standard.collected as f using (layout, field)
where exists (select 1 from standard.measurable as a where a.layout = c.layout and a.field = c.field and a.measure = c.m.measure)
