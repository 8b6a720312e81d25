-- One row per breakdown, category and measure of linkage, exact: a share with Wilson's interval (95 per cent), and whether that interval does not meet the one of everyone (is_different).
-- after: linkage_person
-- Of people: known_to_several (providers). Of records, which are people at one provider: joined_by_number, joined_by_score,
-- joined_by_reviewer, alone, in_conflict. Of those who were compared again as if they had no number: estimated_recall (they
-- found somebody with their number) and estimated_precision (of those who were joined, the rightly joined).
with cut as (
    select provider, ethnic_group, ethnic_category, deprivation_quintile, age_band, unnest([
        {'measure': 'known_to_several', 'n': count(*) filter (is_known_to_several), 'n_of': count(*),
         'who': count(*) filter (is_known_to_several), 'people': count(*), 'rest': count(*) filter (not is_known_to_several)},
        {'measure': 'joined_by_number', 'n': sum(n_by_number), 'n_of': sum(n_records), 'who': count(*) filter (n_by_number > 0),
         'people': count(*), 'rest': count(*) filter (n_by_number < n_records)},
        {'measure': 'joined_by_score', 'n': sum(n_by_score), 'n_of': sum(n_records), 'who': count(*) filter (n_by_score > 0),
         'people': count(*), 'rest': count(*) filter (n_by_score < n_records)},
        {'measure': 'joined_by_reviewer', 'n': sum(n_by_reviewer), 'n_of': sum(n_records), 'who': count(*) filter (n_by_reviewer > 0),
         'people': count(*), 'rest': count(*) filter (n_by_reviewer < n_records)},
        {'measure': 'alone', 'n': sum(n_alone), 'n_of': sum(n_records), 'who': count(*) filter (n_alone > 0),
         'people': count(*), 'rest': count(*) filter (n_alone < n_records)},
        {'measure': 'in_conflict', 'n': sum(n_in_conflict), 'n_of': sum(n_records), 'who': count(*) filter (n_in_conflict > 0),
         'people': count(*), 'rest': count(*) filter (n_in_conflict < n_records)},
        {'measure': 'estimated_recall', 'n': sum(n_found), 'n_of': sum(n_rehearsed), 'who': count(*) filter (n_found > 0),
         'people': count(*) filter (n_rehearsed > 0), 'rest': count(*) filter (n_found < n_rehearsed)},
        {'measure': 'estimated_precision', 'n': sum(n_found), 'n_of': sum(n_rehearsed_joined), 'who': count(*) filter (n_found > 0),
         'people': count(*) filter (n_rehearsed_joined > 0), 'rest': count(*) filter (n_found < n_rehearsed_joined)}
    ]) as m
    from measure.linkage_person
    group by provider, ethnic_group, ethnic_category, deprivation_quintile, age_band
),
placed as (
    select 'provider' as breakdown, provider as category, m from cut where provider is not null
    union all
    select b.breakdown, b.category, m
    from cut, unnest([
        {'breakdown': 'everyone', 'category': 'everyone'}, {'breakdown': 'ethnic_group', 'category': ethnic_group},
        {'breakdown': 'ethnic_category', 'category': ethnic_category},
        {'breakdown': 'deprivation_quintile', 'category': deprivation_quintile},
        {'breakdown': 'age_band', 'category': age_band}]) as u(b)
    where provider is null
),
summed as (
    select breakdown, category, m.measure as measure, sum(m.n)::bigint as numerator, sum(m.n_of)::bigint as denominator,
           sum(m.who)::bigint as n_people_numerator, sum(m.people)::bigint as n_people_denominator,
           sum(m.rest)::bigint as n_people_difference
    from placed group by all having sum(m.n_of) > 0
),
told as (
    select *, numerator / denominator as share, wilson(numerator, denominator, -1) as share_low,
           wilson(numerator, denominator, 1) as share_high
    from summed
)
select t.*, t.share_high < e.share_low or t.share_low > e.share_high as is_different
from told as t
join told as e on e.breakdown = 'everyone' and e.measure = t.measure
