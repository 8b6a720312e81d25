-- One row per identifier of a person that changed since the release before, and per identifier that its records went to: merged, split, both, renamed, appeared or gone.
-- after: person, person_key
-- The first release, and the first after a new key, have nothing to be compared with. Who is left out is not gone: a person
-- who held a record of theirs is not compared at all.
with known as (
    select person_id, record_key from standard.person_before
    where person_id not in (select b.person_id from standard.person_before as b semi join objected.record as o using (record_key))
),
held as (
    select p.person_id, k.record_key from protected.person_key as k join protected.person as p using (person_no)
    where getvariable('is_compared') and k.is_key_stable
),
-- A local id that two people of one provider share says nothing of who became whom.
before as (select * from known qualify count(*) over (partition by record_key) = 1),
now as (select * from held qualify count(*) over (partition by record_key) = 1),
pair as (
    select b.person_id as person_id_before, n.person_id as person_id_after, count(*) as n_records
    from before as b full join now as n using (record_key)
    group by all
),
counted as (
    select *, count(person_id_after) over (partition by person_id_before) as n_after,
           count(person_id_before) over (partition by person_id_after) as n_before
    from pair
)
select case when person_id_before is null then 'appeared' when person_id_after is null then 'gone'
            when n_after > 1 and n_before > 1 then 'split and merged' when n_after > 1 then 'split'
            when n_before > 1 then 'merged' else 'renamed' end as kind,
       person_id_before, person_id_after, n_records
from counted
where person_id_before is distinct from person_id_after
      -- Who gained or lost a record and is otherwise who they were has not changed.
  and (person_id_before is not null or (n_before = 0 and person_id_after not in (select person_id from standard.person_before)))
  and (person_id_after is not null or (n_after = 0 and person_id_before not in (select person_id from held)))
