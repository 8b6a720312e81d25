-- One row per person and characteristic: the one value that resolution.yml's default method chooses, and which record won.
-- after: characteristic_record, person
with judged as (
    select r.*, k.kind, k.parent,
           -- The tests of resolution.yml, each as a number: the smaller wins.
           (r.status <> 'known')::integer as known_before_absent,
           case when r.status = 'known' then coalesce(s.place, 9) else 0 end as specific_before_general,
           -coalesce(date_diff('day', date '1800-01-01', r.recorded_on), -1) as latest,
           coalesce(w.place, 99) as self_stated_first,
           coalesce(p.place, 99) as care_setting_place,
           coalesce(a.place, 9) as status_place
    from protected.characteristic_record as r
    join standard.characteristic as y using (characteristic)
    left join standard.code as k on k.system = y.system and k.code = r.code and k.kind <> 'detail'
    left join standard.rank as s on s.kind = 'specificity' and s.name = k.kind
    left join standard.rank as w on w.kind = 'stated_by' and w.name = r.stated_by
    left join standard.rank as p on p.kind = 'care_settings' and p.name = r.care_setting
    left join standard.rank as a on a.kind = 'statuses' and a.name = r.status
),
ranked as (
    select *, list_transform(getvariable('tests'), lambda t: case t
                  when 'known_before_absent' then known_before_absent
                  when 'specific_before_general' then specific_before_general
                  when 'latest' then latest
                  when 'self_stated_first' then self_stated_first
                  when 'care_setting' then care_setting_place end) as standing
    from judged
),
best as (
    select * from ranked
    qualify standing = min(standing) over (partition by person_no, characteristic)
),
winner as (
    -- Of equals that say the same any may stand; of absences the first in resolution.yml's list.
    select *, row_number() over (partition by person_no, characteristic
                                 order by status_place, kind = 'group', code, detail, provider, record_key) as place,
           count(*) over (partition by person_no, characteristic) as n_best
    from best
),
rival as (
    -- A tie between two codes is a conflict, unless one is the group of the other.
    select w.person_no, w.characteristic
    from winner as w join best as b using (person_no, characteristic)
    where w.place = 1 and w.n_best > 1 and w.status = 'known' and b.code <> w.code
      and b.code is distinct from w.parent and w.code is distinct from b.parent
    group by all
),
counted as (
    select person_no, characteristic, sum(n_records)::bigint as n_records,
           count(distinct case when status = 'known' then code end) as n_values
    from protected.characteristic_record group by all
)
select p.person_no, y.characteristic,
       case when v.person_no is null then w.code end as code,
       case when v.person_no is null then w.detail end as detail,
       case when w.person_no is null then 'not_collected' when v.person_no is not null then 'conflicting'
            else w.status end as status,
       case when w.person_no is null then 'no feed of this person has it'
            when v.person_no is not null then 'records of equal standing differ' else w.reason end as reason,
       case when v.person_no is null then w.relation end as relation,
       w.recorded_on, w.recorded_on_basis, w.stated_by, w.provider, w.care_setting, w.record_key,
       coalesce(c.n_records, 0) as n_records, coalesce(c.n_values, 0) as n_values
from protected.person as p
cross join standard.characteristic as y
left join winner as w on w.person_no = p.person_no and w.characteristic = y.characteristic and w.place = 1
left join rival as v on v.person_no = p.person_no and v.characteristic = y.characteristic
left join counted as c on c.person_no = p.person_no and c.characteristic = y.characteristic
