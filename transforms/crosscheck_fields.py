"""fields.csv and layouts/ -> checked: every word known, every column's field and vocabulary there.

Promise: a characteristic is one thing, whichever table a record of it comes from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from transforms import fhirpath
from transforms.faults import LINE, Reader, Row, nearest, one_of
from transforms.validity import check_once

if TYPE_CHECKING:
    from transforms.standard import Layout, Standard

CONTENTS = ("snapshot", "events", "cumulative")
FORMATS = {"csv": "delimiter", "ndjson": "resource"}  # each with the key that it needs
KNOWN = {
    "type": ("text", "date", "boolean", "integer", "code", "nhs_number", "postcode"),
    "requirement": ("mandatory", "expected", "optional"),
    "area": ("open", "protected", "identifiable"),
}
ONLY_FOR = {  # columns that one type of field has, and no other
    "cardinality": ("code", ("one", "many")),
    "suppression": ("code", ("standard", "sensitive")),
    "tense": ("date", ("past", "future")),
}
EVENT = {"ended_on": "date", "outcome": "varchar", "only_with": "date"}  # what is said of a kind of event, each a field
VOCABULARY = "vocabulary: [a name of vocabularies.csv]; what a value means is never guessed from the value"
PATHS = "transforms/fhirpath.py says which paths are understood"
# What is said of a characteristic in one table holds in every other.
SAME_EVERYWHERE = ("code_system", "cardinality", "area", "suppression")


def check_fields(reader: Reader, standard: Standard) -> None:
    """Note what is wrong in fields.csv, row by row and between tables."""
    path = standard.folder / "fields.csv"
    systems = {row["system"] for row in standard.codes}
    rows = standard.tables["fields"]
    check_once(reader, rows, lambda row: (row["table"], row["field"]), path, "field")
    first: dict[str, Row] = {}
    for row in rows:
        for column, known in KNOWN.items():
            _check_word(reader, path, row, column, known)
        for column, (kind, known) in ONLY_FOR.items():
            if row["type"] == kind:
                _check_word(reader, path, row, column, known)
            elif row[column]:
                what = f"field '{row['field']}': {column} is only for fields of type {kind}"
                reader.fault(path, row[LINE], what, "leave it blank")
        if (row["type"] == "code") != bool(row["code_system"]):
            reader.fault(
                path,
                row[LINE],
                f"field '{row['field']}': type code and a code_system go together",
                "give both, or neither",
            )
        if row["code_system"] and row["code_system"] not in systems:
            hint = nearest(row["code_system"], systems) or "add the folder, with its codes.csv"
            reader.fault(path, row[LINE], f"code system '{row['code_system']}' has no folder in code_systems/", hint)
        if not row["use"]:
            hint = "say what it is for: nothing is collected without a use"
            reader.fault(path, row[LINE], f"field '{row['field']}' has no use", hint)
        if row["suppression"] == "sensitive" and row["area"] != "protected":
            what = f"field '{row['field']}' is sensitive and its area is '{row['area']}'"
            reader.fault(path, row[LINE], what, "a sensitive characteristic stays in the protected area")
        earlier = first.setdefault(row["field"], row) if row["type"] == "code" else row
        for column in SAME_EVERYWHERE:
            if row[column] != earlier[column]:
                what = f"field '{row['field']}' has {column} '{row[column]}', and '{earlier[column]}' on line {earlier[LINE]}"
                reader.fault(path, row[LINE], what, "a characteristic is one thing in every table")


def _check_word(reader: Reader, path: Path, row: Row, column: str, known: tuple[str, ...]) -> None:
    if row[column] not in known:
        reader.fault(path, row[LINE], f"{column} '{row[column]}' is not known", one_of(row[column], known))


def check_layout(reader: Reader, standard: Standard, layout: Layout) -> None:
    """Note what a layout names and nobody knows."""
    path = standard.folder / "layouts" / f"{layout.name}.yml"
    fields = {row["field"]: row for row in standard.fields_of(layout.table)}
    if not fields:
        tables = {row["table"] for row in standard.tables["fields"]}
        what = f"table '{layout.table}' is not in fields.csv"
        reader.fault(path, reader.line_of(path, "table"), what, one_of(layout.table, tables))
        return
    if layout.content not in CONTENTS:
        reader.fault(
            path,
            reader.line_of(path, "content"),
            f"content '{layout.content}' is not known",
            one_of(layout.content, CONTENTS),
        )
    if layout["care_setting"] not in standard.settings["resolution"].get("care_settings", []):
        what = f"care_setting '{layout['care_setting']}' is not in resolution.yml"
        known = standard.settings["resolution"].get("care_settings", [])
        reader.fault(path, reader.line_of(path, "care_setting"), what, one_of(layout["care_setting"], known))
    _check_settings(reader, standard, layout, path)
    names = {row["vocabulary"] for row in standard.tables["vocabularies"]}
    maps = standard.maps_of_vocabularies()
    for entry in layout.columns:
        field = fields.get(entry["field"])
        if field is None:
            hint = nearest(entry["field"], fields) or "add it there first"
            reader.fault(path, entry[LINE], f"field '{entry['field']}' is not in fields.csv", hint)
            continue
        if field["type"] == "code" and not entry.get("vocabulary"):
            reader.fault(
                path,
                entry[LINE],
                f"field '{entry['field']}' is coded: say which vocabulary the column uses",
                VOCABULARY,
            )
        for vocabulary in entry.get("vocabulary") or ():
            _check_vocabulary(reader, path, entry, field["code_system"], vocabulary, names, maps)
        _check_date(reader, path, layout, fields, entry, "recorded_on")
        _check_stated_by(reader, standard, path, entry)
    systems = standard.characteristics()
    for items in (layout["states"] or {}).values():
        for item in items if isinstance(items, list) else ():
            if item.get("characteristic") not in systems:
                hint = one_of(item.get("characteristic"), systems)
                reader.fault(path, item[LINE], f"characteristic '{item.get('characteristic')}' is not known", hint)
                continue
            for vocabulary in item.get("vocabulary") or ():
                _check_vocabulary(reader, path, item, systems[item["characteristic"]], vocabulary, names, maps)
    for name, field in fields.items():
        if field["requirement"] == "mandatory" and name not in layout.fields:
            reader.fault(
                path, reader.line_of(path, "columns"), f"no column gives the mandatory field '{name}'", "map one to it"
            )
    for name in layout.key:
        if name not in layout.fields:
            where = reader.line_of(path, "key")
            reader.fault(path, where, f"key field '{name}' has no column", one_of(name, layout.fields))


def _check_settings(reader: Reader, standard: Standard, layout: Layout, path: Path) -> None:
    """What a layout says of the whole file: who stated it, what it counts as, and how it is written."""
    _check_stated_by(reader, standard, path, layout.settings)
    if layout["nhs_number"] not in (None, "clear") and not layout.pseudonym_key:
        where = reader.line_of(path, "nhs_number")
        reader.fault(
            path, where, f"nhs_number '{layout['nhs_number']}' is not known", "say clear, or pseudonym(key id)"
        )
    _check_events(reader, layout, path, [row["kind"] for row in standard.tables["activity_kinds"]])
    written = layout["format"] if isinstance(layout["format"], dict) else {}
    where = reader.line_of(path, "format")
    if written.get("kind") not in FORMATS:
        hint = one_of(written.get("kind"), FORMATS)
        reader.fault(path, where, f"format kind '{written.get('kind')}' is not known", hint)
    elif not written.get(FORMATS[written["kind"]]):
        reader.fault(
            path, where, f"a format of kind {written['kind']} needs the key '{FORMATS[written['kind']]}'", "add it"
        )
    if written.get("kind") == "ndjson":
        for entry in layout.columns:
            try:
                fhirpath.parse(str(entry["column"]))
            except fhirpath.BadPath as error:
                reader.fault(path, entry[LINE], f"column '{entry['column']}': {error}", PATHS)
    _check_date(
        reader, path, layout, {r["field"]: r for r in standard.fields_of(layout.table)}, layout.settings, "event_date"
    )


def _check_stated_by(reader: Reader, standard: Standard, path: Path, said: Row) -> None:
    known = standard.settings["resolution"].get("stated_by", [])
    if "stated_by" in said and said["stated_by"] not in known:
        line = reader.line_of(path, "stated_by", said[LINE])
        what = f"stated_by '{said['stated_by']}' is not in resolution.yml"
        reader.fault(path, line, what, one_of(said["stated_by"], known))


def _check_events(reader: Reader, layout: Layout, path: Path, kinds: list[str]) -> None:
    """Each kind of event is known, and what says when and how it ended is a field of the layout."""
    where = reader.line_of(path, "activity")
    if layout["activity"] and not layout.events:
        what = f"activity '{layout['activity']}' is not a kind with its fields"
        reader.fault(path, where, what, f"activity: {{{layout['activity']}: {{outcome: a field}}}}")
    for kind, said in layout.events.items():
        if kind not in kinds:
            reader.fault(path, where, f"activity '{kind}' is not known", one_of(kind, kinds))
        reader.keys(path, said, EVENT)
        for key in set(said) & set(EVENT):
            if said[key] not in layout.fields:
                what = f"activity '{kind}': {key} '{said[key]}' has no column"
                reader.fault(path, where, what, one_of(said[key], layout.fields))
    if layout.events and not layout["event_date"]:
        reader.fault(path, where, "no field says the day of the event", "event_date: a field")


def _check_date(reader: Reader, path: Path, layout: Layout, fields: dict[str, Row], said: Row, key: str) -> None:
    """A key that names a date must name one that the layout collects."""
    name = said.get(key)
    if name is None or (name in layout.fields and fields.get(name, {}).get("type") == "date"):
        return
    dates = [other for other in layout.fields if fields.get(other, {}).get("type") == "date"]
    line = reader.line_of(path, key, said[LINE]) if key in said else said[LINE]
    reader.fault(path, line, f"{key} '{name}' is not a date that a column gives", one_of(name, dates))


def _check_vocabulary(
    reader: Reader, path: Path, entry: Row, system: str, name: str, names: set[str], maps: set[tuple[str, str]]
) -> None:
    if name not in names:
        reader.fault(
            path,
            entry[LINE],
            f"vocabulary '{name}' is not in vocabularies.csv",
            nearest(name, names) or "add a row for it",
        )
    elif (system, name) not in maps:
        reader.fault(
            path, entry[LINE], f"vocabulary '{name}' has no file code_systems/{system}/from_{name}.csv", "add it"
        )
