-- One row per person, characteristic that may have several answers, and code: every code that is stated of them now.
-- after: characteristic_record
with stated as (
    select r.*, l.content,
           -- A whole list that is sent again replaces what it said before: of a person's records in it the last count.
           max(r.last_period) over (partition by r.record_key, r.layout, r.characteristic) as latest
    from protected.characteristic_record as r
    join standard.characteristic as y on y.characteristic = r.characteristic and y.cardinality = 'many'
    join standard.layout as l on l.layout = r.layout
    where r.status = 'known'
)
select person_no, characteristic, code, min(recorded_on) as first_recorded_on, max(recorded_on) as last_recorded_on,
       sum(n_records)::bigint as n_records, count(distinct provider) as n_providers,
       bool_and(derived_from is not null) as is_derived
from stated
where content <> 'snapshot' or last_period = latest
group by person_no, characteristic, code
