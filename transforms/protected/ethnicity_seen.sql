-- One row per person, code or absence, care setting and content of its layout: how often it was said of their ethnicity, and when last.
-- after: characteristic_record
-- What one attendance, admission or dated entry says is a record; characteristic_record counts them.
select r.person_no, r.code, r.status, r.care_setting, l.content, sum(r.n_records)::bigint as n_records,
       max(r.recorded_on) as latest_on
from protected.characteristic_record as r
left join standard.layout as l on l.layout = r.layout
where r.characteristic = getvariable('ethnicity') and r.derived_from is null
group by r.person_no, r.code, r.status, r.care_setting, l.content
