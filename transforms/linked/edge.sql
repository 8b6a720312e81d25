-- One row per link between two of a provider's people, made or not, and how: by number, by a reviewer, or by weight.
-- after: accepted_edge, scored_edge
with told as (
    select local_a, local_b, basis, null::double as weight, null::varchar as held, null::uuid as comparand_key_a, null::uuid as comparand_key_b
    from linked.accepted_edge where basis <> 'score'
    union all
    select local_a, local_b, 'score', weight, held, comparand_key_a, comparand_key_b from linked.scored_edge
)
select t.*, a.record_key as record_key_a, b.record_key as record_key_b,
       a.values_key as values_key_a, b.values_key as values_key_b, ca.cluster_no = cb.cluster_no as is_joined,
       case when t.basis = 'score' then getvariable('model') end as model
from told as t
join linked.numbered_person as a on a.local_no = t.local_a
join linked.numbered_person as b on b.local_no = t.local_b
join linked.cluster as ca on ca.local_no = t.local_a
join linked.cluster as cb on cb.local_no = t.local_b
