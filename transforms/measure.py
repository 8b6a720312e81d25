"""protected -> measure.cell: every number that might be shown, exact, in one long table.

Promise: a metric is its YAML file and nothing else; whoever has no value for a breakdown stands in it as absent.
"""

from collections import defaultdict
from typing import Any

import duckdb

from transforms.cells import fill_metric_cells
from transforms.disclose import FILES as OF_DISCLOSURE
from transforms.engine import HERE, add_table
from transforms.maturity import coverage, days_late, is_expected, sender
from transforms.resolve import dated_by
from transforms.sqlfolder import leading_comment, run_file, run_folder
from transforms.sqltext import text
from transforms.standard import Standard
from transforms.tally import national_rules

# What is kept with its exact counts, for those who may read the protected area.
EXACT = {
    "provider_measure": "exact_measure",
    "metric_value": "exact_metric",
    "method_effect": "method_effect",
    "method_agreement": "method_agreement",
    "linkage_quality": "linkage_quality",
}


def measure(con: duckdb.DuckDBPyConnection, standard: Standard) -> int:
    """Fill measure.cell. Needs protected.* and measure.arrival_in_force. Returns the number of cells."""
    add_measures(con, standard)
    _add_deliveries(con, standard)
    run_folder(con, HERE / "measure", leave=("cell", "exact_measure", "exact_metric", *OF_DISCLOSURE))
    fill_metric_cells(con, standard)
    for name in ("cell", "exact_measure", "exact_metric"):
        run_file(con, HERE / "measure" / f"{name}.sql")
    for name, made in EXACT.items():
        con.execute(f"create or replace table protected.{name} as from measure.{made}")
        grain = leading_comment((HERE / "measure" / f"{made}.sql").read_text(encoding="utf-8"))
        con.execute(f"comment on table protected.{name} is {text(grain)}")
    return con.execute("select count(*) from measure.cell").fetchone()[0]


def add_measures(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """Tables of the standard that only measures read: what there is to measure, of which field in which layout."""
    tables = standard.tables
    con.execute("set variable self_stated = ?", [standard.settings["scorecard"]["self_stated"]])
    con.execute("set variable fewest_peers = ?", [int(standard.settings["publishing"]["fewest_peers"])])
    national = national_rules(standard)
    claims = [
        {"field": row["field"], "letter": letter, "claim": claim}
        for row in tables["index_items"]
        for letter in ("missing", "invalid")
        for claim in row[letter].split()
    ]
    limits = [{"field": row["field"], "months": int(row["months"])} for row in tables["staleness"] if row["months"]]
    _replace(con, "standard.measure", "measure, title, words, better, unit, tells, source", tables["measures"])
    _replace(con, "standard.national_rule", "layout, field, place integer, pattern, vodim", national)
    _replace(con, "standard.index_claim", "field, letter, claim", claims)
    items = [{"field": row["field"], "threshold": float(row["threshold"] or 100)} for row in tables["index_items"]]
    _replace(con, "standard.index_item", "field, threshold double", items)
    _replace(con, "standard.staleness", "field, months integer", limits)
    _replace(con, "standard.age_band", "band, from_age integer, to_age integer, source", age_bands(standard))
    _replace(con, "standard.measurable", "layout, field, measure", _measurable(standard))


def age_bands(standard: Standard) -> list[dict[str, Any]]:
    """The rows of age_bands.csv, with ages as numbers."""
    rows = standard.tables["age_bands"]
    return [row | {name: int(row[name]) for name in ("from_age", "to_age")} for row in rows]


def _measurable(standard: Standard) -> list[dict[str, str]]:
    """One row per layout, field and measure that can be made of it."""
    grouped = {row["system"] for row in standard.codes if row["kind"] == "group"}
    systems, aged = standard.characteristics(), {row["field"] for row in standard.tables["staleness"] if row["months"]}
    plain = {row["field"] for row in standard.tables["index_items"] if row["missing"]}
    found = {(row["layout"], row["field"], f"national_{row['vodim']}") for row in national_rules(standard)}
    for layout in standard.layouts.values():
        for field in layout.characteristics:
            names = ["valid", "other", "default", "invalid", "missing", "answered", "usable", "self_stated"]
            names += ["over_general"] if systems.get(field) in grouped else []
            names += ["stale"] if field in aged and dated_by(layout, field) else []
            found |= {(layout.name, field, name) for name in names}
        found |= {
            (layout.name, f, name) for f in plain & set(layout.fields) for name in ("valid", "invalid", "missing")
        }
    return [{"layout": layout, "field": field, "measure": name} for layout, field, name in sorted(found)]


def _add_deliveries(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """measure.delivery: periods sent of those expected, and days until they came. Who sent nothing has a row too."""
    sent, days = defaultdict(set), {}
    for provider, period, layout, day in con.execute(
        "select provider, period, layout, received_on from measure.arrival_in_force"
    ).fetchall():
        sent[provider, layout].add(period)
        days[provider, period, layout] = day
    agreed = """select distinct provider from standard.agreement where may_publish_protected = 'true'
                and "from" <= getvariable('today') and ("to" = '' or "to" >= getvariable('today'))"""
    rows = []
    for (provider,) in con.execute(agreed).fetchall():
        declared = standard.providers.get(provider, {}).get("layouts", "").split()
        layouts = {*declared, *(layout for code, layout in sent if code == provider)}
        for period in sorted({period for _, period, _ in days}):
            for layout in sorted(layouts):
                place = {"provider": provider, "period": period, "layout": layout}
                about = sender(standard, provider, layout)
                if is_expected(about, period) or period in sent[provider, layout]:
                    n, of = coverage(about, period, sent[provider, layout], standard)
                    rows.append(place | {"measure": "coverage", "numerator": n, "denominator": of})
                if day := days.get((provider, period, layout)):
                    n = days_late(period, day)
                    rows.append(place | {"measure": "timeliness_days", "numerator": n, "denominator": 1})
    _replace(con, "measure.delivery", "provider, period, layout, measure, numerator bigint, denominator bigint", rows)


def _replace(con: duckdb.DuckDBPyConnection, name: str, columns: str, rows: list[dict[str, Any]]) -> None:
    """A table of these columns, of text unless they say otherwise, also when there are no rows."""
    typed = [column.strip().split() for column in columns.split(",")]
    con.execute(f"create or replace table {name} ({', '.join(' '.join([*c, 'varchar'][:2]) for c in typed)})")
    if rows:
        add_table(con, "incoming_rows", rows)
        con.execute(f"insert into {name} by name select {', '.join(c[0] for c in typed)} from incoming_rows")
        con.execute("drop table incoming_rows")
