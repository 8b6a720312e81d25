"""standard.py, crosscheck.py, rules.py: what loads is consistent; what is not is refused, every fault named at once."""

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import yaml

from tests.lakes import add_line, copied_standard, replace
from transforms.faults import Fault, Faults, Reader
from transforms.standard import ROOT, load
from transforms.wording import Wording, check_wording

EXPECTATIONS = sorted((ROOT / "expectations").glob("*.yml"))
LAYOUTS = sorted((ROOT / "standards" / "layouts").glob("*.yml"))
CODES = "standards/code_systems/ethnic_category"
RULE = """
- id: {id}
  {what}
  dimension: validity
  topic: identity
  message: A sentence.
  why: A reason.
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copied_standard(tmp_path)


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Path:
    """A copy without guidance and with only the first rows of long maps that nothing comes back through: it loads in
    half the time, and nothing is wrong with it."""
    folder = copied_standard(tmp_path_factory.mktemp("short"))
    shutil.rmtree(folder / "standards" / "guidance")  # its examples name rows of the maps
    for path in folder.glob("standards/code_systems/*/from_*.csv"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if len(lines) > 200 and not path.with_name(path.name.replace("from_", "to_")).exists():
            path.write_text("".join(lines[:30]), encoding="utf-8")
    load(folder)
    return folder


@pytest.fixture
def short_copy(short: Path, tmp_path: Path) -> Path:
    for name in ("standards", "expectations"):
        shutil.copytree(short / name, tmp_path / name)
    return tmp_path


def faults(folder: Path) -> list[Fault]:
    """What loading says is wrong."""
    with pytest.raises(Faults) as caught:
        load(folder)
    assert str(caught.value).endswith(f"{len(caught.value.found)} fault(s) in the standard. Nothing was run.")
    return caught.value.found


def change(name: str, old: str, new: str) -> Callable[[Path], str]:
    """Replace a text in a file; gives `file:line`."""
    return lambda folder: f"{name}:{replace(folder / name, old, new)}"


def add(name: str, line: str) -> Callable[[Path], str]:
    """Add a line to a file; gives `file:line`."""
    return lambda folder: f"{name}:{add_line(folder / name, line)}"


def cell(name: str, key: str, **values: str) -> Callable[[Path], str]:
    """Change cells of the row that begins with `key` (its cells, joined by commas); gives `file:line`."""

    def make(folder: Path) -> str:
        path = folder / name
        lines = path.read_text(encoding="utf-8").splitlines()
        header = next(csv.reader(lines[:1]))
        wanted = key.split(",")
        for number, line in enumerate(lines[1:], start=2):
            row = next(csv.reader([line]))
            if row[: len(wanted)] == wanted:
                lines[number - 1] = as_line([values.get(column, old) for column, old in zip(header, row, strict=True)])
                path.write_text("\n".join(lines) + "\n", encoding="utf-8")
                return f"{name}:{number}"
        raise AssertionError(f"no row of {name} begins with {key}")

    return make


def as_line(values: list[str]) -> str:
    said = io.StringIO()
    csv.writer(said, lineterminator="").writerow(values)
    return said.getvalue()


def dated(name: str, *lines: str) -> Callable[[Path], str]:
    """Give a file the columns valid_from and valid_to, blank in every row, and add lines; gives `file:line` of the last."""

    def make(folder: Path) -> str:
        path = folder / name
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        if not header.endswith(",valid_from,valid_to"):
            header, rows = header + ",valid_from,valid_to", [row + ",," for row in rows]
        path.write_text("\n".join([header, *rows, *lines]) + "\n", encoding="utf-8")
        return f"{name}:{len(rows) + len(lines) + 1}"

    return make


def both(*makes: Callable[[Path], str]) -> Callable[[Path], str]:
    """Several changes; gives where the last one is."""
    return lambda folder: [make(folder) for make in makes][-1]


def new_row(name: str, **values: str) -> Callable[[Path], str]:
    """Add a row with these cells, the others blank; gives `file:line`."""

    def make(folder: Path) -> str:
        header = next(csv.reader((folder / name).read_text(encoding="utf-8").splitlines()[:1]))
        return add(name, as_line([values.get(column, "") for column in header]))(folder)

    return make


def said(vocabulary: str = "ons_2021", **values: str) -> Callable[[Path], str]:
    """Add a row to a map of ethnicity that is sound but for these cells; gives `file:line`."""
    sound = {
        "value": "88",
        "term": "Invented",
        "code": "african",
        "status": "known",
        "relation": "exact",
        "source": "invented",
    }
    return new_row(f"{CODES}/from_{vocabulary}.csv", **(sound | values))


def without_row(name: str, key: str) -> Callable[[Path], str]:
    """Take the row away that begins with `key`; gives the file, since what is missing stands on no line."""

    def make(folder: Path) -> str:
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not line.startswith(f"{key},")]
        assert len(kept) == len(lines) - 1
        (folder / name).write_text("\n".join(kept) + "\n", encoding="utf-8")
        return name

    return make


def retired(code: str, valid_to: str) -> Callable[[Path], str]:
    """End a code of ethnicity on a day; gives `file:line`."""
    name = f"{CODES}/codes.csv"
    return both(dated(name), cell(name, code, valid_to=valid_to))


def new_file(name: str, text: str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        (folder / name).write_text(text, encoding="utf-8")
        return name

    return make


def rule(id: str, what: str, name: str = "patient") -> Callable[[Path], str]:
    """Add a rule to a table's file; gives `file:line`."""

    def make(folder: Path) -> str:
        path = folder / "expectations" / f"{name}.yml"
        text = path.read_text(encoding="utf-8") if path.exists() else "# A new table.\n"
        path.write_text(text + RULE.format(id=id, what=what), encoding="utf-8")
        return f"expectations/{name}.yml:{text.count(chr(10)) + 2}"

    return make


def _two_lines_on(where: str) -> str:
    name, _, line = where.partition(":")
    return f"{name}:{int(line) + 2}"


