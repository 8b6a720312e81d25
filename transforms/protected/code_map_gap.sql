-- One row per coded value that no map knows: add it to the vocabulary's from_ file, or ask the provider to correct it.
-- after: person_link
-- A value is shown only when at least as many people have it as disclosure control asks for (more where the
-- characteristic is sensitive); rarer ones are counted.
with unknown as (
    select c.provider, c.characteristic, c.vocabulary, c.source_value, count(distinct l.person_no) as n_people,
           sum(c.n_records)::bigint as n_records
    from harmonised.characteristic as c
    join protected.person_link as l using (submission_no, layout, patient_no)
    where c.reason = 'not_in_map'
    group by all
),
shown as (
    select u.*, sum(n_people) over (partition by characteristic, vocabulary, source_value)
                >= d.smallest_count_shown as is_shown
    from unknown as u
    join standard.characteristic as y using (characteristic)
    join standard.suppression as d using (suppression)
)
select provider, characteristic, vocabulary, case when is_shown then source_value end as value, is_shown,
       count(*) as n_values, sum(n_people)::bigint as n_people, sum(n_records)::bigint as n_records
from shown
group by all
