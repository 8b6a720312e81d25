-- One row per record key of whom something else is said than when everybody was linked last, or who may be several people.
with now as (
    select record_key, place, comparand_key, has_date_conflict, has_number_conflict from linked.known
),
before as (
    select record_key, place, comparand_key, has_date_conflict, has_number_conflict from nearby.former_known
)
select record_key from (from now except from before)
union
select record_key from (from before except from now)
union
select record_key from now where place > 1
union
select record_key from before where place > 1
union
-- Whoever was judged since.
select unnest([record_key_a, record_key_b]) from linked.judged where parse_filename(filename) in (select name from nearby.judgement)
