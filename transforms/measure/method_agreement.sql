-- One row per ethnic group (by the default) and pair of methods: people to whom both give a value, and to whom the same one.
-- after: method_said, person_view
-- Two values are the same where both methods speak in our codes and it is one code, else where it is one national letter.
select g.ethnic_group, a.method, b.method as other_method, count(*) as n_people,
       count(*) filter (a.status = 'known') as n_known, count(*) filter (b.status = 'known') as n_known_by_other,
       count(*) filter (a.status = 'known' and b.status = 'known') as n_known_by_both,
       count(*) filter (a.status = 'known' and b.status = 'known'
                        and case when a.says_codes and b.says_codes then a.code = b.code
                                 else coalesce(a.letter = b.letter, false) end) as n_agree
from measure.method_said as a
join measure.method_said as b on b.person_no = a.person_no and b.method > a.method
join measure.person_view as g on g.person_no = a.person_no
group by g.ethnic_group, a.method, b.method
