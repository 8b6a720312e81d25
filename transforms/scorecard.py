"""ledger, results -> what one submission's page says, as plain facts: counts, rule ids, column names, never a value.

Promise: a provider's own counts are exact; a layout is scored by its last delivery that could be read, and a delivery
that could not says why.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from transforms import ledger
from transforms.arrivals import Arrival, State
from transforms.ingest import bronze_file
from transforms.lake import Lake, Submission
from transforms.resolve import dated_by, day_of, is_dated
from transforms.rules import Rule
from transforms.shape import typed_expression
from transforms.sqltext import sent_or_null, text
from transforms.standard import Layout, Standard
from transforms.validate import count_values, result_file

Facts = dict[str, Any]
VODIM = ("valid", "other", "default", "invalid", "missing")
CONSEQUENCE = {
    "nothing": "The record is used as it is.",
    "value": "The value is set aside; the rest of the record is used.",
    "record": "The record is set aside.",
    "submission": "The whole delivery is rejected when too few records keep this rule.",
}


class Unbalanced(Exception):
    """The statuses of a coded field do not add up to its records: a fault of ours."""


@dataclass(frozen=True)
class Part:
    """One layout of the page: the delivery that is shown, and the judged one before it to compare with."""

    layout: Layout
    arrival: Arrival
    before: Arrival | None


def deliveries(submission: Submission, standard: Standard, lake: Lake) -> list[Facts]:
    """Every delivery of the submission, oldest first, with what became of it; those refused at the door too."""
    listed: list[Facts] = []
    by_arrival: dict[int, Facts] = {}
    place = (submission.provider, submission.period)
    for entry in ledger.entries(lake):
        if (entry.get("provider"), entry.get("period")) != place:
            continue
        if entry["event"] == "seen":
            made = {"no": entry["no"], "arrival": entry["arrival"], "received_on": entry["at"][:10], "outcome": ""}
            made["layouts"] = [item["layout"] for item in entry["files"]]
            listed.append(by_arrival.setdefault(entry["arrival"], made))
        elif entry["event"] in ("accepted", "rejected"):
            at_door = "submission_no" not in entry
            refused = {"no": entry["no"], "arrival": None, "received_on": entry["at"][:10], "layouts": []}
            told = refused if at_door else by_arrival[entry["arrival"]]
            said = standard.words(entry.get("reason", "")) if entry.get("reason") else {}
            told |= {
                "no": entry["no"],
                "outcome": entry["event"],
                "reason": entry.get("reason", ""),
                "detail": entry.get("detail", ""),
            }
            told |= {"words": said.get("words", ""), "what_to_do": said.get("what_to_do", "")}
            if at_door:
                listed.append(told)
    return listed


def parts(submission: Submission, standard: Standard, lake: Lake, state: State) -> list[Part]:
    """For each layout that ever arrived: the last delivery with results, and the one with results before it."""
    judged: dict[str, list[Arrival]] = {}
    for arrival in state.arrivals.get(submission, []):
        for file in arrival.files:
            known = file.layout in standard.layouts and arrival.outcome is not None
            if known and result_file(lake, "rule_result", arrival, file.layout).exists():
                judged.setdefault(file.layout, []).append(arrival)
    return [
        Part(standard.layouts[name], listed[-1], listed[-2] if len(listed) > 1 else None)
        for name, listed in sorted(judged.items())
    ]


def column_of(layout: Layout, rule_id: str) -> str:
    """The provider's own column that a rule is about, or "" when it is about none."""
    name = rule_id.split(".")[1] if "." in rule_id else ""
    return layout.fields[name]["column"] if name in layout.fields else ""


def file_facts(part: Part, lake: Lake, state: State) -> Facts:
    """How many records of a file there were and were set aside, and which delivery is in force."""
    submission, name = part.arrival.submission, part.layout.name
    bronze = bronze_file(lake, part.arrival, name)
    aside = lake.arrival_file("quarantine", part.layout.table, submission, part.arrival.no, name)
    sent = pq.read_schema(bronze).names
    in_force = state.current(submission).get(name)
    return {
        "layout": name,
        "title": part.layout["title"],
        "arrival": part.arrival.no,
        "received_on": part.arrival.received_on,
        "n_records": pq.read_metadata(bronze).num_rows,
        "n_set_aside": pq.read_metadata(aside).num_rows if aside.exists() else 0,
        "in_force": in_force.no if in_force else None,
        "absent": [e["column"] for e in part.layout.columns if e["column"] not in sent],
        "unread": [column for column in sent if column not in part.layout.known_columns],
    }


def rule_facts(part: Part, standard: Standard, lake: Lake) -> list[Facts]:
    """Every rule of a file, what to fix first at the top: broken verdicts before, then severity weight times
    failed share, damped where few rows fail."""
    known = {rule.id: rule for rule in standard.rules_of_layout[part.layout.name]}
    scoring = standard.settings["scorecard"]
    now = _results(result_file(lake, "rule_result", part.arrival, part.layout.name))
    before = _results(result_file(lake, "rule_result", part.before, part.layout.name)) if part.before else {}
    told = [
        _rule(part.layout, known[name], result, before.get(name), scoring)
        for name, result in now.items()
        if name in known
    ]
    return sorted(told, key=urgency)


def _results(path: Path) -> dict[str, Facts]:
    return {row["rule"]: row for row in pq.read_table(path).to_pylist()} if path.exists() else {}


