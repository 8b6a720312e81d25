"""What must hold between the files of the standard. Every fault is noted with file and line; nothing is repaired."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from transforms.faults import LINE, Reader, Row, nearest
from transforms.metrics import check_metrics
from transforms.rules import Rule
from transforms.snomed import is_snomed_identifier

if TYPE_CHECKING:
    from transforms.standard import Layout, Standard

HERE = Path(__file__).resolve().parent
TYPES = {"date": "date", "boolean": "boolean", "integer": "bigint"}
STATUSES = ("known", "not_stated", "not_known", "not_recorded", "unrecognised")
ABSENCES = ("not_stated", "not_known", "unrecognised", "not_recorded")
RELATIONS = ("exact", "broad", "narrow", "none")
CONTENTS = ("snapshot", "events", "cumulative")
# Facts about the file that a rule may use beside the fields.
ABOUT_FILE = {"provider": "varchar", "is_demo": "boolean", "received_on": "date", "period_start": "date"}
ABOUT_FILE |= {"period_end": "date", "is_repeated": "boolean"}
# The people with bad records are the ones being counted: no rule on these may reject a record.
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
    reader: Reader, root: Path, rules: list[Rule], layouts: dict[str, Layout], fields: list[Row]
) -> dict[str, tuple[Rule, ...]]:
    """The rules that apply to each layout: those whose columns it collects. Notes predicates that do not compile."""
    con = duckdb.connect()
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    con.execute("set variable inner_pad = ''::blob; set variable outer_pad = ''::blob")
    by_table: dict[str, list[Row]] = {}
    for row in fields:
        by_table.setdefault(row["table"], []).append(row)
    for table, its_fields in by_table.items():
        _empty(con, f"whole_{table}", its_fields)
        _empty(
            con,
            f"unprotected_{table}",
            [r for r in its_fields if not r["code_system"] and r["field"] not in NEVER_REJECTING],
        )
    sound = []
    for rule in rules:
        if rule.table not in by_table:
            reader.fault(rule.path, rule.line, f"table '{rule.table}' is not known", nearest(rule.table, by_table))
        elif problem := _problem(con, rule, f"whole_{rule.table}"):
            reader.fault(rule.path, rule.line, f"rule '{rule.id}' does not compile: {problem}")
        elif rule.rejects in ("record", "submission") and _problem(con, rule, f"unprotected_{rule.table}"):
            # What a rule reads counts, not what it is called: it does not bind where these fields are left out.
            what = f"rule '{rule.id}' may not reject a {rule.rejects}: people with bad records are the ones counted"
            reader.fault(rule.path, rule.line, what, f"never for {', '.join(NEVER_REJECTING)} or a coded field")
        elif rule.scope == "submission":
            sound.append(rule)
    chosen = {}
    for name, layout in layouts.items():
        _empty(con, "part", [row for row in by_table.get(layout.table, []) if row["field"] in layout.fields])
        chosen[name] = tuple(r for r in sound if r.table == layout.table and not _problem(con, r, "part"))
    return chosen


def _empty(con: duckdb.DuckDBPyConnection, name: str, fields: list[Row]) -> None:
    columns = ", ".join(f"{column} {kind}" for column, kind in judged_columns(fields).items())
    con.execute(f"create or replace table {name} ({columns})")


def _problem(con: duckdb.DuckDBPyConnection, rule: Rule, table: str) -> str:
    """What DuckDB has against a rule's predicate, in its first line; "" when it binds to a boolean."""
    try:
        kind = con.execute(f"describe select {rule.predicate} as verdict from {table}").fetchone()[1]
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return "" if kind == "BOOLEAN" else f"it gives {kind}, not true or false"


def crosscheck(reader: Reader, standard: Standard) -> None:
    """Note everything that is wrong between files."""
    _check_fields(reader, standard)
    for layout in standard.layouts.values():
        _check_layout(reader, standard, layout)
    _check_codes(reader, standard)
    _check_maps(reader, standard)
    _check_classifications(reader, standard)
    _check_providers(reader, standard)
    _check_rules(reader, standard)
    check_metrics(reader, standard)


def _twice(reader: Reader, rows: list[Row], key: tuple[str, ...], path: Path | None, what: str) -> None:
    """Note every key that stands twice; `path` where rows do not know their own."""
    seen: dict[tuple, Row] = {}
    for row in rows:
        identity = tuple(row[name] for name in key)
        if identity in seen:
            first = seen[identity][LINE]
            reader.fault(
                Path(row.get("path") or path or ""), row[LINE], f"{what} '{row[key[-1]]}' is here twice (line {first})"
            )
        seen.setdefault(identity, row)


