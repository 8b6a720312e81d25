-- One row per person: every breakdown and place that a metric can use. Nobody is left out: what is absent is a category.
with ethnicity as (
    select person_no, status, code, detail from protected.person_characteristic where characteristic = getvariable('ethnicity')
),
grouped as (
    select e.*, coalesce(h."group", e.status) as ethnic_group,
           case when k.kind in ('category', 'residual') then e.code when k.kind = 'group' then e.code else e.status end as ethnic_category
    from ethnicity as e
    join standard.characteristic as y on y.characteristic = getvariable('ethnicity')
    left join standard.code as k on k.system = y.system and k.code = e.code and k.kind <> 'detail'
    left join standard.classification as h
      on h.system = y.system and h.classification = getvariable('default_set') and h.code = e.code
     and is_valid_on(getvariable('rolling_to'), h.valid_from, h.valid_to)
),
said as (
    select person_no, max(coalesce(code, status)) filter (characteristic = 'sex') as sex,
           max(coalesce(code, status)) filter (characteristic = 'interpreter_required') as language_need,
           max(coalesce(code, status)) filter (characteristic = 'is_carer') as carer
    from protected.person_characteristic
    where characteristic in ('sex', 'interpreter_required', 'is_carer')
    group by person_no
),
aged as (
    -- In whole years on the last day of the latest period; a birth month is enough, since that day ends a month.
    select person_no, date_diff('month', birth_month, getvariable('rolling_to')) // 12 as age from protected.person
)
select p.person_no, coalesce(p.icb_of_residence, p.place_status) as icb_of_residence,
       p.icb_of_residence is not null as lives_in_midlands,
       case when p.icb_of_residence is not null then getvariable('region') end as region,
       p.local_authority_code as local_authority, coalesce(p.icb_of_registration, 'not_known') as icb_of_registration,
       p.lsoa21_code,
       coalesce(p.deprivation_quintile::text, 'not_placed') as deprivation_quintile,
       g.ethnic_group, g.ethnic_category, s.sex, s.language_need, s.carer, a.age::integer as age,
       coalesce(b.band, 'not_known') as age_band
from protected.person as p
join grouped as g using (person_no)
left join said as s using (person_no)
left join aged as a using (person_no)
left join standard.age_band as b on a.age between b.from_age and b.to_age
