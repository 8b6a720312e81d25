-- One row per provider, period, layout, field and VODIM status: records with that status, of all whose layout has the field.
-- after: field_count, letter
-- A whole grid: a status that nobody has is a zero, not a gap.
select 'provider_scorecard' as "table", field as metric, period, 'provider' as place_kind, provider as place,
       layout || ' vodim' as breakdown, measure as category, numerator, denominator, n_people_numerator, n_people_denominator,
       n_people_difference
from measure.field_count where measure in (select vodim from measure.letter)