def _rule(layout: Layout, rule: Rule, now: Facts, before: Facts | None, scoring: Facts) -> Facts:
    share = now["failed"] / now["checked"] if now["checked"] else 0.0
    return {
        "rule": rule.id,
        "layout": layout.name,
        "column": column_of(layout, rule.id),
        "severity": rule.severity,
        "at_least": rule.mostly,
        "what_to_do": rule.message,
        "why": rule.why,
        "what_happens": CONSEQUENCE[rule.rejects],
        "is_theirs": rule.responsibility == "provider",
        "checked": now["checked"],
        "failed": now["failed"],
        "is_met": bool(now["is_met"]),
        "rejected_all": rule.rejects == "submission" and not now["is_met"],
        # Five of five is a whole share and hardly anybody: few rows weigh less than many.
        "weight": scoring["weights"].get(rule.severity, 0)
        * share
        * now["failed"]
        / (now["failed"] + scoring["few_rows"]),
        "failed_before": before["failed"] if before else None,
        "was_met": bool(before["is_met"]) if before else None,
    }


def urgency(rule: Facts) -> tuple[Any, ...]:
    """Sorts what to fix first to the top: what rejected the delivery, then broken rules, each by weight."""
    return not rule["rejected_all"], rule["is_met"], -rule["weight"], -rule["failed"], rule["layout"], rule["rule"]


STATUSES = """
-- One row per coded field and letter of VODIM; `partial` fields are stated by some records only.
select m.field, d.is_partial, c.vodim, sum(m.n)::bigint as n
from meant m
join (select field, system, is_partial from declared where place = 1) d using (field)
left join resolved r using (meaning_no)
left join standard.code c on c.system = d.system and c.kind <> 'detail' and c.code = coalesce(r.code, r.status)
group by all
"""


def status_facts(
    con: duckdb.DuckDBPyConnection, part: Part, n_records: int, standard: Standard, lake: Lake
) -> list[Facts]:
    """Each coded field with its VODIM counts. Raises Unbalanced when they are not its records."""
    file = part.arrival.file(part.layout.name)
    assert file is not None
    count_values(con, standard, lake, part.arrival, file)
    con.execute(f"create or replace temp table meant as {_meant(con, part, lake, standard)}")
    told: dict[str, Facts] = {}
    topics = {row["field"]: row["topic"] for row in standard.tables["fields"]}
    for name, is_partial, letter, n in con.execute(STATUSES).fetchall():
        column = part.layout.fields[name]["column"] if name in part.layout.fields else ""
        fresh = {"field": name, "layout": part.layout.name, "column": column, "is_partial": is_partial}
        fresh["topic"] = topics[name]
        counts = told.setdefault(name, {**fresh, **dict.fromkeys(VODIM, 0)})
        if letter:  # of a partial field: a code that states nothing about it
            counts[letter] += n
    for counts in told.values():
        counts["n_records"] = sum(counts[letter] for letter in VODIM)
        if not counts["is_partial"] and counts["n_records"] != n_records:
            raise Unbalanced(f"{part.arrival.submission}: statuses of {counts['field']} are not its records")
    return sorted(told.values(), key=lambda row: row["field"])


def _meant(con: duckdb.DuckDBPyConnection, part: Part, lake: Lake, standard: Standard) -> str:
    """A query: how often each coded field means what. Values were counted once; only where the date decides what a value
    means are the records looked at again."""
    layout, bronze = part.layout, bronze_file(lake, part.arrival, part.layout.name)
    columns = dict(con.execute("select distinct field, column_name from declared where place = 1").fetchall())
    dated = [name for name in columns if is_dated(con, name)]
    queries = [
        f"""select v.field, r.meaning_no, v.n from value_counted v
            left join resolved r on r.field = v.field and r.value is not distinct from v.value
            where not list_contains({dated!r}::varchar[], v.field)"""
    ]
    sent = set(pq.read_schema(bronze).names)
    typed = {
        row["field"]: typed_expression(row, sent_or_null(column, sent), layout)
        for row in standard.fields_of(layout.table)
        if (column := layout.fields.get(row["field"], {}).get("column"))
    }
    for name in dated:
        day = day_of(layout, name, part.arrival.submission.period, "v.")
        read = [columns[name], *(column for column, _ in dated_by(layout, name))]
        records = ", ".join(f"{typed[column]} as {column}" for column in read)
        queries.append(
            f"""select {text(name)}, r.meaning_no, count(*) from (select {records} from read_parquet('{bronze}')) v
                left join resolved r on r.field = {text(name)} and r.value is not distinct from v.{columns[name]}
                     and {day} between r.valid_from and r.valid_to group by all"""
        )
    return " union all ".join(queries)


def not_collected(layouts: list[Layout], standard: Standard) -> list[Facts]:
    """What the standard has in the tables of these layouts, and none of them: the items by topic, what it asks for first."""
    held = {(layout.table, name) for layout in layouts for name in layout.fields}
    states = [items for layout in layouts for items in (layout["states"] or {}).values() if isinstance(items, list)]
    stated = {item["characteristic"] for items in states for item in items}
    lacking = {
        row["field"]: row
        for table in dict.fromkeys(layout.table for layout in layouts)
        for row in standard.fields_of(table)
        if (row["requirement"] != "optional" or row["code_system"])
        and (table, row["field"]) not in held
        and row["field"] not in stated
    }
    topics: dict[str, list[Facts]] = {}
    for row in lacking.values():
        item = {
            "field": row["field"],
            "is_asked_for": row["requirement"] != "optional",
            "definition": row["definition"],
        }
        topics.setdefault(row["topic"], []).append(item)
    return [
        {"topic": topic, "items": sorted(items, key=lambda item: not item["is_asked_for"])}
        for topic, items in topics.items()
    ]


def has_agreement(submission: Submission, standard: Standard) -> bool:
    """Whether an agreement covers any day of the period: without one nothing is linked or published."""
    first, last = f"{submission.period}-01", f"{submission.period}-31"
    return any(
        row["provider"] == submission.provider and row["from"] <= last and first <= (row["to"] or last)
        for row in standard.tables["agreements"]
    )
