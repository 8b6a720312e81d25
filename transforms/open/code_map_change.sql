-- One row per code, map row or label that was added, removed or changed since the release before.
with said as (
    select case when kind = 'detail' then kind else 'code' end as what, system, '' as name, code as value, is_before,
           concat_ws(' · ', label, kind, parent, status, valid_from, valid_to) as said
    from standard.code_then_and_now
    union all
    select 'map row', system, vocabulary, concat_ws(' from ', value, nullif(valid_from, '')), is_before,
           concat_ws(' · ', nullif(concat_ws(' + ', nullif(code, ''), nullif(detail, '')), ''), status, relation,
                     nullif(reason, ''), 'until ' || nullif(valid_to, ''))
    from standard.code_map_then_and_now
    union all
    select 'label', system, classification, concat_ws(' from ', code, nullif(valid_from, '')), is_before,
           concat_ws(' · ', nullif(value, ''), nullif(label, ''), nullif(group_label, ''), status, 'until ' || nullif(valid_to, ''))
    from standard.label_then_and_now
),
compared as (
    select what, system, name, value, max(said) filter (is_before) as was, max(said) filter (not is_before) as becomes
    from said group by all
)
select what, system, name, value,
       case when was is null then 'added' when becomes is null then 'removed' else 'changed' end as change, was, becomes
from compared
where was is distinct from becomes and getvariable('release_before') is not null
order by all
