-- One row per kind of event that protected.activity can hold: what it is, and how many there are; not collected where no layout brings it.
-- after: activity
select k.kind, k.title, k.definition, case when k.layouts = '' then 'not_collected' else 'collected' end as status, k.layouts,
       count(a.kind) as n_events, min(a.event_date) as first_event_on, max(a.event_date) as last_event_on
from standard.activity_kind as k
left join protected.activity as a on a.kind = k.kind
group by all
