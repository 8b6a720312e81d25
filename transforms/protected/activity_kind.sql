-- One row per kind of event that protected.activity can hold: what it is, and how many there are; not collected where nobody sends
-- a layout that brings it.
-- after: activity
with sent as (
    select list(distinct layout::varchar) as layouts from linked.in_force
)
select k.kind, k.title, k.definition,
       case when list_has_any(string_split(k.layouts, ' '), s.layouts) then 'collected' else 'not_collected' end as status, k.layouts,
       count(a.kind) as n_events, min(a.event_date) as first_event_on, max(a.event_date) as last_event_on
from standard.activity_kind as k
cross join sent as s
left join protected.activity as a on a.kind = k.kind
group by all
