-- One row per event: of an event sent more than once the latest period's last row counts.
-- after: person_link
with twice as materialized (
    -- Nearly all are sent once: to sort everything to find those that are not takes half as long again.
    select provider, kind, record_key from harmonised.activity group by all having count(*) > 1
),
sent as (
    select l.person_no, a.record_key, a.is_key_stable, a.provider, a.layout, a.kind, a.event_date, a.ended_on, a.value,
           -- A person's number or name in the wrong column must not travel in one that is copied as it came.
           -- A stage of three characters begins with a figure, and a short name with a letter.
           code_form(a.outcome_code, if(regexp_matches(a.outcome_code, '^\s*[0-9]'), 3, 2)) as outcome_code,
           code_form(a.specialty_code, 4) as specialty_code,
           code_form(a.site_code, 9) as site_code, a.period, a.line,
           (a.provider, a.kind, a.record_key) in (select (provider, kind, record_key) from twice) as is_sent_again
    from harmonised.activity as a
    join protected.person_link as l using (submission_no, layout, patient_no)
)
select * exclude (line, is_sent_again) from sent where not is_sent_again
union all
select * exclude (line, is_sent_again) from sent where is_sent_again
qualify row_number() over (partition by provider, kind, record_key order by period desc, line desc) = 1
