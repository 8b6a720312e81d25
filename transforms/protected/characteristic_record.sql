-- One row per record of a characteristic: what one provider said of one person, when, and the code it means.
-- after: person_link
-- Re-sent and unchanged it is one record, dated at its first appearance, with the largest count; never a self-description.
select l.person_no, c.provider, c.layout, l.care_setting, l.record_key, c.characteristic, c.vocabulary,
       c.code, c.detail, c.status, c.reason, c.relation, c.stated_by, c.collected_how,
       min(c.recorded_on) as recorded_on, c.recorded_on_basis, max(c.n_records) as n_records
from harmonised.characteristic as c
join protected.person_link as l using (submission_no, layout, patient_no)
group by l.person_no, c.provider, c.layout, l.care_setting, l.record_key, c.characteristic, c.vocabulary, c.source_value,
         c.code, c.detail, c.status, c.reason, c.relation, c.stated_by, c.collected_how, c.recorded_on_basis,
         case when c.recorded_on_basis <> 'period' then c.recorded_on end
