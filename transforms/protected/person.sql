-- One row per person: who they are for outsiders (person_id, a keyed hash that stands here only), where they live and are registered, and when they were born, by the latest record of each.
-- after: person_link
with seen as (
    select l.person_no, h.*, l.care_setting, strptime(h.period || '-01', '%Y-%m-%d')::date as seen_on,
           -- Of two records of one month the care setting decides, then anything that decides the same each time.
           (strptime(h.period || '-01', '%Y-%m-%d'), -coalesce(r.place, 99), h.provider, h.layout, h.patient_no) as latest_of
    from harmonised.patient as h
    join protected.person_link as l using (submission_no, layout, patient_no)
    left join standard.rank as r on r.kind = 'care_settings' and r.name = l.care_setting
),
latest as (
    select person_no,
           arg_max(birth_date, latest_of) as birth_date,
           arg_max(death_date, latest_of) as death_date,
           arg_max(postcode, latest_of) as postcode,
           code_form(arg_max(gp_practice_code, latest_of), 6) as gp_practice_code,
           min(seen_on) as first_seen_on, max(seen_on) as last_seen_on,
           count(distinct provider) as n_providers, sum(n_records)::bigint as n_records
    from seen group by person_no
),
placed as (
    select t.*, d.lsoa21_code, left(d.lsoa21_code, 1) as country_code,
           case when t.postcode is null then 'not_recorded'
                when p.place_status is not null then p.place_status
                when d.lsoa21_code is null then 'not_matched'
                when a.lsoa21_code is null then 'outside_midlands'
                else 'placed' end as place_status
    from latest as t
    left join standard.pseudo_postcode as p on p.postcode = t.postcode
    left join standard.postcode as d on d.postcode = t.postcode
    left join standard.lsoa as a on a.lsoa21_code = d.lsoa21_code
)
select t.person_no, keyed(n.message) as person_id, date_trunc('month', t.birth_date)::date as birth_month,
       t.death_date is not null as has_died, t.place_status, t.country_code,
       case when t.place_status = 'placed' then t.lsoa21_code end as lsoa21_code,
       a.local_authority_code, a.icb_code as icb_of_residence,
       i.decile as deprivation_decile, ceil(i.decile / 2.0)::integer as deprivation_quintile,
       case when i.decile is not null then getvariable('deprivation_index') end as deprivation_index,
       t.gp_practice_code, coalesce(nullif(o.icb, ''), g.icb_code) as icb_of_registration,
       t.first_seen_on, t.last_seen_on, t.n_providers, t.n_records
from placed as t
join linked.person as n on n.person_no = t.person_no
left join standard.lsoa as a on a.lsoa21_code = t.lsoa21_code
left join standard.deprivation as i on i.lsoa21_code = t.lsoa21_code
left join standard.provider as o on o.code = t.gp_practice_code
left join standard.organisation as g on g.code = t.gp_practice_code
