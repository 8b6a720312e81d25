-- One row per person, characteristic, general code and day for which resolution.yml (keeps_specific) reads a general
-- answer as the one within it that was given before: "Chinese" after "Cantonese" takes nothing away.
-- after: characteristic_record
with kept as (
    select y.characteristic, k.code, k.kind, k.parent
    from standard.choosing as w
    join standard.characteristic as y using (characteristic)
    join standard.code as k on k.system = y.system and k.kind <> 'detail'
    where w.keeps_specific
),
general as (
    select distinct r.person_no, r.characteristic, r.code, r.recorded_on
    from protected.characteristic_record as r join kept as k using (characteristic, code)
    where k.kind = 'group'
)
select g.person_no, g.characteristic, g.code, g.recorded_on, max_by(r.code, (coalesce(r.recorded_on, '-infinity'::date), r.code)) as specific_code
from general as g
join protected.characteristic_record as r on r.person_no = g.person_no and r.characteristic = g.characteristic
join kept as k on k.characteristic = r.characteristic and k.code = r.code and k.parent = g.code
where coalesce(r.recorded_on, '-infinity'::date) <= coalesce(g.recorded_on, '-infinity'::date)
group by g.person_no, g.characteristic, g.code, g.recorded_on
