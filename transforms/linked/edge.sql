-- One row per link between two of a provider's people and how it was made: a pure function of the two.
-- after: number_claim
-- Everyone who holds a number and agrees on the birth date is linked to the first of them; of those who do not agree
-- with the main date, the ones who share number and birth date are still one person.
select number, first_value(record_key) over held as record_key_a, record_key as record_key_b,
       first_value(local_no) over held as local_a, local_no as local_b,
       'nhs_number' as basis, is_verified
from linked.number_claim
where birth_date is not null
window held as (partition by number, agrees, case when not agrees then birth_date end order by record_key, local_no)
