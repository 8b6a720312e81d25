-- One row per place that other tables name.
select 'icb_of_residence' as place_kind, icb_code as place, name from standard.icb
union all select 'region', place, place || ' (' || version || ')' from standard.place group by all
union all select 'provider', code, name from standard.provider
order by all
