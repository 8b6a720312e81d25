"""codes.csv and from_<vocabulary>.csv -> checked: our codes, and what every value of another vocabulary means.

Promise: no value is read in two ways on one day, none is left without a reason, and no identifier is a damaged one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from transforms.faults import LINE, Reader, Row, nearest, one_of
from transforms.snomed import damage, is_rounded
from transforms.validity import check_dates, check_once, days, span, uncovered

if TYPE_CHECKING:
    from transforms.standard import Standard

KINDS = ("category", "residual", "group", "absence", "detail")
VODIM = ("valid", "other", "default", "invalid", "missing")
CODE_STATUSES = ("agreed", "proposed")
STATUSES = ("known", "not_stated", "not_known", "not_recorded", "unrecognised")
ABSENCES = ("not_stated", "not_known", "unrecognised", "not_recorded")
RELATIONS = ("exact", "broad", "narrow", "none")
VOCABULARY_WORDS = {
    "matching": ("whole", "first_of_two"),
    "is_case_sensitive": ("true", "false"),
    "identifier_check": ("", "sctid"),
}
REASON = re.compile(r"[a-z][a-z0-9_]*(: \S.*)?")


def check_codes(reader: Reader, standard: Standard) -> None:
    """Note what is wrong in codes.csv and details.csv. A code is permanent, so that it stands once, whatever its dates."""
    check_once(reader, [{**row, "valid_from": "", "valid_to": ""} for row in standard.codes], _code, None, "code")
    present = {(row["system"], row["code"]) for row in standard.codes}
    for system in sorted({row["system"] for row in standard.codes}):
        for absence in ABSENCES:
            if (system, absence) not in present:
                path = standard.folder / "code_systems" / system / "codes.csv"
                reader.fault(
                    path,
                    None,
                    f"the absence '{absence}' is not named",
                    "add a row of kind absence: every system names all four",
                )
    for row in standard.codes:
        path, line = row["path"], row[LINE]
        check_dates(reader, row)
        if not row["source"]:
            reader.fault(path, line, f"code '{row['code']}' has no source", "say where it comes from")
        if row["kind"] == "detail":
            continue
        for column, known in (("kind", KINDS[:-1]), ("vodim", VODIM), ("status", CODE_STATUSES)):
            if row[column] not in known:
                reader.fault(path, line, f"{column} '{row[column]}' is not known", one_of(row[column], known))
        if (row["kind"] == "absence") == (row["vodim"] == "valid"):
            reader.fault(
                path,
                line,
                f"code '{row['code']}': an absence is not valid, and nothing else is invalid",
                "correct vodim or kind",
            )
        if row["parent"] and (row["system"], row["parent"]) not in present:
            reader.fault(
                path, line, f"parent '{row['parent']}' is not in codes.csv", "add it there, or leave parent blank"
            )
    _check_registers(reader, standard)


def _code(row: Row) -> tuple[str, str]:
    return row["system"], row["code"]


def _iso_639_3() -> Callable[[str], bool]:
    import pycountry

    return lambda code: pycountry.languages.get(alpha_3=code) is not None


REGISTERS = {"iso_639_3": _iso_639_3}


def _check_registers(reader: Reader, standard: Standard) -> None:
    """Note codes that the register of their system does not have: registers.csv says which system keeps to which."""
    for said in standard.registers:
        if said["register"] not in REGISTERS:
            hint = one_of(said["register"], REGISTERS)
            path = standard.folder / "code_systems" / "registers.csv"
            reader.fault(path, said[LINE], f"register '{said['register']}' is not known", hint)
            continue
        is_listed = REGISTERS[said["register"]]()
        exempt = tuple(item.strip() for item in said["unless_source"].split(";") if item.strip())
        for row in standard.codes:
            ours = row["kind"] in ("absence", "detail") or row["source"].startswith(exempt)
            if row["system"] == said["system"] and not ours and not is_listed(row["code"]):
                what = f"code '{row['code']}' is not in {said['title']}"
                reader.fault(row["path"], row[LINE], what, f"or its source begins with: {' or: '.join(exempt)}")


def check_vocabularies(reader: Reader, standard: Standard) -> None:
    """Note vocabularies that no map reads, and maps of vocabularies that nobody named."""
    path = standard.folder / "vocabularies.csv"
    rows = standard.tables["vocabularies"]
    names = {row["vocabulary"] for row in rows}
    mapped = {vocabulary for _, vocabulary in standard.maps_of_vocabularies()}
    check_once(reader, rows, lambda row: (row["vocabulary"],), path, "vocabulary")
    for row in rows:
        if row["vocabulary"] not in mapped:
            hint = f"add code_systems/<system>/from_{row['vocabulary']}.csv, or take the row away"
            reader.fault(path, row[LINE], f"vocabulary '{row['vocabulary']}' has no from_ file", hint)
        if not row["source"]:
            reader.fault(path, row[LINE], f"vocabulary '{row['vocabulary']}' has no source", "say where it comes from")
        for column, known in VOCABULARY_WORDS.items():
            if row[column] not in known:
                hint = one_of(row[column], known)
                reader.fault(path, row[LINE], f"{column} '{row[column]}' is not known", hint)
        if row["refines"] and row["refines"] not in names:
            what = f"vocabulary '{row['vocabulary']}' refines '{row['refines']}', which is not here"
            reader.fault(path, row[LINE], what, nearest(row["refines"], names) or "name one that is")
    for system, vocabulary in sorted(standard.maps_of_vocabularies()):
        if vocabulary not in names:
            file = standard.folder / "code_systems" / system / f"from_{vocabulary}.csv"
            reader.fault(
                file,
                None,
                f"vocabulary '{vocabulary}' is not in vocabularies.csv",
                nearest(vocabulary, names) or "add a row for it",
            )


def check_maps(reader: Reader, standard: Standard) -> None:
    """Note what is wrong in from_ files."""
    vocabularies = {row["vocabulary"]: row for row in standard.tables["vocabularies"]}
    targets: dict[str, dict[str, Row]] = {}
    details: dict[str, set[str]] = {}
    for row in standard.codes:
        if row["kind"] == "detail":
            details.setdefault(row["system"], set()).add(row["code"])
        elif row["kind"] != "absence":
            targets.setdefault(row["system"], {})[row["code"]] = row
    for row in standard.code_maps:
        path, line, system, value = row["path"], row[LINE], row["system"], row["value"].strip()
        if row["vocabulary"] not in vocabularies:
            continue
        check_dates(reader, row)
        if row["status"] not in STATUSES:
            reader.fault(path, line, f"status '{row['status']}' is not known", one_of(row["status"], STATUSES))
        if (row["status"] == "known") != bool(row["code"]):
            reader.fault(
                path, line, f"value '{value}': a code goes with status known, and only with it", "correct one of them"
            )
        if row["code"] and row["code"] not in targets.get(system, ()):
            elsewhere = [other for other in sorted(targets) if row["code"] in targets[other]]
            hint = (
                f"it is a code of {', '.join(elsewhere)}"
                if elsewhere
                else nearest(row["code"], targets.get(system, ())) or "add it there first"
            )
            reader.fault(path, line, f"code '{row['code']}' is not in codes.csv", hint)
        elif row["code"]:
            check_within(reader, row, targets[system][row["code"]], f"value '{value}'")
        if row["detail"] and row["detail"] not in details.get(system, ()):
            hint = nearest(row["detail"], details.get(system, ())) or "add it there first"
            reader.fault(path, line, f"detail '{row['detail']}' is not in details.csv", hint)
        check_relation(reader, row, f"value '{value}'", "code")
        if not row["source"]:
            reader.fault(path, line, f"value '{value}' has no source", "say where it comes from")
        if row["people"] and not (row["people"].isascii() and row["people"].isdigit()):
            reader.fault(path, line, f"people '{row['people']}' is not a whole number", "digits only, or blank")
        if not value:
            reader.fault(path, line, "the value is blank", "a blank cell is not_recorded by itself")
        _check_identifier(reader, row, value, vocabularies[row["vocabulary"]])
    check_once(reader, standard.code_maps, lambda row: (*_place(row), folded(row, vocabularies)), None, "value")


def _place(row: Row) -> tuple[str, str]:
    return row["system"], row["vocabulary"]


def folded(row: Row, vocabularies: dict[str, Row]) -> str:
    """A value as it is compared: as `folded` of macros.sql does it."""
    value = row["value"].strip()
    return value if vocabularies.get(row["vocabulary"], {}).get("is_case_sensitive") == "true" else value.upper()


def check_relation(reader: Reader, row: Row, what: str, target: str) -> None:
    """Relation and reason of a row that goes in or out: none without a target, and a reason where it is not exact."""
    path, line = row["path"], row[LINE]
    if row["relation"] not in RELATIONS:
        reader.fault(path, line, f"relation '{row['relation']}' is not known", one_of(row["relation"], RELATIONS))
    elif (row["relation"] == "none") == bool(row[target]):
        reader.fault(
            path, line, f"{what}: relation none goes with a blank {target}, and only with it", "correct one of them"
        )
    if not row["reason"] and not row[target]:
        reader.fault(path, line, f"{what} has no {target} and no reason", "say why in the column reason")
    elif not row["reason"] and row["relation"] != "exact":
        reader.fault(path, line, f"{what} is {row['relation']} and has no reason", "say why in the column reason")
    elif row["reason"] and not REASON.fullmatch(row["reason"]):
        hint = "one_word_in_lower_case, or one_word: and then more of them"
        reader.fault(path, line, f"{what}: reason '{row['reason']}' does not begin with its short name", hint)
    elif row["reason"] == "contested":
        reader.fault(path, line, f"{what} is contested and does not say why", "contested: what decided it")


def check_reasons(reader: Reader, standard: Standard) -> None:
    """The short name of every reason stands in reasons.csv, which says it in plain words."""
    path = standard.folder / "reasons.csv"
    known = {row["reason"] for row in standard.tables["reasons"]}
    for row in (*standard.code_maps, *standard.classifications):
        name = row["reason"].partition(":")[0]
        if name and name not in known:
            hint = nearest(name, known) or "add it there with its plain words"
            reader.fault(row["path"], row[LINE], f"reason '{name}' is not in reasons.csv", hint)
    for row in standard.tables["reasons"]:
        if row["is_about_the_item"] not in ("true", "false") or not row["words"]:
            reader.fault(path, row[LINE], f"reason '{row['reason']}' needs words, and true or false", "give both")


def check_within(reader: Reader, row: Row, code: Row, what: str) -> None:
    """A row that names a code holds on no day on which the code does not."""
    if outside := uncovered(span(row), [span(code)]):
        hint = f"code '{code['code']}' is valid{days(span(code))}: give the row valid_from and valid_to within that"
        reader.fault(row["path"], row[LINE], f"{what} is used{days(outside)}, when its code is not valid", hint)


def _check_identifier(reader: Reader, row: Row, value: str, vocabulary: Row) -> None:
    wrong, hint = "", ""
    if vocabulary["identifier_check"] == "sctid":
        wrong, hint = damage(value)
        wrong = wrong and f"'{value}' is not a SNOMED CT concept identifier: {wrong}"
    elif is_rounded(value):
        wrong, hint = f"'{value}' was rewritten as a number", "a spreadsheet did that: type the code again as text"
    if wrong:
        reader.fault(row["path"], row[LINE], wrong, hint)
