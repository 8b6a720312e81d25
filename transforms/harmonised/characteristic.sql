-- One row per submission, layout, patient, characteristic, vocabulary, source value and date: what the source said, and
-- the code that it means.
with counted as (
    -- What is the same for a whole column stands in one.saying: five million rows are grouped by numbers, not by words.
    select saying_no, patient_no, value, refused_for, recorded_on, basis, count(*) as n_records,
           min(line)::integer as first_line
    from one.said
    group by all
)
select
    s.submission_no, s.provider, s.period, s.layout, c.patient_no,
    y.characteristic, m.vocabulary, c.value as source_value, y.stated_by, y.collected_how,
    c.recorded_on, case c.basis when 1 then 'recorded' when 2 then 'event' else 'period' end as recorded_on_basis,
    case when c.refused_for is null then m.code end as code,
    case when c.refused_for is null then m.detail end as detail,
    case when c.refused_for is null then m.status else 'unrecognised' end as status,
    coalesce(c.refused_for, m.reason) as reason,
    case when c.refused_for is null then m.relation else 'none' end as relation,
    c.n_records, c.first_line
from counted as c
join one.saying as y using (saying_no)
join resolved as m on m.field = y.characteristic and m.value is not distinct from c.value
cross join one.submission as s
