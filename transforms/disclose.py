"""measure.cell -> measure.disclosed_cell: the one door from the protected area to the open one.

Promise: a number that rests on few people or few events, or leaves few over, does not pass, nor can it be worked out from
what does: every hidden count still has as many possible values as disclosure.yml asks. Every other number is rounded.
"""

from typing import Any

import duckdb

from transforms import secondary
from transforms.earlier import PUBLISHED
from transforms.engine import HERE, add_table
from transforms.guidance import plain
from transforms.metrics import EVENTS, RATE
from transforms.sqlfolder import run_file
from transforms.standard import Standard

# Made of measure.cell here, and not with the other files of the folder.
BEFORE = ("judged_cell", "membership", "told_count", "addend", "quantity")
AFTER = ("disclosed_cell", "published_cell", "disclosure_count")
FILES = (*BEFORE, *AFTER, "difference")
CODE = ("disclose.py", "earlier.py", "secondary.py", "grounds.py", "quantities.py", "bounds.py", "exact.py", "hold.py")
EVERYBODY = "everybody"  # in place of a metric: whom rates are of
NO_LIMIT = 1 << 40  # more than anybody counts


def disclose(con: duckdb.DuckDBPyConnection, standard: Standard) -> dict[str, int]:
    """Make measure.disclosed_cell of what `judge` made. Returns how many cells are shown, suppressed and left out.

    What releases that can be read tell is in measure.earlier_cell, if there is any. Raises secondary.NothingLeft where nothing
    new can be told beside them.
    """
    for name in BEFORE[1:]:
        run_file(con, HERE / "measure" / f"{name}.sql")
    found = secondary.hide(con, int(standard.settings["disclosure"]["fewest_values"]))
    for name in AFTER:
        run_file(con, HERE / "measure" / f"{name}.sql")
    add_table(con, "standard.considered", [{"what": what, "n": n} for what, n in found.items()])
    counted = con.execute("select status, count(*) from measure.disclosed_cell group by 1").fetchall()
    return {"shown": 0, "suppressed": 0} | dict(counted)


def judge(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """Make measure.judged_cell: what might be told, with what the regime hides by itself."""
    set_variables(con, standard)
    _prepare(con, standard)
    run_file(con, HERE / "measure" / f"{BEFORE[0]}.sql")


def record(con: duckdb.DuckDBPyConnection, standard: Standard, releases: dict[str, list[int]]) -> dict[str, Any]:
    """What a release says of how it was disclosed: the regime, what was hidden and why, and what was reckoned with."""
    settings = {k: v for k, v in plain(standard.settings["disclosure"]).items() if k != "grain"}
    found = con.execute('select * from measure.disclosure_count order by "table"')
    names = [column[0] for column in found.description]
    tables = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    held = con.execute("""select m.margin_no, m."table", m.along, m.whole, m.part, count(distinct a.margin)
        from standard.margin as m left join measure.addend as a using (margin_no) group by all order by 1""").fetchall()
    considered = con.execute("select what, n from standard.considered").fetchall()
    return {
        "regime": settings,
        "grain": plain(standard.settings["disclosure"]["grain"]),
        "tables": tables,
        "margins": [dict(zip(("table", "along", "whole", "part", "n"), row[1:], strict=True)) for row in held],
        "considered": dict(considered),
        "earlier_releases": releases,
        "solver": "HiGHS",
    }


def _prepare(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """What the files read beside the cells: margins, grain, and what everybody knows is nobody."""
    settings = standard.settings["disclosure"]
    con.execute("set variable no_limit = ?", [NO_LIMIT])
    con.execute("set variable everybody = ?", [EVERYBODY])
    con.execute("set variable months_of_a_day = ?", [int(settings["months_of_a_day"])])
    for name in ("smallest_share_of_a_cross", "smallest_share_of_a_breakdown"):
        con.execute(f"set variable {name} = {float(settings[name])}")
    columns = ("table", "along", "whole", "part", "breakdown")
    margins = [{"margin_no": no} | {k: row[k] for k in columns} for no, row in enumerate(standard.tables["margins"], 1)]
    grain: list[dict[str, Any]] = [
        {"place_in_list": no, "pattern": row["breakdown"], "place_kind": place_kind, "months": int(months)}
        for no, row in enumerate(settings["grain"], start=1)
        for place_kind, months in plain(row["shortest"]).items()
    ]
    add_table(con, "standard.margin", margins)
    add_table(con, "standard.metric_base", bases(standard))
    add_table(con, "standard.grain", grain)
    add_table(con, "standard.known_beforehand", [{"category": name} for name in settings["known_beforehand"]])
    con.execute(f"create table if not exists measure.earlier_cell (release integer, {PUBLISHED})")


def bases(standard: Standard) -> list[dict[str, Any]]:
    """One row per metric: the first of those that have the same denominator, or everybody where it is a rate."""
    found: list[dict[str, Any]] = []
    first: dict[tuple[str, ...], str] = {}
    for name, metric in standard.metrics.items():
        if "denominator" in metric:
            counts = metric.get("counts", EVENTS)
            said = (metric["subject"], counts, metric.get("date", ""), metric["period"], metric["denominator"])
            alike = tuple(" ".join(str(word).split()) for word in said)
            found.append({"metric": name, "base": EVERYBODY if counts == RATE else first.setdefault(alike, name)})
    return found


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
