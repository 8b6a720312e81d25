-- One row per place that other tables name. A region says by which definition.
select 'icb_of_residence' as place_kind, icb_code as place, name from standard.icb
union all select 'icb_of_registration', icb_code, name from standard.icb
union all select 'local_authority', local_authority_code, any_value(local_authority_name) from standard.lsoa group by local_authority_code
union all select 'region', place, place || ' (' || version || ')' from standard.place group by all
union all select 'provider', code, name from standard.provider
order by all
