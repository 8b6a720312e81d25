-- One row per breakdown, category and measure of linkage: records, or people.
-- after: linkage_quality
-- Single categories of ethnicity stay in the protected area: with its groups they would tell of few.
select 'linkage_quality' as "table", measure as metric, getvariable('latest_period') as period, 'everyone' as place_kind,
       'everyone' as place, breakdown, category, numerator, denominator, n_people_numerator, n_people_denominator, n_people_difference
from measure.linkage_quality where breakdown <> 'ethnic_category'
