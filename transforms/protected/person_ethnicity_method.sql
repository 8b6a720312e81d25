-- One row per person and method of resolution.yml (published): what the method makes of their records of ethnicity (`value`: a code of ours or a national letter, as the method says it), and our code for it.
-- after: ethnicity_seen, person
-- Where the method has nothing: conflicting where its tests leave a tie, else the latest absence that it sees (a code that has
-- no letter is over_general), else not_collected with the reason (it sees no record, or leaves the person out).
with word as (
    -- What each code of ours is in the words of each method; nothing where it has no letter.
    select m.method, k.code, case when m.says_codes then k.code else nullif(c.value, '') end as said, coalesce(o.place, 0) as letter_place,
           coalesce(o.is_held_back, false) as is_held_back
    from standard.method as m
    join standard.characteristic as y on y.characteristic = getvariable('ethnicity')
    join standard.code as k on k.system = y.system and k.kind not in ('absence', 'detail')
    left join standard.classification as c
      on c.system = y.system and c.classification = m.says and c.code = k.code
     and is_valid_on(getvariable('rolling_to'), c.valid_from, c.valid_to)
    left join standard.method_letter as o on o.method = m.method and o.letter = c.value
),
spoken as (
    -- Numbers, to compare by.
    select method, code, said as value, dense_rank() over (order by said)::integer as value_no, letter_place, is_held_back
    from word where said is not null
),
window_of as (
    -- The first day of the earliest year that a method looks at, counted back from the year in which the release ends.
    select method, make_date(year_starting(getvariable('rolling_to'), start_in) - n_years + 1, start_in, 1) as first_day
    from standard.method where n_years is not null
),
heard as (
    select o.method, s.person_no, v.value_no, v.letter_place, v.is_held_back, s.n_records,
           day_place(s.latest_on)::bigint * 100 + o.place as last_place,
           (day_place(s.latest_on)::bigint * 10 + coalesce(a.place, 9)) * 2 + (s.status = 'known')::bigint as absence_place
    from protected.ethnicity_seen as s
    join standard.method_source as o
      on o.care_setting = s.care_setting and (o.content is null or o.content = s.content)
    left join window_of as f on f.method = o.method
    left join spoken as v on v.method = o.method and v.code = s.code
    left join standard.rank as a
      on a.kind = 'statuses' and a.name = case when s.status = 'known' then 'unrecognised' else s.status end
    where not o.is_limited or s.latest_on >= f.first_day
),
voted as (
    select method, person_no, value_no, any_value(letter_place) as letter_place, any_value(is_held_back) as is_held_back,
           sum(n_records)::bigint as n, min(last_place) as last_place, min(absence_place) as absence_place
    from heard group by method, person_no, value_no
),
weighed as (
    select v.method, v.person_no, v.value_no, v.absence_place,
           v.is_held_back::bigint * m.by_held_back_last + (99999 - least(v.n, 99999)) * m.by_most_records
           + v.last_place // 100 * m.by_latest + v.last_place % 100 * m.by_source + v.letter_place * m.by_letter as standing
    from voted as v join standard.method as m using (method)
),
counted as (
    -- Of equals the first value and the last one: where they differ the tests have left a tie.
    select method, person_no, min(standing * 4096 + value_no) filter (value_no is not null) % 4096 as first_no,
           4095 - min(standing * 4096 + 4095 - value_no) filter (value_no is not null) % 4096 as last_no,
           min(absence_place) filter (value_no is null) % 20 as absence_no
    from weighed group by method, person_no
),
worded as (
    -- A letter is read as its own vocabulary reads it: C is no more than C, whoever was recorded so.
    select distinct v.method, v.value_no, v.value, case when m.says_codes then v.value else t.code end as code
    from spoken as v
    join standard.method as m using (method)
    join standard.characteristic as y on y.characteristic = getvariable('ethnicity')
    left join standard.code_map as t
      on t.system = y.system and t.vocabulary = m.says and t.value = v.value
     and is_valid_on(getvariable('rolling_to'), t.valid_from, t.valid_to)
),
told as (
    select p.person_no, m.method, c.first_no, c.absence_no, c.first_no <> c.last_no as is_tie, c.person_no is not null as is_seen,
           case when m.leaves_out_dead and p.has_died then 'left_out: has died'
                when m.lives_in <> p.country_code then 'left_out: lives elsewhere' end as left_out
    from protected.person as p
    cross join standard.method as m
    left join counted as c on c.person_no = p.person_no and c.method = m.method
)
select t.person_no, t.method, case when t.left_out is null and not t.is_tie then w.value end as value,
       case when t.left_out is null and not t.is_tie then w.code end as code,
       case when t.left_out is not null or not t.is_seen then 'not_collected' when t.is_tie then 'conflicting'
            when t.first_no is not null then 'known' else coalesce(a.name, 'not_recorded') end as status,
       case when t.left_out is not null then t.left_out when not t.is_seen then 'no_record_seen'
            when t.is_tie then 'equal_standing' when t.first_no is null and t.absence_no % 2 = 1 then 'over_general' end as reason
from told as t
left join worded as w on w.method = t.method and w.value_no = t.first_no
left join standard.rank as a on a.kind = 'statuses' and a.place = t.absence_no // 2
