-- One row per reason to hold two people at providers for one: a number, a reviewer's judgement, or a weight.
-- after: number_edge, judged_edge, told_apart, scored_edge, undecided
-- Numbers come first where reasons contradict, then judgements, then weights: no weight reaches a thousand.
select local_a, local_b, 3000.0::double as weight, 'nhs_number' as basis, null::uuid as key_a, null::uuid as key_b
from linked.number_edge where local_a <> local_b
union all
select local_a, local_b, 2000.0, 'clerical', null, null from linked.judged_edge
union all
select s.local_a, s.local_b, s.weight, 'score', s.comparand_key_a, s.comparand_key_b
from linked.scored_edge as s
anti join linked.told_apart as t
  on (t.local_a = s.local_a and t.local_b = s.local_b) or (t.local_a = s.local_b and t.local_b = s.local_a)
anti join linked.undecided as u
  on (u.local_no = s.local_a and s.is_verified_b) or (u.local_no = s.local_b and s.is_verified_a)
where s.is_enough
