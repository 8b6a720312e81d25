-- One row per place, characteristic and status or reason: how many people, of everyone in that place.
-- after: person_view
with counted as (
    -- Everyone has one row for each characteristic: counted once, then added up for each kind of place.
    select v.icb_of_residence, v.lives_in_midlands, c.characteristic, c.status, c.reason, count(*) as n
    from protected.person_characteristic as c join measure.person_view as v using (person_no)
    where not list_contains(getvariable('not_covered'), c.characteristic)
    group by all
),
placed as (
    select 'icb_of_residence' as place_kind, icb_of_residence as place, characteristic, status, reason, n from counted
    union all
    select 'region', getvariable('region'), characteristic, status, reason, n from counted where lives_in_midlands
    union all
    select 'everyone', 'everyone', characteristic, status, reason, n from counted
),
total as (
    select place_kind, place, characteristic, sum(n)::bigint as n_in_place from placed group by all
),
said as (
    select place_kind, place, characteristic, 'status' as breakdown, status as category, n from placed
    union all
    -- A status that nobody has is a zero, not a gap: a gap would say as much.
    select t.place_kind, t.place, t.characteristic, 'status', s.name, 0
    from total as t
    cross join (select name from standard.rank where kind = 'statuses'
                union all select 'conflicting' union all select 'not_collected') as s
    union all
    -- What stays in the protected area is published by status alone.
    select place_kind, place, characteristic, 'status and reason', p.status || coalesce(': ' || split_part(p.reason, ':', 1), ''), n
    from placed as p join standard.characteristic as y using (characteristic) where y.area = 'open'
),
cut as (
    select place_kind, place, characteristic, breakdown, category, sum(n)::bigint as n from said group by all
)
select 'coverage' as "table", characteristic as metric, getvariable('latest_period') as period, place_kind, place, breakdown,
       category, n as numerator, n_in_place as denominator, n as n_people_numerator,
       n_in_place as n_people_denominator, n_in_place - n as n_people_difference
from cut join total using (place_kind, place, characteristic)
union all by name
-- Withheld people are outside every total, and shown: their records are confidential, or their identity is withheld.
select 'coverage' as "table", 'every characteristic' as metric, getvariable('latest_period') as period,
       'everyone' as place_kind, 'everyone' as place, 'withheld' as breakdown, 'withheld' as category, w.n as numerator,
       w.n + p.n as denominator, w.n as n_people_numerator, w.n + p.n as n_people_denominator, p.n as n_people_difference
from (select count(distinct (h.provider, h.record_key)) as n
      from harmonised.patient as h join linked.in_force as f using (submission_no, layout)
      anti join objected.record as o using (submission_no, layout, patient_no)
      where h.exclusion = 'withheld' and f.may_publish) as w
cross join (select count(*) as n from measure.person_view) as p
