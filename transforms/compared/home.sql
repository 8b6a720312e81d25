-- One row per person whom a provider's newest files hold and whose postcode is known: the share of the residents there whom the census counted in the group.
-- after: resident
with newest as (
    select p.record_key, arg_max(p.postcode, (p.period, p.layout, p.patient_no)) as postcode
    from harmonised.patient as p
    join compared.delivery as d on d.submission_no = p.submission_no and d.layout = p.layout and d.is_newest
    where p.postcode is not null and p.exclusion is null
    group by p.record_key
)
select n.record_key, r.share
from newest as n
join standard.postcode as d using (postcode)
join standard.lsoa as a using (lsoa21_code)
join compared.resident as r using (local_authority_code)
