-- One row per person and record key of theirs that lasts: which patients of which providers a person is made of. The next release is compared with it.
-- after: person_link
select distinct l.person_no, l.provider, l.record_key
from protected.person_link as l
join harmonised.patient as h using (submission_no, layout, patient_no)
where h.is_key_stable
