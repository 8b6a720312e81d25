-- One row per period that other tables name: whether it is a day, a month, a quarter or twelve months, and from when to when.
select grain, period, starts_on, ends_on from standard.period order by all
