-- One row per person at one provider: what is compared when no number decides. `comparand_key` stands for all of it.
-- after: numbered_person, name
with sex_said as (
    -- A value that every list of ours reads in one way.
    select upper(value) as value, min(code) as sex from standard.code_map
    where system = 'sex' group by upper(value) having count(distinct code || status) = 1 and min(status) = 'known'
),
said as (
    select p.local_no, p.provider, p.record_key, p.is_key_stable, p.number, p.is_verified,
           case when p.number is null then p.digits end as digits,
           g.words[1] as given_name, g.words as given_words, g.forms as given_forms, g.first_skeleton as given_skeleton,
           g.joined as given_joined,
           f.joined as family_name, f.words as family_words, list_filter(f.words, lambda word: length(word) > 2) as family_parts,
           f.spelt_as as family_spelt, f.skeleton as family_skeleton,
           p.values_key, p.comparand_key, p.birth_date, s.sex, case when o.postcode is null then p.postcode end as postcode, p.gp_practice_code as practice
    from linked.numbered_person as p
    left join linked.name as g on g.spelling = p.given_name and not g.is_placeholder
    left join linked.name as f on f.spelling = p.family_name and not f.is_placeholder
    left join sex_said as s on s.value = upper(p.sex)
    -- No fixed abode, abroad, not known: not a place that two people share.
    left join standard.pseudo_postcode as o on o.postcode = p.postcode
)
select s.*, coalesce(g.share, getvariable('unlisted_name')) as tf_given_name,
       coalesce(f.share, getvariable('unlisted_name')) as tf_family_name,
       year(birth_date) as birth_year, month(birth_date) * 100 + day(birth_date) as birth_day,
       left(postcode, length(postcode) - 2) as sector, left(postcode, length(postcode) - 3) as district,
       right(digits, 6) as digits_end, left(digits, 8) as digits_begin, right(number, 6) as number_end, left(number, 8) as number_begin,
       case when is_key_stable then provider end as register
from said as s
left join standard.given_name_share as g on g.name = s.given_name
left join standard.family_name_share as f on f.name = s.family_name
