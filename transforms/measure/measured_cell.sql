-- One row per period, kind of place, place, field, layout and measure: by provider, by kind of provider, and in the region.
-- after: field_count, item_count, agreement_pair
with told as (
    select * from measure.field_count
    union all by name select * from measure.item_count
    union all by name
    select provider, getvariable('latest_period') as period, 'every layout' as layout, characteristic as field,
           'agreement' as measure, coalesce(sum(n_people) filter (code = other_code), 0)::bigint as numerator,
           sum(n_people)::bigint as denominator, coalesce(sum(n_people) filter (code = other_code), 0)::bigint as n_people_numerator,
           sum(n_people)::bigint as n_people_denominator,
           coalesce(sum(n_people) filter (code <> other_code), 0)::bigint as n_people_difference, false as is_partial,
           coalesce(sum(n_people) filter (code = other_code), 0)::bigint as n_part
    from measure.agreement_pair group by provider, characteristic
),
grouped as (
    select 'provider_kind' as place_kind, p.kind as place, t.layout as among, t.* exclude (layout)
    from told as t join standard.provider as p on p.code = t.provider
    union all
    -- In the region a field is one, whichever layout it comes in; a column of codes says nothing of how many were asked.
    select 'region', getvariable('region'), 'every layout', t.* exclude (layout) from told as t where not t.is_partial
),
most as (
    -- Nobody is counted more often than the person whom most providers know, in all the layouts of one of them.
    select greatest(1, (select coalesce(max(n_providers), 1) from protected.person)
                       * (select coalesce(max(n), 1) from (select count(distinct layout) as n from measure.arrival_in_force
                                                           group by provider, period))) as n,
           (select max(smallest_count_shown) from standard.suppression) as n_shown
),
summed as (
    select place_kind, place, period, among as layout, field, measure, sum(numerator)::bigint as numerator,
           sum(denominator)::bigint as denominator,
           greatest(max(n_people_numerator), ceil(sum(n_people_numerator) / any_value(m.n)))::bigint as who,
           greatest(max(n_people_denominator), ceil(sum(n_people_denominator) / any_value(m.n)))::bigint as people,
           greatest(max(n_people_difference), ceil(sum(n_people_difference) / any_value(m.n)))::bigint as rest,
           -- One provider's few alone would be found by taking the others from the sum.
           sum(n_part) filter (n_part between 1 and m.n_shown - 1) as n_few,
           count(*) filter (n_part between 1 and m.n_shown - 1) as n_with_few,
           sum(denominator - numerator) filter (denominator - numerator between 1 and m.n_shown - 1) as n_few_rest,
           count(*) filter (denominator - numerator between 1 and m.n_shown - 1) as n_with_few_rest
    from grouped cross join most as m
    group by all
    having count(distinct provider) >= getvariable('fewest_peers')
)
select 'provider_measure' as "table", field as metric, period, 'provider' as place_kind, provider as place, layout as breakdown,
       measure as category, numerator, denominator, n_people_numerator, n_people_denominator, n_people_difference
from told
union all by name
select 'provider_measure' as "table", field as metric, period, place_kind, place, layout as breakdown, measure as category,
       numerator, denominator, case when n_with_few = 1 then least(who, n_few) else who end as n_people_numerator,
       people as n_people_denominator, case when n_with_few_rest = 1 then least(rest, n_few_rest) else rest end as n_people_difference
from summed
