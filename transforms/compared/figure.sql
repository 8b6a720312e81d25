-- One row per layout and coded field of one provider, and one per layout for the delivery itself: what its newest submission in force says of it, beside its own history, its peers and the census.
-- after: home, item, peer
with newest as (
    select *, strptime(period || '-01', '%Y-%m-%d')::date as starts,
           last_day(strptime(period || '-01', '%Y-%m-%d')::date) as ends
    from compared.delivery where provider = getvariable('provider') and is_newest
),
said as (
    select n.layout, c.characteristic as field, c.status, c.code, sum(c.n_records)::bigint as n,
           -- A date that only the period gives says nothing of when somebody was asked; a refusal is an answer.
           coalesce(sum(c.n_records) filter (c.recorded_on_basis <> 'period' and c.recorded_on between n.starts and n.ends
                                             and c.status in ('known', 'not_stated')), 0)::bigint as n_newly
    from newest as n join harmonised.characteristic as c using (submission_no, layout)
    group by all
),
counted as (
    select layout, field, sum(n)::bigint as n_records,
           coalesce(sum(n) filter (status = 'known'), 0)::bigint as n_known,
           coalesce(sum(n) filter (status = 'not_stated'), 0)::bigint as n_not_stated,
           coalesce(sum(n) filter (status = 'not_known'), 0)::bigint as n_not_known,
           coalesce(sum(n) filter (status = 'not_recorded'), 0)::bigint as n_not_recorded,
           coalesce(sum(n) filter (status = 'unrecognised'), 0)::bigint as n_unrecognised,
           max(n) filter (status = 'known' and code is not null) as n_of_largest, sum(n_newly)::bigint as n_newly
    from said group by layout, field
),
first_seen as (
    select record_key, min(period) as period from harmonised.patient where is_key_stable and exclusion is null group by 1
),
newcomer as (
    select n.layout, count(distinct p.record_key) as n
    from newest as n
    join harmonised.patient as p using (submission_no, layout)
    join first_seen as f on f.record_key = p.record_key and f.period = n.period
    group by n.layout
),
seen as (
    select n.layout, count(distinct p.record_key) as n
    from newest as n
    join harmonised.activity as a on date_trunc('month', a.event_date) = n.starts and a.value is null   -- a reading is no visit
    join harmonised.patient as p
      on p.submission_no = a.submission_no and p.layout = a.layout and p.patient_no = a.patient_no and p.exclusion is null
    group by n.layout
),
recorded as (
    -- Ever, not only now: an entry of last year is still one.
    select c.layout, count(distinct p.record_key) as n
    from harmonised.characteristic as c
    join compared.gypsy_roma_traveller as g on g.code = c.code
    join harmonised.patient as p using (submission_no, layout, patient_no)
    where c.characteristic = getvariable('ethnicity')
    group by c.layout
),
expected as (
    select p.layout, sum(h.share)::double as n
    from (select distinct n.layout, p.record_key from newest as n join harmonised.patient as p using (submission_no, layout)
          where p.exclusion is null) as p
    join compared.home as h using (record_key)
    group by p.layout
)
select n.provider, n.kind, n.period, n.layout, i.field, n.n_days_after_due::bigint as n_days_after_due,
       coalesce(c.n_records, 0) as n_records, coalesce(c.n_known, 0) as n_known, coalesce(c.n_not_stated, 0) as n_not_stated,
       coalesce(c.n_not_known, 0) as n_not_known, coalesce(c.n_not_recorded, 0) as n_not_recorded,
       coalesce(c.n_unrecognised, 0) as n_unrecognised,
       c.n_known / nullif(c.n_records, 0) as share_known, c.n_not_stated / nullif(c.n_records, 0) as share_not_stated,
       c.n_not_known / nullif(c.n_records, 0) as share_not_known,
       c.n_of_largest / nullif(c.n_known, 0) as largest_value_share,
       -- Of a provider's first period everybody is new, which says nothing.
       case when n.period > (select min(period) from compared.delivery where provider = getvariable('provider'))
            then coalesce(f.n, 0) end as n_new_people,
       -- A file that is older than the period cannot say who was seen in it.
       case when n.period <= (select max(period) from harmonised.activity where value is null) then coalesce(s.n, 0) end as n_seen,
       case when i.is_dated then coalesce(c.n_newly, 0) end as n_newly_recorded,
       i.can_record as can_record_gypsy_roma_traveller,
       case when i.can_record is not null then coalesce(r.n, 0) end as n_gypsy_roma_traveller,
       case when i.can_record is not null then e.n end as n_gypsy_roma_traveller_expected,
       p.n_peers, p.peers_share_known, p.peers_share_not_stated, p.peers_share_not_known,
       p.region_share_known, p.region_share_not_stated
from newest as n
join compared.item as i on i.provider = n.provider and i.layout = n.layout
left join compared.peer as p on p.provider = i.provider and p.layout = i.layout and p.field = i.field
left join counted as c on c.layout = i.layout and c.field = i.field
left join newcomer as f on f.layout = n.layout
left join seen as s on s.layout = n.layout
left join recorded as r on r.layout = n.layout
left join expected as e on e.layout = n.layout
union all by name
select provider, kind, period, layout, 'delivery' as field, n_days_after_due::bigint as n_days_after_due from newest
order by layout, field
