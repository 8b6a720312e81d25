-- One row per whole place or period and a part of it: what lies in what, as a reader knows from the standard.
-- after: judged_cell
with place as (
    select distinct own_table as "table", place_kind, place from measure.judged_cell
),
area as (
    select l.local_authority_code, l.icb_code, p.place as region
    from standard.lsoa as l left join standard.place as p using (icb_code)
    group by all
),
-- A local authority in two boards belongs to neither, and then neither is the sum of its local authorities.
divided as (
    select icb_code from area
    where local_authority_code in (select local_authority_code from area group by 1 having count(distinct icb_code) > 1)
),
period as (
    select distinct own_table as "table", own_period as period from measure.judged_cell where own_table = 'metric_value' and own_period <> ''
)
select p."table", 'region' as whole_kind, a.region as whole, p.place_kind as part_kind, p.place as part
from place as p join (select distinct region, icb_code from area) as a on a.icb_code = p.place
where p.place_kind = 'icb_of_residence' and a.region is not null
union all
select p."table", 'region', a.region, p.place_kind, p.place
from place as p join (select distinct region, local_authority_code from area) as a on a.local_authority_code = p.place
where p.place_kind = 'local_authority' and a.region is not null
union all
select p."table", 'icb_of_residence', a.icb_code, p.place_kind, p.place
from place as p join (select distinct icb_code, local_authority_code from area) as a on a.local_authority_code = p.place
where p.place_kind = 'local_authority' and a.icb_code not in (select icb_code from divided)
union all
select "table", 'everyone', 'everyone', place_kind, place from place where place_kind in ('icb_of_residence', 'icb_of_registration')
union all
select "table", 'region', getvariable('region'), place_kind, place from place where place_kind = 'provider'
union all
select p."table", 'provider_kind', o.kind, p.place_kind, p.place
from place as p join standard.provider as o on o.code = p.place where p.place_kind = 'provider'
union all
-- A period is every series of shorter ones that fills it.
select w."table", 'period', w.period, 'period of ' || n_months(p.period), p.period
from period as w
join period as p
  on p."table" = w."table" and n_months(p.period) < n_months(w.period) and first_month(p.period) >= first_month(w.period)
 and first_month(p.period) + to_months(n_months(p.period)) <= first_month(w.period) + to_months(n_months(w.period))
qualify sum(n_months(p.period)) over (partition by w."table", w.period, n_months(p.period)) = n_months(w.period)
