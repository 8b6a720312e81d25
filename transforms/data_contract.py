"""fields.csv, layouts and expectations -> one Open Data Contract Standard (ODCS) file per submitted table.

Promise: a contract holds every field and every rule once; a rule that a file as sent can be asked is a query, any other
is said in words.
"""

import re
from pathlib import Path
from typing import Any

from transforms.crosscheck_rules import judged_columns
from transforms.faults import Row
from transforms.rules import Rule
from transforms.standard import Standard

Facts = dict[str, Any]
VERSION = "v3.1.0"  # of ODCS
LOGICAL = {"date": "date", "boolean": "boolean", "integer": "integer"}
PHYSICAL = {"date": "date", "boolean": "boolean", "integer": "bigint"}
DIMENSIONS = {"validity": "conformity"}  # the words that ODCS has; the others are the same
ALWAYS = "0000-00"  # the first period of a rule that holds for all
LONGEST_LIST = 300
MACROS = re.compile(r"create or replace macro (\w+)", re.IGNORECASE)


def data_contracts(standard: Standard, publication: Facts) -> dict[str, Facts]:
    """Table -> its contract."""
    tables = dict.fromkeys(row["table"] for row in standard.tables["fields"])
    return {table: _contract(standard, publication, table) for table in tables}


def _contract(standard: Standard, publication: Facts, table: str) -> Facts:
    fields = standard.fields_of(table)
    names = {row["field"] for row in fields}
    rules: dict[str, list[Facts]] = {}
    for rule in standard.rules:
        if rule.table == table:
            field = rule.id.split(".")[1]
            rules.setdefault(field if field in names else "", []).append(_rule(rule, fields))
    layouts = [layout for layout in standard.layouts.values() if layout.table == table]
    keys = {layout.key for layout in layouts}
    key = keys.pop() if len(keys) == 1 else ()
    properties = [_property(standard, publication, row, key, layouts, rules.get(row["field"], [])) for row in fields]
    title = table.replace("_", " ")
    return {
        "apiVersion": VERSION,
        "kind": "DataContract",
        "id": f"{publication['canonical']}/contract/{table}",
        "name": f"{publication['title']}: {title}",
        "version": standard.version,
        "status": "draft",
        "description": {
            "purpose": f"What a provider sends about each {title}, after its columns have the names of the standard.",
            "usage": "Scored for the provider; harmonised, linked and published only under an agreement.",
            "limitations": "No rule on NHS number, name, postcode, ethnicity, language or carer rejects a record.",
        },
        "schema": [
            {
                "name": table,
                "logicalType": "object",
                "physicalType": "file",
                "description": f"One row per {title}.",
                "properties": properties,
                **({"quality": rules[""]} if rules.get("") else {}),
                "customProperties": _custom({"layouts": [layout.name for layout in layouts]}),
            }
        ],
    }


def _property(
    standard: Standard, publication: Facts, row: Row, key: tuple[str, ...], layouts: list[Any], rules: list[Facts]
) -> Facts:
    found: Facts = {
        "name": row["field"],
        "logicalType": LOGICAL.get(row["type"], "string"),
        "physicalType": PHYSICAL.get(row["type"], "varchar"),
        "description": f"{row['definition']}. Used for: {row['use']}.",
        "required": row["requirement"] == "mandatory",
        "classification": _classification(row),
    }
    if row["field"] in key:
        found |= {"primaryKey": True, "primaryKeyPosition": key.index(row["field"]) + 1}
    custom: Facts = {
        "publishedArea": row["area"],
        "requirement": row["requirement"],
        "topic": row["topic"],
        "source": row["source"],
    }
    quality = list(rules)
    if row["code_system"]:
        vocabularies = list(
            dict.fromkeys(
                name
                for layout in layouts
                for entry in layout.columns
                if entry["field"] == row["field"]
                for name in entry.get("vocabulary") or ()
            )
        )
        codes = [
            code["code"] for code in standard.codes if code["system"] == row["code_system"] and code["kind"] != "detail"
        ]
        custom |= {"cardinality": row["cardinality"], "suppression": row["suppression"], "vocabularies": vocabularies}
        custom["codeSystem"] = f"{publication['canonical']}/CodeSystem/{row['code_system'].replace('_', '-')}"
        if len(codes) <= LONGEST_LIST:
            custom["codes"] = codes
        quality += _valid_values(standard, row, vocabularies)
    return {**found, **({"quality": quality} if quality else {}), "customProperties": _custom(custom)}


def _classification(row: Row) -> str:
    """A row is about one person: none of it is open, whatever is published of the counts."""
    return "confidential" if row["area"] == "identifiable" or row["suppression"] == "sensitive" else "restricted"


def _custom(facts: Facts) -> list[Facts]:
    return [{"property": name, "value": value} for name, value in facts.items() if value not in ("", [], ())]


def _valid_values(standard: Standard, row: Row, vocabularies: list[str]) -> list[Facts]:
    """What may be sent: a list where every vocabulary is matched whole and the list can be read; else where it is."""
    known = {item["vocabulary"]: item for item in standard.tables["vocabularies"]}
    maps = [m for m in standard.code_maps if m["system"] == row["code_system"] and m["vocabulary"] in vocabularies]
    values = list(dict.fromkeys(m["value"] for m in maps if m["value"] and m["status"] != "unrecognised"))
    if not vocabularies:
        return []
    titles = "; ".join(known[name]["title"] for name in vocabularies)
    words = {
        "name": f"{row['table']}.{row['field']}.valid_values",
        "description": f"A value of a vocabulary that the layout declares: {titles}. Every value is in {row['code_system']}.maps_in.csv.",
        "dimension": DIMENSIONS["validity"],
    }
    if len(values) <= LONGEST_LIST and all(known[name]["matching"] == "whole" for name in vocabularies):
        return [
            {**words, "type": "library", "metric": "invalidValues", "arguments": {"validValues": values}, "mustBe": 0}
        ]
    return [{**words, "type": "text"}]


def _rule(rule: Rule, fields: list[Row]) -> Facts:
    """One rule: a query for the share of rows that keep it, where the columns that were sent are enough to tell."""
    found: Facts = {
        "name": rule.id,
        "description": " ".join(filter(None, (rule.message, rule.why))),
        "dimension": DIMENSIONS.get(rule.dimension, rule.dimension),
        "severity": rule.severity,
        "customProperties": _custom(
            {"mostly": rule.mostly, "rejects": rule.rejects, "from_period": rule.from_period.removeprefix(ALWAYS)}
        ),
    }
    predicate = rule.predicate
    words = set(re.findall(r"\w+", re.sub(r"'[^']*'", "", predicate)))
    sent = {f"{row['field']}_sent": row["field"] for row in fields}
    raw_and_read = any(name in words and field in words for name, field in sent.items())
    ours = (set(judged_columns(fields)) - {row["field"] for row in fields} - set(sent)) | _macros()
    if raw_and_read or words & ours or rule.one_per or rule.scope != "submission":
        return {**found, "type": "text"}
    for name, field in sent.items():
        predicate = re.sub(rf"\b{name}\b", field, predicate)
    share = f"avg(case when {predicate} then 1.0 when not ({predicate}) then 0.0 end)"
    return {
        **found,
        "type": "sql",
        "query": f"select coalesce({share}, 1.0) from {rule.table}",
        "mustBeGreaterOrEqualTo": rule.mostly,
    }


def _macros() -> set[str]:
    text = (Path(__file__).resolve().parent / "macros.sql").read_text(encoding="utf-8")
    return set(MACROS.findall(text))
