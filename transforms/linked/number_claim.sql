-- One row per person at one provider with a number: whether their birth date agrees with the one that most providers
-- hold for that number. Those who agree are one person; those who do not are a reported conflict.
-- after: numbered_person
with claimed as (
    select * from linked.numbered_person where number is not null
),
counted as (
    select number, birth_date, count(distinct provider) as n_providers, bool_or(is_verified) as is_verified,
           arg_min(given_name, local_no) as given_name, arg_min(family_name, local_no) as family_name
    from claimed where birth_date is not null group by number, birth_date
),
chosen as (
    select number, arg_max(counted, (is_verified, n_providers, birth_date)) as main from counted group by number
)
select c.local_no, c.provider, c.record_key, c.number, c.is_verified, c.birth_date, m.main.birth_date as main_date,
       coalesce(birth_dates_agree(c.birth_date, m.main.birth_date)
             or (birth_dates_agree(c.birth_date, m.main.birth_date) is null and c.birth_date is not null
                 and names_agree(c.given_name, c.family_name, m.main.given_name, m.main.family_name)), false) as agrees
from claimed as c left join chosen as m using (number)
