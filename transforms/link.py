"""harmonised -> linked: which records are of one person.

Promise: a verified number and an agreeing birth date join; two different verified numbers never do; what contradicts is
reported and left apart. Number-based only: a record without a number stands alone.
"""

from pathlib import Path

import duckdb

from transforms import fingerprint, ledger
from transforms.engine import HERE, add_standard, add_views, connect, copy, fingerprint_of, without_values
from transforms.lake import Lake, install
from transforms.receive import today
from transforms.sqlfolder import run_folder
from transforms.standard import Standard

KEPT = ("edge", "conflict", "person", "person_record", "in_force")


def linked_fingerprint(standard: Standard, lake: Lake) -> str:
    """What linking reads: every harmonised identity, the agreements in force today, and our code."""
    patients = [
        (path.split("harmonised/")[-1], fingerprint_of(Path(path))) for path in lake.files("harmonised", "patient")
    ]
    agreements = [
        row
        for row in standard.tables["agreements"]
        if row["from"] <= today() and (not row["to"] or row["to"] >= today())
    ]
    layouts = [(n, la.content, la["nhs_number_traced"], la["restarts"]) for n, la in standard.layouts.items()]
    code = fingerprint.code("link.py", "linked", "macros.sql", "stages.sql")
    return fingerprint.of(patients, agreements, layouts, standard.settings["nhs_number"], code)


def link(standard: Standard, lake: Lake) -> dict[str, int]:
    """Link everything. Returns persons, records and conflicts; {} when nothing has changed."""
    with ledger.lock(lake, "publish", wait=True), without_values("linking"):
        mark = linked_fingerprint(standard, lake)
        targets = {name: lake.path("linked", f"{name}.parquet") for name in KEPT}
        if all(fingerprint_of(target) == mark for target in targets.values()):
            return {}
        con = connect(lake, memory="3GB")
        try:
            add_standard(con, standard)
            add_views(con, lake, standard, "harmonised")
            set_variables(con, standard)
            run_folder(con, HERE / "linked")
            with lake.workspace() as work:
                for name in KEPT:
                    copy(con, f"select * from linked.{name}", work / name, mark)
                for name, target in targets.items():
                    install(work / name, target)
            return {name: con.execute(f"select count(*) from linked.{name}").fetchone()[0] for name in KEPT}
        finally:
            con.close()


def set_variables(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """Facts of the standard and the day that the SQL files read."""
    number = standard.settings["nhs_number"]
    con.execute("set variable verified = ?", [number["verified"]])
    con.execute("set variable test_range = ?", [str(number["test_range"])])
    con.execute("set variable today = ?", [today()])
