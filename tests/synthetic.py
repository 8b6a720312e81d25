"""A seed -> small deliveries in a landing folder, with everything that is wrong in them known.

Promise: the same call writes the same bytes, and every fault is in the `Delivery` that comes back: layout, line, column.

    from tests.synthetic import deliver
    sent = deliver(lake.path("landing"), "ZZ1", "2026-09", {"pas_patient": 40}, faults={"trailing_space": 3})
    sent.rows["pas_patient"][0]["PATIENT_ID"]      what stands in line 1
    sent.people["pas_patient"][0].ethnic_category  who that really is
    sent.lines("trailing_space")                   [7, 19, 33]

Every layout of standards/ can be delivered. `overrides` puts raw values into the first rows, one a row, by layout and by
column, by field, or by the characteristic that a column of codes states; `truth` says what the values of a row mean:

    sent = deliver(landing, "ZM01", "2026-09", {"mhsds_patient": 9}, overrides={"mhsds_patient": {"disability": ["", "X9"]}})
    sent.rows["mhsds_patient"][1]["DisabCode"]     "X9"
    sent.truth["mhsds_patient"][4]["disability"]   the code of ours that line 5 means
    deliver(landing, "ZP025", "2026-09", {"tpp_code": 9}, overrides={"tpp_code": {"ethnic_category": ["9i0..", "9SZ.."]}})

Row faults (name: how many rows; each row gets one at most):
    lower_case · trailing_space · blank · second_character · lone_9 · not_known · not_stated · unrecognised · word
        in the ethnic category (for GP observations, `unrecognised` is a code that no map knows)
    missing_nhs_number · malformed_nhs_number · placeholder_nhs_number · spaced_nhs_number · borrowed_nhs_number · untraced_nhs_number
    missing_birth_date · swapped_birth_date · unreadable_birth_date · future_birth_date · future_date
    missing_key · duplicate_key · missing_local_id · test_record · confidential · unmatched_postcode · no_fixed_abode · hostile_name
File faults (name: True), for every file of the delivery:
    cp1252 · bom · crlf · binary_junk · empty_file · header_only · unknown_column · missing_mandatory_column · unknown_layout · ragged_row
Delivery faults (name: True):
    no_ready · wrong_hash · wrong_row_count · two_files_one_role · no_files
"""

import csv
import hashlib
import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from tests import synthetic_layouts
from tests.synthetic_layouts import shipped
from transforms.demo_fhir import as_resources

Row = dict[str, str]

# The published codes of some categories: ours, national 2001, EMIS, SNOMED CT, and how many in 100 people.
ETHNICITY = [
    ("british", "A", "9i0..", "92391000000108", 60),
    ("irish", "B", "9i1..", "92401000000106", 3),
    ("any_other_c", "C", "9i2F.", "88941000000100", 7),
    ("mixed_caribbean", "D", "9i3..", "92421000000102", 3),
    ("indian", "H", "9i7..", "110751000000108", 8),
    ("pakistani", "J", "9i8..", "92461000000105", 7),
    ("bangladeshi", "K", "9i9..", "92471000000103", 2),
    ("caribbean", "M", "9iB..", "107691000000105", 4),
    ("african", "N", "9iC..", "92491000000104", 4),
    ("chinese", "R", "9iE..", "92511000000107", 2),
]
LANGUAGES = [("eng", "en", "315570003", 85), ("pol", "pl", "315579002", 8), ("urd", "ur", "315588006", 7)]
NOT_STATED_CONCEPT = "92531000000104"
ASTHMA = "195967001"
GIVEN = ["Amara", "Bilal", "Carys", "Dev", "Elsie", "Farah", "George", "Hana", "Iwan", "Joan", "Kofi", "Leela"]
FAMILY = ["Ashdown", "Begum", "Carter", "Dhillon", "Ellis", "Fofana", "Griffiths", "Hussain", "Irvine", "Kowal"]
# Invented postcodes of real small areas in three boards, so that place, board and deprivation can be tested.
POSTCODES = [
    ("ZX1 1AA", "E01008881"),
    ("ZX1 1AB", "E01008882"),
    ("ZY1 1AA", "E01013600"),
    ("ZY1 1AB", "E01013601"),
    ("ZW1 1AA", "E01009719"),
    ("ZW1 1AB", "E01009720"),
]

