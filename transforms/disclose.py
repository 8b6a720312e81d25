"""measure.cell -> measure.disclosed_cell: the one door from the protected area to the open one.

Promise: a number that rests on few people or few events, or leaves few over, does not pass; every other is rounded.
"""

import duckdb

from transforms.engine import HERE, add_table
from transforms.sqlfolder import run_file
from transforms.standard import Standard


def disclose(con: duckdb.DuckDBPyConnection, standard: Standard) -> dict[str, int]:
    """Make measure.disclosed_cell by disclosure.yml. Returns how many cells are shown and suppressed."""
    set_variables(con, standard)
    run_file(con, HERE / "measure" / "disclosed_cell.sql")
    found = con.execute("select status, count(*) from measure.disclosed_cell group by 1").fetchall()
    return {"shown": 0, "suppressed": 0} | dict(found)


def set_variables(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """The numbers of disclosure.yml for SQL: standard.suppression, one row per class of fields.csv."""
    settings = standard.settings["disclosure"]
    numbers = ("smallest_count_shown", "rounding_base")
    classes = [
        {"suppression": name, **{n: int(said[n]) for n in numbers}, "hides_none_and_all": is_strict}
        for name, said, is_strict in (("standard", settings, False), ("sensitive", settings["sensitive"], True))
    ]
    # Deliveries are no people: with `deliveries: exact` they pass the same door as they are.
    exact = {"smallest_count_shown": 1, "rounding_base": 1}
    shown = exact if settings.get("deliveries") == "exact" else {n: int(settings[n]) for n in numbers}
    classes.append({"suppression": "deliveries", **shown, "hides_none_and_all": False})
    con.execute("create schema if not exists standard")
    add_table(con, "standard.suppression", classes)
    for name in numbers:
        con.execute(f"set variable {name} = {int(settings[name])}")
