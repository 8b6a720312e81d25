-- One row per pair of people at providers that was scored and weighs enough to be told of. Whether the weight counts is a
-- pure function of the two.
-- after: comparand
select a.local_no as local_a, b.local_no as local_b, s.weight, s.held, s.comparand_key_a, s.comparand_key_b,
       a.number as number_a, b.number as number_b, a.is_verified as is_verified_a, b.is_verified as is_verified_b,
       s.weight >= getvariable('joined_from') and s.held is null as is_enough
from linked.scored_pair as s
join linked.comparand as a on a.comparand_key = s.comparand_key_a
join linked.comparand as b on b.comparand_key = s.comparand_key_b
