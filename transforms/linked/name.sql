-- One row per spelling of a given or family name: what comparing names needs of it.
-- after: numbered_person
with sent as (
    select given_name as spelling from linked.numbered_person where given_name is not null
    union
    select family_name from linked.numbered_person where family_name is not null
),
cleaned as (
    select spelling, nullif(plain_letters(spelling), '') as letters from sent
),
worded as (
    select spelling, letters, string_split(letters, ' ') as words,
           -- "Baby of Amina" and "Twin two" say that somebody has no name yet: not what it is.
           exists (from standard.placeholder_name as p
                   where case p."where" when 'whole' then c.letters = p.words
                                        when 'first' then starts_with(c.letters || ' ', p.words || ' ')
                                        else contains(' ' || c.letters || ' ', ' ' || p.words || ' ') end) as is_placeholder
    from cleaned as c
),
formed as (
    -- Other spellings and short forms of the first word lead to one name; the list holds every one that it may stand for.
    select w.spelling, list(distinct t.name) filter (t.name is not null) as spelt,
           list(distinct n.name) filter (n.name is not null) as short_for,
           list(distinct u.name) filter (u.name is not null) as short_for_spelt
    from worded as w
    left join standard.transliteration as t on t.spelling = w.words[1]
    left join standard.nickname as n on n.short_form = w.words[1]
    left join standard.transliteration as u on u.spelling = n.name
    group by w.spelling
)
select w.spelling, w.letters, w.is_placeholder, replace(w.letters, ' ', '') as joined, w.words,
       list_distinct(list_concat([w.words[1]], coalesce(f.spelt, []), coalesce(f.short_for, []),
                                 coalesce(f.short_for_spelt, []))) as forms,
       coalesce(t.name, replace(w.letters, ' ', '')) as spelt_as,
       name_skeleton(w.letters) as skeleton, name_skeleton(w.words[1]) as first_skeleton
from worded as w
join formed as f using (spelling)
left join standard.transliteration as t on t.spelling = replace(w.letters, ' ', '')
where w.letters is not null
