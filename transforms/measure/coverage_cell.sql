-- One row per place, characteristic and status or reason: how many people, of everyone in that place.
-- after: person_view
with said as (
    select v.icb_of_residence as icb, v.lives_in_midlands, c.person_no, c.characteristic, c.status,
           c.status || coalesce(': ' || split_part(c.reason, ':', 1), '') as reason
    from protected.person_characteristic as c join measure.person_view as v using (person_no)
),
placed as (
    select *, 'icb_of_residence' as place_kind, icb as place from said
    union all by name
    select *, 'region' as place_kind, getvariable('region') as place from said where lives_in_midlands
    union all by name
    select *, 'everyone' as place_kind, 'everyone' as place from said
),
cut as (
    select place_kind, place, characteristic, person_no, 'status' as breakdown, status as category from placed
    union all
    select place_kind, place, characteristic, person_no, 'status and reason', reason from placed
),
total as (
    select place_kind, place, characteristic, breakdown, count(*) as n from cut group by all
)
select 'coverage' as "table", characteristic as metric, getvariable('latest_period') as period, place_kind, place, breakdown,
       category, count(*) as numerator, any_value(t.n) as denominator, count(*) as n_people_numerator,
       any_value(t.n) as n_people_denominator, any_value(t.n) - count(*) as n_people_difference
from cut join total as t using (place_kind, place, characteristic, breakdown)
group by all
union all by name
-- Withheld people are outside every total, and shown: their records are confidential, or their identity is withheld.
select 'coverage' as "table", 'every characteristic' as metric, getvariable('latest_period') as period,
       'everyone' as place_kind, 'everyone' as place, 'withheld' as breakdown, 'withheld' as category, w.n as numerator,
       w.n + p.n as denominator, w.n as n_people_numerator, w.n + p.n as n_people_denominator, p.n as n_people_difference
from (select count(distinct (h.provider, h.record_key)) as n
      from harmonised.patient as h join linked.in_force as f using (submission_no, layout)
      where h.exclusion = 'withheld' and f.may_publish) as w
cross join (select count(*) as n from measure.person_view) as p
