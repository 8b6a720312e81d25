-- One row per event, and per reading of what measurements.csv lists.
-- A number that nobody can have, or that is none, is no reading.
with happened as (
    select line, record_key, is_key_stable, identity_a, identity_b, kind, event_date, ended_on, null::double as value, outcome_code,
           specialty_code, site_code
    from one.event
    union all
    select r.line, r.record_key, r.is_key_stable, r.identity_a, r.identity_b, m.kind, r.event_date, null, try_cast(r.value as double),
           null, r.specialty_code, r.site_code
    from one.record as r
    join standard.measurement as m on m.code = r.code and try_cast(r.value as double) between m.lowest and m.highest
    cross join one.submission as s
    where s.codes = m.vocabulary
)
select
    s.submission_no, s.provider, s.period, s.layout, p.patient_no, h.record_key, h.is_key_stable, h.kind, h.event_date, h.ended_on,
    h.value, h.outcome_code, h.specialty_code, h.site_code, h.line
from happened as h
cross join one.submission as s
join one.identity as p using (identity_a, identity_b)
