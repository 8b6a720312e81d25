-- One row per submission, layout, patient, characteristic, vocabulary, source value, date and date of review: what the source said, and
-- the code that it means. An empty word stands where there is none; the stage's view makes it null again.
select
    s.submission_no, s.provider, s.period, s.layout, c.patient_no,
    m.characteristic, m.vocabulary, m.value as source_value, m.stated_by, m.collected_how, c.recorded_on,
    case c.basis when 1 then 'recorded'::one.word when 2 then 'event'::one.word else 'period'::one.word end
        as recorded_on_basis,
    case when c.refused_for is null then m.code else ''::one.word end as code,
    case when c.refused_for is null then m.detail else ''::one.word end as detail,
    case when c.refused_for is null then m.status else 'unrecognised'::one.word end as status,
    case when c.refused_for is null then m.reason else c.refused_for::one.word end as reason,
    case when c.refused_for is null then m.relation else 'none'::one.word end as relation,
    c.n_records, c.first_line, c.review_on
from one.said as c
join one.meaning as m using (meaning_no)
cross join one.submission as s
