-- One row per person at one provider, and per person at all of them together (no provider): records by what linking made of them.
-- after: person_view
with joined as (
    -- A local id that two people share is a record of each; of several reasons for one the strongest counts.
    select provider, record_key, person_no,
           case when bool_or(linked_by = 'nhs_number') then 'nhs_number' when bool_or(linked_by = 'clerical') then 'clerical'
                when bool_or(linked_by = 'score') then 'score' else 'alone' end as linked_by
    from protected.person_record group by provider, record_key, person_no
),
told as (
    select j.*, c.record_key is not null as is_in_conflict, r.record_key is not null as is_rehearsed, r.is_found, r.is_wrong
    from joined as j
    left join (select distinct provider, record_key from linked.conflict) as c using (provider, record_key)
    left join linked.rehearsal as r using (provider, record_key, person_no)
),
counted as (
    select person_no, provider, count(*) as n_records, count(*) filter (linked_by = 'nhs_number') as n_by_number,
           count(*) filter (linked_by = 'score') as n_by_score, count(*) filter (linked_by = 'clerical') as n_by_reviewer,
           count(*) filter (linked_by = 'alone') as n_alone, count(*) filter (is_in_conflict) as n_in_conflict,
           count(*) filter (is_rehearsed) as n_rehearsed, count(*) filter (is_found) as n_found,
           count(*) filter (is_found or is_wrong) as n_rehearsed_joined
    from told group by grouping sets ((person_no, provider), (person_no))
)
select c.*, p.n_providers > 1 as is_known_to_several, v.ethnic_group, v.ethnic_category, v.deprivation_quintile, v.age_band
from counted as c
join measure.person_view as v using (person_no)
join protected.person as p using (person_no)
