"""Any layout of standards/ and an invented person -> a row as that system would send it, with the codes that it truly means.

Promise: nothing is known here of any one layout: columns, vocabularies, dates and paths are read from the standard, and a
coded value is one that a map of the standard gives for the code. So a new layout can be delivered as soon as it loads.
"""

import random
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

from transforms.standard import Layout, Standard, load

if TYPE_CHECKING:
    from tests.synthetic import Person

Row = dict[str, str]


@cache
def shipped() -> Standard:
    """The standard as it is when the tests begin: to look for edits in hundreds of files at every row takes minutes."""
    return load()


@cache
def meanings(system: str, vocabularies: tuple[str, ...]) -> dict[str, str]:
    """Code -> the first value that states it, of the first vocabulary that has it; of rows that are valid always."""
    found: dict[str, str] = {}
    for vocabulary in vocabularies:
        for row in shipped().code_maps:
            dated = row.get("valid_from") or row.get("valid_to")
            if (row["system"], row["vocabulary"]) == (system, vocabulary) and row["code"] and not dated:
                found.setdefault(row["code"], row["value"])
    return found


def row_of(name: str, who: "Person", line: int, provider: str, period: str) -> tuple[Row, Row]:
    """(the row as sent, the code that each coded field of it means)."""
    layout = shipped().layouts[name]
    fields = {row["field"]: row for row in shipped().fields_of(layout.table)}
    draw = random.Random(f"{who.person_no}/{name}/{line}")
    row: Row = {}
    truth: Row = {}
    for entry in layout.columns:
        field = fields[entry["field"]]
        if field["type"] == "code":
            row[entry["column"]] = _coded(
                field["code_system"], field["field"], tuple(entry["vocabulary"]), who, draw, truth
            )
        else:
            row[entry["column"]] = _plain(layout, field, who, line, provider, period, draw)
    for column, items in (layout["states"] or {}).items():
        stated = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        if stated and fields[column]["type"] != "code":  # a coded column says its own thing first
            item = stated[line % len(stated)]
            system = shipped().characteristics()[item["characteristic"]]
            value = _coded(system, item["characteristic"], tuple(item["vocabulary"]), who, draw, truth)
            row[layout.fields[column]["column"]] = value
    for dropped in layout.drop:
        row[dropped] = "A Thirdparty" if layout["format"]["kind"] == "csv" else ""
    return row, truth


def _coded(
    system: str, field: str, vocabularies: tuple[str, ...], who: "Person", draw: random.Random, truth: Row
) -> str:
    known = meanings(system, vocabularies)
    said = {"ethnic_category": who.ethnic_category, "main_language": who.main_language}.get(field)
    code = said if said in known else draw.choice(sorted(known))
    truth[field] = code
    return known[code]


def _plain(
    layout: Layout, field: Row, who: "Person", line: int, provider: str, period: str, draw: random.Random
) -> str:
    name, kind = field["field"], field["type"]
    key = layout.key[0]
    simple = {
        "local_patient_id": f"{provider}{who.person_no:06d}",
        "nhs_number": who.nhs_number,
        "nhs_number_status": "01",
        "given_name": who.given_name,
        "family_name": who.family_name,
        "postcode": who.postcode,
        "gp_practice_code": "ZP001",
        "attendance_code": "5",
        "specialty_code": "300",
        "code": "195967001",
    }
    if name == key and name != "local_patient_id":
        return f"{provider}-{period}-{line:06d}"
    if name in simple:
        return simple[name]
    if kind == "boolean":
        return "false" if layout["format"]["kind"] == "csv" else ""
    if kind != "date":
        return ""
    day = {"birth_date": who.birth_date, "death_date": None, "deregistered_on": None, "language_review_on": None}
    recorded = date(2015 + who.person_no % 10, draw.randint(1, 12), draw.randint(1, 28))
    if name == layout["event_date"]:
        recorded = date.fromisoformat(f"{period}-{line % 28 + 1:02d}")
    if name in {said.get("ended_on") for said in layout.events.values()}:
        recorded = date.fromisoformat(f"{period}-{line % 28 + 1:02d}") + timedelta(days=line % 9)
    chosen = day.get(name, recorded)
    return chosen.strftime(layout["dates"][0]) if chosen else ""


def parts(name: str) -> dict[str, str]:
    """Which column plays which part, as synthetic.PARTS says it of some layouts."""
    layout = shipped().layouts[name]
    columns = {field: entry["column"] for field, entry in layout.fields.items()}
    wanted = {
        "key": layout.key[0],
        "local": "local_patient_id",
        "number": "nhs_number",
        "number_status": "nhs_number_status",
        "birth": "birth_date",
        "postcode": "postcode",
        "ethnicity": "ethnic_category" if "ethnic_category" in columns else "code",
        "name": "family_name",
        "date": layout["event_date"] or "registered_on",
        "test": "is_test_record",
        "confidential": "is_withheld" if "is_withheld" in columns else "is_confidential",
        "mandatory": layout["event_date"] or layout.key[0],
    }
    return {part: columns[field] for part, field in wanted.items() if field in columns}


def column_for(name: str, field: str) -> str:
    """The column of a field, or of the column whose codes state a characteristic; a column is its own."""
    layout = shipped().layouts[name]
    if field in layout.fields:
        return layout.fields[field]["column"]
    for column, items in (layout["states"] or {}).items():
        if any(isinstance(item, dict) and item["characteristic"] == field for item in items or ()):
            return layout.fields[column]["column"]
    return field
