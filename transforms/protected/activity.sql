-- One row per event: of an event sent more than once the latest period's last row counts.
-- after: person_link
select l.person_no, a.record_key, a.is_key_stable, a.provider, a.layout, a.kind, a.event_date, a.ended_on, a.value,
       -- A person's number or name in the wrong column must not travel in one that is copied as it came.
       code_form(a.outcome_code, 2) as outcome_code, code_form(a.specialty_code, 4) as specialty_code,
       code_form(a.site_code, 9) as site_code, a.period
from harmonised.activity as a
join protected.person_link as l using (submission_no, layout, patient_no)
qualify row_number() over (partition by a.provider, a.kind, a.record_key order by a.period desc, a.line desc) = 1
