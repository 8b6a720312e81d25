-- One row per release that can be read: in how many numbers it differs from what is counted now, and by how many people at most.
-- after: judged_cell
-- Deliveries are no people, and what moved is told of the release before.
with now as (
    select * from measure.judged_cell
    where release = 0 and suppression <> 'deliveries' and "table" <> 'moved'
),
before as (
    select *, lasting_period("table", period) as own_period from measure.earlier_cell
    where suppression <> 'deliveries' and "table" <> 'moved'
),
compared as (
    select coalesce(n.release, b.release) as release, b.numerator is distinct from n.numerator
           or b.denominator is distinct from n.denominator as is_different,
           -- Where a whole place is counted a row that is not there says that nobody is in it, of as many as in the others.
           greatest(abs(coalesce(n.n_people_numerator, 0) - coalesce(b.n_people_numerator, 0)),
                    case when coalesce(n."table", b."table") in ('coverage', 'agreement_margin')
                         then coalesce(abs(n.n_people_denominator - b.n_people_denominator), 0)
                         else abs(coalesce(n.n_people_denominator, 0) - coalesce(b.n_people_denominator, 0)) end) as n_people
    from (select r.release, n.* exclude (release) from now as n cross join (select distinct release from before) as r) as n
    full join before as b
      on b.release = n.release and b."table" = n."table" and b.metric = n.metric and b.own_period = n.own_period
     and b.place_kind = n.place_kind and b.place = n.place and b.breakdown = n.breakdown and b.category = n.category
)
select release, count(*) filter (is_different) as n_cells, coalesce(max(n_people) filter (is_different), 0) as n_people
from compared group by release
