-- One row per person at one provider: the person they are across providers, and the strongest of what joined them.
-- after: edge
with sided as (
    select local_a as local_no, basis, weight from linked.edge where is_joined
    union all
    select local_b, basis, weight from linked.edge where is_joined
),
strongest as (
    select local_no, bool_or(basis = 'nhs_number') as by_number, bool_or(basis = 'clerical') as by_reviewer,
           max(weight) as weight
    from sided where basis <> 'score' or weight >= getvariable('joined_from') group by local_no
)
select n.local_no, n.provider, n.record_key, n.number, n.is_verified, n.birth_date,
       n.has_date_conflict, n.has_number_conflict,
       dense_rank() over (order by c.cluster_no)::integer as person_no,
       case when s.by_number then 'nhs_number' when s.by_reviewer then 'clerical'
            when s.local_no is not null then 'score' else 'alone' end as basis,
       case when not s.by_number and not s.by_reviewer then s.weight end as weight
from linked.numbered_person as n
join linked.cluster as c using (local_no)
left join strongest as s using (local_no)
