-- One row per provider: the name behind the code.
select code as provider, name, kind, icb, demo = 'true' as is_invented from standard.provider order by all
