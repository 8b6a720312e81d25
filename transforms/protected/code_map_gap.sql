-- One row per coded value that no map knows: add it to the vocabulary's from_ file, or ask the provider to correct it.
-- after: person_link
-- A value is shown only when at least as many people have it as disclosure control asks for; rarer ones are counted.
with unknown as (
    select c.provider, c.characteristic, c.vocabulary, c.source_value, count(distinct l.person_no) as n_people,
           sum(c.n_records)::bigint as n_records
    from harmonised.characteristic as c
    join protected.person_link as l using (submission_no, layout, patient_no)
    where c.reason = 'not_in_map'
    group by all
),
shown as (
    select *, sum(n_people) over (partition by characteristic, vocabulary, source_value)
              >= getvariable('smallest_count_shown') as is_shown
    from unknown
)
select provider, characteristic, vocabulary, case when is_shown then source_value end as value, is_shown,
       count(*) as n_values, sum(n_people)::bigint as n_people, sum(n_records)::bigint as n_records
from shown
group by all
