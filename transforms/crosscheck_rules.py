"""Rules of expectations/ -> checked against fields.csv and layouts: which layout each judges, and whether it can be judged.

Promise: a rule that loads compiles, and none that speaks of people with bad records can reject them.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from transforms.faults import Reader, Row, grouped, nearest, one_of
from transforms.rules import Rule
from transforms.templates import FIGURE

if TYPE_CHECKING:
    from transforms.standard import Layout, Standard

HERE = Path(__file__).resolve().parent
TYPES = {"date": "date", "boolean": "boolean", "integer": "bigint"}
NUMBERS = count(1)
COLUMNS = {
    "submission": "it may name the table's fields, and each with _sent; coded ones also with _code and _code_status",
    "history": "it may name the table's fields, and those of the provider's index as patient.<field>",
    "peers": "it may name the columns of a figure, which crosscheck_rules.py lists",
}
DELIVERY = "delivery"  # what stands for the field in a figure that is of the whole file
Rules = tuple[Rule, ...]
# Facts about the file that a rule may use beside the fields.
ABOUT_FILE = {"provider": "varchar", "is_demo": "boolean", "received_on": "date", "period_start": "date"}
ABOUT_FILE |= {"period_end": "date", "is_repeated": "boolean"}
# A rule of scope history may name these too, and `patient.<field>`: the provider's newest index row for the same local id.
# `has_index` is whether the provider has an index in force at all: without one nobody can be missing from it.
HISTORY = {"has_index": "boolean"}
# What a rule of scope peers judges: one row per provider, layout and coded field, and one of field `delivery` for what is
# true of the whole file; made when a release is open.
FIGURES = {
    **dict.fromkeys(("provider", "kind", "period", "layout", "field"), "varchar"),
    **dict.fromkeys(("n_records", "n_known", "n_not_stated", "n_not_known", "n_not_recorded"), "bigint"),
    **dict.fromkeys(("n_unrecognised", "n_new_people", "n_seen", "n_newly_recorded", "n_peers"), "bigint"),
    **dict.fromkeys(("share_known", "share_not_stated", "share_not_known", "largest_value_share"), "double"),
    **dict.fromkeys(("peers_share_known", "peers_share_not_stated", "peers_share_not_known"), "double"),
    **dict.fromkeys(("region_share_known", "region_share_not_stated"), "double"),
    "n_days_after_due": "bigint",
    "can_record_gypsy_roma_traveller": "boolean",
    "n_gypsy_roma_traveller": "bigint",
    "n_gypsy_roma_traveller_expected": "double",
}
# The people with bad records are the ones being counted: no rule on these may reject a record.
CHECK_DIGIT = "is_nhs_number("
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
) -> dict[str, tuple[Rules, Rules]]:
    """The rules that apply to each layout, those whose columns it collects: (judged on arrival, compared afterwards).

    Notes predicates that do not compile, and rules that would reject people with bad records.
    """
    by_table = grouped(fields, "table")
    sound = []
    for rule in rules:
        scope, columns = rule.scope, _whole(rule, by_table)
        if columns is None:
            known = [FIGURE] if scope == "peers" else by_table
            what = f"table '{rule.table}' is not known" + (
                f" to a rule of scope {scope}" if scope != "submission" else ""
            )
            reader.fault(rule.path, rule.line, what, one_of(rule.table, known))
        elif problem := _problem_of(rule, columns):
            reader.fault(rule.path, rule.line, f"rule '{rule.id}' does not compile: {problem}", COLUMNS[scope])
        elif rule.rejects in ("record", "submission") and _problem_of(
            rule, _columns(_unprotected(by_table[rule.table]))
        ):
            # What a rule reads counts, not what it is called: it does not bind where these fields are left out.
            what = f"rule '{rule.id}' may not reject a {rule.rejects}: people with bad records are the ones counted"
            reader.fault(rule.path, rule.line, what, f"never for {', '.join(NEVER_REJECTING)} or a coded field")
        else:
            sound.append(rule)
    characteristics = {row["field"] for row in fields if row["code_system"]}
    chosen = {}
    for name, layout in layouts.items():
        collected = [row for row in by_table.get(layout.table, []) if row["field"] in layout.fields]
        binds = {"submission": _columns(collected), "history": _columns(collected, by_table)}
        lacking = characteristics - layout.characteristics
        fitting = [
            rule
            for rule in sound
            if not (layout.pseudonym_key and CHECK_DIGIT in str(rule.sql))  # a pseudonym has none
            if (rule.table == layout.table and not _problem_of(rule, binds[rule.scope]))
            or (rule.table == FIGURE and _speaks_of(rule, lacking, layout))
        ]
        on_arrival = tuple(rule for rule in fitting if rule.scope == "submission")
        chosen[name] = (on_arrival, tuple(rule for rule in fitting if rule.scope != "submission"))
    return chosen


def _speaks_of(rule: Rule, lacking: set[str], layout: Layout) -> bool:
    """Whether a layout has what a rule of figures is about: the delivery, one field, or any coded field at all."""
    name = rule.id.split(".")[1]
    return name == DELIVERY or (name not in lacking and bool(layout.characteristics))


def _whole(rule: Rule, by_table: dict[str, list[Row]]) -> str | None:
    """Every column that a rule of this table and scope could name; None where there is no such table."""
    if (rule.scope == "peers") != (rule.table == FIGURE):
        return None
    if rule.scope == "peers":
        return ", ".join(f"{column} {kind}" for column, kind in FIGURES.items())
    if rule.table not in by_table:
        return None
    return _columns(by_table[rule.table], by_table if rule.scope == "history" else None)


def _unprotected(fields: list[Row]) -> list[Row]:
    return [row for row in fields if not row["code_system"] and row["field"] not in NEVER_REJECTING]


def _columns(fields: list[Row], index_of: dict[str, list[Row]] | None = None) -> str:
    """The columns of one table; with those of the index beside them, for a rule of scope history."""
    columns = judged_columns(fields)
    if index_of is not None:
        index = judged_columns(index_of.get("patient", []))
        columns |= HISTORY | {"patient": f"struct({', '.join(f'{name} {kind}' for name, kind in index.items())})"}
    return ", ".join(f"{column} {kind}" for column, kind in columns.items())


def _problem_of(rule: Rule, columns: str) -> str:
    """What DuckDB has against a rule over these columns; the column that says whether a key has one value is made of two."""
    if rule.one_per:
        key, of = rule.one_per
        return _problem(f"{key} = '' or {of} is null", columns) or _problem(
            rule.predicate, f"{columns}, {rule.one_column} boolean"
        )
    return _problem(rule.predicate, columns)


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
    """Note rules that stand twice, or would be one in a suite, or follow what cannot be their cause."""
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
    for rule in by_id.values():
        for cause in rule.follows:
            what = f"rule '{rule.id}' follows '{cause}'"
            if cause not in by_id:
                hint = nearest(cause, by_id) or "name the rule whose failure explains this one"
                reader.fault(rule.path, rule.line, f"{what}, which is not known", hint)
            elif by_id[cause].table != rule.table:
                hint = "a cause fails on the same row: name a rule of the same table"
                reader.fault(rule.path, rule.line, f"{what}, which is about another table", hint)
        if rule.id in _causes(rule, by_id):
            what = f"rule '{rule.id}' follows itself, through the rules that it follows"
            reader.fault(rule.path, rule.line, what, "take one `follows:` of the circle away")


def _causes(rule: Rule, by_id: dict[str, Rule]) -> set[str]:
    """Every rule that a rule follows, near or far."""
    found: set[str] = set()
    waiting = list(rule.follows)
    while waiting:
        name = waiting.pop()
        if name in by_id and name not in found:
            found.add(name)
            waiting += by_id[name].follows
    return found
