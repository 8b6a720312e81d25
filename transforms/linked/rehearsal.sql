-- One row per person at one provider who was rehearsed: whether weights alone lead to somebody with their number, to somebody
-- else (wrong), or to nobody of whom that can be said (missed).
-- after: rehearsed, weighed_edge, choice, accepted_edge, person_member
with side as (
    select local_a as rehearsed_no, local_b as local_no, number_b as number, is_verified_b as is_verified, weight
    from linked.weighed_edge where is_enough and local_a < 0
    union all
    select local_b, local_a, number_a, is_verified_a, weight from linked.weighed_edge where is_enough and local_b < 0
),
accepted as (
    -- As everywhere: of those whose number is verified only the one who was chosen counts.
    select s.* from side as s left join linked.choice as c on c.local_no = s.rehearsed_no
    where not s.is_verified or s.number = c.number
),
held as (
    select local_no, number from linked.number_claim where agrees
),
bridge as (
    -- Somebody without a number leads further, to whom weights joined them.
    select e.local_a as local_no, e.local_b as holder_no, h.number
    from linked.accepted_edge as e join held as h on h.local_no = e.local_b where e.basis <> 'nhs_number'
    union all
    select e.local_b, e.local_a, h.number
    from linked.accepted_edge as e join held as h on h.local_no = e.local_a where e.basis <> 'nhs_number'
),
right_one as (
    select a.rehearsed_no, a.weight
    from accepted as a
    join held as own on own.local_no = -a.rehearsed_no
    join held as h on h.local_no = a.local_no and h.number = own.number
    union
    -- Not if it is the rehearsed themselves who brought them there.
    select a.rehearsed_no, a.weight
    from accepted as a
    join held as own on own.local_no = -a.rehearsed_no
    join bridge as b on b.local_no = a.local_no and b.number = own.number and b.holder_no <> own.local_no
),
wrong_one as (
    select a.rehearsed_no, a.weight
    from accepted as a
    join linked.person_member as m on m.local_no = a.local_no
    join linked.person_member as own on own.local_no = -a.rehearsed_no and own.person_no <> m.person_no
    join (select distinct person_no from linked.person_member where is_verified) as k on k.person_no = m.person_no
),
decided as (
    -- Where reasons contradict, the heaviest counts; of equal ones the wrong.
    select rehearsed_no, arg_max(is_right, (weight, not is_right)) as is_right
    from (select *, true as is_right from right_one union all select *, false from wrong_one)
    group by rehearsed_no
)
select m.provider, m.record_key, m.person_no, coalesce(d.is_right, false) as is_found, coalesce(not d.is_right, false) as is_wrong
from linked.rehearsed as r
join linked.person_member as m on m.local_no = -r.local_no
left join decided as d on d.rehearsed_no = r.local_no
