-- One row per person at one provider whose identity contradicts another record, or may be another's: reported, never merged.
-- after: person_member, number_claim, choice
with settled as (
    -- Of those who hold a number beside another birth date: whom another reason joined to a holder who agrees.
    select distinct c.local_no from linked.number_claim as c
    join linked.person_member as m on m.local_no = c.local_no
    join linked.number_claim as h on h.number = c.number and h.agrees
    join linked.person_member as o on o.local_no = h.local_no and o.person_no = m.person_no
    where not c.agrees
),
unjoined as (
    select unnest([local_a, local_b]) as local_no,
           case when held is not null then held
                when weight >= getvariable('joined_from') then 'two verified numbers are never one person'
                else 'too little agrees to join them' end as reason
    from linked.edge where basis = 'score' and not is_joined
)
select record_key, provider, 'birth dates of one local id differ' as reason from linked.numbered_person where has_date_conflict
union all
select record_key, provider, 'two verified numbers for one local id' from linked.numbered_person where has_number_conflict
union all
select record_key, provider,
       case when birth_date is null then 'number without a birth date to confirm it'
            else 'birth date differs from the one held with the number elsewhere' end
from linked.number_claim where not agrees and local_no not in (select local_no from settled)
union all
select distinct n.record_key, n.provider, 'perhaps somebody known elsewhere: ' || u.reason
from unjoined as u join linked.numbered_person as n using (local_no)
union all
select n.record_key, n.provider, 'fits two people nearly as well' from linked.choice as c join linked.numbered_person as n using (local_no)
where c.number is null