def _check_fields(reader: Reader, standard: Standard) -> None:
    path = standard.folder / "fields.csv"
    systems = {row["system"] for row in standard.codes}
    known = {"text", "date", "boolean", "integer", "code", "nhs_number", "postcode"}
    _twice(reader, standard.tables["fields"], ("table", "field"), path, "field")
    for row in standard.tables["fields"]:
        if row["type"] not in known:
            reader.fault(path, row[LINE], f"type '{row['type']}' is not known", nearest(row["type"], known))
        if row["requirement"] not in ("mandatory", "expected", "optional"):
            reader.fault(path, row[LINE], f"requirement '{row['requirement']}' is not known")
        if (row["type"] == "code") != bool(row["code_system"]):
            reader.fault(path, row[LINE], f"field '{row['field']}': type code and a code_system go together")
        if row["code_system"] and row["code_system"] not in systems:
            hint = nearest(row["code_system"], systems)
            reader.fault(path, row[LINE], f"code system '{row['code_system']}' has no folder in code_systems/", hint)


def _check_layout(reader: Reader, standard: Standard, layout: Layout) -> None:
    path = standard.folder / "layouts" / f"{layout.name}.yml"
    fields = {row["field"]: row for row in standard.fields_of(layout.table)}
    if not fields:
        tables = {row["table"] for row in standard.tables["fields"]}
        what = f"table '{layout.table}' is not in fields.csv"
        reader.fault(path, reader.line_of(path, "table"), what, nearest(layout.table, tables))
        return
    if layout.content not in CONTENTS:
        reader.fault(
            path, reader.line_of(path, "content"), f"content '{layout.content}' is not known", ", ".join(CONTENTS)
        )
    if layout["care_setting"] not in standard.settings["resolution"].get("care_settings", []):
        what = f"care_setting '{layout['care_setting']}' is not in resolution.yml"
        known = standard.settings["resolution"].get("care_settings", [])
        reader.fault(path, reader.line_of(path, "care_setting"), what, nearest(layout["care_setting"], known))
    names = {row["vocabulary"] for row in standard.tables["vocabularies"]}
    maps = {(row["system"], row["vocabulary"]) for row in standard.code_maps}
    for entry in layout.columns:
        field = fields.get(entry["field"])
        if field is None:
            hint = nearest(entry["field"], fields)
            reader.fault(path, entry[LINE], f"field '{entry['field']}' is not in fields.csv", hint)
            continue
        if field["type"] == "code" and not entry.get("vocabulary"):
            reader.fault(path, entry[LINE], f"field '{entry['field']}' is coded: say which vocabulary the column uses")
        for vocabulary in entry.get("vocabulary") or ():
            _check_vocabulary(reader, path, entry, field["code_system"], vocabulary, names, maps)
    systems = standard.characteristics()
    for items in (layout["states"] or {}).values():
        for item in items if isinstance(items, list) else ():
            if item.get("characteristic") not in systems:
                hint = nearest(item.get("characteristic"), systems)
                reader.fault(path, item[LINE], f"characteristic '{item.get('characteristic')}' is not known", hint)
                continue
            for vocabulary in item.get("vocabulary") or ():
                _check_vocabulary(reader, path, item, systems[item["characteristic"]], vocabulary, names, maps)
    for name, field in fields.items():
        if field["requirement"] == "mandatory" and name not in layout.fields:
            reader.fault(path, reader.line_of(path, "columns"), f"no column gives the mandatory field '{name}'")
    for name in layout.key:
        if name not in layout.fields:
            where = reader.line_of(path, "key")
            reader.fault(path, where, f"key field '{name}' has no column", nearest(name, layout.fields))


def _check_vocabulary(
    reader: Reader, path: Path, entry: Row, system: str, name: str, names: set[str], maps: set[tuple[str, str]]
) -> None:
    if name not in names:
        reader.fault(path, entry[LINE], f"vocabulary '{name}' is not in vocabularies.csv", nearest(name, names))
    elif (system, name) not in maps:
        reader.fault(path, entry[LINE], f"vocabulary '{name}' has no file code_systems/{system}/from_{name}.csv")


def _check_codes(reader: Reader, standard: Standard) -> None:
    _twice(reader, standard.codes, ("system", "code"), None, "code")
    present = {(row["system"], row["code"]) for row in standard.codes}
    for system in {row["system"] for row in standard.codes}:
        path = standard.folder / "code_systems" / system / "codes.csv"
        for absence in ABSENCES:
            if (system, absence) not in present:
                reader.fault(path, None, f"the absence '{absence}' is not named")
    for row in standard.codes:
        if row["kind"] != "detail" and row["kind"] not in ("category", "residual", "group", "absence"):
            reader.fault(row["path"], row[LINE], f"kind '{row['kind']}' is not known")
        if row.get("parent") and (row["system"], row["parent"]) not in present:
            reader.fault(row["path"], row[LINE], f"parent '{row['parent']}' is not in codes.csv")


