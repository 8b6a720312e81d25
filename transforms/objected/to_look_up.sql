-- One row per NHS number to have checked nationally: of everybody of whom somebody sends records to which the opt-out was not applied.
-- after: person
select distinct h.nhs_number
from (select distinct r.person_no from objected.to_check as c join linked.person_record as r using (submission_no, layout)) as l
join linked.person_record as r using (person_no)
join harmonised.patient as h on h.submission_no = r.submission_no and h.layout = r.layout and h.patient_no = r.patient_no
where is_nhs_number(h.nhs_number)
  -- Nobody needs to be asked about who is left out anyway.
  and l.person_no not in (select person_no from objected.person where reason = 'objection')
order by h.nhs_number
