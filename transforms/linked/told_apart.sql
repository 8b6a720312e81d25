-- One row per pair whom a reviewer found to be two people: no weight joins them, nor does a chain of others.
-- after: comparand, decision
select a.local_no as local_a, b.local_no as local_b
from linked.decision as d
join linked.comparand as a on a.record_key = d.record_key_a and a.values_key = d.values_key_a
join linked.comparand as b on b.record_key = d.record_key_b and b.values_key = d.values_key_b
where not d.is_same
