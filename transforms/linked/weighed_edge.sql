-- One row per pair of people at providers that was scored and weighs enough to be told of, those who are rehearsed among
-- them. Whether the weight counts is a pure function of the two.
-- after: comparand, rehearsed
with compared as (
    select local_no, comparand_key, number, is_verified from linked.comparand
    union all
    select local_no, comparand_key, number, is_verified from linked.rehearsed
)
select a.local_no as local_a, b.local_no as local_b, s.weight, s.held, s.comparand_key_a, s.comparand_key_b,
       a.number as number_a, b.number as number_b, a.is_verified as is_verified_a, b.is_verified as is_verified_b,
       s.weight >= getvariable('joined_from') and s.held is null as is_enough
from linked.scored_pair as s
join compared as a on a.comparand_key = s.comparand_key_a
join compared as b on b.comparand_key = s.comparand_key_b
-- Who is rehearsed meets neither themselves nor others who are: each is alone without a number.
where a.local_no <> -b.local_no and (a.local_no > 0 or b.local_no > 0)
