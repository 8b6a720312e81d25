-- One row per person at one provider, as they are said to be now and as they were when everybody was linked last.
select record_key, comparand_key, mark_number, true as was_there from nearby.kept_known
union all
select record_key, comparand_key, mark_number, true from nearby.former_known
union all
select record_key, comparand_key, mark_number, false from linked.known
