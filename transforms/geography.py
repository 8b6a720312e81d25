"""Places: the tables of standards/geography, and the operator's postcode directory, which lives in the lake.

Promise: a postcode becomes a small area here and nowhere else, and one that is not found is said to be not found.
"""

import hashlib
from pathlib import Path

import duckdb

from transforms.engine import add_table, connect
from transforms.faults import Reader
from transforms.lake import Lake, UsageError, install
from transforms.parquet import copy
from transforms.standard import Standard

TABLES = {
    "lsoa": "lsoa21_code lsoa21_name local_authority_code local_authority_name icb_code",
    "deprivation": "lsoa21_code rank decile",
    "icb": "icb_code ons_code name",
    "pseudo_postcode": "postcode place_status note",
    "place": "place version icb_code note source",
    "organisation": "code name kind icb_code source",
    "census": "local_authority_code code people",
}
FILES = {"deprivation": "deprivation_2025", "pseudo_postcode": "pseudo_postcodes", "place": "places"}
FILES |= {"organisation": "midlands_organisations", "census": "census_ethnic_category"}


def directory(lake: Lake) -> Path:
    return lake.path("geography", "postcode.parquet")


def import_postcodes(source: Path, lake: Lake) -> int:
    """Bring a CSV with postcode and lsoa21_code into the lake. Returns its rows. Raises UsageError with what is wrong."""
    if not source.is_file():
        raise UsageError(f"{source} is not there: give a CSV file with the columns postcode and lsoa21_code")
    lake.prepare()
    con = connect(lake)
    with lake.workspace() as work:
        copied = work / "postcodes.csv"
        copied.write_bytes(source.read_bytes())
        reading = f"read_csv('{copied}', all_varchar = true, header = true)"
        try:
            names = [row[0].lower() for row in con.execute(f"describe select * from {reading}").fetchall()]
        except duckdb.Error:
            raise UsageError(f"{source.name} cannot be read as CSV") from None
        if not {"postcode", "lsoa21_code"} <= set(names):
            raise UsageError(f"{source.name} needs the columns postcode and lsoa21_code; it has {', '.join(names)}")
        query = f"""select clean_postcode(postcode) as postcode, any_value(lsoa21_code) as lsoa21_code
            from {reading} where clean_postcode(postcode) is not null and lsoa21_code is not null
            group by 1 having count(distinct lsoa21_code) = 1 order by 1"""
        copy(con, query, work / "postcode.parquet", hashlib.sha256(copied.read_bytes()).hexdigest())
        install(work / "postcode.parquet", directory(lake))
    return con.execute(f"select count(*) from read_parquet('{directory(lake)}')").fetchone()[0]


def add_geography(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake) -> None:
    """Tables of schema standard: lsoa, deprivation, icb, pseudo_postcode, place, organisation, census, postcode."""
    reader = Reader(standard.folder)
    for name, columns in TABLES.items():
        rows = reader.csv(standard.folder / "geography" / f"{FILES.get(name, name)}.csv", columns.split())
        add_table(con, f"standard.{name}", rows)
    con.execute("alter table standard.deprivation alter decile type integer")
    con.execute("alter table standard.census alter people type integer")
    version = standard.settings["publishing"]["region_version"]
    con.execute("delete from standard.place where version <> ?", [version])
    con.execute("create or replace table standard.postcode (postcode varchar, lsoa21_code varchar)")
    if directory(lake).exists():
        con.execute(f"insert into standard.postcode from read_parquet('{directory(lake)}')")
