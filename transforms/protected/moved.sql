-- One row per characteristic and pair of readings: how many records, of how many people, are read differently than in
-- the release before, because the standard was changed.
-- after: moved_record
select characteristic, code_before, detail_before, status_before, reason_before, code, detail, status, reason,
       sum(n_records)::bigint as n_records, count(distinct person_no) as n_people
from protected.moved_record
group by all
