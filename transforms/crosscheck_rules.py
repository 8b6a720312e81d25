"""Rules of expectations/ -> checked against fields.csv and layouts: which layout each judges, and whether it can be judged.

Promise: a rule that loads compiles, and none that speaks of people with bad records can reject them.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from transforms.faults import Reader, Row, one_of
from transforms.rules import Rule

if TYPE_CHECKING:
    from transforms.standard import Layout, Standard

HERE = Path(__file__).resolve().parent
TYPES = {"date": "date", "boolean": "boolean", "integer": "bigint"}
NUMBERS = count(1)
COLUMNS = "it may name the table's fields, and each with _sent; coded ones also with _code and _code_status"
# Facts about the file that a rule may use beside the fields.
ABOUT_FILE = {"provider": "varchar", "is_demo": "boolean", "received_on": "date", "period_start": "date"}
ABOUT_FILE |= {"period_end": "date", "is_repeated": "boolean"}
# The people with bad records are the ones being counted: no rule on these may reject a record.
NEVER_REJECTING = ("nhs_number", "nhs_number_status", "given_name", "family_name", "postcode")


def judged_columns(fields: list[Row]) -> dict[str, str]:
    """What a rule can speak of: each field, what was sent for it, and which code a map gives it."""
    columns = dict(ABOUT_FILE)
    for row in fields:
        columns[row["field"]] = TYPES.get(row["type"], "varchar")
        columns[f"{row['field']}_sent"] = "varchar"
        if row["type"] == "code":
            columns[f"{row['field']}_code"] = "varchar"
            columns[f"{row['field']}_code_status"] = "varchar"
    return columns


def rules_of_layouts(
    reader: Reader, rules: list[Rule], layouts: dict[str, Layout], fields: list[Row]
) -> dict[str, tuple[Rule, ...]]:
    """The rules that apply to each layout: those whose columns it collects. Notes predicates that do not compile."""
    by_table: dict[str, list[Row]] = {}
    for row in fields:
        by_table.setdefault(row["table"], []).append(row)
    whole = {table: _columns(rows) for table, rows in by_table.items()}
    unprotected = {
        table: _columns([r for r in rows if not r["code_system"] and r["field"] not in NEVER_REJECTING])
        for table, rows in by_table.items()
    }
    sound = []
    for rule in rules:
        if rule.table not in by_table:
            reader.fault(rule.path, rule.line, f"table '{rule.table}' is not known", one_of(rule.table, by_table))
        elif problem := _problem(rule.predicate, whole[rule.table]):
            reader.fault(rule.path, rule.line, f"rule '{rule.id}' does not compile: {problem}", COLUMNS)
        elif rule.rejects in ("record", "submission") and _problem(rule.predicate, unprotected[rule.table]):
            # What a rule reads counts, not what it is called: it does not bind where these fields are left out.
            what = f"rule '{rule.id}' may not reject a {rule.rejects}: people with bad records are the ones counted"
            reader.fault(rule.path, rule.line, what, f"never for {', '.join(NEVER_REJECTING)} or a coded field")
        elif rule.scope == "submission":
            sound.append(rule)
    chosen = {}
    for name, layout in layouts.items():
        columns = _columns([row for row in by_table.get(layout.table, []) if row["field"] in layout.fields])
        chosen[name] = tuple(r for r in sound if r.table == layout.table and not _problem(r.predicate, columns))
    return chosen


def _columns(fields: list[Row]) -> str:
    return ", ".join(f"{column} {kind}" for column, kind in judged_columns(fields).items())


@cache
def _table(columns: str) -> tuple[duckdb.DuckDBPyConnection, str]:
    """An empty table of these columns, in a database that is kept for the next one."""
    con = _scratch()
    name = f"shape_{next(NUMBERS)}"
    con.execute(f"create table {name} ({columns})")
    return con, name


@cache
def _scratch() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    con.execute("set variable inner_pad = ''::blob; set variable outer_pad = ''::blob")
    return con


@cache
def _problem(predicate: str, columns: str) -> str:
    """What DuckDB has against a rule's predicate, in its first line; "" when it binds to a boolean."""
    con, table = _table(columns)
    try:
        kind = con.execute(f"describe select {predicate} as verdict from {table}").fetchone()[1]
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return "" if kind == "BOOLEAN" else f"it gives {kind}, not true or false"


def check_rules(reader: Reader, standard: Standard) -> None:
    """Note rules that stand twice, or would be one in a suite."""
    by_id: dict[str, Rule] = {}
    by_identity: dict[tuple, Rule] = {}
    for rule in standard.rules:
        if rule.id in by_id:
            reader.fault(rule.path, rule.line, f"rule '{rule.id}' is here twice", "give one of them another name")
        twin = by_identity.setdefault(rule.identity, rule)
        if twin is not rule:
            what = f"rule '{rule.id}' says the same as '{twin.id}': one of them would vanish from the suite"
            reader.fault(rule.path, rule.line, what, "take one of them away")
        by_id[rule.id] = rule
