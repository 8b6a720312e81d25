"""Facts of a page -> rules.csv, scorecard.csv and scorecard.json: the same page for spreadsheets and for programs.

Promise: every number on the page is in them; scorecard.json keeps the form that pages/scorecard.schema.json describes,
and says which edition of it; no cell is a formula.
"""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transforms.issues import safe
from transforms.render import HERE
from transforms.scorecard import VODIM, Facts

SCHEMA = "1.0"  # a key that is added is a new minor number; one that goes or means something else a new major one
SCHEMA_FILE = HERE / "scorecard.schema.json"
RULE_COLUMNS = (
    *("rule", "layout", "column", "dimension", "severity", "scope", "at_least", "checked", "failed", "failed_before"),
    *("n_new", "n_fixed", "n_open", "n_gone", "n_caused", "effect", "is_met", "is_theirs", "what_to_do", "why"),
    *("what_happens", "follows", "source"),
)
STATUS_COLUMNS = ("layout", "column", "field", "topic", "is_partial", "n_records", *VODIM)
FIGURE_COLUMNS = (
    *("kind", "layout", "field", "name", "title", "numerator", "denominator", "value", "unit"),
    *("peers", "peers_low", "peers_high", "region", "region_low", "region_high"),
)
KEPT = (
    *("submission", "provider", "period", "standard_version", "is_invented", "has_agreement", "deliveries", "files"),
    *("n_records", "n_issues", "quarters", "marks"),
)


def export(work: Path, facts: Facts, mark: str) -> None:
    """Write the three files into a folder. scorecard.json holds the mark that makes a second run do nothing."""
    (work / "rules.csv").write_text(as_csv(RULE_COLUMNS, map(_flat, facts["rules"])), encoding="utf-8")
    (work / "scorecard.csv").write_text(as_csv(FIGURE_COLUMNS, figures(facts)), encoding="utf-8")
    told = json.dumps(card(facts, mark))  # indented takes five times as long
    (work / "scorecard.json").write_text(told + "\n", encoding="utf-8")


def as_csv(columns: Iterable[str], rows: Iterable[Facts]) -> str:
    """Rows as CSV that a spreadsheet opens as text; what a row has not is blank."""
    names, text = list(columns), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if (value := row.get(name)) is None else safe(value) for name in names] for row in rows)
    return text.getvalue()


def card(facts: Facts, mark: str) -> Facts:
    """What scorecard.json says. The first two lines are read alone, to see whether a page is up to date."""
    told: Facts = {"schema": SCHEMA, "fingerprint": mark, "last_no": facts["last_no"]}
    told |= {name: facts[name] for name in KEPT}
    told["outcome"] = facts["newest"]["outcome"]
    told["index"] = facts["index"]
    told["usable"] = {
        f"{row['layout']} {row['field']}": _share(row["valid"], row["n_records"]) for row in facts["fields"]
    }
    told["actions"] = [
        {key: thing[key] for key in ("kind", "what_to_do", "why", "failed", "checked", "effect")}
        | {"rules": [{"layout": rule["layout"], "rule": rule["rule"]} for rule in thing["places"]]}
        for thing in facts["first"]
    ]
    told["rules"] = [{name: rule[name] for name in RULE_COLUMNS} for rule in facts["rules"]]
    told["fields"] = [{name: row[name] for name in STATUS_COLUMNS} for row in facts["fields"]]
    told["measures"] = facts["measures"]
    return told


def figures(facts: Facts) -> list[Facts]:
    """Every figure of the page as one row: the index and what it is made of, measures, and the counts of each rule."""
    index = facts["index"]
    rows = [
        {"kind": "index", "name": name, "title": title, "value": index[name], "unit": unit}
        for name, title, unit in (
            ("value", "Index", "points"),
            ("mean_score", "Mean item score", "share"),
            ("coverage", "Coverage", "share"),
        )
    ]
    for item in index["items"]:
        about = {
            "kind": "item",
            "layout": item["layout"],
            "field": item["field"],
            "name": "score",
            "title": "Item score",
        }
        right = item["n_valid_and_complete"] - item["n_in_excess"]
        rows.append(
            about | {"numerator": right, "denominator": item["n_records"], "value": item["score"], "unit": "share"}
        )
    for one in facts["measures"]:
        about = {key: one.get(key) for key in ("layout", "field", "title", "numerator", "denominator", "value", "unit")}
        beside = {}
        for who in ("peers", "region"):
            if one.get(who):
                beside |= {
                    who: one[who]["value"],
                    f"{who}_low": one[who].get("low"),
                    f"{who}_high": one[who].get("high"),
                }
        rows.append({"kind": "measure", "name": one["measure"], **about, **beside})
    for rule in facts["rules"]:
        about = {"kind": "rule", "layout": rule["layout"], "field": rule["column"], "name": rule["rule"]}
        about |= {"title": rule["what_to_do"], "numerator": rule["failed"], "denominator": rule["checked"]}
        rows.append(about | {"value": _share(rule["failed"], rule["checked"]), "unit": "share"})
    return rows


def _flat(rule: Facts) -> dict[str, Any]:
    return rule | {"follows": " ".join(rule["follows"])}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
