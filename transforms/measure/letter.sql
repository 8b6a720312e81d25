-- One row per code system and status: its letter of VODIM.
select system, code as status, vodim from standard.code where kind = 'absence'
union all
select distinct system, 'known', 'valid' from standard.code