COLUMNS = {
    "pas_patient": "PATIENT_ID NHS_NUMBER NHS_NUMBER_STATUS TITLE GIVEN_NAME FAMILY_NAME DATE_OF_BIRTH DATE_OF_DEATH SEX POSTCODE "
    "GP_PRACTICE ETHNIC_CATEGORY ETHNIC_CATEGORY_DATE LANGUAGE_CODE_PREFERRED LANGUAGE_CODE_WRITTEN INTERPRETER_REQUIRED "
    "LANGUAGE_DATE IS_CARER CARER_SUPPORT_INDICATOR CARER_DATE CARER_NAME CARER_PHONE NOTES TEST_PATIENT CONFIDENTIAL PAS_UPDATED",
    "sus_outpatient": "ATTENDKEY PROCODE3 LOPATID NEWNHSNO NHSNOIND DOB SEX HOMEADD GPPRAC ETHNOS CARERSI APPTDATE ATTENDED TRETSPEF "
    "MAINSPEF FIRSTATT REQDATE PRIORITY OUTCOME SITETRET WITHHELD_FLAG",
    "emis_patient": "PatientGuid OrganisationGuid NhsNumber NHSNumberStatus GivenName Surname DateOfBirth DateOfDeath Sex Postcode "
    "DateOfRegistration DateOfDeactivation EthnicCode CarerName CarerRelation DummyType IsConfidential",
    "emis_observation": "ObservationGuid PatientGuid SnomedCTConceptId EffectiveDate EnteredDate AssociatedText",
}
# Which column plays which part, so that one fault serves every layout that has the part.
PARTS = {
    "pas_patient": {
        "key": "PATIENT_ID", "local": "PATIENT_ID", "number": "NHS_NUMBER", "number_status": "NHS_NUMBER_STATUS", "birth": "DATE_OF_BIRTH",
        "postcode": "POSTCODE", "ethnicity": "ETHNIC_CATEGORY", "name": "FAMILY_NAME", "date": "ETHNIC_CATEGORY_DATE",
        "test": "TEST_PATIENT", "confidential": "CONFIDENTIAL", "mandatory": "PATIENT_ID",
    },
    "sus_outpatient": {
        "key": "ATTENDKEY", "local": "LOPATID", "number": "NEWNHSNO", "number_status": "NHSNOIND", "birth": "DOB", "postcode": "HOMEADD",
        "ethnicity": "ETHNOS", "date": "APPTDATE", "confidential": "WITHHELD_FLAG", "mandatory": "APPTDATE",
    },
    "emis_patient": {
        "key": "PatientGuid", "local": "PatientGuid", "number": "NhsNumber", "number_status": "NHSNumberStatus", "birth": "DateOfBirth",
        "postcode": "Postcode", "ethnicity": "EthnicCode", "name": "Surname", "date": "DateOfRegistration", "test": "DummyType",
        "confidential": "IsConfidential", "mandatory": "PatientGuid",
    },
    "emis_observation": {
        "key": "ObservationGuid", "local": "PatientGuid", "ethnicity": "SnomedCTConceptId", "date": "EffectiveDate",
        "mandatory": "SnomedCTConceptId",
    },
}  # fmt: skip
DATE_FORMAT = {"pas_patient": "%d/%m/%Y"}
DELIMITER = {"pas_patient": "|"}


@dataclass(frozen=True)
class Person:
    """Who somebody really is. The same person_no is the same person in every layout, provider and period."""

    person_no: int
    nhs_number: str
    given_name: str
    family_name: str
    birth_date: date
    sex: str
    postcode: str
    ethnic_category: str
    main_language: str
    interpreter_required: bool
    is_carer: bool


@dataclass(frozen=True)
class Fault:
    """One thing that was made wrong on purpose; `line` is the ordinal of the data row, from 1, or 0 for a whole file."""

    layout: str
    line: int
    column: str
    fault: str


