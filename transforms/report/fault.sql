-- One row per fault and field of a layout: how many rows, how many of them the rules of that fault are to find and found
-- (all of its rules: where no rule can tell, how many one blames all the same), how many were read as they should be,
-- how many are left out of what is published.
-- after: claim, issue
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
    select f.file_no, f.line, f.fault, f.field, s.meaning
    from coded as f
    join harmonised.patient as p using (submission_no, layout, local_patient_id)
    join said as s on s.submission_no = p.submission_no and s.layout = p.layout and s.patient_no = p.patient_no
     and s.sent = f.folded and list_contains(s.fields, f.field)
    union all
    -- Without a local id the record is its own, and its first line is this one.
    select f.file_no, f.line, f.fault, f.field, s.meaning
    from coded as f
    join said as s on s.submission_no = f.submission_no and s.layout = f.layout and s.first_line = f.line
     and s.sent = f.folded and list_contains(s.fields, f.field)
    where f.local_patient_id is null
),
read_once as (select file_no, line, fault, field, any_value(meaning) as meaning from reading group by all),
claimed as (
    select c.provider, c.period, c.arrival, c.layout, c.line, c.fault, c.field, bool_and(i.line is not null) as is_found
    from report.claim as c left join report.issue as i using (provider, period, arrival, layout, line, rule)
    group by all
),
blamed as (  -- what a rule that knows faults says of a field, and no fault of the row explains
    select distinct provider, period, arrival, layout, line, split_part(rule, '.', 2) as field
    from report.issue anti join report.claim using (provider, period, arrival, layout, line, rule)
    where (layout, rule) in (select (layout, rule) from seen.fault_rule)
),
left_out as (
    select distinct submission_no, layout, local_patient_id from harmonised.patient where exclusion is not null
),
judged as (
    select f.*, o.layout is not null as is_left_out, m.meaning is null as is_unread, m.meaning is not distinct from f.expected as is_right,
           c.line is not null as is_claimed, coalesce(c.is_found, b.line is not null) as is_found
    from report.fault_row as f
    left join read_once as m using (file_no, line, fault, field)
    left join left_out as o using (submission_no, layout, local_patient_id)
    left join claimed as c using (provider, period, arrival, layout, line, fault, field)
    left join blamed as b using (provider, period, arrival, layout, line, field)
)
select fault, layout, field, count(*) as n_rows, count(*) filter (is_claimed) as n_to_find, count(*) filter (is_found) as n_found,
       case when bool_or(expected <> '') then count(*) filter (is_right or (expected = 'nothing' and is_unread)) end as n_read_rightly,
       count(*) filter (is_left_out) as n_left_out,
       (select coalesce(string_agg(split_part(rule, '.', 2) || '.' || split_part(rule, '.', 3), ' ' order by rule), '')
        from seen.fault_rule as r where (r.fault, r.layout, r.field) = (judged.fault, judged.layout, judged.field)) as rules
from judged group by all order by all