def _check_maps(reader: Reader, standard: Standard) -> None:
    vocabularies = {row["vocabulary"]: row for row in standard.tables["vocabularies"]}
    targets: dict[str, set[str]] = {}
    details: dict[str, set[str]] = {}
    for row in standard.codes:
        kind = details if row["kind"] == "detail" else targets
        if row["kind"] != "absence":
            kind.setdefault(row["system"], set()).add(row["code"])
    folded = []
    for row in standard.code_maps:
        path, line, system = row["path"], row[LINE], row["system"]
        vocabulary = vocabularies.get(row["vocabulary"])
        if vocabulary is None:
            hint = nearest(row["vocabulary"], vocabularies)
            reader.fault(path, line, f"vocabulary '{row['vocabulary']}' is not in vocabularies.csv", hint)
            continue
        value = row["value"].strip()
        folded.append({**row, "value": value if vocabulary["is_case_sensitive"] == "true" else value.upper()})
        if row["status"] not in STATUSES:
            reader.fault(path, line, f"status '{row['status']}' is not known", nearest(row["status"], STATUSES))
        if row["relation"] not in RELATIONS:
            reader.fault(path, line, f"relation '{row['relation']}' is not known", ", ".join(RELATIONS))
        if (row["status"] == "known") != bool(row["code"]):
            reader.fault(path, line, f"value '{value}': a code goes with status known, and only with it")
        if row["code"] and row["code"] not in targets.get(system, ()):
            hint = nearest(row["code"], targets.get(system, ()))
            reader.fault(path, line, f"code '{row['code']}' is not in codes.csv", hint)
        if row["detail"] and row["detail"] not in details.get(system, ()):
            hint = nearest(row["detail"], details.get(system, ()))
            reader.fault(path, line, f"detail '{row['detail']}' is not in details.csv", hint)
        if not row["code"] and not row["reason"]:
            reader.fault(path, line, f"value '{value}' has no code and no reason", "say why in the column reason")
        if vocabulary["identifier_check"] == "sctid" and not is_snomed_identifier(value):
            hint = "a spreadsheet may have damaged it: copy the identifier again as text"
            reader.fault(path, line, f"'{value}' is not a SNOMED CT identifier: its check digit fails", hint)
    _twice(reader, folded, ("system", "vocabulary", "value"), None, "value")


def _check_classifications(reader: Reader, standard: Standard) -> None:
    _twice(reader, standard.classifications, ("system", "classification", "code"), None, "code")
    codes: dict[str, set[str]] = {}
    for row in standard.codes:
        if row["kind"] != "detail":
            codes.setdefault(row["system"], set()).add(row["code"])
    covered: dict[tuple[str, str, Path], set[str]] = {}
    for row in standard.classifications:
        covered.setdefault((row["system"], row["classification"], row["path"]), set()).add(row["code"])
        if row["code"] not in codes.get(row["system"], ()):
            hint = nearest(row["code"], codes.get(row["system"], ()))
            reader.fault(row["path"], row[LINE], f"code '{row['code']}' is not in codes.csv", hint)
        if not row["value"] and not row["reason"]:
            reader.fault(row["path"], row[LINE], f"code '{row['code']}' has no value and no reason")
    for (system, _, path), present in covered.items():
        for missing in sorted(codes.get(system, set()) - present):
            reader.fault(path, None, f"code '{missing}' is missing", "every code stands in every to_ file once")


def _check_providers(reader: Reader, standard: Standard) -> None:
    path = standard.folder / "providers.csv"
    _twice(reader, standard.tables["providers"], ("code",), path, "provider")
    vocabularies = {row["vocabulary"] for row in standard.tables["vocabularies"]}
    for row in standard.tables["providers"]:
        for layout in row["layouts"].split():
            if layout not in standard.layouts:
                reader.fault(path, row[LINE], f"layout '{layout}' is not known", nearest(layout, standard.layouts))
        if row["local_list"] and row["local_list"] not in vocabularies:
            hint = nearest(row["local_list"], vocabularies)
            reader.fault(path, row[LINE], f"local_list '{row['local_list']}' is not a vocabulary", hint)
    for row in standard.tables["agreements"]:
        if row["provider"] not in standard.providers:
            hint = nearest(row["provider"], standard.providers)
            what = f"provider '{row['provider']}' is not in providers.csv"
            reader.fault(standard.folder / "agreements.csv", row[LINE], what, hint)


def _check_rules(reader: Reader, standard: Standard) -> None:
    by_id: dict[str, Rule] = {}
    by_identity: dict[tuple, Rule] = {}
    for rule in standard.rules:
        if rule.id in by_id:
            reader.fault(rule.path, rule.line, f"rule '{rule.id}' is here twice")
        twin = by_identity.setdefault(rule.identity, rule)
        if twin is not rule:
            what = f"rule '{rule.id}' says the same as '{twin.id}': one of them would vanish from the suite"
            reader.fault(rule.path, rule.line, what)
        by_id[rule.id] = rule
