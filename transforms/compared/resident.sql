-- One row per local authority: the share of its residents whom the census counted in the group.
-- after: gypsy_roma_traveller
-- A decimal: added up in any order it comes to the same.
select c.local_authority_code, (sum(c.people) filter (g.code is not null) / sum(c.people))::decimal(18, 12) as share
from standard.census as c
left join compared.gypsy_roma_traveller as g using (code)
group by c.local_authority_code
