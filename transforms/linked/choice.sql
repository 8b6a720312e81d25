-- One row per person at one provider without a verified number, rehearsed or not, who fits one that others hold: the number,
-- or null where two fit nearly as well, as for twins who have no names yet.
-- after: weighed_edge, number_edge, number_claim
with side as (
    select local_a as local_no, is_verified_a as is_verified, local_b as holder_no, number_b as number, weight
    from linked.weighed_edge where is_enough and is_verified_b
    union all
    select local_b, is_verified_b, local_a, number_a, weight from linked.weighed_edge where is_enough and is_verified_a
),
best as (
    -- Somebody who holds the number of another, as their birth date shows, speaks for it last.
    select s.local_no, s.number, bool_or(c.agrees) as is_agreed, max(s.weight) as weight
    from side as s join linked.number_claim as c on c.local_no = s.holder_no
    where not s.is_verified group by s.local_no, s.number
),
ranked as (
    select b.*, row_number() over (partition by local_no order by is_agreed desc, weight desc, number) as place from best as b
),
chosen as (
    select one.local_no, one.number, one.is_agreed = other.is_agreed and one.weight - other.weight < getvariable('margin') as is_open
    from ranked as one left join ranked as other on other.local_no = one.local_no and other.place = 2
    where one.place = 1
)
-- A number of one's own that is joined by its birth date needs no choice.
select c.local_no, coalesce(o.number, case when not coalesce(c.is_open, false) then c.number end) as number
from chosen as c
left join (select local_no, number from linked.number_claim where agrees) as o using (local_no)
