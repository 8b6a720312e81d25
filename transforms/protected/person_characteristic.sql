-- One row per person and characteristic: the one value that resolution.yml's default method chooses, and which record won.
-- after: characteristic_record, person, person_link
-- Of a characteristic that may have several answers it is one of them; all are in person_characteristic_value.
with refused as (
    -- Who declined the question itself is not answered for by what another answer implies.
    select distinct person_no, characteristic from protected.characteristic_record
    where status = 'not_stated' and characteristic in (select characteristic from standard.derived)
),
judged as (
    select r.*, k.kind, k.parent, y.cardinality, coalesce(a.place, 9) as status_place,
           -- The tests of resolution.yml as one number, the first test weighing most: the smallest wins.
           (r.status <> 'known')::bigint * getvariable('weights').known_before_absent
           + (r.derived_from is not null)::bigint * getvariable('weights').stated_before_derived
           + case when r.status = 'known' then coalesce(s.place, 9) else 0 end * getvariable('weights').specific_before_general
           - coalesce(date_diff('day', date '1800-01-01', r.recorded_on), -1) * getvariable('weights').latest
           + coalesce(w.place, 99) * getvariable('weights').self_stated_first
           + coalesce(p.place, 99) * getvariable('weights').care_setting as standing
    from protected.characteristic_record as r
    join standard.characteristic as y using (characteristic)
    left join standard.code as k on k.system = y.system and k.code = r.code and k.kind <> 'detail'
    left join standard.rank as s on s.kind = 'specificity' and s.name = k.kind
    left join standard.rank as w on w.kind = 'stated_by' and w.name = r.stated_by
    left join standard.rank as p on p.kind = 'care_settings' and p.name = r.care_setting
    left join standard.rank as a on a.kind = 'statuses' and a.name = r.status
    left join refused as f on f.person_no = r.person_no and f.characteristic = r.characteristic
    where r.derived_from is null or f.person_no is null
),
chosen as (
    -- Of equals that say the same any may stand, the same each time; of absences the first in resolution.yml's list.
    select person_no, characteristic, min(standing) as standing, sum(n_records)::bigint as n_records_in_all,
           count(distinct case when status = 'known' then code end) as n_values,
           arg_min({'code': code, 'detail': detail, 'status': status, 'reason': reason, 'relation': relation,
                    'recorded_on': recorded_on, 'recorded_on_basis': recorded_on_basis, 'stated_by': stated_by,
                    'derived_from': derived_from, 'provider': provider, 'care_setting': care_setting,
                    'record_key': record_key, 'parent': parent, 'cardinality': cardinality},
                   row(standing, status_place, kind = 'group', code, detail, provider, record_key, reason, relation,
                       recorded_on_basis, stated_by)) as best
    from judged
    group by person_no, characteristic
),
rival as (
    -- A tie between two codes is a conflict, unless one is the group of the other or both may stand.
    select distinct c.person_no, c.characteristic
    from (select * from chosen where n_values > 1 and best.status = 'known' and best.cardinality = 'one') as c
    join judged as j using (person_no, characteristic, standing)
    where j.code <> c.best.code and j.code is distinct from c.best.parent and c.best.code is distinct from j.parent
),
-- All that is said of a person and characteristic, so that the many of whom nothing is said meet it once.
said as (
    select c.person_no, c.characteristic, c.n_records_in_all, c.n_values, unnest(c.best), v.person_no is not null as is_conflict
    from chosen as c left join rival as v using (person_no, characteristic)
),
coding as (
    -- The layouts of codes that a person's providers send: a code could have said it, and none does.
    select l.person_no, string_agg(distinct f.layout, ' ' order by f.layout) as layouts
    from (select distinct person_no, provider from protected.person_link) as l
    join (select distinct i.provider, i.layout from linked.in_force as i
          join standard.collected as c using (layout) where i.may_publish and c.is_partial) as f using (provider)
    group by l.person_no
),
silent as (
    select distinct k.layouts, c.field as characteristic
    from (select distinct layouts from coding) as k
    join standard.collected as c on c.is_partial and list_contains(string_split(k.layouts, ' '), c.layout)
)
select p.person_no, y.characteristic,
       case when not w.is_conflict then w.code end as code,
       case when not w.is_conflict then w.detail end as detail,
       case when w.is_conflict then 'conflicting' when w.person_no is not null then w.status
            when s.characteristic is not null then 'not_recorded' else 'not_collected' end as status,
       case when w.is_conflict then 'equal_standing' when w.person_no is not null then w.reason
            when s.characteristic is not null then 'no_entry'
            else 'no_feed' end as reason,
       case when not w.is_conflict then w.relation end as relation,
       w.recorded_on, w.recorded_on_basis, w.stated_by, w.derived_from, w.provider, w.care_setting, w.record_key,
       coalesce(w.n_records_in_all, 0) as n_records, coalesce(w.n_values, 0) as n_values
from protected.person as p
cross join standard.characteristic as y
left join coding as k on k.person_no = p.person_no
left join silent as s on s.layouts = k.layouts and s.characteristic = y.characteristic
left join said as w on w.person_no = p.person_no and w.characteristic = y.characteristic
