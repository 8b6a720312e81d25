-- One row per record that a list names. Where list and record both state a birth date, two of its three parts must agree, or
-- a number that was typed into the wrong record would take somebody else away.
-- after: claim
select distinct c.submission_no, c.layout, c.patient_no, c.record_key
from objected.claim as c
join objected.listed as e on e.kind = c.kind and e.name_key = c.name_key
where e.birth_marks is null or c.birth_date is null or list_has_any(e.birth_marks, birth_marks(c.message, c.birth_date))
