-- One row per provider, characteristic, its code and the code elsewhere: people whom two providers know, by what each says.
with known as (
    -- What a provider says of a person now; a group is no answer to compare, and what another answer implies is nobody's.
    select r.person_no, r.characteristic, r.provider, max(coalesce(r.recorded_on, date '1800-01-01')) as said_on,
           arg_max(r.code, (coalesce(r.recorded_on, date '1800-01-01'), r.last_period, r.layout, r.code)) as code
    from protected.characteristic_record as r
    join protected.person as p using (person_no)
    join standard.characteristic as y on y.characteristic = r.characteristic and y.cardinality = 'one'
    join standard.code as k on k.system = y.system and k.code = r.code and k.kind not in ('group', 'detail')
    where p.n_providers > 1 and r.status = 'known' and r.derived_from is null
    group by r.person_no, r.characteristic, r.provider
),
latest as (
    -- Each is compared with the provider that spoke last, and that one with the one before it.
    select person_no, characteristic, arg_max({'provider': provider, 'code': code}, (said_on, provider), 2) as spoke
    from known group by person_no, characteristic having count(*) > 1
)
select k.provider, k.characteristic, k.code,
       case when l.spoke[1].provider = k.provider then l.spoke[2].code else l.spoke[1].code end as other_code, count(*) as n_people
from known as k join latest as l using (person_no, characteristic)
group by all
