-- One row per provider, period, layout, field and VODIM status: records with that status, of all whose layout has the field.
with said as (
    select submission_no, layout, characteristic, status, patient_no, sum(n_records)::bigint as n
    from harmonised.characteristic group by all
),
counted as (
    select submission_no, layout, characteristic, status, sum(n)::bigint as n, count(*) as n_people from said group by all
),
total as (
    select s.submission_no, s.layout, s.characteristic, sum(s.n)::bigint as n, count(distinct s.patient_no) as n_people
    from said as s group by all
),
-- A whole grid: a status that nobody has is a zero, not a gap.
grid as (
    select a.provider, a.period, t.*, k.vodim, k.status
    from total as t
    join (select distinct submission_no, provider, period, layout from harmonised.characteristic) as o using (submission_no, layout)
    join measure.arrival_in_force as a using (provider, period, layout)
    join standard.collected as f on f.layout = t.layout and f.field = t.characteristic
    join standard.characteristic as y using (characteristic)
    join (select system, code as status, vodim from standard.code where kind = 'absence'
          union all select distinct system, 'known', 'valid' from standard.code) as k using (system)
)
select 'provider_scorecard' as "table", g.characteristic as metric, g.period, 'provider' as place_kind, g.provider as place,
       g.layout || ' vodim' as breakdown, g.vodim as category, coalesce(c.n, 0)::bigint as numerator, g.n as denominator,
       coalesce(c.n_people, 0) as n_people_numerator, g.n_people as n_people_denominator,
       g.n_people - coalesce(c.n_people, 0) as n_people_difference
from grid as g left join counted as c using (submission_no, layout, characteristic, status)
