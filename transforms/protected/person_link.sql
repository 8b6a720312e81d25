-- One row per identity that a submission holds: its person. Only where an agreement lets us publish, and nobody who objects.
select r.submission_no, r.provider, r.period, r.layout, r.patient_no, r.record_key, p.person_no,
       f.care_setting, p.n_providers
from linked.person_record as r
join linked.in_force as f using (submission_no, layout)
join linked.person as p using (person_no)
anti join objected.person as o using (person_no)
where f.may_publish
