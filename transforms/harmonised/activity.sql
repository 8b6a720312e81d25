-- One row per event, and per reading of what measurements.csv lists.
-- A number that nobody can have, or that is none, is no reading.
with reading as (
    select r.line, m.kind, try_cast(r.value as double) as value
    from one.record as r
    join standard.measurement as m on m.code = r.code and try_cast(r.value as double) between m.lowest and m.highest
    cross join one.submission as s
    where s.codes = m.vocabulary
)
select
    r.submission_no, s.provider, s.period, s.layout, p.patient_no, r.record_key, r.is_key_stable,
    coalesce(s.kind, m.kind) as kind, r.event_date, r.discharge_date as ended_on, m.value,
    coalesce(r.attendance_code, r.discharge_method_code, r.discharge_status_code) as outcome_code, r.specialty_code, r.site_code, r.line
from one.record as r
cross join one.submission as s
join one.identity as p using (identity_a, identity_b)
left join reading as m on m.line = r.line
where s.kind is not null or m.kind is not null
