-- One row per record key, layout and period in force: the person it was linked to, how, and by which model.
-- after: person_link
-- Of several identities under one key of one submission (another birth date, another number) each has its row.
select l.record_key, l.person_no, l.provider, l.period, l.layout, r.basis as linked_by, round(r.weight, 1) as weight, r.model,
       r.has_date_conflict, r.has_number_conflict
from linked.person_record as r
join protected.person_link as l using (submission_no, layout, patient_no)
