-- One row per metric: what it counts, why it matters, and what to beware of.
select * from standard.metric order by all
