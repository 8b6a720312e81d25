-- One row per code system and code: what codes mean, for reading the other tables.
select system, code, kind, parent, label, vodim, status, definition, source, valid_from, valid_to from standard.code order by all
