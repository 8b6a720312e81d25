-- Providers by how much of their ethnicity can be used, beside their kind.
select p.name, p.kind, m.layout, m.period, round(m.value, 3) as usable
from provider_measure as m join provider as p on p.provider = m.place
where m.place_kind = 'provider' and m.measure = 'usable' and m.field = 'ethnic_category' and m.cell_status = 'shown'
qualify row_number() over (partition by m.place, m.layout order by m.period desc) = 1
order by usable;
