-- One row per fault and layout: how many rows, how many were read as they should be, how many a rule of
-- the field found, how many are left out of what is published.
-- after: fault_row
with said as (
    select submission_no, layout, patient_no, coalesce(code, status) as meaning, first_line,
           upper(coalesce(trim(source_value), '')) as sent,
           case when characteristic = getvariable('ethnicity') then ['code', characteristic] else [characteristic] end as fields
    from harmonised.characteristic
),
coded as (
    select *, upper(trim(sent)) as folded from report.fault_row where expected <> ''
),
reading as (
    -- A coded value: the code, or the absence, that harmonising made of it. A GP code states a characteristic or nothing.
    select f.file_no, f.line, f.fault, s.meaning
    from coded as f
    join harmonised.patient as p using (submission_no, layout, local_patient_id)
    join said as s on s.submission_no = p.submission_no and s.layout = p.layout and s.patient_no = p.patient_no
     and s.sent = f.folded and list_contains(s.fields, f.field)
    union all
    -- Without a local id the record is its own, and its first line is this one.
    select f.file_no, f.line, f.fault, s.meaning
    from coded as f
    join said as s on s.submission_no = f.submission_no and s.layout = f.layout and s.first_line = f.line
     and s.sent = f.folded and list_contains(s.fields, f.field)
    where f.local_patient_id is null
),
read_once as (select file_no, line, fault, any_value(meaning) as meaning from reading group by all),
found as (
    select distinct provider, period, arrival, layout, line, split_part(rule, '.', 2) as field from results.issue
),
left_out as (
    select distinct submission_no, layout, local_patient_id from harmonised.patient where exclusion is not null
),
judged as (
    select f.*, o.layout is not null as is_left_out, m.meaning is null as is_unread, m.meaning is not distinct from f.expected as is_right, i.line is not null as is_found
    from report.fault_row as f
    left join read_once as m using (file_no, line, fault)
    left join left_out as o using (submission_no, layout, local_patient_id)
    left join found as i using (provider, period, arrival, layout, line, field)
)
select fault, layout, field, count(*) as n_rows,
       case when bool_or(expected <> '') then count(*) filter (is_right or (expected = 'nothing' and is_unread)) end as n_read_rightly,
       count(*) filter (is_found) as n_found_by_a_rule, count(*) filter (is_left_out) as n_left_out
from judged group by all order by all
