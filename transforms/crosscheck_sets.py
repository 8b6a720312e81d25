"""to_<classification>.csv and sets.csv -> checked: how our codes go out, and that they come back as themselves.

Promise: every code goes out once on every day, and what is not known goes out to nobody's category, least of all the
majority's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transforms.crosscheck_codes import CODE_STATUSES, check_relation, check_within, folded
from transforms.faults import LINE, Reader, Row, nearest, one_of
from transforms.validity import check_dates, check_once, days, meet, span, uncovered

if TYPE_CHECKING:
    from transforms.standard import Standard

REAL = ("category", "residual")
WORDINGS = ("ours", "third_party")


def check_classifications(reader: Reader, standard: Standard) -> None:
    """Note what is wrong in to_ files."""
    codes: dict[str, dict[str, Row]] = {}
    for row in standard.codes:
        if row["kind"] != "detail":
            codes.setdefault(row["system"], {})[row["code"]] = row
    rows_of: dict[tuple[str, str], list[Row]] = {}
    for row in standard.classifications:
        rows_of.setdefault((row["system"], row["classification"]), []).append(row)
        known = codes.get(row["system"], {})
        what = f"code '{row['code']}'"
        check_dates(reader, row)
        if row["code"] not in known:
            reader.fault(
                row["path"], row[LINE], f"{what} is not in codes.csv", nearest(row["code"], known) or "add it there"
            )
        else:
            check_within(reader, row, known[row["code"]], what)
        check_relation(reader, row, what, "value")
        if row["value"] and not row["label"]:
            reader.fault(
                row["path"],
                row[LINE],
                f"{what} goes out as '{row['value']}' without a label",
                "give the words that the set prints",
            )
        if row["status"] not in CODE_STATUSES:
            hint = one_of(row["status"], CODE_STATUSES)
            reader.fault(row["path"], row[LINE], f"status '{row['status']}' is not known", hint)
    check_once(reader, standard.classifications, lambda r: (r["system"], r["classification"], r["code"]), None, "code")
    read = standard.maps_of_vocabularies()
    maps_of: dict[tuple[str, str], list[Row]] = {}
    for row in standard.code_maps:
        maps_of.setdefault((row["system"], row["vocabulary"]), []).append(row)
    for path in standard.code_files:
        if path.stem.startswith("to_"):
            system, name = path.parent.name, path.stem.removeprefix("to_")
            rows = rows_of.get((system, name), [])
            spans: dict[str, list] = {}
            for row in rows:
                spans.setdefault(row["code"], []).append(span(row))
            for code in codes.get(system, {}).values():
                if lacking := uncovered(span(code), spans.get(code["code"], [])):
                    what = f"code '{code['code']}' is missing{days(lacking) if code['code'] in spans else ''}"
                    reader.fault(path, None, what, "every code stands in every to_ file once")
            back = maps_of.get((system, name), [])
            for value, label in (("value", "label"), ("group", "group_label")):
                _check_labels(reader, rows, value, label)
            _check_absent_and_general(reader, rows, back, codes.get(system, {}))
            if (system, name) in read:
                _check_round_trip(reader, standard, rows, back)


def _check_labels(reader: Reader, rows: list[Row], value: str, label: str) -> None:
    """Note a value, or a group, that has two labels on one day."""
    seen: dict[str, list[Row]] = {}
    for row in (row for row in rows if row[value]):
        for first in seen.setdefault(row[value], []):
            if row[label] != first[label] and meet(row, first):
                what = f"{value} '{row[value]}' is labelled '{row[label]}', and '{first[label]}' on line {first[LINE]}"
                reader.fault(row["path"], row[LINE], what, "one value has one label on one day")
                break
        else:
            if not any(first[label] == row[label] and span(first) == span(row) for first in seen[row[value]]):
                seen[row[value]].append(row)


def _check_absent_and_general(reader: Reader, rows: list[Row], back: list[Row], codes: dict[str, Row]) -> None:
    """Note absences and group-level codes that go out as if somebody had said a category."""
    kinds = {code: row["kind"] for code, row in codes.items()}
    taken = {r["value"] for r in rows if kinds.get(r["code"]) in REAL and r["relation"] != "broad" and r["value"]}
    anybodys = {r["value"] for r in rows if kinds.get(r["code"]) not in (None, "absence") and r["value"]}
    for row in rows:
        kind, value = kinds.get(row["code"]), row["value"]
        if not value or kind not in ("absence", "group"):
            continue
        meant = [other for other in back if other["value"] == value]
        if kind == "group" and (value in taken or any(kinds.get(other["code"]) in REAL for other in meant)):
            what = f"code '{row['code']}' says only a group and goes out as '{value}', which is a category"
            reader.fault(row["path"], row[LINE], what, "leave the value blank, relation none, reason over_general")
        elif kind == "absence" and (value in anybodys or any(other["code"] for other in meant)):
            what = f"code '{row['code']}' is an absence and goes out as '{value}', which somebody may have said"
            reader.fault(row["path"], row[LINE], what, "leave the value blank: nothing goes to a category by default")
        elif kind == "absence" and any(other["status"] != row["code"] for other in meant):
            what = f"code '{row['code']}' goes out as '{value}' and comes back as '{meant[0]['status']}'"
            reader.fault(row["path"], row[LINE], what, "absences are never merged: leave the value blank")


def _check_round_trip(reader: Reader, standard: Standard, rows: list[Row], back: list[Row]) -> None:
    """Note values that mean exactly a code and do not come back as themselves, and values that nothing reads."""
    vocabularies = {row["vocabulary"]: row for row in standard.tables["vocabularies"]}
    name = rows[0]["classification"] if rows else ""
    out: dict[str, list[Row]] = {}
    for row in rows:
        out.setdefault(row["code"], []).append(row)
    for row in back:
        if row["relation"] != "exact":
            continue
        for other in out.get(row["code"], []):
            if meet(row, other) and folded({**other, "vocabulary": name}, vocabularies) != folded(row, vocabularies):
                what = f"value '{row['value']}' is exactly '{row['code']}', which goes out as '{other['value']}'"
                hint = f"{other['path'].name}:{other[LINE]}; another spelling of it is narrow, with a reason"
                reader.fault(row["path"], row[LINE], what, hint)
    read = {folded(row, vocabularies) for row in back}
    for row in rows:
        if row["value"] and folded({**row, "vocabulary": name}, vocabularies) not in read:
            what = f"code '{row['code']}' goes out as '{row['value']}', which from_{name}.csv does not know"
            reader.fault(row["path"], row[LINE], what, nearest(row["value"], read) or "add a row for it there")


def check_sets(reader: Reader, standard: Standard) -> None:
    """Note sets that are not named, and names without a set."""
    path = standard.folder / "code_systems" / "sets.csv"
    check_once(reader, standard.sets, lambda row: (row["system"], row["classification"]), path, "set")
    named = {(row["system"], row["classification"]) for row in standard.sets}
    files = {
        (file.parent.name, file.stem.removeprefix("to_")): file
        for file in standard.code_files
        if file.stem.startswith("to_")
    }
    for (system, name), file in files.items():
        if (system, name) not in named:
            close = nearest(name, [other for owner, other in named if owner == system])
            reader.fault(file, None, f"set '{name}' of {system} is not in sets.csv", close or "add a row for it")
    for row in standard.sets:
        what = f"set '{row['classification']}' of {row['system']}"
        if (row["system"], row["classification"]) not in files:
            hint = nearest(row["classification"], [name for _, name in files]) or "add it, or take the row away"
            reader.fault(path, row[LINE], f"{what} has no to_ file", hint)
        if row["wording"] not in WORDINGS:
            reader.fault(path, row[LINE], f"wording '{row['wording']}' is not known", one_of(row["wording"], WORDINGS))
        if not row["title"] or not row["source"]:
            reader.fault(
                path, row[LINE], f"{what} has no {'source' if row['title'] else 'title'}", "quotations have one"
            )
        if row["year"] and not (row["year"].isdigit() and len(row["year"]) == 4):
            reader.fault(path, row[LINE], f"{what}: year '{row['year']}' is not a year", "four digits, or blank")