@dataclass
class Delivery:
    """What was sent, who it is about, and what is wrong with it."""

    path: Path
    rows: dict[str, list[Row]] = field(default_factory=dict)
    people: dict[str, list[Person]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    truth: dict[str, list[Row]] = field(default_factory=dict)  # of layouts that have no function of their own here

    def lines(self, fault: str, layout: str | None = None) -> list[int]:
        """The lines that have a fault, in order."""
        return sorted(item.line for item in self.faults if item.fault == fault and layout in (None, item.layout))


def nhs_number(person_no: int) -> str:
    """A number of the range that is never issued (999), with its modulus-11 digit; one for each person_no below 899,999."""
    if not 0 <= person_no < 899_999:  # the one after would be ten nines
        raise ValueError("there are 899,999 invented numbers")
    # Of ten stems that differ in the last digit only, at most one has no check digit: each ten serves nine people.
    valid = []
    for last in range(10):
        digits = f"999{person_no // 9 * 10 + last:06d}"
        check = 11 - sum(int(digit) * (10 - place) for place, digit in enumerate(digits)) % 11
        if check != 10:
            valid.append(digits + ("0" if check == 11 else str(check)))
    return valid[person_no % 9]


def person(person_no: int, seed: int = 1) -> Person:
    """One invented person."""
    draw = random.Random(f"{seed}/{person_no}")
    category = draw.choices([row[0] for row in ETHNICITY], [row[4] for row in ETHNICITY])[0]
    language = draw.choices([row[0] for row in LANGUAGES], [row[3] for row in LANGUAGES])[0]
    return Person(
        person_no=person_no,
        nhs_number=nhs_number(person_no * 2),
        given_name=draw.choice(GIVEN),
        family_name=draw.choice(FAMILY),
        birth_date=date(1935, 1, 1) + timedelta(days=draw.randrange(30_000)),
        sex=draw.choice("12"),
        postcode=draw.choice(POSTCODES)[0],
        ethnic_category=category,
        main_language=language,
        interpreter_required=language != LANGUAGES[0][0] and draw.random() < 0.4,
        is_carer=draw.random() < 0.1,
    )


def write_postcodes(path: Path) -> Path:
    """The directory that places POSTCODES, as the operator's import expects it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "postcode,lsoa21_code\n" + "".join(f"{postcode},{lsoa}\n" for postcode, lsoa in POSTCODES), encoding="utf-8"
    )
    return path


def deliver(
    landing: Path,
    provider: str,
    period: str,
    layouts: Mapping[str, int],
    faults: Mapping[str, int | bool] | None = None,
    *,
    seed: int = 1,
    name: str = "delivery",
    manifest: bool = False,
    first_person: int = 0,
    edit: Callable[[str, list[Row]], list[Row]] | None = None,
    overrides: Mapping[str, Mapping[str, list[str]]] | None = None,
) -> Delivery:
    """Write one delivery of `rows` rows per layout, `_READY` last. `edit(layout, rows)` may change the rows before they are written."""
    faults = dict(faults or {})
    unknown = [fault for fault in faults if fault not in (*ROW_FAULTS, *FILE_FAULTS, *DELIVERY_FAULTS)]
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)}")
    draw = random.Random(f"{seed}/{provider}/{period}/{name}")
    sent = Delivery(Path(landing) / provider / period / name)
    sent.path.mkdir(parents=True, exist_ok=True)
    files = []
    for layout, n in layouts.items():
        people = [person(first_person + i, seed) for i in range(n)]
        rows = []
        for i, item in enumerate(people):
            made = _ROW[layout](item, i + 1, provider, period) if layout in _ROW else None
            row, truth = (made, {}) if made else synthetic_layouts.row_of(layout, item, i + 1, provider, period)
            rows.append(row)
            sent.truth.setdefault(layout, []).append(truth)
        _apply(sent, layout, rows, faults, draw)
        for name_of, values in (overrides or {}).get(layout, {}).items():
            column = synthetic_layouts.column_for(layout, name_of)
            for row, value in zip(rows, values, strict=False):
                row[column] = value
        if edit:
            rows = edit(layout, rows)
        sent.rows[layout], sent.people[layout] = rows, people
        columns = list(rows[0]) if rows else COLUMNS.get(layout, "").split()
        content = _bytes(sent, layout, columns, rows, faults)
        for copy in ("", "-again")[: 2 if faults.get("two_files_one_role") else 1]:
            path = sent.path / f"{provider}_{layout}_{period.replace('-', '')}{copy}.{_kind(layout)}"
            path.write_bytes(content)
            files.append((path, len(rows)))
    for fault in DELIVERY_FAULTS:
        if faults.get(fault):
            sent.faults.append(Fault("", 0, "", fault))
    if faults.get("no_files"):
        for path, _ in files:
            path.unlink()
    if not faults.get("no_ready"):
        wants = manifest or faults.get("wrong_hash") or faults.get("wrong_row_count")
        (sent.path / "_READY").write_text(_manifest(files, faults) if wants else "", encoding="utf-8")
    return sent


def _kind(layout: str) -> str:
    """How a layout's files are written: csv or ndjson."""
    return "csv" if layout in _ROW else shipped().layouts[layout]["format"]["kind"]


def _parts(layout: str) -> dict[str, str]:
    return PARTS[layout] if layout in PARTS else synthetic_layouts.parts(layout)


def _day_format(layout: str) -> str:
    return DATE_FORMAT.get(layout, "%Y-%m-%d") if layout in _ROW else shipped().layouts[layout]["dates"][0]


def _manifest(files: list[tuple[Path, int]], faults: Mapping[str, int | bool]) -> str:
    entries = []
    for path, n_rows in files:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entries.append({
            "name": path.name,
            "sha256": "0" * 64 if faults.get("wrong_hash") else digest,
            "n_rows": n_rows + 1 if faults.get("wrong_row_count") else n_rows,
        })  # fmt: skip
    return json.dumps({"files": entries})


def _pas_patient(who: Person, line: int, provider: str, period: str) -> Row:
    day = DATE_FORMAT["pas_patient"]
    recorded = who.birth_date.replace(year=2015 + who.person_no % 10, day=min(who.birth_date.day, 28))
    row = dict.fromkeys(COLUMNS["pas_patient"].split(), "")
    return row | {
        "PATIENT_ID": f"{provider}{who.person_no:06d}",
        "NHS_NUMBER": who.nhs_number,
        "NHS_NUMBER_STATUS": "01",
        "GIVEN_NAME": who.given_name,
        "FAMILY_NAME": who.family_name,
        "DATE_OF_BIRTH": who.birth_date.strftime(day),
        "SEX": who.sex,
        "POSTCODE": who.postcode,
        "GP_PRACTICE": "ZP001",
        "ETHNIC_CATEGORY": _code(who, 1),
        "ETHNIC_CATEGORY_DATE": recorded.strftime(day),
        "LANGUAGE_CODE_PREFERRED": _language(who, 1),
        "LANGUAGE_CODE_WRITTEN": _language(who, 1),
        "INTERPRETER_REQUIRED": "Y" if who.interpreter_required else "N",
        "LANGUAGE_DATE": recorded.strftime(day),
        "IS_CARER": "Y" if who.is_carer else "N",
        "CARER_DATE": recorded.strftime(day),
        "CARER_NAME": "A Thirdparty",
        "NOTES": "free text that must not travel",
    }


def _sus_outpatient(who: Person, line: int, provider: str, period: str) -> Row:
    row = dict.fromkeys(COLUMNS["sus_outpatient"].split(), "")
    return row | {
        "ATTENDKEY": f"{provider}-{period}-{line:06d}",
        "PROCODE3": provider,
        "LOPATID": f"{provider}{who.person_no:06d}",
        "NEWNHSNO": who.nhs_number,
        "NHSNOIND": "01",
        "DOB": who.birth_date.isoformat(),
        "SEX": who.sex,
        "HOMEADD": who.postcode,
        "GPPRAC": "ZP001",
        "ETHNOS": _code(who, 1),
        "APPTDATE": f"{period}-{line % 28 + 1:02d}",
        "ATTENDED": "3" if who.person_no % 10 == 0 else "5",
        "TRETSPEF": ("110", "300", "130")[line % 3],
        "FIRSTATT": "12"[line % 2],
        "REQDATE": f"{int(period[:4]) - 1}-{period[5:]}-01",
        "PRIORITY": "1",
        "OUTCOME": "1",
    }


def _emis_patient(who: Person, line: int, provider: str, period: str) -> Row:
    row = dict.fromkeys(COLUMNS["emis_patient"].split(), "")
    return row | {
        "PatientGuid": _guid(provider, who.person_no),
        "NhsNumber": who.nhs_number,
        "NHSNumberStatus": "01",
        "GivenName": who.given_name,
        "Surname": who.family_name,
        "DateOfBirth": who.birth_date.isoformat(),
        "Sex": "MF"[int(who.sex) - 1],
        "Postcode": who.postcode,
        "DateOfRegistration": max(f"20{10 + who.person_no % 14}-04-01", who.birth_date.isoformat()),
        "EthnicCode": _code(who, 2),
        "CarerName": "A Thirdparty",
        "DummyType": "false",
        "IsConfidential": "false",
    }


def _emis_observation(who: Person, line: int, provider: str, period: str) -> Row:
    day = f"{period}-{line % 28 + 1:02d}"
    concept = (_code(who, 3), _language(who, 2), ASTHMA)[line % 3 if line > 3 else 0]
    return {
        "ObservationGuid": _guid(provider, period, line),
        "PatientGuid": _guid(provider, who.person_no),
        "SnomedCTConceptId": concept,
        "EffectiveDate": day,
        "EnteredDate": day,
        "AssociatedText": "free text that must not travel",
    }


_ROW = {
    "pas_patient": _pas_patient,
    "sus_outpatient": _sus_outpatient,
    "emis_patient": _emis_patient,
    "emis_observation": _emis_observation,
}


def _code(who: Person, vocabulary: int) -> str:
    return next(row[vocabulary] for row in ETHNICITY if row[0] == who.ethnic_category)


def _language(who: Person, vocabulary: int) -> str:
    return next(row[vocabulary] for row in LANGUAGES if row[0] == who.main_language)


def _guid(*parts: object) -> str:
    digits = hashlib.md5("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest().upper()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


# Row faults: (the part of the row it changes, what it does to the value). `None` means: see _apply.
def _malform(value: str) -> str:
    return value[:-1] + str((int(value[-1]) + 1) % 10)


def _as_date(value: str, day: str) -> date:
    return datetime.strptime(value, day).date()


ROW_FAULTS: dict[str, tuple[str, Callable[[str], str] | None]] = {
    "lower_case": ("ethnicity", str.lower),
    "trailing_space": ("ethnicity", lambda value: value + " "),
    "blank": ("ethnicity", lambda value: ""),
    "second_character": ("ethnicity", lambda value: value + "1"),
    "lone_9": ("ethnicity", lambda value: "9"),
    "not_known": ("ethnicity", lambda value: "99"),
    "not_stated": ("ethnicity", lambda value: NOT_STATED_CONCEPT if value.isdigit() else "Z"),
    "unrecognised": ("ethnicity", lambda value: "123456789" if value.isdigit() else "X7"),
    "word": ("ethnicity", lambda value: "British"),
    "missing_nhs_number": ("number", lambda value: ""),
    "malformed_nhs_number": ("number", _malform),
    "placeholder_nhs_number": ("number", lambda value: "9999999999"),
    "spaced_nhs_number": ("number", lambda value: f"{value[:3]} {value[3:6]} {value[6:]}"),
    "borrowed_nhs_number": ("number", None),
    "untraced_nhs_number": ("number_status", lambda value: "02"),
    "missing_birth_date": ("birth", lambda value: ""),
    "swapped_birth_date": ("birth", None),
    "unreadable_birth_date": ("birth", lambda value: "31/31/1999"),
    "future_birth_date": ("birth", None),
    "future_date": ("date", None),
    "missing_key": ("key", lambda value: ""),
    "duplicate_key": ("key", None),
    "missing_local_id": ("local", lambda value: ""),
    "test_record": ("test", None),
    "confidential": ("confidential", None),
    "unmatched_postcode": ("postcode", lambda value: "ZT9 9ZZ"),
    "no_fixed_abode": ("postcode", lambda value: "ZZ99 3VZ"),
    "hostile_name": ("name", lambda value: '=HYPERLINK("x")<script>alert(1)</script>'),
}
FILE_FAULTS = (
    "cp1252", "bom", "crlf", "binary_junk", "empty_file", "header_only", "unknown_column", "missing_mandatory_column", "unknown_layout",
    "ragged_row",
)  # fmt: skip
DELIVERY_FAULTS = ("no_ready", "wrong_hash", "wrong_row_count", "two_files_one_role", "no_files")


def _apply(sent: Delivery, layout: str, rows: list[Row], faults: Mapping[str, int | bool], draw: random.Random) -> None:
    """Give each fault its rows; no row gets two, and line 1 none, so that it can be borrowed from."""
    free = list(range(1, len(rows)))
    draw.shuffle(free)
    for fault, wanted in faults.items():
        if fault not in ROW_FAULTS or not wanted:
            continue
        part, change = ROW_FAULTS[fault]
        column = _parts(layout).get(part)
        if column is None:
            continue
        if len(free) < int(wanted):
            raise ValueError(f"{fault}: {layout} has not enough rows left")
        for _ in range(int(wanted)):
            at = free.pop()
            row = rows[at]
            row[column] = change(row[column]) if change else _special(fault, layout, row[column], rows[0][column])
            sent.faults.append(Fault(layout, at + 1, column, fault))


def _special(fault: str, layout: str, value: str, first: str) -> str:
    day = _day_format(layout)
    if fault == "swapped_birth_date":  # the day is made 12 or less, so that the swap gives another real date
        born = _as_date(value, day)
        return date(born.year, born.day % 12 + 1, born.month).strftime(day)
    if fault in ("future_birth_date", "future_date"):
        return date(2062, 5, 17).strftime(day)
    if fault in ("test_record", "confidential"):
        return "true" if layout == "emis_patient" else "Y"
    return first  # duplicate_key, borrowed_nhs_number: the first row's


def _bytes(sent: Delivery, layout: str, columns: list[str], rows: list[Row], faults: Mapping[str, int | bool]) -> bytes:
    """The file as the provider's system would write it."""
    sent.faults += [Fault(layout, 0, "", fault) for fault in FILE_FAULTS if faults.get(fault)]
    if faults.get("binary_junk"):
        return b"MZ\0\0" + random.Random(layout).randbytes(2000)
    if faults.get("empty_file"):
        return b""
    if faults.get("unknown_layout"):
        return b"colour,shape\nred,round\n"
    if faults.get("missing_mandatory_column"):
        columns = [column for column in columns if column != _parts(layout)["mandatory"]]
    if _kind(layout) == "ndjson":
        return _resources(layout, columns, rows, faults)
    text = io.StringIO()
    extra = ["SURPRISE"] if faults.get("unknown_column") else []
    writer = csv.DictWriter(
        text,
        [*columns, *extra],
        restval="?",
        extrasaction="ignore",
        delimiter=DELIMITER.get(layout, ","),
        lineterminator="\r\n" if faults.get("crlf") else "\n",
    )
    writer.writeheader()
    writer.writerows([] if faults.get("header_only") else rows)
    content = text.getvalue()
    if faults.get("ragged_row"):
        content += "one value only\n"
    if faults.get("cp1252"):
        name = _parts(layout).get("name")
        if name and rows:  # a name that is not the same bytes in UTF-8
            content = content.replace(rows[0][name], "Zoë", 1)
            rows[0][name] = "Zoë"
        return content.encode("cp1252")
    return content.encode("utf-8-sig" if faults.get("bom") else "utf-8")


def _resources(layout: str, columns: list[str], rows: list[Row], faults: Mapping[str, int | bool]) -> bytes:
    """The file as a server's bulk export would write it: one resource a line."""
    if faults.get("header_only"):
        return b"\n"
    extra = {"surprise": "?"} if faults.get("unknown_column") else {}
    kept = [{column: row[column] for column in columns} | extra for row in rows]
    content = as_resources(kept, shipped().layouts[layout]["format"]["resource"])
    if faults.get("ragged_row"):
        content += '{"resourceType": "Patient", \n'
    if faults.get("crlf"):
        content = content.replace("\n", "\r\n")
    return content.encode("utf-8-sig" if faults.get("bom") else "utf-8")
