"""ledger, results -> what one submission's page says, as plain facts: counts, rule ids, column names, never a value.

Promise: a provider's own counts are exact; a layout is scored by its last delivery that could be read, and a delivery
that could not says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from transforms import ledger
from transforms.arrivals import TAKEN_BACK, WITHDRAWN, Arrival, State
from transforms.ingest import bronze_file
from transforms.lake import Lake, Submission
from transforms.rules import Rule
from transforms.standard import Layout, Standard
from transforms.statuses import VODIM as VODIM
from transforms.statuses import status_facts as status_facts
from transforms.values import result_file

Facts = dict[str, Any]
CONSEQUENCE = {
    "nothing": "The record is used as it is.",
    "value": "The value is set aside; the rest of the record is used.",
    "record": "The record is set aside.",
    "submission": "The whole delivery is rejected when too few records keep this rule.",
}
# What is said of the issues of a rule since the delivery before, as long as `progress` has not said it.
UNMOVED = dict.fromkeys(("n_new", "n_fixed", "n_open", "n_gone", "n_unknown"))


@dataclass(frozen=True)
class Part:
    """One layout of the page: the delivery that is shown, and the judged one before it to compare with, which may be of
    an earlier period."""

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
        elif entry["event"] == WITHDRAWN:
            said = {"no": entry["no"], "outcome": "rejected", "reason": TAKEN_BACK, "detail": ""}
            said |= {name: standard.words(TAKEN_BACK)[name] for name in ("words", "what_to_do")}
            for told in by_arrival.values():
                told |= said if told["outcome"] in ("", "accepted") else {}
    return listed


def parts(submission: Submission, standard: Standard, lake: Lake, state: State) -> list[Part]:
    """For each layout that ever arrived: the last delivery with results, and the one with results before it: of this
    period, or else the last one of the newest earlier period that has one."""
    own = (place for place in state.arrivals if place.provider == submission.provider)
    earlier = sorted((place for place in own if place.period < submission.period), reverse=True)
    made = []
    for name, listed in sorted(_judged(submission, standard, lake, state).items()):
        if not bronze_file(
            lake, listed[-1], name
        ).exists():  # it counts no longer, and had its time: only its outcome is told
            continue
        older = (_judged(place, standard, lake, state).get(name) for place in earlier if len(listed) == 1)
        before = listed[-2:-1] or next(filter(None, older), [])[-1:]
        made.append(Part(standard.layouts[name], listed[-1], before[0] if before else None))
    return made


def _judged(submission: Submission, standard: Standard, lake: Lake, state: State) -> dict[str, list[Arrival]]:
    """Layout -> its deliveries of a submission that have results, oldest first."""
    judged: dict[str, list[Arrival]] = {}
    for arrival in state.arrivals.get(submission, []):
        for file in arrival.files:
            known = file.layout in standard.layouts and arrival.outcome is not None
            if known and result_file(lake, "rule_result", arrival, file.layout).exists():
                judged.setdefault(file.layout, []).append(arrival)
    return judged


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


def rule_facts(
    part: Part, standard: Standard, lake: Lake, moved: Mapping[str, Mapping[str, int | None]] | None = None
) -> list[Facts]:
    """Every rule of a file, what to fix first at the top: broken verdicts before, then severity weight times
    failed share, damped where few rows fail. `moved`: what `progress` says; without it nothing is said of single issues."""
    name = part.layout.name
    known = {rule.id: rule for rule in standard.rules_of_layout[name]}
    now = results_of(lake, part.arrival, name)
    before = results_of(lake, part.before, name) if part.before else {}
    changes = changes_of_rules(now, before) if part.before else {}
    told = [
        _rule(part.layout, known[rule], result, None if changes.get(rule) else before.get(rule), standard)
        | {"change": changes.get(rule, ""), **UNMOVED, **(moved or {}).get(f"{name} {rule}", {})}
        for rule, result in now.items()
        if rule in known
    ]
    return sorted(told, key=urgency)


def compared_facts(submission: Submission, results: list[Facts], standard: Standard) -> list[Facts]:
    """The rules that `compare` judged of a submission, as rule_facts says those of a file. `results`: compare.results."""
    known = {(name, rule.id): rule for name, rules in standard.compared_of_layout.items() for rule in rules}
    told = [
        _rule(standard.layouts[row["layout"]], known[row["layout"], row["rule"]], row, None, standard)
        | {"change": "", **UNMOVED}
        for row in results
        if (row["layout"], row["rule"]) in known
        and (row["provider"], row["period"]) == (submission.provider, submission.period)
    ]
    return sorted(told, key=urgency)


def results_of(lake: Lake, arrival: Arrival, layout: str) -> dict[str, Facts]:
    """Rule -> its row of results/rule_result for one delivered file; nothing when it was never judged."""
    path = result_file(lake, "rule_result", arrival, layout)
    return _read(path, path.stat().st_mtime_ns) if path.exists() else {}


@lru_cache(maxsize=1000)
def _read(path: Path, changed_at: int) -> dict[str, Facts]:
    """The results in a file, as it was at that time: a page with a history looks at the same ones again and again."""
    with pq.ParquetFile(path) as file:  # a tenth of what read_table takes, which looks for partitions
        return {row["rule"]: row for row in file.read().to_pylist()}


def changes_of_rules(now: dict[str, Facts], before: dict[str, Facts]) -> dict[str, str]:
    """Rule -> new, removed, changed (it claims something else), or "" when both deliveries were judged by it alike.

    Results from before a rule's version was written there are taken to be of the same version.
    """
    changes = {name: "" if name in before else "new" for name in now}
    changes |= dict.fromkeys(before.keys() - now.keys(), "removed")
    for name in now.keys() & before.keys():
        versions = {row.get("rule_version") for row in (now[name], before[name])} - {None}
        changes[name] = "changed" if len(versions) > 1 else ""
    return changes


def _rule(layout: Layout, rule: Rule, now: Facts, before: Facts | None, standard: Standard) -> Facts:
    scoring = standard.settings["scorecard"]
    share = now["failed"] / now["checked"] if now["checked"] else 0.0
    return {
        "rule": rule.id,
        "layout": layout.name,
        "column": column_of(layout, rule.id),
        "severity": rule.severity,
        # A rule on trial is shown, and nobody is told that it is not met.
        "is_scored": scoring["weights"].get(rule.severity, 0) > 0,
        "scope": rule.scope,
        "dimension": rule.dimension,
        "topic": rule.topic,
        "responsibility": rule.responsibility,
        "follows": list(rule.follows),
        "source": rule.source,
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
        "checked_before": before["checked"] if before else None,
        "failed_before": before["failed"] if before else None,
        "was_met": bool(before["is_met"]) if before else None,
    }


def urgency(rule: Facts) -> tuple[Any, ...]:
    """Sorts what to fix first to the top: what rejected the delivery, then broken rules, each by weight; last what is
    on trial."""
    is_well = rule["is_met"] or not rule["is_scored"]
    return not rule["rejected_all"], is_well, -rule["weight"], -rule["failed"], rule["layout"], rule["rule"]


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
