-- One row per kind of place, place, open characteristic, side and code: people who have the code on that side, of all compared.
-- after: agreement_pair
-- Chance agreement is made of these once they are disclosed; of what stays in the protected area there are none.
with placed as (
    select 'provider' as place_kind, a.provider as place, a.* exclude (provider) from measure.agreement_pair as a
    union all
    select 'provider_kind', p.kind, a.* exclude (provider)
    from measure.agreement_pair as a join standard.provider as p on p.code = a.provider
    union all
    select 'region', getvariable('region'), a.* exclude (provider) from measure.agreement_pair as a
),
sided as (
    select place_kind, place, characteristic, 'own' as side, code, n_people from placed
    union all
    select place_kind, place, characteristic, 'elsewhere', other_code, n_people from placed
),
counted as (
    select s.place_kind, s.place, s.characteristic, s.side, s.code, sum(s.n_people)::bigint as n
    from sided as s join standard.characteristic as y on y.characteristic = s.characteristic and y.area = 'open'
    group by all
)
select 'agreement_margin' as "table", characteristic as metric, getvariable('latest_period') as period, place_kind, place,
       side as breakdown, code as category, n as numerator, (sum(n) over of_side)::bigint as denominator, n as n_people_numerator,
       (sum(n) over of_side)::bigint as n_people_denominator, (sum(n) over of_side - n)::bigint as n_people_difference
from counted
window of_side as (partition by place_kind, place, characteristic, side)
