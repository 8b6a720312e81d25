-- One row per person, characteristic and stretch of days for which its method chooses one value from what was recorded by then. As at a day: from protected.characteristic_history where date '2024-03-31' between coalesce(valid_from, '-infinity'::date) and coalesce(valid_to, 'infinity'::date)
-- after: person_characteristic, more_specific
-- By the days that facts are about, not those on which they were typed or sent. Before the first known value there is no row,
-- since an absence never takes a value away. valid_from is blank where the first record has no date, valid_to where the value
-- stands. Characteristics with several answers at once: person_characteristic_value.
with single as (
    -- Most people have one value from the first record on: known already.
    select c.person_no, c.characteristic, c.code, c.status, c.first_known_on as valid_from, null::date as valid_to
    from protected.person_characteristic as c
    join standard.characteristic as y on y.characteristic = c.characteristic and y.cardinality = 'one'
    where c.n_values = 1 and c.status = 'known'
),
meant as (
    select y.characteristic, k.code, row_number() over (partition by y.characteristic order by k.code) as code_no,
           k.kind = 'group' as is_general, k.parent, n.code is not null as is_need, coalesce(s.place, 9) as specificity
    from standard.characteristic as y
    join standard.code as k on k.system = y.system and k.kind not in ('absence', 'detail')
    left join standard.need as n on n.characteristic = y.characteristic and n.code = k.code
    left join standard.rank as s on s.kind = 'specificity' and s.name = k.kind
),
named as (
    select m.*, p.code_no as parent_no from meant as m
    left join meant as p on p.characteristic = m.characteristic and p.code = m.parent
),
asked as (
    select w.*, row_number() over (order by characteristic)::utinyint as asked_no
    from standard.choosing as w join standard.characteristic as y using (characteristic)
    where y.cardinality = 'one'
),
judged as (
    -- The tests as in person_characteristic; of known values only.
    select r.person_no, w.asked_no, coalesce(r.recorded_on, '-infinity'::date) as day, k.code_no, k.parent_no, k.is_general,
           (r.derived_from is not null)::bigint * w.stated_before_derived
           + k.specificity * w.specific_before_general
           + day_place(r.recorded_on) * w.latest
           + (not k.is_need)::bigint * w.need_first
           + coalesce(t.place, 99) * w.self_stated_first
           + coalesce(p.place, 99) * w.care_setting as standing
    from protected.person_characteristic as c
    join protected.characteristic_record as r
      on r.person_no = c.person_no and r.characteristic = c.characteristic and r.status = 'known'
    join asked as w on w.characteristic = r.characteristic
    left join protected.more_specific as g
      on g.person_no = r.person_no and g.characteristic = r.characteristic and g.code = r.code and g.recorded_on is not distinct from r.recorded_on
    join named as k on k.characteristic = r.characteristic and k.code = coalesce(g.specific_code, r.code)
    left join standard.rank as t on t.kind = 'stated_by' and t.name = r.stated_by
    left join standard.rank as p on p.kind = 'care_settings' and p.name = r.care_setting
    where c.n_values > 1
),
as_at as (
    -- The best of all days until then: what the method would have chosen on that day. Of equals the first and the last code:
    -- where they differ there may be a conflict.
    select person_no, asked_no, day, min((standing * 2 + is_general::bigint) * 8192 + code_no) over until_then as best,
           min(standing * 8192 + code_no) over until_then % 8192 as first_no,
           8191 - min(standing * 8192 + 8191 - code_no) over until_then % 8192 as last_no
    from judged
    window until_then as (partition by person_no, asked_no order by day)
),
mixed as (
    select distinct person_no, asked_no, day, best % 8192 as code_no, best // 16384 as standing
    from as_at where first_no <> last_no
),
tied as (
    select distinct m.person_no, m.asked_no, m.day
    from mixed as m
    join asked as w using (asked_no)
    join named as b on b.characteristic = w.characteristic and b.code_no = m.code_no
    join judged as j on j.person_no = m.person_no and j.asked_no = m.asked_no and j.standing = m.standing
    where j.day <= m.day and j.code_no <> m.code_no and j.code_no is distinct from b.parent_no and j.parent_no is distinct from m.code_no
),
turned as (
    select a.person_no, a.asked_no, a.day, case when t.day is null then a.best % 8192 else 0 end as chosen_no
    from as_at as a left join tied as t on t.person_no = a.person_no and t.asked_no = a.asked_no and t.day = a.day
    qualify chosen_no is distinct from lag(chosen_no) over (partition by a.person_no, a.asked_no order by a.day)
)
select t.person_no, w.characteristic, k.code, case when k.code is null then 'conflicting' else 'known' end as status,
       nullif(t.day, '-infinity'::date) as valid_from,
       (lead(t.day) over (partition by t.person_no, t.asked_no order by t.day) - interval 1 day)::date as valid_to
from turned as t
join asked as w on w.asked_no = t.asked_no
left join named as k on k.characteristic = w.characteristic and k.code_no = t.chosen_no
union all by name
select * from single
