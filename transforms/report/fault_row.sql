-- One row per fault that came into force: the record that has it, and the field.
with record as (
    select 'patient' as layout_table, file_no, line, submission_no, local_patient_id from validated.patient
    union all select 'appointment', file_no, line, submission_no, local_patient_id from validated.appointment
    union all select 'admission', file_no, line, submission_no, local_patient_id from validated.admission
    union all select 'emergency_attendance', file_no, line, submission_no, local_patient_id from validated.emergency_attendance
    union all select 'pathway', file_no, line, submission_no, local_patient_id from validated.pathway
    union all select 'diagnosis', file_no, line, submission_no, local_patient_id from validated.diagnosis
    union all select 'access_event', file_no, line, submission_no, local_patient_id from validated.access_event
    union all select 'observation', file_no, line, submission_no, local_patient_id from validated.observation
)
select f.provider, f.period, f.layout, f.line, f.fault, f.sent, f.expected, c.field, s.arrival, s.file_no,
       r.submission_no, r.local_patient_id
from truth.fault as f
join seen.file as s using (provider, period, layout)
join seen.layout_column as c on c.layout = f.layout and c."column" = f."column"
left join record as r on r.file_no = s.file_no and r.line = f.line and r.layout_table = c.layout_table
