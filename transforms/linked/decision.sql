-- One row per pair that a reviewer judged, from either side: what was said of it last.
with last as (
    select * from linked.judged
    qualify row_number() over (partition by least(record_key_a, record_key_b), greatest(record_key_a, record_key_b)
                               order by filename desc, line desc) = 1
)
select record_key_a, record_key_b, values_key_a, values_key_b, is_same from last where is_same is not null
union all
select record_key_b, record_key_a, values_key_b, values_key_a, is_same from last where is_same is not null
