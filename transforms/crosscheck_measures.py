"""measures.csv, index_items.csv, staleness.csv, national_vodim.csv and scorecard.yml -> checked against what they name.

Promise: a measure that is made has its words, and an item of the index can be counted; what cannot is named by line.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from transforms.faults import LINE, Reader, Row, nearest, one_of
from transforms.validity import check_once

if TYPE_CHECKING:
    from transforms.standard import Standard

LETTERS = ("valid", "other", "default", "invalid", "missing")
MADE = (
    *LETTERS,
    *(f"national_{letter}" for letter in LETTERS),
    *("index", "answered", "usable", "over_general", "self_stated", "stale", "agreement", "kappa"),
    *("timeliness_days", "coverage"),
)
KNOWN = {
    "better": ("high", "low", "neither"),
    "unit": ("share", "days", "kappa", "points"),
    "tells": ("status", "value"),  # of what stays in the protected area the open one holds statuses only
}


def check_measures(reader: Reader, standard: Standard) -> None:
    """Note everything that is wrong in the files that quality is measured by."""
    _check_words(reader, standard)
    _check_items(reader, standard)
    _check_staleness(reader, standard)
    _check_national(reader, standard)
    _check_settings(reader, standard)


def _check_words(reader: Reader, standard: Standard) -> None:
    path, rows = standard.folder / "measures.csv", standard.tables["measures"]
    check_once(reader, rows, lambda row: (row["measure"],), path, "measure")
    for row in rows:
        if row["measure"] not in MADE:
            reader.fault(path, row[LINE], f"measure '{row['measure']}' is not one", one_of(row["measure"], MADE))
        for column, known in KNOWN.items():
            if row[column] not in known:
                reader.fault(path, row[LINE], f"{column} '{row[column]}' is not known", one_of(row[column], known))
        if not row["title"] or not row["words"]:
            reader.fault(path, row[LINE], f"measure '{row['measure']}' has no words", "say what it counts, of what")
    for name in MADE:
        if name not in {row["measure"] for row in rows}:
            reader.fault(path, None, f"measure '{name}' has no row", "add it, with its title and words")


def _check_items(reader: Reader, standard: Standard) -> None:
    path, rows = standard.folder / "index_items.csv", standard.tables["index_items"]
    check_once(reader, rows, lambda row: (row["field"],), path, "field")
    types, rules = _types(standard), {rule.id.split(".", 1)[-1] for rule in standard.rules}
    for row in rows:
        if row["threshold"] and not _is_number(row["threshold"], 100):
            hint = "a per cent of the records, 0 to 100; blank for an item without defaults"
            reader.fault(path, row[LINE], f"threshold '{row['threshold']}' is no per cent", hint)
        if not _is_field(reader, path, row, types):
            continue
        is_coded = types[row["field"]] == "code"
        if is_coded == bool(row["missing"]) or (is_coded and row["invalid"]):
            what = f"field '{row['field']}' is {'coded' if is_coded else 'not coded'}"
            hint = "the codes say what is missing: leave missing and invalid blank"
            reader.fault(path, row[LINE], what, hint if is_coded else "name the rule that a blank breaks under missing")
        for claim in f"{row['missing']} {row['invalid']}".split():
            if f"{row['field']}.{claim}" not in rules:
                known = [name.split(".", 1)[1] for name in rules if name.startswith(f"{row['field']}.")]
                reader.fault(
                    path, row[LINE], f"field '{row['field']}' has no rule '{claim}' in any table", one_of(claim, known)
                )


def _check_staleness(reader: Reader, standard: Standard) -> None:
    path, rows, types = standard.folder / "staleness.csv", standard.tables["staleness"], _types(standard)
    check_once(reader, rows, lambda row: (row["field"],), path, "field")
    for row in rows:
        if _is_field(reader, path, row, types) and types[row["field"]] != "code":
            reader.fault(path, row[LINE], f"field '{row['field']}' is not coded", "only coded facts become stale")
        if row["months"] and not row["months"].isdigit():
            reader.fault(path, row[LINE], f"months '{row['months']}' is no whole number", "write it like 12")
        if row["review_on"] and types.get(row["review_on"]) != "date":
            dates = [name for name, kind in types.items() if kind == "date"]
            what = f"review_on '{row['review_on']}' is not a date of fields.csv"
            reader.fault(path, row[LINE], what, one_of(row["review_on"], dates))
        if not row["months"] and not row["review_on"]:
            reader.fault(path, row[LINE], f"nothing says when '{row['field']}' is stale", "give months or review_on")


def _check_national(reader: Reader, standard: Standard) -> None:
    path, rows, types = standard.folder / "national_vodim.csv", standard.tables["national_vodim"], _types(standard)
    check_once(reader, rows, lambda row: (row["field"], row["vocabulary"], row["place"]), path, "place")
    vocabularies = {row["vocabulary"] for row in standard.tables["vocabularies"]}
    for row in rows:
        if _is_field(reader, path, row, types) and (types[row["field"]] == "code") != bool(row["vocabulary"]):
            hint = "a coded field needs the vocabulary that the rule is about; any other has none"
            reader.fault(path, row[LINE], f"field '{row['field']}' and vocabulary '{row['vocabulary']}'", hint)
        if row["vocabulary"] and row["vocabulary"] not in vocabularies:
            hint = nearest(row["vocabulary"], vocabularies) or "it is not in vocabularies.csv"
            reader.fault(path, row[LINE], f"vocabulary '{row['vocabulary']}' is not known", hint)
        if not row["place"].isdigit():
            reader.fault(
                path, row[LINE], f"place '{row['place']}' is no whole number", "the first row that fits decides"
            )
        if row["vodim"] not in LETTERS:
            reader.fault(path, row[LINE], f"vodim '{row['vodim']}' is not known", one_of(row["vodim"], LETTERS))
        try:
            re.compile(row["pattern"])
        except re.error as error:
            reader.fault(path, row[LINE], f"pattern: {error}", "a regular expression over the value in capitals")


def _check_settings(reader: Reader, standard: Standard) -> None:
    path, settings = standard.folder / "scorecard.yml", standard.settings["scorecard"]
    cadences = settings.get("cadences") or {}
    for row in standard.tables["providers"]:
        if row["cadence"] not in cadences:
            what = f"cadence '{row['cadence']}' is not in scorecard.yml"
            known = [name for name in cadences if name != LINE]
            reader.fault(standard.folder / "providers.csv", row[LINE], what, one_of(row["cadence"], known))
    for word in settings.get("self_stated") or ():
        known = standard.settings["resolution"].get("stated_by", [])
        if word not in known:
            line = reader.line_of(path, "self_stated")
            reader.fault(path, line, f"self_stated '{word}' is not in resolution.yml", one_of(word, known))
    for key in ("coverage_months", "cadences", "self_stated", "progress", "not_compared"):
        if not settings.get(key):
            reader.fault(path, None, f"key '{key}' is missing", "add it")
    for key, most in (("smallest_gain", 100), ("smallest_fall", 1), ("good_enough", 100)):
        said = (settings.get("progress") or {}).get(key)
        if not _is_number(str(said), most):
            line = reader.line_of(path, "progress")
            reader.fault(path, line, f"{key} of progress '{said}' is no number", f"a number from 0 to {most}")


def _types(standard: Standard) -> dict[str, str]:
    return {row["field"]: row["type"] for row in standard.tables["fields"]}


def _is_field(reader: Reader, path: Path, row: Row, types: dict[str, str]) -> bool:
    if row["field"] not in types:
        hint = nearest(row["field"], types) or "add it there first"
        reader.fault(path, row[LINE], f"field '{row['field']}' is not in fields.csv", hint)
    return row["field"] in types


def _is_number(text: str, most: float) -> bool:
    try:
        return 0 <= float(text) <= most
    except ValueError:
        return False
