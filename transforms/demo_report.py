"""demo/truth + everything published -> what came in, what was refused and why, and how the picture compares with the truth.

Promise: it changes nothing, and shows counts only. It is for the demonstration: in service nobody knows the truth.
"""

from typing import Any

import duckdb

from transforms import keys, ledger
from transforms.arrivals import read_state
from transforms.demo_people import Source
from transforms.engine import HERE, add_standard, add_table, add_views, connect
from transforms.finished import drop_id
from transforms.lake import Lake
from transforms.sqlfolder import run_folder
from transforms.standard import Standard, load

Rows = list[dict[str, Any]]
SECTIONS = {
    "delivery": "What came in",
    "refusal": "What was not taken in as it came, and why",
    "person": "People",
    "characteristic": "What is published about each person, beside the truth (people whose records were joined rightly)",
    "fault": "Faults, class by class: how many rows have one, how many the rules named last are to find and find, how they were read",
    "rule": "The rules that find faults, one by one: rows that were made wrong, rows found, and those that are both",
    "attendance": "Outpatient appointments not attended, in the region, over 12 months",
}


def demo_report(lake: Lake, standard: Standard | None = None) -> dict[str, Rows]:
    """Print the report and return its tables."""
    standard = standard or load()
    if not lake.path("demo", "truth").is_dir():
        print("There is no demonstration data in this lake: python -m transforms demo-data")
        return {}
    con = connect(lake, memory="2GB")
    try:
        _prepare(con, lake, standard)
        run_folder(con, HERE / "report")
        tables = {name: _rows(con, f"from report.{name}") for name in SECTIONS}
    finally:
        con.close()
    print(as_text(tables))
    return tables


def _prepare(con: duckdb.DuckDBPyConnection, lake: Lake, standard: Standard) -> None:
    """Schemas truth, standard, results, validated, harmonised, linked, open and protected, as far as they are there."""
    demo = Source(standard.folder).settings
    add_standard(con, standard)
    add_views(con, lake, standard, "harmonised", "results", "compared", "validated")
    con.execute("create schema truth; create schema linked; create schema report; create schema seen")
    for path in sorted(lake.path("demo", "truth").glob("*.parquet")):
        con.execute(f"create view truth.{path.stem} as from read_parquet('{path}')")
    for path in sorted(lake.path("linked").glob("*.parquet")):
        con.execute(f"create view linked.{path.stem} as from read_parquet('{path}')")
    current = lake.path("current")
    con.execute(f"attach '{current}/open/open.duckdb' as open (read_only)")
    secret = keys.load(lake, "protected").hex()
    con.execute(f"attach '{current}/protected/protected.duckdb' as protected (read_only, encryption_key '{secret}')")
    add_table(con, "seen.delivery", what_became_of(lake))
    state = read_state(lake)
    in_force = [
        {"provider": s.provider, "period": s.period, "layout": name, "arrival": arrival.no, "file_no": file.file_no}
        for s in state.arrivals
        for name, arrival in state.current(s).items()
        if (file := arrival.file(name))
    ]
    add_table(con, "seen.file", in_force)
    columns = [
        {"layout": layout.name, "column": entry["column"], "field": entry["field"], "layout_table": layout.table}
        for layout in standard.layouts.values()
        for entry in layout.columns
    ]
    add_table(con, "seen.layout_column", columns)
    add_table(con, "seen.fault_rule", rules_of_faults(standard))
    add_table(con, "seen.outcome_words", standard.tables["outcomes"])
    for name in ("ethnicity", "default_set", "region"):
        con.execute(f"set variable {name} = ?", [standard.settings["publishing"][name]])
    attendance = demo["attendance"]
    for name, kinds in (("missed", ["not_attended"]), ("counted", ["attended", "not_attended"])):
        con.execute(
            f"set variable {name} = ?", [sorted({code for kind in kinds for code in attendance[kind]["codes"]})]
        )


def rules_of_faults(standard: Standard) -> Rows:
    """One row per fault, layout, field, and rule that must find it: the claims of faults.csv that the layout's table makes."""
    rows = []
    for row in Source(standard.folder).faults:
        for layout in (row["layout"], *row["taken_over_by"].split()):
            known = {rule.id for of in (standard.rules_of_layout, standard.compared_of_layout) for rule in of[layout]}
            claims = [f"{standard.layouts[layout].table}.{claim}" for claim in row["rules"].split()]
            about = {"fault": row["fault"], "layout": layout, "field": row["field"]}
            rows += [about | {"rule": rule} for rule in claims if rule in known and about | {"rule": rule} not in rows]
    return rows


def what_became_of(lake: Lake) -> Rows:
    """One row per delivery of the demonstration: what the ledger says of it."""
    seen: dict[str, dict[str, Any]] = {}
    judged: dict[tuple[str, str, int], dict[str, Any]] = {}
    for entry in ledger.entries(lake):
        if "drop_id" in entry:
            seen[entry["drop_id"]] = entry
        elif entry["event"] in ("accepted", "rejected"):
            judged[entry["provider"], entry["period"], entry["arrival"]] = entry
    rows = []
    for folder in sorted(lake.path("landing").glob("*/*/*")):
        entry = seen.get(drop_id(folder), {"event": "not received"})
        if entry["event"] == "seen":
            entry = judged.get((entry["provider"], entry["period"], entry["arrival"]), {"event": "not judged yet"})
        named = dict(zip(("provider", "period", "delivery"), folder.parts[-3:]))
        rows.append(
            named | {"outcome": entry["event"], "reason": entry.get("reason", ""), "detail": entry.get("detail", "")}
        )
    return rows


def as_text(tables: dict[str, Rows]) -> str:
    """The report as plain text. Everything in it is invented."""
    parts = ["Everything in this report is invented: people, providers and what is wrong with their data."]
    for name, rows in tables.items():
        parts.append(f"\n{SECTIONS[name]}\n")
        if not rows:
            parts.append("  nothing")
            continue
        cells = [[_word(value) for value in row.values()] for row in rows]
        heads = [column.replace("_", " ") for column in rows[0]]
        widths = [max(map(len, column)) for column in zip(heads, *cells)]
        numeric = [all(isinstance(row[column], int | float | None) for row in rows) for column in rows[0]]
        for line in [heads, *cells]:
            aligned = [
                cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(line, widths, numeric)
            ]
            parts.append("  " + "  ".join(aligned).rstrip())
    return "\n".join(parts)


def _word(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _rows(con: duckdb.DuckDBPyConnection, query: str) -> Rows:
    found = con.execute(query)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row)) for row in found.fetchall()]
