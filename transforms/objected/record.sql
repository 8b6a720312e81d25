-- One row per record that is left out: all that is linked to a person who is, and what a list names but nothing is linked to.
-- after: person
with left_out as (
    select r.submission_no, r.layout, r.patient_no, r.record_key, p.reason
    from linked.person_record as r join objected.person as p using (person_no)
    union all
    select m.submission_no, m.layout, m.patient_no, m.record_key, 'objection'
    from objected.matched as m anti join linked.person_record as r using (submission_no, layout, patient_no)
),
staying as (
    select distinct r.record_key from linked.person_record as r anti join objected.person as p using (person_no)
)
-- Two people of one provider may share a local id, and so a key: what has it is not yet one of them.
select l.*, s.record_key is not null as is_key_shared
from left_out as l left join staying as s using (record_key)
