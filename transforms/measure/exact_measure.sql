-- One row per period, kind of place, place, layout, field and measure, exact: by provider, kind of provider and region.
-- after: cell, agreement_pair
with counted as (
    select c.period, c.place_kind, c.place, c.breakdown as layout, c.metric as field, c.category as measure, c.numerator,
           c.denominator, c.numerator / nullif(c.denominator, 0) as value
    from measure.cell as c where c."table" in ('provider_measure', 'delivery_measure')
),
margin as (
    select provider, characteristic, side, code, sum(n_people)::double as n
    from (select provider, characteristic, 'own' as side, code, n_people from measure.agreement_pair
          union all select provider, characteristic, 'elsewhere', other_code, n_people from measure.agreement_pair)
    group by all
),
chance as (
    select o.provider, o.characteristic, sum(o.n * e.n) as product
    from margin as o join margin as e using (provider, characteristic, code)
    where o.side = 'own' and e.side = 'elsewhere' group by all
)
select * from counted
union all by name
select c.period, c.place_kind, c.place, c.layout, c.field, 'kappa' as measure, c.numerator, c.denominator,
       (c.value - coalesce(h.product, 0) / (c.denominator * c.denominator))
       / nullif(1 - coalesce(h.product, 0) / (c.denominator * c.denominator), 0) as value
from counted as c
left join chance as h on h.provider = c.place and h.characteristic = c.field
where c.measure = 'agreement' and c.place_kind = 'provider'
