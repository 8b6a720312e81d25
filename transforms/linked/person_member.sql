-- One row per person at one provider: the person they are across providers. A number joins them, or nothing does yet.
-- after: edge
select n.local_no, n.provider, n.record_key, n.number, n.is_verified, n.birth_date,
       n.has_date_conflict, n.has_number_conflict,
       dense_rank() over (order by coalesce(e.local_a, n.local_no))::integer as person_no,
       case when e.local_a is null then 'alone'
            when count(*) over (partition by e.local_a) > 1 then 'nhs_number'
            else 'alone' end as basis
from linked.numbered_person as n
left join linked.edge as e on e.local_b = n.local_no
