-- One row per person and record key of theirs: which records a person is made of, and whether the key outlasts a delivery. The next release is compared with it.
-- after: person_link
select l.person_no, l.provider, l.record_key, bool_and(h.is_key_stable) as is_key_stable
from protected.person_link as l
join harmonised.patient as h using (submission_no, layout, patient_no)
group by all
