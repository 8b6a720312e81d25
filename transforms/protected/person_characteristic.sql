-- One row per person and characteristic: the one value that its method in resolution.yml chooses, which record won and by which test (decided_by), whether it is stale, and a need that a later answer ended.
-- after: characteristic_record, more_specific, person, person_link
-- decided_by: the first test that told the winner from the best record that says something else; only_value where nothing
-- else is said; conflict; and where both stand equally: ancestor, several_stand, or statuses (the order of absences).
-- Of a characteristic that may have several answers it is one of them; all are in person_characteristic_value.
with meant as (
    -- What can be said of each characteristic, absences too, as small numbers: millions of records are compared by them.
    select y.characteristic, k.code, row_number() over (order by y.characteristic, k.code)::integer as code_no,
           k.kind = 'group' as is_general, k.kind = 'absence' as is_absence, k.parent, y.cardinality = 'one' as is_one, n.code is not null as is_need,
           case when k.kind = 'absence' then 0 else coalesce(s.place, 9) end as specificity
    from standard.characteristic as y
    join standard.code as k on k.system = y.system and k.kind <> 'detail'
    left join standard.need as n on n.characteristic = y.characteristic and n.code = k.code
    left join standard.rank as s on s.kind = 'specificity' and s.name = k.kind
),
named as (
    select m.*, p.code_no as parent_no from meant as m
    left join meant as p on p.characteristic = m.characteristic and p.code = m.parent
),
asked as (
    select *, row_number() over (order by characteristic)::utinyint as asked_no from standard.choosing
),
refused as (
    -- Who declined the question itself is not answered for by what another answer implies.
    select distinct person_no, characteristic from protected.characteristic_record
    where status = 'not_stated' and characteristic in (select characteristic from standard.derived)
),
judged as (
    select r.rowid as record_no, r.person_no, w.asked_no, k.code_no, r.recorded_on, r.n_records, r.status = 'known' as is_known,
           -- The tests of resolution.yml as one number, the first test weighing most: the smallest wins.
           (r.status <> 'known')::bigint * w.known_before_absent
           + (r.derived_from is not null)::bigint * w.stated_before_derived
           + coalesce(k.specificity, 9) * w.specific_before_general
           + day_place(r.recorded_on) * w.latest
           + (not coalesce(k.is_need, false))::bigint * w.need_first
           + coalesce(t.place, 99) * w.self_stated_first
           + coalesce(p.place, 99) * w.care_setting as standing,
           -- Of equals that say the same any may stand, the same each time; of absences the first in resolution.yml's list.
           (standing * 10 + coalesce(a.place, 9)) * 2 + coalesce(k.is_general, false)::bigint as equal_place,
           equal_place::hugeint * 18446744073709551616 + hash(r.code, r.detail, r.provider, r.record_key, r.reason, r.relation,
                                                              r.recorded_on_basis, r.stated_by)::hugeint as whole_place
    from protected.characteristic_record as r
    join asked as w on w.characteristic = r.characteristic
    left join protected.more_specific as g
      on g.person_no = r.person_no and g.characteristic = r.characteristic and g.code = r.code and g.recorded_on is not distinct from r.recorded_on
    left join named as k on k.characteristic = r.characteristic and k.code = coalesce(g.specific_code, r.code, r.status)
    left join standard.rank as t on t.kind = 'stated_by' and t.name = r.stated_by
    left join standard.rank as p on p.kind = 'care_settings' and p.name = r.care_setting
    left join standard.rank as a on a.kind = 'statuses' and a.name = r.status
    left join refused as f on f.person_no = r.person_no and f.characteristic = r.characteristic
    where r.derived_from is null or f.person_no is null
),
chosen as (
    select person_no, asked_no, arg_min(record_no, whole_place) as record_no, arg_min(code_no, whole_place) as code_no,
           min(standing) as standing, sum(n_records)::bigint as n_records_in_all, min(code_no) <> max(code_no) as is_contested,
           min(coalesce(recorded_on, '-infinity'::date)) filter (is_known) as first_known_on
    from judged
    group by person_no, asked_no
),
contested as (
    -- Where not all say the same: the best that says something else, whether that is a conflict, and a need that it ended.
    -- A tie between two codes is a conflict, unless one is the group of the other or both may stand.
    select c.person_no, c.asked_no, count(distinct case when j.is_known then j.code_no end) as n_values,
           min(j.standing) filter (j.code_no <> c.code_no) as runner_up,
           bool_or(j.is_known and b.is_one and j.standing = c.standing and j.code_no <> c.code_no
                   and j.code_no is distinct from b.parent_no and c.code_no is distinct from k.parent_no) as is_conflict,
           max_by(k.code, (coalesce(j.recorded_on, '-infinity'::date), k.code)) filter (k.is_need and not b.is_need) as ended_need_code,
           max(j.recorded_on) filter (k.is_need and not b.is_need) as ended_need_on
    from (select person_no, asked_no, code_no, standing from chosen where is_contested) as c
    join judged as j using (person_no, asked_no)
    join named as k on k.code_no = j.code_no
    join named as b on b.code_no = c.code_no
    group by c.person_no, c.asked_no
),
winner as materialized (
    -- Still small numbers: words are met once, at the end.
    select c.record_no, c.asked_no, c.n_records_in_all, nullif(c.first_known_on, '-infinity'::date) as first_known_on, b.code, b.is_one,
           coalesce(v.n_values, (not b.is_absence)::bigint) as n_values, coalesce(v.is_conflict, false) as is_conflict,
           case when v.is_conflict then 'conflict' when not c.is_contested then 'only_value'
                else coalesce(first_test(w.tests, w.weights, c.standing, v.runner_up),
                              case when b.is_absence then 'statuses' when b.is_one then 'ancestor' else 'several_stand' end)
                end as decided_by,
           v.ended_need_code, v.ended_need_on
    from chosen as c
    join asked as w on w.asked_no = c.asked_no
    left join named as b on b.code_no = c.code_no
    left join contested as v on v.person_no = c.person_no and v.asked_no = c.asked_no
),
said as (
    select r.* exclude (code, n_records), w.* exclude (record_no),
           coalesce(r.review_on, (r.recorded_on + to_months(l.months))::date) as stale_after,
           l.months is not null or r.review_on is not null as is_aging
    from protected.characteristic_record as r
    join winner as w on w.record_no = r.rowid
    left join standard.fresh as l on l.characteristic = r.characteristic
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
select person_no, characteristic,
       case when status = 'known' and not is_conflict then code end as code,
       case when not is_conflict then detail end as detail,
       case when is_conflict then 'conflicting' else status end as status,
       case when is_conflict then 'equal_standing' else reason end as reason,
       case when not is_conflict then relation end as relation,
       recorded_on, recorded_on_basis, stated_by, derived_from, provider, care_setting, record_key,
       n_records_in_all as n_records, n_values, decided_by, first_known_on,
       -- To be asked again by a day that the record says, or after the months of staleness.csv: is that over when the release ends?
       case when status = 'known' and is_aging then coalesce(stale_after < getvariable('rolling_to'), false) end as is_stale,
       case when status = 'known' and stale_after < getvariable('rolling_to') then stale_after + 1 end as stale_since_on,
       ended_need_code, ended_need_on
from said
union all by name
select p.person_no, w.characteristic, case when s.characteristic is not null then 'not_recorded' else 'not_collected' end as status,
       case when s.characteristic is not null then 'no_entry' else 'no_feed' end as reason, 0 as n_records, 0 as n_values
from protected.person as p
cross join asked as w
left join coding as k on k.person_no = p.person_no
left join silent as s on s.layouts = k.layouts and s.characteristic = w.characteristic
anti join chosen as c on c.person_no = p.person_no and c.asked_no = w.asked_no
