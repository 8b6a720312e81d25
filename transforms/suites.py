"""The rules of each layout -> Great Expectations' own JSON, for anybody who wants to judge a validated file without us.

Promise: what is exported is what judges here. Read with plain Great Expectations over the Parquet file that validation
wrote, on pandas, it gives the same verdicts and the same counts.
"""

import json
from dataclasses import replace

from transforms.rules import Rule, suite
from transforms.standard import Layout, Standard

# What somebody needs to know who opens the file without having read anything else.
NOTES = (
    "Judges the Parquet files of validated/ and quarantine/ of this layout: both together are what was sent. "
    "A column rule_NNN holds the verdict of one rule written in SQL, a column when_NNN the records to which a rule "
    "applies; both are in those files. Each expectation names its rule under meta."
)


def suites(standard: Standard, period: str = "9999-12") -> dict[str, str]:
    """File name -> a suite as JSON, one a layout: the rules in force in a period, by default all that hold from now on."""
    made = {}
    for layout in standard.layouts.values():
        rules = standard.rules_in_force(layout.name, period)
        if rules:
            made[f"expectations/{layout.name}.json"] = _as_json(standard, layout, rules)
    return made


def _as_json(standard: Standard, layout: Layout, rules: tuple[Rule, ...]) -> str:
    """One suite. Great Expectations writes it: its format is theirs to know."""
    column_of = {rule.id: f"rule_{place:03d}" for place, rule in enumerate(rules, start=1)}
    column_of |= {f"when {rule.id}": f"when_{place:03d}" for place, rule in enumerate(rules, start=1)}
    kinds = {row["field"]: row["type"] for row in standard.fields_of(layout.table)}
    made = suite(tuple(_in_file(rule, kinds) for rule in rules), column_of)
    made.name = layout.name
    told = made.to_json_dict()
    told["meta"] = {**told.get("meta", {}), "notes": NOTES, "standard_version": standard.version}
    words = {rule.id: rule for rule in rules}
    for one in told["expectations"]:
        rule = words[one["meta"]["rule"]]
        one["meta"] |= {"message": rule.message, "why": rule.why, "severity": rule.severity, "rejects": rule.rejects}
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _in_file(rule: Rule, kinds: dict[str, str]) -> Rule:
    """The same rule about columns that the file has: what was sent is a column of its own only while a file is judged."""
    column = str(rule.arguments.get("column", ""))
    field = column.removesuffix("_sent")
    if not rule.expect or field == column:
        return rule
    if kinds[field] in (
        "date",
        "boolean",
        "integer",
    ):  # a text that could not be read is no longer there: the verdict is
        return replace(rule, sql=rule.predicate, expect="", arguments={})
    return replace(rule, arguments={**rule.arguments, "column": field})
