-- One row per provider, local id, birth date and valid NHS number: what a provider says of one person's identity.
-- after: in_force
-- Test records are no people, and withheld ones are not linked to anybody.
with claimed as (
    select p.*, f.is_number_traced, strptime(p.period || '-01', '%Y-%m-%d')::date as seen_on,
           linking_number(p.nhs_number, f.pseudonym_key, o.demo = 'true') as number, f.pseudonym_key
    from harmonised.patient as p
    join linked.in_force as f using (submission_no, layout)
    join standard.provider as o on o.code = p.provider
    where p.exclusion is null
)
select row_number() over (order by provider, record_key, birth_date, number)::integer as node_no,
       provider, record_key, birth_date, number,
       coalesce(bool_or(number is not null and (is_number_traced or list_contains(getvariable('verified'),
                nhs_number_status))), false) as is_verified,
       arg_max(given_name, (seen_on, submission_no, given_name)) as given_name,
       arg_max(family_name, (seen_on, submission_no, family_name)) as family_name,
       arg_max(sex, (seen_on, submission_no, sex)) as sex,
       arg_max(postcode, (seen_on, submission_no, postcode)) as postcode,
       arg_max(gp_practice_code, (seen_on, submission_no, gp_practice_code)) as gp_practice_code,
       -- What was sent as a number and is none: a slip of the hand leaves most of it right.
       max(nhs_number) filter (number is null and pseudonym_key = '' and regexp_full_match(nhs_number, '[0-9]{9,11}')) as digits,
       max(seen_on) as seen_on, sum(n_records) as n_records,
       bool_and(is_key_stable) as is_key_stable
from claimed
group by provider, record_key, birth_date, number
