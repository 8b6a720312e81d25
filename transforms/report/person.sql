-- One row per number: how people came out of linking.
-- after: joined, fault_row
with true_person as (select true_no, count(*) as n from report.joined group by all),
linked_person as (select linked_no, count(*) as n from report.joined group by all),
whole as (
    select count(*) as n from report.joined
    where true_no in (select true_no from true_person where n = 1) and linked_no in (select linked_no from linked_person where n = 1)
),
apart as (
    -- What sets a person's records apart, the first that applies: a number that cannot be used, or a date that contradicts.
    select t.true_no, min(case when f.field = 'nhs_number' then 1 when f.field = 'birth_date' then 2 end) as why
    from true_person as t
    join truth.record as r on r.person_no = t.true_no
    left join (select provider, layout, local_patient_id, field from report.fault_row
               where field in ('nhs_number', 'birth_date')) as f using (provider, layout, local_patient_id)
    where t.n > 1 group by all
)
select 1 as place, 'people in what was sent' as what, (select count(distinct person_no) from truth.record where person_no > 0) as n
union all select 2, 'of these, in what may be linked', (select count(*) from true_person)
union all select 3, 'people published', (select count(*) from protected.person)
union all select 4, 'people who became exactly one published person', (select n from whole)
union all select 5, 'people whose records stayed apart', (select count(*) from true_person where n > 1)
union all select 6, 'of these: ' || case why when 1 then 'a number is missing or wrong' when 2 then 'a birth date is wrong'
                                     else 'another reason' end, count(*) from apart group by why
union all select 7, 'published people who are two or more people', (select count(*) from linked_person where n > 1)
union all select 8, 'reported, not joined: ' || reason, count(*) from linked.conflict group by reason
order by all
