-- One row per measure of quality: what it says, whether more is better, and its unit.
select measure, title, words, better, unit, tells, source from standard.measure order by all
