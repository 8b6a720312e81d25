-- One row per breakdown and category: the true share of appointments not attended, and the published one.
with period as (
    select max(period) as latest, last_day(strptime(max(period) || '-01', '%Y-%m-%d')::date) as until from linked.in_force
),
counted as (
    select a.attendance_code in (select unnest(getvariable('missed'))) as is_missed, p.quintile::text as deprivation_quintile,
           h."group" as ethnic_group, 'everyone' as everyone
    from truth.appointment as a
    join truth.person as p using (person_no)
    join period as t on a.appointment_date <= t.until and a.appointment_date > t.until - interval 12 months
    join standard.characteristic as y on y.characteristic = getvariable('ethnicity')
    left join standard.classification as h
      on h.system = y.system and h.classification = getvariable('default_set') and h.code = p.ethnic_category
     and is_valid_on(t.until, h.valid_from, h.valid_to)
    where p.icb_code <> '' and list_contains(getvariable('counted'), a.attendance_code)
      and a.provider in (select provider from linked.in_force)
),
cut as (
    select breakdown, category, is_missed
    from (unpivot (select * from counted) on everyone, deprivation_quintile, ethnic_group into name breakdown value category)
),
truly as (select breakdown, category, count(*) as n_true, avg(is_missed::integer) as true_share from cut group by all),
published as (
    select breakdown, category, denominator as n_published, value as published_share, cell_status
    from open.metric_value
    where metric = 'outpatient_non_attendance' and place_kind = 'region' and place = getvariable('region')
      and breakdown in (select breakdown from truly)
      and period = (select arg_max(period, ends_on) from open.period where grain = 'year')
)
select breakdown, category, n_true, n_published, true_share, published_share, coalesce(cell_status, '') as cell
from truly full join published using (breakdown, category)
order by all
