-- One row per record that is left out: all that is linked to a person who is, and what a list names but nothing is linked to.
-- after: person
select r.submission_no, r.layout, r.patient_no, r.record_key, p.reason
from linked.person_record as r join objected.person as p using (person_no)
union all
select m.submission_no, m.layout, m.patient_no, m.record_key, 'objection'
from objected.matched as m anti join linked.person_record as r using (submission_no, layout, patient_no)
