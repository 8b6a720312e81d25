-- One row per reason to hold two people at providers for one: a number, a reviewer's judgement, or a weight.
-- after: number_edge, judged_edge, told_apart, scored_edge, choice
-- Numbers come first where reasons contradict, then judgements, then weights, which never reach a thousand.
select local_a, local_b, 3000.0::double as weight, 'nhs_number' as basis, null::uuid as key_a, null::uuid as key_b
from linked.number_edge where local_a <> local_b
union all
select local_a, local_b, 2000.0, 'clerical', null, null from linked.judged_edge
union all
select s.local_a, s.local_b, s.weight, 'score', s.comparand_key_a, s.comparand_key_b
from linked.scored_edge as s
left join linked.choice as a on a.local_no = s.local_a
left join linked.choice as b on b.local_no = s.local_b
anti join linked.told_apart as t
  on (t.local_a = s.local_a and t.local_b = s.local_b) or (t.local_a = s.local_b and t.local_b = s.local_a)
where s.is_enough
  and (not s.is_verified_b or s.is_verified_a or a.number = s.number_b)
  and (not s.is_verified_a or s.is_verified_b or b.number = s.number_a)
