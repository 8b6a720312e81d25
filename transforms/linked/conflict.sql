-- One row per person at one provider whose identity contradicts another record: reported, never merged.
-- after: person_member
select record_key, provider, 'birth dates of one local id differ' as reason from linked.numbered_person where has_date_conflict
union all
select record_key, provider, 'two verified numbers for one local id' from linked.numbered_person where has_number_conflict
union all
select record_key, provider,
       case when birth_date is null then 'number without a birth date to confirm it'
            else 'birth date differs from the one held with the number elsewhere' end
from linked.number_claim where not agrees
