-- One row per person and method, the default among them: the value it gives them, our code and national letter for it, and the group that it puts them in.
-- A group is one of the default set, or the status where there is no value, as in person_view.
with told as (
    select person_no, 'default' as method, code as value, code, status, true as says_codes from protected.person_characteristic
    where characteristic = getvariable('ethnicity')
    union all
    select t.person_no, t.method, t.value, t.code, t.status, m.says_codes
    from protected.person_ethnicity_method as t join standard.method as m using (method)
),
lettered as (
    -- The letters of the published classification that methods speak in, to compare them with those that speak in codes.
    select m.says, c.code, nullif(c.value, '') as letter
    from (select distinct says from standard.method where not says_codes) as m
    join standard.characteristic as y on y.characteristic = getvariable('ethnicity')
    join standard.classification as c
      on c.system = y.system and c.classification = m.says and is_valid_on(getvariable('rolling_to'), c.valid_from, c.valid_to)
)
select t.person_no, t.method, t.value, t.code, t.status, t.says_codes,
       case when t.says_codes then l.letter else t.value end as letter, coalesce(h."group", t.status) as ethnic_group
from told as t
join standard.characteristic as y on y.characteristic = getvariable('ethnicity')
left join (select code, min(letter) as letter from lettered group by code) as l on l.code = t.code
left join standard.classification as h
  on h.system = y.system and h.classification = getvariable('default_set') and h.code = t.code
 and is_valid_on(getvariable('rolling_to'), h.valid_from, h.valid_to)
