-- One row per person, characteristic and pair of readings: records whose value is read differently than in the release before.
-- after: characteristic_record, reading
-- A reading that came while another of the same value went: new values and corrected ones are no move.
with gone as (
    select provider, layout, characteristic, value_key, code, detail, status, reason from standard.reading_before
    where getvariable('is_standard_changed')
    except
    select provider, layout, characteristic, value_key, code, detail, status, reason from protected.reading
),
come as (
    select provider, layout, characteristic, value_key, code, detail, status, reason from protected.reading
    except
    select provider, layout, characteristic, value_key, code, detail, status, reason from standard.reading_before
),
pair as (
    select c.*, g.code as code_before, g.detail as detail_before, g.status as status_before, g.reason as reason_before
    from come as c join gone as g using (provider, layout, characteristic, value_key)
)
select r.person_no, p.characteristic, p.code_before, p.detail_before, p.status_before, p.reason_before,
       p.code, p.detail, p.status, p.reason, sum(r.n_records)::bigint as n_records
from protected.characteristic_record as r
join pair as p
  on p.provider = r.provider and p.layout = r.layout and p.characteristic = r.characteristic and p.value_key = r.value_key
 and p.code is not distinct from r.code and p.detail is not distinct from r.detail and p.status = r.status
 and p.reason is not distinct from split_part(r.reason, ':', 1)
group by all
