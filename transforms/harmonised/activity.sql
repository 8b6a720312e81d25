-- One row per event.
select
    r.submission_no, s.provider, s.period, s.layout, p.patient_no, r.record_key, r.is_key_stable,
    s.kind, r.event_date, r.discharge_date as ended_on,
    coalesce(r.attendance_code, r.discharge_method_code, r.discharge_status_code) as outcome_code, r.specialty_code, r.site_code, r.line
from one.record as r
cross join one.submission as s
join one.identity as p using (identity_a, identity_b)
where s.kind is not null