def drop_file(name: str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        (folder / name).unlink()
        return name

    return make


FIELDS = "standards/fields.csv"
LANGUAGE = "standards/code_systems/language"
SETS = "standards/code_systems/sets.csv"
WORDING = "standards/wording.csv"
COLOUR = (
    "say it without a colour; a quotation belongs in a set of wording third_party; "
    "what is said of no person is a row in wording.csv, innocent"
)
PAS = "standards/layouts/pas_patient.yml"
METRIC = "standards/metrics/outpatient_non_attendance.yml"
# (what is done, what the fault says, what the hint says)
SPOILED = {
    # fields.csv
    "a field's type": (cell(FIELDS, "patient,birth_date", type="dat", tense=""), "type 'dat' is not known", "did you mean 'date'?"),
    "a field's requirement": (
        cell(FIELDS, "patient,nhs_number", requirement="expect"),
        "requirement 'expect' is not known",
        "did you mean 'expected'?",
    ),
    "a code system without a folder": (
        cell(FIELDS, "patient,is_carer", code_system="is_caring"),
        "code system 'is_caring' has no folder",
        "did you mean 'is_carer'?",
    ),
    "a coded field without a system": (
        cell(FIELDS, "patient,is_carer", code_system=""),
        "type code and a code_system go together",
        "",
    ),
    "a field twice": (
        add(FIELDS, "patient,postcode,postcode,expected,,,,identifiable,,place,A place,use,source"),
        "field 'postcode' is here twice (line",
        "",
    ),
    "how many values a person may have": (
        cell(FIELDS, "patient,is_carer", cardinality="on"),
        "cardinality 'on' is not known",
        "did you mean 'one'?",
    ),
    "a coded field that does not say how many values": (
        cell(FIELDS, "patient,is_carer", cardinality=""),
        "cardinality '' is not known",
        "one of one, many",
    ),
    "how many values, of a field that is not coded": (
        cell(FIELDS, "patient,given_name", cardinality="one"),
        "field 'given_name': cardinality is only for fields of type code",
        "leave it blank",
    ),
    "a date that does not say whether it may lie in the future": (
        cell(FIELDS, "patient,birth_date", tense=""),
        "tense '' is not known",
        "one of past, future",
    ),
    "a date's tense": (cell(FIELDS, "patient,birth_date", tense="pst"), "tense 'pst' is not known", "did you mean 'past'?"),
    "a field's area": (cell(FIELDS, "patient,postcode", area="opn"), "area 'opn' is not known", "did you mean 'open'?"),
    "a coded field without a class of suppression": (
        cell(FIELDS, "patient,religion", suppression=""),
        "suppression '' is not known",
        "one of standard, sensitive",
    ),
    "a field without a use": (
        cell(FIELDS, "patient,mobility", use=""),
        "field 'mobility' has no use",
        "say what it is for: nothing is collected without a use",
    ),
    "a sensitive field in the open": (
        cell(FIELDS, "patient,religion", area="open"),
        "field 'religion' is sensitive and its area is 'open'",
        "a sensitive characteristic stays in the protected area",
    ),
    "a characteristic that differs between tables": (
        cell(FIELDS, "appointment,sex", cardinality="many"),
        "field 'sex' has cardinality 'many', and 'one' on line",
        "a characteristic is one thing in every table",
    ),
    "a row with too few values": (
        add(FIELDS, "patient,shoe_size,text"),
        "this row has 3 values, the header has 13",
        "put quotation marks around a value that holds a comma",
    ),
    "a column's name": (
        change(FIELDS, "table,field,type,requirement", "table,field,typ,requirement"),
        "column 'type' is missing",
        "did you mean 'typ'?",
    ),
    "a column that nobody reads": (
        change("standards/outcomes.csv", "reason,words,what_to_do", "reason,words,what_to_do,words_"),
        "column 'words_' is not known",
        "did you mean 'words'?",
    ),
    "a missing file": (drop_file("standards/agreements.csv"), "this file is missing", ""),
    "a file in an encoding of its own": (
        lambda folder: (folder / "standards/outcomes.csv").write_bytes(b"reason,words,what_to_do\nx,caf\xe9,y\n") and "standards/outcomes.csv",
        "this file is not UTF-8",
        "save it as 'CSV UTF-8'",
    ),
    # layouts
    "a field of a layout": (
        change(PAS, "field: ethnic_category,", "field: ethnic_categry,"),
        "field 'ethnic_categry' is not in fields.csv",
        "did you mean 'ethnic_category'?",
    ),
    "a table of a layout": (
        change(PAS, "table: patient", "table: patients"),
        "table 'patients' is not in fields.csv",
        "did you mean 'patient'?",
    ),
    "a vocabulary of a layout": (
        change(PAS, "vocabulary: [national_2001]", "vocabulary: [national_2011]"),
        "vocabulary 'national_2011' is not in vocabularies.csv",
        "did you mean 'national_2001'?",
    ),
    "a vocabulary that has no map for the field": (
        change(PAS, "vocabulary: [national_2001]", "vocabulary: [yes_no]"),
        "vocabulary 'yes_no' has no file code_systems/ethnic_category/from_yes_no.csv",
        "",
    ),
    "a coded column without a vocabulary": (
        change(PAS, "vocabulary: [national_2001], ", ""),
        "field 'ethnic_category' is coded: say which vocabulary the column uses",
        "",
    ),
    "a key of a layout": (
        change(PAS, "stated_by: inherited", "statedby: inherited"),
        "key 'statedby' is not known",
        "did you mean 'stated_by'?",
    ),
    "a key field without a column": (
        change(PAS, "key: [local_patient_id]", "key: [local_patientid]"),
        "key field 'local_patientid' has no column",
        "did you mean 'local_patient_id'?",
    ),
    "a mandatory field without a column": (
        change(PAS, "columns:\n  - {column: PATIENT_ID, field: local_patient_id}\n", "columns:\n"),
        "no column gives the mandatory field 'local_patient_id'",
        "",
    ),
    "the content of a layout": (
        change(PAS, "content: snapshot", "content: snapshots"),
        "content 'snapshots' is not known",
        "did you mean 'snapshot'?",
    ),
    "a care setting": (
        change(PAS, "care_setting: patient_index", "care_setting: patients_index"),
        "care_setting 'patients_index' is not in resolution.yml",
        "did you mean 'patient_index'?",
    ),
    "a characteristic that codes state": (
        change("standards/layouts/emis_observation.yml", "characteristic: is_carer", "characteristic: is_carrer"),
        "characteristic 'is_carrer' is not known",
        "did you mean 'is_carer'?",
    ),
    "an activity": (
        change("standards/layouts/sus_outpatient.yml", "activity: {appointment", "activity: {apointment"),
        "activity 'apointment' is not known",
        "did you mean 'appointment'?",
    ),
    "an activity without its fields": (
        change("standards/layouts/emis_slot.yml", "activity: {gp_contact: {}}", "activity: gp_contact"),
        "activity 'gp_contact' is not a kind with its fields",
        "activity: {gp_contact: {outcome: a field}}",
    ),
    "what an activity says": (
        change("standards/layouts/sus_outpatient.yml", "{outcome: attendance_code}", "{outcom: attendance_code}"),
        "key 'outcom' is not known",
        "did you mean 'outcome'?",
    ),
    "a field of an activity": (
        change("standards/layouts/waiting_list.yml", "ended_on: waited_until", "ended_on: waited_untill"),
        "activity 'waiting': ended_on 'waited_untill' has no column",
        "did you mean 'waited_until'?",
    ),
    "an activity without a day": (
        change("standards/layouts/emis_referral.yml", "event_date: referral_date\n", ""),
        "no field says the day of the event",
        "event_date: a field",
    ),
    "a kind of file": (
        change(PAS, "format: {kind: csv,", "format: {kind: cvs,"),
        "format kind 'cvs' is not known",
        "did you mean 'csv'?",
    ),
    "a kind of file without what it needs": (
        change(PAS, "format: {kind: csv,", "format: {kind: ndjson,"),
        "a format of kind ndjson needs the key 'resource'",
        "",
    ),
    "a path into a resource": (
        both(
            change(PAS, "format: {kind: csv,", "format: {kind: ndjson, resource: Patient,"),
            change(PAS, "{column: GIVEN_NAME,", "{column: name given,"),
        ),
        "column 'name given': not a path that is understood here",
        "",
    ),
    "who stated a column": (
        change(PAS, "{column: SEX, field: sex,", "{column: SEX, field: sex, stated_by: slef,"),
        "stated_by 'slef' is not in resolution.yml",
        "did you mean 'self'?",
    ),
    "who stated a file": (
        change(PAS, "stated_by: inherited", "stated_by: inherit"),
        "stated_by 'inherit' is not in resolution.yml",
        "did you mean 'inherited'?",
    ),
    "the date of a column": (
        change(PAS, "[national_2001], recorded_on: ethnic_category_recorded_on}", "[national_2001], recorded_on: ethnic_category_recorded}"),
        "recorded_on 'ethnic_category_recorded' is not a date that a column gives",
        "did you mean 'ethnic_category_recorded_on'?",
    ),
    "the date of an event": (
        change("standards/layouts/sus_outpatient.yml", "event_date: appointment_date", "event_date: appointment_id"),
        "event_date 'appointment_id' is not a date that a column gives",
        "did you mean 'appointment_date'?",
    ),
    # code systems: codes.csv, details.csv, registers.csv
    "a parent": (
        cell(f"{CODES}/codes.csv", "irish", parent="group_europe"),
        "parent 'group_europe' is not in codes.csv",
        "",
    ),
    "a code twice": (
        new_row(f"{CODES}/codes.csv", code="irish", kind="category", label="Irish again", vodim="valid", status="agreed", source="s"),
        "code 'irish' is here twice",
        "",
    ),
    "a kind of code": (cell(f"{CODES}/codes.csv", "irish", kind="categry"), "kind 'categry' is not known", "did you mean 'category'?"),
    "a letter of VODIM": (cell(f"{CODES}/codes.csv", "irish", vodim="vali"), "vodim 'vali' is not known", "did you mean 'valid'?"),
    "a valid absence": (
        cell(f"{CODES}/codes.csv", "not_known", vodim="valid"),
        "code 'not_known': an absence is not valid",
        "",
    ),
    "a code's status": (cell(f"{CODES}/codes.csv", "irish", status="agree"), "status 'agree' is not known", "did you mean 'agreed'?"),
    "a code without a source": (cell(f"{CODES}/codes.csv", "irish", source=""), "code 'irish' has no source", "say where it comes from"),
    "a detail without a source": (
        cell(f"{CODES}/details.csv", "somali", source=""),
        "code 'somali' has no source",
        "say where it comes from",
    ),
    "an absence that is not named": (
        without_row(f"{CODES}/codes.csv", "not_stated"),
        "the absence 'not_stated' is not named",
        "",
    ),
    "a language that ISO 639-3 does not have": (
        new_row(f"{LANGUAGE}/codes.csv", code="qxx", kind="category", label="L", vodim="valid", status="agreed", source="NHS"),
        "code 'qxx' is not in ISO 639-3",
        "or its source begins with: this standard or: ISO 639-5",
    ),
    "a register": (
        cell("standards/code_systems/registers.csv", "language", register="iso_639"),
        "register 'iso_639' is not known",
        "did you mean 'iso_639_3'?",
    ),
    # code systems: vocabularies.csv, from_ files
    "a vocabulary without a map": (
        new_row("standards/vocabularies.csv", vocabulary="loose", title="T", matching="whole", is_case_sensitive="false", source="s"),
        "vocabulary 'loose' has no from_ file",
        "add code_systems/<system>/from_loose.csv, or take the row away",
    ),
    "a map without a vocabulary": (
        new_file(f"{CODES}/from_nowhere.csv", "value,term,code,detail,status,relation,reason,people,source\n"),
        "vocabulary 'nowhere' is not in vocabularies.csv",
        "",
    ),
    "a vocabulary without a source": (
        cell("standards/vocabularies.csv", "ons_2021", source=""),
        "vocabulary 'ons_2021' has no source",
        "say where it comes from",
    ),
    "how a vocabulary is matched": (
        cell("standards/vocabularies.csv", "ons_2021", matching="whol"),
        "matching 'whol' is not known",
        "did you mean 'whole'?",
    ),
    "whether case counts": (
        cell("standards/vocabularies.csv", "ons_2021", is_case_sensitive="flase"),
        "is_case_sensitive 'flase' is not known",
        "did you mean 'false'?",
    ),
    "how identifiers are checked": (
        cell("standards/vocabularies.csv", "snomed_ct", identifier_check="sct"),
        "identifier_check 'sct' is not known",
        "did you mean 'sctid'?",
    ),
    "what a vocabulary refines": (
        cell("standards/vocabularies.csv", "ukcore_2001", refines="national_201"),
        "vocabulary 'ukcore_2001' refines 'national_201', which is not here",
        "did you mean 'national_2001'?",
    ),
    "a map's target": (said(code="pakistany"), "code 'pakistany' is not in codes.csv", "did you mean 'pakistani'?"),
    "a code of another system": (said(code="cym"), "code 'cym' is not in codes.csv", "it is a code of language"),
    "a map's detail": (said(detail="somalian"), "detail 'somalian' is not in details.csv", "did you mean 'somali'?"),
    "a value twice": (
        new_row(f"{CODES}/from_national_2001.csv", value="a ", code="british", status="known", relation="exact", source="s"),
        "value 'A' is here twice (line 2)",
        "",
    ),
    "a blank value": (said(value=" "), "the value is blank", "a blank cell is not_recorded by itself"),
    "a map's status": (said(code="", status="refused", relation="none", reason="said_no"), "status 'refused' is not known", ""),
    "a map's relation": (said(relation="nearly"), "relation 'nearly' is not known", "one of exact, broad, narrow, none"),
    "known without a code": (
        said(code="", relation="none", reason="why_not"),
        "a code goes with status known, and only with it",
        "",
    ),
    "a code without known": (
        said(status="not_known", reason="why_not"),
        "a code goes with status known, and only with it",
        "",
    ),
    "a blank target without a reason": (
        said(code="", status="not_known", relation="none"),
        "value '88' has no code and no reason",
        "say why in the column reason",
    ),
    "a code with relation none": (
        said(relation="none", reason="why_not"),
        "value '88': relation none goes with a blank code, and only with it",
        "",
    ),
    "no code with a relation": (
        said(code="", status="not_known", relation="broad", reason="why_not"),
        "value '88': relation none goes with a blank code, and only with it",
        "",
    ),
    "a broad map without a reason": (
        said(relation="broad"),
        "value '88' is broad and has no reason",
        "say why in the column reason",
    ),
    "a narrow map without a reason": (
        said(relation="narrow"),
        "value '88' is narrow and has no reason",
        "say why in the column reason",
    ),
    "a reason without its short name": (
        said(relation="broad", reason="Because we say so"),
        "reason 'Because we say so' does not begin with its short name",
        "one_word_in_lower_case, or one_word: and then more of them",
    ),
    "a reason that nobody has put into words": (
        said(relation="broad", reason="wider_than_categry"),
        "reason 'wider_than_categry' is not in reasons.csv",
        "did you mean 'wider_than_category'?",
    ),
    "a reason without words": (
        add("standards/reasons.csv", as_line(["invented_reason", "", "true"])),
        "reason 'invented_reason' needs words, and true or false",
        "give both",
    ),
    "a contest without a decision": (
        said(relation="broad", reason="contested"),
        "value '88' is contested and does not say why",
        "contested: what decided it",
    ),
    "a map without a source": (said(source=""), "value '88' has no source", "say where it comes from"),
    "people who are no number": (said(people="1,000"), "people '1,000' is not a whole number", "digits only, or blank"),
    "a SNOMED identifier": (
        said("snomed_ct", value="92391000000109"),
        "'92391000000109' is not a SNOMED CT concept identifier: its check digit fails",
        "a spreadsheet may have damaged it: copy the identifier again, into a column whose format is text",
    ),
    "a SNOMED identifier as a spreadsheet shows it": (
        said("snomed_ct", value="1.07691E+14"),
        "'1.07691E+14' is not a SNOMED CT concept identifier: it was rewritten as a number",
        "a spreadsheet did that: copy the identifier again, into a column whose format is text",
    ),
    "a SNOMED identifier as a data frame writes it": (
        said("snomed_ct", value="92391000000108.0"),
        "'92391000000108.0' is not a SNOMED CT concept identifier: it was rewritten as a number",
        "a spreadsheet did that: copy the identifier again, into a column whose format is text",
    ),
    "a SNOMED identifier with zeros for its last digits": (
        said("snomed_ct", value="1082551000000100"),
        "'1082551000000100' is not a SNOMED CT concept identifier: its check digit fails",
        "a spreadsheet keeps 15 digits and writes zeros for the rest: copy the identifier again, into a column whose format is text",
    ),
    "a SNOMED identifier of a description": (
        said("snomed_ct", value="100014"),
        "'100014' is not a SNOMED CT concept identifier: it identifies a description",
        "look up the concept that it belongs to",
    ),
    "a code as a spreadsheet shows it": (
        said(value="1.5E+10"),
        "'1.5E+10' was rewritten as a number",
        "a spreadsheet did that: type the code again as text",
    ),
    # code systems: dates
    "a date that is none": (
        dated(f"{CODES}/from_ons_2021.csv", "88,Invented,african,,known,exact,,,invented,2001-13-01,"),
        "valid_from '2001-13-01' is not a date",
        "write it as 2001-03-31",
    ),
    "a date as it is written at home": (
        dated(f"{CODES}/from_ons_2021.csv", "88,Invented,african,,known,exact,,,invented,,31/03/2001"),
        "valid_to '31/03/2001' is not a date",
        "write it as 2001-03-31",
    ),
    "an end before the beginning": (
        dated(f"{CODES}/from_ons_2021.csv", "88,Invented,african,,known,exact,,,invented,2021-01-02,2021-01-01"),
        "valid_from 2021-01-02 is after valid_to 2021-01-01",
        "",
    ),
    "a value twice on one day": (
        dated(f"{CODES}/from_ons_2021.csv", "88,Invented,african,,known,exact,,,invented,,2021-01-01",
              "88,Invented,arab,,known,exact,,,invented,2021-01-01,"),
        "value '88' is here twice",
        "rows of one key may stand together only if no day is in both",
    ),
    "a code that goes out twice on one day": (
        dated(f"{CODES}/to_national_2001.csv", "irish,B,White - Irish,exact,,agreed,2021-01-01,"),
        "code 'irish' is here twice",
        "rows of one key may stand together only if no day is in both",
    ),
    "a value of a code that is no more": (
        both(retired("irish", "2020-12-31"), dated(f"{CODES}/from_ons_2021.csv", "88,Invented,irish,,known,exact,,,invented,2020-01-01,")),
        "value '88' is used from 2021-01-01, when its code is not valid",
        "code 'irish' is valid until 2020-12-31: give the row valid_from and valid_to within that",
    ),
    "a label of a code that is no more": (
        lambda folder: (retired("irish", "2020-12-31")(folder), cell(f"{CODES}/to_national_2001.csv", "irish")(folder))[1],
        "code 'irish' is used from 2021-01-01, when its code is not valid",
        "code 'irish' is valid until 2020-12-31: give the row valid_from and valid_to within that",
    ),
    "a code that goes out only for a while": (
        lambda folder: (without_row(f"{CODES}/to_national_2001.csv", "irish")(folder),
                        dated(f"{CODES}/to_national_2001.csv", "irish,B,White - Irish,exact,,agreed,,2020-12-31",
                              "irish,B,White - Irish,exact,,agreed,2021-02-01,")(folder))[0],
        "code 'irish' is missing from 2021-01-01 until 2021-01-31",
        "every code stands in every to_ file once",
    ),
    # code systems: sets.csv, to_ files
    "a code that a classification lacks": (
        without_row(f"{CODES}/to_national_2001.csv", "irish"),
        "code 'irish' is missing",
        "every code stands in every to_ file once",
    ),
    "a code that a classification has twice": (
        new_row(f"{CODES}/to_national_2001.csv", code="irish", value="B", label="White - Irish", relation="exact", status="agreed"),
        "code 'irish' is here twice",
        "",
    ),
    "a code that only a classification has": (
        new_row(f"{CODES}/to_national_2001.csv", code="irsh", value="B", label="Irish", relation="exact", status="agreed"),
        "code 'irsh' is not in codes.csv",
        "did you mean 'irish'?",
    ),
    "a blank classification without a reason": (
        cell(f"{CODES}/to_national_2001.csv", "irish", value="", relation="none", reason=""),
        "code 'irish' has no value and no reason",
        "say why in the column reason",
    ),
    "a broad classification without a reason": (
        cell(f"{CODES}/to_national_2001.csv", "irish", relation="broad", reason=""),
        "code 'irish' is broad and has no reason",
        "say why in the column reason",
    ),
    "a value that goes out with relation none": (
        cell(f"{CODES}/to_national_2001.csv", "irish", relation="none", reason="why_not"),
        "code 'irish': relation none goes with a blank value, and only with it",
        "",
    ),
    "a value without a label": (
        cell(f"{CODES}/to_national_2001.csv", "irish", label=""),
        "code 'irish' goes out as 'B' without a label",
        "",
    ),
    "a label's status": (
        cell(f"{CODES}/to_national_2001.csv", "irish", status="agreedd"),
        "status 'agreedd' is not known",
        "did you mean 'agreed'?",
    ),
    "an absence that becomes the majority": (
        cell(f"{CODES}/to_national_2001.csv", "not_known", value="A"),
        "code 'not_known' is an absence and goes out as 'A', which somebody may have said",
        "leave the value blank: nothing goes to a category by default",
    ),
    "an absence that becomes a category of a set without a way back": (
        cell(f"{CODES}/to_heritage.csv", "not_known", value="british", label="B", relation="broad", reason="by_default"),
        "code 'not_known' is an absence and goes out as 'british', which somebody may have said",
        "leave the value blank: nothing goes to a category by default",
    ),
    "two absences that become one": (
        cell(f"{CODES}/to_national_2001.csv", "not_recorded", value="99", label="Not known", relation="broad", reason="absent"),
        "code 'not_recorded' goes out as '99' and comes back as 'not_known'",
        "absences are never merged: leave the value blank",
    ),
    "a group that becomes a category": (
        cell(f"{CODES}/to_national_2001.csv", "group_asian", value="L", label="Asian", relation="narrow", reason="over_general"),
        "code 'group_asian' says only a group and goes out as 'L', which is a category",
        "leave the value blank, relation none, reason over_general",
    ),
    "a value that does not come back as itself": (
        lambda folder: (cell(f"{CODES}/to_national_2001.csv", "irish", value="A")(folder), cell(f"{CODES}/from_national_2001.csv", "B")(folder))[1],
        "value 'B' is exactly 'irish', which goes out as 'A'",
        None,  # it names the row of the other file, by its line
    ),
    "a value that nobody can read back": (
        cell(f"{CODES}/to_national_2001.csv", "not_known", value="999"),
        "code 'not_known' goes out as '999', which from_national_2001.csv does not know",
        "did you mean '99'?",
    ),
    "a value with two labels": (
        cell(f"{CODES}/to_national_2001.csv", "any_other_c", label="White - Other"),
        "value 'C' is labelled 'White - Other', and 'White - Any other White background' on line",
        "one value has one label on one day",
    ),
    "a group with two labels": (
        cell(f"{CODES}/to_heritage.csv", "irish", group_label="British or European"),
        "group 'group_european' is labelled 'British or European', and 'British, Irish or other European' on line",
        "one value has one label on one day",
    ),
    "a set that is not named": (
        lambda folder: without_row(SETS, "ethnic_category,heritage")(folder) and f"{CODES}/to_heritage.csv",
        "set 'heritage' of ethnic_category is not in sets.csv",
        "add a row for it",
    ),
    "a set without a file": (
        new_row(SETS, system="ethnic_category", classification="heritages", title="T", wording="ours", source="s"),
        "set 'heritages' of ethnic_category has no to_ file",
        "did you mean 'heritage'?",
    ),
    "whose wording a set is": (
        cell(SETS, "ethnic_category,heritage", wording="our"),
        "wording 'our' is not known",
        "did you mean 'ours'?",
    ),
    "a quotation without a source": (
        cell(SETS, "ethnic_category,national_2001", source=""),
        "set 'national_2001' of ethnic_category has no source",
        "quotations have one",
    ),
    "the year of a set": (
        cell(SETS, "ethnic_category,national_2001", year="01"),
        "set 'national_2001' of ethnic_category: year '01' is not a year",
        "",
    ),
    # wording
    "a colour in a label of a code": (
        cell(f"{CODES}/codes.csv", "irish", label="White Irish"),
        "label 'White Irish' uses a colour word of people: 'white'",
        COLOUR,
    ),
    "a colour in a label of a set of ours": (
        cell(f"{CODES}/to_heritage.csv", "caribbean", label="Black Caribbean"),
        "label 'Black Caribbean' uses a colour word of people: 'black'",
        COLOUR,
    ),
    "a colour in the label of a group": (
        cell(f"{CODES}/to_heritage.csv", "caribbean", group_label="People of colour"),
        "group label 'People of colour' uses a colour word of people: 'of colour'",
        COLOUR,
    ),
    "a colour in the title of a set": (
        cell(SETS, "ethnic_category,heritage", title="White and other"),
        "title 'White and other' uses a colour word of people: 'white'",
        COLOUR,
    ),
    "a colour in a published column": (
        cell(FIELDS, "patient,mobility", field="is_non_white"),
        "published column 'is_non_white' uses a colour word of people: 'white'",
        COLOUR,
    ),
    "a colour in a detail that is no quotation": (
        cell(f"{CODES}/details.csv", "somali", label="Black Somali"),
        "label 'Black Somali' uses a colour word of people: 'black'",
        COLOUR,
    ),
    "a category that is a word for many": (
        cell(f"{CODES}/codes.csv", "indian", label="Asian"),
        "label 'Asian' is a word for many communities: 'Asian'",
        "name the community; a word for many is for a code of kind group",
    ),
    "a residual that is only Other": (
        cell(f"{CODES}/to_heritage.csv", "any_other_s", label="Other"),
        "label 'Other' is a word for many communities: 'Other'",
        "name the community; a word for many is for a code of kind group",
    ),
    "a group that is everybody else": (
        cell(f"{CODES}/to_heritage.csv", "caribbean", group_label="BAME"),
        "group label 'BAME' is a word for many communities: 'BAME'",
        "name the community; a word for many is for a code of kind group",
    ),
    "a category with the label of its group": (
        cell(f"{CODES}/to_heritage.csv", "caribbean", label="Caribbean or African heritage"),
        "label 'Caribbean or African heritage' is a group's, and code 'caribbean' is no group",
        "name the community; a word for many is for a code of kind group",
    ),
    "a wording check": (add(WORDING, "color,innocent,White Lodge,A house"), "check 'color' is not known", "did you mean 'colour'?"),
    "a verdict on wording": (
        add(WORDING, "colour,inocent,White Lodge,A house"),
        "verdict 'inocent' is not known",
        "did you mean 'innocent'?",
    ),
    "wording without a reason": (add(WORDING, "colour,innocent,White Lodge,"), "words and the reason for them go together", ""),
    # providers, agreements
    "a provider's layout": (
        change("standards/providers.csv", "ZZ1,Ashmere and Tamebrook Hospitals (invented),trust,pas_patient",
               "ZZ1,Ashmere and Tamebrook Hospitals (invented),trust,pas_patients"),
        "layout 'pas_patients' is not known",
        "did you mean 'pas_patient'?",
    ),
    "a provider's local list": (
        change("standards/providers.csv", "ukcore_2001", "ukcore_2010"),
        "local_list 'ukcore_2010' is not a vocabulary",
        "did you mean 'ukcore_2001'?",
    ),
    "a provider twice": (
        add("standards/providers.csv", "ZZ1,Again,trust,pas_patient,QHL,monthly,10,,true,,2026-08-01,"),
        "provider 'ZZ1' is here twice",
        "",
    ),
    "a feed that nobody sends": (
        add("standards/feeds.csv", "ZZ7,ecds,2026-08-01"),
        "provider 'ZZ7' does not send 'ecds'",
        "name a provider and one of its layouts in providers.csv",
    ),
    "an agreement's provider": (
        add("standards/agreements.csv", "ZZ11,purpose,basis,true,true,2024-11-01,,not_required"),
        "provider 'ZZ11' is not in providers.csv",
        "did you mean 'ZZ1'?",
    ),
    # metrics
    "a metric's predicate": (
        change(METRIC, "denominator: kind = 'appointment' and outcome_code in", "denominator: kind = 'appointment' and outcome_cod in"),
        "denominator does not compile: Binder Error",
        "",
    ),
    "a metric's predicate that is no claim": (
        change(METRIC, "numerator: outcome_code in ('3', '7')", "numerator: outcome_code"),
        "numerator does not compile: it gives VARCHAR, not boolean",
        "",
    ),
    "a metric's date": (
        change(METRIC, "date: event_date", "date: kind"),
        "date does not compile: it gives VARCHAR, not date",
        "",
    ),
    "a metric's breakdown": (
        change(METRIC, "breakdowns: [everyone, ethnic_group,", "breakdowns: [everyone, ethnic_grup,"),
        "breakdowns: 'ethnic_grup' is not known",
        "did you mean 'ethnic_group'?",
    ),
    "a metric's place": (
        change(METRIC, "places: [icb_of_residence, icb_of", "places: [icb_of_residense, icb_of"),
        "places: 'icb_of_residense' is not known",
        "did you mean 'icb_of_residence'?",
    ),
    "a metric's layout": (
        change(METRIC, "layouts: [sus_outpatient]", "layouts: [sus_outpatients]"),
        "layouts: 'sus_outpatients' is not known",
        "did you mean 'sus_outpatient'?",
    ),
    "a metric's subject": (
        change(METRIC, "subject: activity", "subject: activities"),
        "subject 'activities' is not known",
        "did you mean 'activity'?",
    ),
    "a metric's breakdown that is about the event": (
        change("standards/metrics/outpatient_rate.yml", "breakdowns: [everyone,", "breakdowns: [specialty_code, everyone,"),
        "breakdowns: 'specialty_code' is about an event",
        "only shares of events can be broken down by it, and only by it alone",
    ),
    "a crossed breakdown": (
        change(METRIC, "breakdowns: [everyone, ethnic_group,", "breakdowns: [everyone, ethnic_group x sexx,"),
        "breakdowns: 'sexx' is not known",
        "did you mean 'sex'?",
    ),
    "a metric that names no feed": (
        change(METRIC, "layouts: [sus_outpatient]", "layouts: []"),
        "nothing says which feeds this needs",
        "name layouts, or fields or kinds of event that any layout may bring",
    ),
    "a metric's field": (
        change("standards/metrics/language_known.yml", "fields: [main_language]", "fields: [main_langage]"),
        "fields: 'main_langage' is not known",
        "did you mean 'main_language'?",
    ),
    "a metric's code": (
        change("standards/metrics/nhs_health_check_uptake.yml", "{health_check: [nhs_health_check]}", "{health_check: [nhs_helth_check]}"),
        "codes: 'nhs_helth_check' is not known",
        "did you mean 'nhs_health_check'?",
    ),
    "what a metric about people asks": (
        change("standards/metrics/language_known.yml", "numerator: main_language_status", "numerator: main_language_state"),
        "numerator does not compile: Binder Error",
        "it is SQL over the columns of person (transforms/facts.py)",
    ),
    "a metric that nobody collects and that says how": (
        change("standards/metrics/copd_care.yml", "topic: long-term conditions", "subject: person"),
        "key 'subject' is not known",
        "",
    ),
    "a metric's direction": (
        change(METRIC, "direction: lower is better", "direction: lower is beter"),
        "direction 'lower is beter' is not known",
        "did you mean 'lower is better'?",
    ),
    "a measurement's kind": (
        cell("standards/measurements.csv", "systolic_blood_pressure,snomed_ct", kind="sistolic_blood_pressure"),
        "kind 'sistolic_blood_pressure' is not in activity_kinds.csv",
        "did you mean 'systolic_blood_pressure'?",
    ),
    "a measurement's limit": (
        cell("standards/measurements.csv", "systolic_blood_pressure,snomed_ct", highest="high"),
        "highest 'high' is not a number",
        "write figures, with a point",
    ),
    "what is counted by month": (
        change("standards/publishing.yml", "month: [everyone, ethnic_group", "month: [everyone, ethnic_grup"),
        "series: 'ethnic_grup' is not known",
        "did you mean 'ethnic_group'?",
    ),
    "a metric's key": (
        change(METRIC, "caveats: Of", "caveat: Of"),
        "key 'caveat' is not known",
        "did you mean 'caveats'?",
    ),
    # rules
    "an unknown expectation": (
        rule("patient.sex.form", "expect: expect_column_values_to_match_regexp\n  column: sex"),
        "expectation 'expect_column_values_to_match_regexp' is not one about rows",
        "did you mean 'expect_column_values_to_match_regex'?",
    ),
    "a rule's column": (
        rule("patient.sex.form", "expect: expect_column_values_to_not_be_null\n  column: sexx"),
        "rule 'patient.sex.form' does not compile",
        "",
    ),
    "a rule's predicate": (rule("patient.sex.form", "sql: sex in ("), "rule 'patient.sex.form' does not compile", ""),
    "a predicate that is no claim": (rule("patient.sex.form", "sql: length(sex)"), "it gives BIGINT, not true or false", ""),
    "a rule's key": (
        lambda folder: _two_lines_on(rule("patient.sex.form", "sql: sex is not null\n  severty: critical")(folder)),
        "key 'severty' is not known",
        "did you mean 'severity'?",
    ),
    "what a rule rejects": (
        rule("patient.sex.form", "sql: sex is not null\n  rejects: records"),
        "rejects 'records' is not known",
        "did you mean 'record'?",
    ),
    "a rule without a claim": (rule("patient.sex.form", "severity: info"), "a rule needs either `expect:` or `sql:`", ""),
    "a rule's table": (
        rule("patients.sex.form", "sql: sex is not null", name="patients"),
        "table 'patients' is not known",
        "did you mean 'patient'?",
    ),
    "two rules of one name": (
        rule("patient.local_patient_id.unique", "sql: sex is not null"),
        "rule 'patient.local_patient_id.unique' is here twice",
        "",
    ),
    "two rules that say the same": (
        rule("patient.local_patient_id.once", "sql: not is_repeated\n  when: local_patient_id is not null"),
        "rule 'patient.local_patient_id.once' says the same as 'patient.local_patient_id.unique'",
        "",
    ),
    "YAML that is none": (add("expectations/patient.yml", "  - ["), "not valid YAML", ""),
    "layout YAML that is none": (add(PAS, "drop: ["), "not valid YAML", ""),
}  # fmt: skip
# The people with bad records are the ones being counted.
PROTECTED = [
    "ethnic_category",
    "main_language",
    "interpreter_required",
    "is_carer",
    "nhs_number",
    "family_name",
    "postcode",
]


def test_the_real_standard_loads():
    standard = load()
    assert len(standard.rules) >= 40
    assert set(standard.layouts) >= {"pas_patient", "sus_outpatient", "emis_patient", "emis_observation"}
    assert set(standard.characteristics()) >= {
        "ethnic_category", "main_language", "written_language", "interpreter_required", "is_carer", "has_carer",
    }  # fmt: skip
    assert set(standard.characteristics().values()) <= {row["system"] for row in standard.codes}
    assert {row["provider"] for row in standard.tables["agreements"]} < set(standard.providers)


def test_every_table_has_hand_written_rules_and_derived_ones():
    standard = load()
    for table in ("patient", "appointment", "observation"):
        kinds = {item.path.stem for item in standard.rules if item.table == table}
        assert kinds == {table, "derived", "shared"}


def test_every_rule_says_what_to_do_and_why():
    for item in load().rules:
        assert item.message.endswith("."), item.id
        assert item.why, item.id
        assert item.id.split(".")[0] == item.table


def test_all_four_levels_of_rejection_are_in_use():
    assert {item.rejects for item in load().rules} == {"nothing", "value", "record", "submission"}


def test_each_layout_gets_the_rules_whose_columns_it_collects():
    standard = load()
    of_layout = {name: {item.id for item in rules} for name, rules in standard.rules_of_layout.items()}
    assert "patient.main_language.when_interpreter" in of_layout["pas_patient"]
    assert "patient.main_language.when_interpreter" not in of_layout["emis_patient"]
    judging = set().union(*of_layout.values())
    by_hand = [item for item in standard.rules if item.scope == "submission" and item.path.stem != "derived"]
    served = {layout.table for layout in standard.layouts.values()}
    assert [item.id for item in by_hand if item.table in served and item.id not in judging] == []


@pytest.mark.parametrize("what", SPOILED)
def test_each_fault_is_named_with_file_line_and_nearest_name(short_copy, what):
    spoil, said, hint = SPOILED[what]
    where = spoil(short_copy)
    noted = faults(short_copy)
    found = [fault for fault in noted if said in fault.what]
    assert found, [str(fault) for fault in noted]
    if said != "not valid YAML":  # a parser gives up later than where the fault is
        assert where in [fault.where for fault in found]
    assert all(fault.hint for fault in found), "a fault says what to do"
    assert not hint or hint in [fault.hint for fault in found]


def test_all_faults_are_reported_at_once(copy):
    chosen = [SPOILED[name] for name in (
        "a field of a layout", "a map's target", "a value twice", "a provider's layout", "an agreement's provider",
        "a rule's key", "an unknown expectation", "a code that a classification has twice",
    )]  # fmt: skip
    for make, _, _ in chosen:
        make(copy)
    text = "\n".join(str(fault) for fault in faults(copy))
    assert all(said in text for _, said, _ in chosen)
    assert len(faults(copy)) == len(chosen)


def test_a_fault_reads_as_where_what_and_what_to_do(copy):
    line = replace(copy / PAS, "field: ethnic_category,", "field: ethnic_categry,")
    assert (
        f"{PAS}:{line}: field 'ethnic_categry' is not in fields.csv\n    HINT: did you mean 'ethnic_category'?"
        in map(str, faults(copy))
    )


@pytest.mark.parametrize("level", ["record", "submission"])
def test_no_rule_may_reject_a_person_for_a_bad_record(copy, level):
    """What a rule reads counts, not what it is called."""
    wheres = {
        rule(f"patient.{field}.known", f"sql: {field} is not null\n  rejects: {level}")(copy) for field in PROTECTED
    }
    wheres |= {
        rule(f"patient.record.{field}", f"sql: length({field}) > 1\n  rejects: {level}")(copy) for field in PROTECTED
    }
    sound = "sql: registered_on is not null\n  when: birth_date is not null\n  rejects: " + level
    rule("patient.registered_on.known", sound)(copy)
    found = faults(copy)
    assert {fault.where for fault in found} == wheres
    assert all(f"may not reject a {level}" in fault.what for fault in found)


def test_rows_of_one_value_may_follow_each_other_in_time(copy):
    dated(
        f"{CODES}/from_ons_2021.csv",
        "88,Invented,african,,known,exact,,,invented,,2020-12-31",
        "88,Invented,arab,,known,exact,,,invented,2021-01-01,",
    )(copy)
    rows = [row for row in load(copy).code_maps if row["vocabulary"] == "ons_2021" and row["value"] == "88"]
    assert [(row["code"], row["valid_from"], row["valid_to"]) for row in rows] == [
        ("african", "", "2020-12-31"),
        ("arab", "2021-01-01", ""),
    ]


def test_a_label_may_change_from_one_day_to_the_next(copy):
    without_row(f"{CODES}/to_heritage.csv", "irish")(copy)
    same = 'exact,,proposed,group_european,"British, Irish or other European"'
    dated(
        f"{CODES}/to_heritage.csv",
        f"irish,irish,Irish,{same},,2026-12-31",
        f"irish,irish,Irish heritage,{same},2027-01-01,",
    )(copy)
    assert (
        len([row for row in load(copy).classifications if row["label"].startswith("Irish") and row["valid_from"]]) == 1
    )


def test_every_row_of_a_code_system_has_dates_or_blanks():
    standard = load()
    for rows in (standard.codes, standard.code_maps, standard.classifications):
        assert all({"valid_from", "valid_to"} <= set(row) for row in rows)


def test_a_file_that_a_spreadsheet_saved_with_a_byte_order_mark_is_the_same(copy):
    path = copy / f"{CODES}/from_ons_2021.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(copy).code_maps[0].keys() == load().code_maps[0].keys()


def test_a_vocabulary_may_be_stored_before_its_values_are_published(copy):
    new_file(f"{CODES}/from_to_come.csv", "value,term,code,detail,status,relation,reason,people,source\n")(copy)
    name = "standards/vocabularies.csv"
    new_row(name, vocabulary="to_come", title="T", matching="whole", is_case_sensitive="false", source="s")(copy)
    assert ("ethnic_category", "to_come") in load(copy).maps_of_vocabularies()


def test_what_a_characteristic_is_said_to_be():
    standard = load()
    cardinality = {name: standard.characteristic(name)["cardinality"] for name in ("disability", "ethnic_category")}
    assert cardinality == {"disability": "many", "ethnic_category": "one"}
    religion, sex = standard.characteristic("religion"), standard.characteristic("sex")
    assert (religion["suppression"], religion["area"]) == ("sensitive", "protected")
    assert (sex["suppression"], sex["area"]) == ("standard", "open")


def test_no_code_is_in_two_systems_under_one_register_and_every_language_is_in_iso_639_3():
    import pycountry

    standard = load()
    assert {row["system"] for row in standard.registers} == {"language"}
    of_iso = [row for row in standard.codes if row["system"] == "language" and row["source"].startswith("ISO 639-3")]
    assert all(pycountry.languages.get(alpha_3=row["code"]) for row in of_iso)


# Wording. What is refused and what is innocent are rows of wording.csv; here is what they come to.


@pytest.mark.parametrize(
    ("label", "check"),
    [
        ("White British", "colour"),
        ("Any other Black background", "colour"),
        ("Brown", "colour"),
        ("Coloured", "colour"),
        ("Half-caste", "colour"),
        ("People of colour", "colour"),
        ("non-white", "colour"),
        ("share_of_black_people", "colour"),
        ("The Black Country: Black people", "colour"),
        ("Asian", "over_general"),
        ("ASIAN", "over_general"),
        ("South  Asian", "over_general"),
        ("Other", "over_general"),
        ("Other.", "over_general"),
        ("Any other ethnic group", "over_general"),
        ("Mixed", "over_general"),
        ("BAME", "over_general"),
        ("BAME people", "over_general"),
        ("Ethnic minority groups", "over_general"),
        ("Non-British", "over_general"),
        ("non-European background", "over_general"),
        ("Non-Christian", "over_general"),
    ],
)
def test_a_label_that_is_refused(label, check):
    assert check in [found[0] for found in Wording.of(load().tables["wording"]).faults(label, may_be_broad=False)]


@pytest.mark.parametrize(
    "label",
    [
        "Black Country Integrated Care Board",
        "Dr Brown",
        "People with the surname Brown",
        "Colour vision",
        "Colour vision deficiency",
        "White Paper",
        "White Papers on health",
        "Blackburn with Darwen",
        "Whitechapel",
        "Uses a white cane",
        "Letters in black on yellow",
        "White blood cell count",
        "Asian background not listed",
        "Mixed: Asian and European",
        "European or related background not listed",
        "Another religion",
        "Other accommodation",
        "Non-binary",
        "Irish",
        "Caribbean heritage",
        "",
    ],
)
def test_a_label_that_is_innocent(label):
    assert Wording.of(load().tables["wording"]).faults(label, may_be_broad=False) == []


@pytest.mark.parametrize("label", ["Asian", "Mixed", "Any other ethnic group", "Other"])
def test_a_group_may_be_called_by_a_word_for_many(label):
    assert Wording.of(load().tables["wording"]).faults(label, may_be_broad=True) == []


def test_a_set_of_third_party_wording_is_a_quotation(copy):
    """The same words: refused in a set of ours, and left alone where they are somebody else's."""
    cell(f"{CODES}/to_national_2001.csv", "irish", label="White - Irish")(copy)
    load(copy)
    cell(SETS, "ethnic_category,national_2001", wording="ours")(copy)
    assert any("label 'White - Irish' uses a colour word" in fault.what for fault in faults(copy))


def test_published_columns_and_words_of_the_open_tables_are_held_to_it(copy, tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    text = """-- One row per place; white is said in a comment.
select place, n_white as n_people, n as black_share, 'BAME' as grouping, 'Black Country' as icb
from measure.disclosed_cell
"""
    (folder / "spoiled.sql").write_text(text)
    reader = Reader(tmp_path)
    check_wording(reader, load(copy), folder)
    assert {fault.where for fault in reader.found} == {"open/spoiled.sql:2"}
    said = [fault.what for fault in reader.found]
    assert len(said) == 2 and "'black_share' uses a colour word" in said[0] and "'BAME' is a word for many" in said[1]


def test_everything_that_is_shipped_passes_the_wording_checks():
    reader = Reader(ROOT)
    check_wording(reader, load())
    assert reader.found == []
    assert all(row["reason"] for row in load().tables["wording"])


def test_the_version_follows_every_file(copy):
    before = load(copy).version
    assert before == load().version
    replace(copy / "standards" / "disclosure.yml", "rounding_base: 5\nsensitive", "rounding_base: 6\nsensitive")
    edited = load(copy).version
    (copy / "NOTICE").write_text("It is published with the standard.\n", encoding="utf-8")
    assert len({before, edited, load(copy).version}) == 3


def test_a_standard_is_not_changed_after_loading():
    with pytest.raises(FrozenInstanceError):
        load().version = "another"


def test_a_local_list_is_tried_before_the_vocabulary_it_refines_and_only_there():
    standard = load()
    with_list = next(row["code"] for row in standard.tables["providers"] if row["local_list"])
    without = next(row["code"] for row in standard.tables["providers"] if not row["local_list"])
    assert standard.vocabularies(["national_2001"], with_list) == ("ukcore_2001", "national_2001")
    assert standard.vocabularies(["national_2001"], without) == ("national_2001",)
    assert standard.vocabularies(["emis"], with_list) == ("emis",)


def test_a_rule_judges_only_from_its_period_on(copy):
    rule("patient.sex.form", 'sql: sex is not null\n  from_period: "2026-08"')(copy)
    standard = load(copy)
    for period, holds in (("2026-07", False), ("2026-08", True), ("2026-09", True)):
        in_force = {item.id for item in standard.rules_in_force("pas_patient", period)}
        assert ("patient.sex.form" in in_force) is holds


@pytest.mark.parametrize("path", [*EXPECTATIONS, *LAYOUTS], ids=lambda path: path.name)
def test_every_yaml_file_begins_by_saying_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    yaml.safe_load(text)


def test_every_refusal_has_plain_words():
    for row in load().tables["outcomes"]:
        assert row["words"] and row["what_to_do"], row["reason"]
