-- One row per characteristic: what is published, beside the truth.
-- after: owner, said
with mine as (
    select c.person_no as published_no, min(o.person_no) as person_no
    from protected.characteristic_record as c join report.owner as o using (provider, record_key)
    group by c.person_no having count(distinct o.person_no) = 1
),
compared as (
    select p.characteristic, p.status, p.code, s.code as true_code, k.kind, k.parent, t.parent as true_parent
    from protected.person_characteristic as p
    join mine on mine.published_no = p.person_no
    join report.said as s on s.person_no = mine.person_no and s.characteristic = p.characteristic
    join standard.characteristic as y on y.characteristic = p.characteristic
    left join standard.code as k on k.system = y.system and k.code = p.code and k.kind <> 'detail'
    left join standard.code as t on t.system = y.system and t.code = s.code and t.kind <> 'detail'
),
judged as (
    select characteristic,
           case when status <> 'known' then status
                when code = true_code then 'right'
                when code = true_parent or (kind = 'residual' and parent = true_parent) then 'less_specific'
                else 'wrong' end as verdict
    from compared
)
select characteristic, count(*) as n_people, count(*) filter (verdict = 'right') as n_right,
       count(*) filter (verdict = 'less_specific') as n_less_specific, count(*) filter (verdict = 'wrong') as n_wrong,
       count(*) filter (verdict = 'conflicting') as n_conflicting,
       count(*) filter (verdict not in ('right', 'less_specific', 'wrong', 'conflicting')) as n_no_answer,
       count(*) filter (verdict = 'right') / nullif(count(*) filter (verdict in ('right', 'less_specific', 'wrong')), 0) as share_right_of_answers
from judged group by all order by all
