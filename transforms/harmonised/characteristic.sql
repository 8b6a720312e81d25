-- One row per submission, layout, patient, characteristic, vocabulary, source value and date: what the source said, and
-- the code that it means.
-- after: patient
with counted as (
    select characteristic, identity_a, identity_b, own_line, value, refused_for, stated_by, collected_how,
           recorded_on, recorded_on_basis, count(*) as n_records, min(line)::integer as first_line
    from one.said
    group by all
)
select
    s.submission_no, s.provider, s.period, s.layout, p.patient_no, p.record_key,
    c.characteristic, m.vocabulary, c.value as source_value, c.stated_by, c.collected_how,
    c.recorded_on, c.recorded_on_basis,
    case when c.refused_for is null then m.code end as code,
    case when c.refused_for is null then m.detail end as detail,
    case when c.refused_for is null then m.status else 'unrecognised' end as status,
    coalesce(c.refused_for, m.reason) as reason,
    case when c.refused_for is null then m.relation else 'none' end as relation,
    c.n_records, c.first_line
from counted as c
cross join one.submission as s
join one.identity as p
  on p.identity_a = c.identity_a and p.identity_b = c.identity_b and p.own_line = c.own_line
join resolved as m on m.field = c.characteristic and m.value is not distinct from c.value
