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
)
select p.person_no, coalesce(p.icb_of_residence, p.place_status) as icb_of_residence,
       p.icb_of_residence is not null as lives_in_midlands,
       coalesce(p.deprivation_quintile::text, 'not_placed') as deprivation_quintile,
       g.ethnic_group, g.ethnic_category
from protected.person as p
join grouped as g using (person_no)
