-- Protected. What was known of people's language on a day, not what is known now.
select coalesce(h.code, h.status) as language, count(*) as n_people
from protected.characteristic_history as h
where h.characteristic = 'main_language'
  and date '2026-06-30' between coalesce(h.valid_from, '-infinity'::date) and coalesce(h.valid_to, 'infinity'::date)
group by 1 order by n_people desc limit 20;
