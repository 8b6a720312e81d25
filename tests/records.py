"""Small pictures of records of characteristics -> a connection in which SQL of the protected mart runs on them."""

from functools import cache

import duckdb

from tests.pictures import fill, table
from transforms import engine
from transforms.choose import choose
from transforms.engine import HERE
from transforms.sqlfolder import run_file
from transforms.standard import Standard, load

RECORD = """person_no integer, provider varchar, layout varchar, care_setting varchar, record_key uuid, characteristic varchar,
    vocabulary varchar, code varchar, detail varchar, status varchar, reason varchar, relation varchar, stated_by varchar,
    collected_how varchar, recorded_on date, recorded_on_basis varchar, n_records bigint, last_period varchar,
    value_key uuid, derived_from varchar, review_on date"""


@cache
def _shared() -> duckdb.DuckDBPyConnection:
    return _new(load())


def _new(standard: Standard) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    engine.add_standard(con, standard)
    choose(con, standard)
    return con


def with_records(text: str, *, is_shared: bool = True) -> tuple[duckdb.DuckDBPyConnection, Standard]:
    """A connection with the standard and the records of a picture: one for all that leave the standard as it is."""
    standard = load()
    con = _shared() if is_shared else _new(standard)
    con.execute(
        "drop schema if exists protected cascade; drop schema if exists linked cascade; create schema protected"
    )
    header = [name.strip() for name in text.strip().splitlines()[0].split("|")]
    same = {"characteristic": "ethnic_category", "stated_by": "inherited", "care_setting": "outpatient", "status": "known",
            "n_records": 1, "provider": "ZZ1", "recorded_on_basis": "recorded", "recorded_on": "2024-01-01"}  # fmt: skip
    fill(con, "protected.characteristic_record", RECORD, text, **{k: v for k, v in same.items() if k not in header})
    con.execute(
        "update protected.characteristic_record set record_key = md5(rowid::text)::uuid where record_key is null"
    )
    con.execute("""create table protected.person as
        select distinct person_no, false as has_died, 'E' as country_code from protected.characteristic_record""")
    con.execute("create table protected.person_link as select person_no, provider from protected.characteristic_record")
    con.execute(
        "create schema linked; create table linked.in_force (provider varchar, layout varchar, may_publish boolean)"
    )
    con.execute("set variable rolling_to = date '2026-09-30'; set variable ethnicity = 'ethnic_category'")
    return con, standard


def resolved(con: duckdb.DuckDBPyConnection) -> None:
    """protected.person_characteristic, and what it needs."""
    for name in ("more_specific", "person_characteristic"):
        run_file(con, HERE / "protected" / f"{name}.sql")


def chosen(text: str, characteristic: str = "ethnic_category") -> str:
    """The value that the default method chooses: person, code, status."""
    con, _ = with_records(text)
    resolved(con)
    query = f"""select person_no, code, status from protected.person_characteristic
                where characteristic = '{characteristic}' order by 1"""
    return table(con.execute(query).fetchall())


def assigned(con: duckdb.DuckDBPyConnection) -> None:
    """protected.person_ethnicity, and what it needs."""
    resolved(con)
    for name in ("ethnicity_seen", "person_ethnicity_method", "person_ethnicity"):
        run_file(con, HERE / "protected" / f"{name}.sql")
