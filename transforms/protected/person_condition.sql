-- One row per person and long-term condition: what general practice has coded, when first and last, and how often.
-- after: person_characteristic_value
-- A person has as many rows as conditions; of somebody without a row nothing was coded, which does not say that they have none.
select v.person_no, v.code as condition, c.label as condition_label, v.first_recorded_on, v.last_recorded_on, v.n_records, v.n_providers
from protected.person_characteristic_value as v
join standard.characteristic as y on y.characteristic = v.characteristic
join standard.code as c on c.system = y.system and c.code = v.code and c.kind <> 'detail'
where v.characteristic = 'long_term_condition'
