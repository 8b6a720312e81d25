-- One row per person: their ethnicity by the default and by five published methods, each a code and a status (known, conflicting, or why there is none); OHID, GDPPR and SUS speak in national letters (2001).
-- after: person_characteristic, person_ethnicity_method
-- How each method chooses: resolution.yml, published. More of it, and every further method: person_ethnicity_method.
with beside as (
    select person_no,
           any_value(code) filter (method = 'latest') as latest_code,
           any_value(status) filter (method = 'latest') as latest_status,
           any_value(code) filter (method = 'most_frequent') as most_frequent_code,
           any_value(status) filter (method = 'most_frequent') as most_frequent_status,
           any_value(value) filter (method = 'ohid') as ohid_letter,
           any_value(code) filter (method = 'ohid') as ohid_code,
           any_value(status) filter (method = 'ohid') as ohid_status,
           any_value(value) filter (method = 'gdppr') as gdppr_letter,
           any_value(code) filter (method = 'gdppr') as gdppr_code,
           any_value(status) filter (method = 'gdppr') as gdppr_status,
           any_value(value) filter (method = 'sus') as sus_letter,
           any_value(code) filter (method = 'sus') as sus_code,
           any_value(status) filter (method = 'sus') as sus_status
    from protected.person_ethnicity_method
    group by person_no
)
select d.person_no, d.code as default_code, d.status as default_status, b.* exclude (person_no)
from protected.person_characteristic as d
join beside as b on b.person_no = d.person_no
where d.characteristic = getvariable('ethnicity')
