-- One row per pair of records that were compared and are told of, or were judged.
select record_key_a, record_key_b from nearby.former_scored_pair
union all
select record_key_a, record_key_b from linked.judged
