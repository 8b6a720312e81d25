-- One row per person at one provider who holds a number with a birth date: the first of those who are one person by it.
-- after: number_claim
-- Everyone who holds a number and agrees on the birth date is linked to the first of them; of those who do not agree
-- with the main date, the ones who share number and birth date are still one person.
select number, first_value(local_no) over held as local_a, local_no as local_b, agrees
from linked.number_claim
where birth_date is not null
window held as (partition by number, agrees, case when not agrees then birth_date end order by record_key, local_no)
