-- One row per person at one provider without a verified number who fits two verified numbers nearly as well as each other.
-- after: scored_edge
-- Twins who have no names yet are the usual case: joined to neither, and told of.
with side as (
    select local_a as local_no, is_verified_a as is_verified, number_b as number, weight
    from linked.scored_edge where is_enough and is_verified_b and number_a is distinct from number_b
    union all
    select local_b, is_verified_b, number_a, weight
    from linked.scored_edge where is_enough and is_verified_a and number_a is distinct from number_b
),
best as (
    select local_no, number, max(weight) as weight from side where not is_verified group by local_no, number
),
ranked as (
    select local_no, weight, row_number() over (partition by local_no order by weight desc, number) as place from best
)
select one.local_no from ranked as one join ranked as other using (local_no)
where one.place = 1 and other.place = 2 and one.weight - other.weight < getvariable('margin')
