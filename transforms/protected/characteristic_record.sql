-- One row per record of a characteristic: what one provider said of one person, when, and the code it means.
-- after: person_link, value_key
-- Re-sent and unchanged it is one record, dated at its first appearance, with the largest count; never a self-description.
-- A detail that answers another question too (resolution.yml, derived) is a record of that one as well, and says so.
with stated as (
    select l.person_no, c.provider, c.layout, l.care_setting, l.record_key, c.characteristic, c.vocabulary, c.source_value,
           c.code, c.detail, c.status, c.reason, c.relation, c.stated_by, c.collected_how,
           min(c.recorded_on) as recorded_on, c.recorded_on_basis, max(c.n_records) as n_records,
           max(c.period) as last_period, max(c.review_on) as review_on
    from harmonised.characteristic as c
    join protected.person_link as l using (submission_no, layout, patient_no)
    group by l.person_no, c.provider, c.layout, l.care_setting, l.record_key, c.characteristic, c.vocabulary, c.source_value,
             c.code, c.detail, c.status, c.reason, c.relation, c.stated_by, c.collected_how, c.recorded_on_basis,
             case when c.recorded_on_basis <> 'period' then c.recorded_on end
)
select s.* exclude (source_value), v.value_key, null::varchar as derived_from
from stated as s
join protected.value_key as v on v.characteristic = s.characteristic and v.source_value is not distinct from s.source_value
union all by name
select s.* exclude (source_value) replace (
           d.characteristic as characteristic, d.vocabulary as vocabulary, m.code as code, nullif(m.detail, '') as detail,
           'derived: from ' || d.derived_from as reason, m.relation as relation),
       null::uuid as value_key, d.derived_from
from stated as s
join standard.derived as d on d.derived_from = s.characteristic
join standard.code_map as m on m.system = d.system and m.vocabulary = d.vocabulary and m.value = s.detail and m.code <> ''
 and is_valid_on(s.recorded_on, m.valid_from, m.valid_to)
