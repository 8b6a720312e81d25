-- One row per characteristic and pair of readings: records that are read differently than in the release before.
with said as (
    -- Of what stays in the protected area only the statuses are told.
    select m.characteristic, m.person_no, m.n_records,
           case when y.area <> 'open' or m.code_before is null
                then m.status_before || case when y.area = 'open' then coalesce(': ' || m.reason_before, '') else '' end
                else m.code_before || coalesce(' + ' || m.detail_before, '') end as was,
           case when y.area <> 'open' or m.code is null
                then m.status || case when y.area = 'open' then coalesce(': ' || m.reason, '') else '' end
                else m.code || coalesce(' + ' || m.detail, '') end as becomes
    from protected.moved_record as m join standard.characteristic as y using (characteristic)
),
total as (
    select characteristic, sum(n_records)::bigint as n, count(distinct person_no) as n_people
    from protected.characteristic_record
    where derived_from is null and characteristic in (select characteristic from said)
    group by all
)
select 'moved' as "table", s.characteristic as metric, getvariable('latest_period') as period, 'everyone' as place_kind,
       'everyone' as place, s.was as breakdown, s.becomes as category, sum(s.n_records)::bigint as numerator,
       any_value(t.n) as denominator, count(distinct s.person_no) as n_people_numerator,
       any_value(t.n_people) as n_people_denominator, any_value(t.n_people) - count(distinct s.person_no) as n_people_difference
from said as s join total as t using (characteristic)
group by s.characteristic, s.was, s.becomes
