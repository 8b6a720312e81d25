"""FHIR resources, one a line: paths say exactly what is documented, and every line has an outcome."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests import lakes
from tests.lakes import PERIOD, ask, events, outcomes
from tests.synthetic import deliver
from transforms import fhirpath
from transforms.check import check
from transforms.demo_fhir import resource
from transforms.lake import Lake
from transforms.parse import LONGEST_LINE
from transforms.recognise import columns_of, offered, recognise
from transforms.standard import Standard, load

LAYOUT = "fhir_patient"
NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
CORE = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
ENGLAND = "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland"

WHOLE: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"lastUpdated": "2026-01-31T10:00:00+00:00"},
    "identifier": [
        {"system": "https://example.org/local", "value": "L1"},
        {"system": NUMBER, "value": "9990000018"},
    ],
    "name": [
        {"use": "usual", "family": "Kowal", "given": ["Ola", "Maria"]},
        {"use": "official", "family": "Kowalska", "given": ["Aleksandra"]},
    ],
    "extension": [
        {"url": "u/flag", "valueBoolean": False},
        {"url": "u/nested", "extension": [{"url": "language", "valueCode": "pl"}, {"url": "count", "valueInteger": 2}]},
        {"url": "u/nested", "extension": [{"url": "language", "valueCode": "de"}]},
    ],
    "communication": [
        {"language": {"coding": [{"code": "en"}]}},
        {"preferred": True, "language": {"coding": [{"code": "pl"}]}},
    ],
    "birthDate": "1980-02-29",
    "gender": None,
    "address": {"postalCode": "ZX1 1AA"},
    "managingOrganization": {"display": ""},
}


def find(path: str, made: dict[str, Any]) -> str | None:
    """What a path finds in a resource."""
    source = f"(select $${json.dumps(made)}$$::json as resource)"
    return duckdb.sql(fhirpath.query([path], {}, source)).fetchone()[0]


READINGS = [
    ("id", "p1"),
    ("birthDate", "1980-02-29"),
    ("name.family", "Kowal"),
    ("name[1].family", "Kowalska"),
    ("name.first().given[1]", "Maria"),
    ("name.where(use='official').family", "Kowalska"),
    ("name.where(given='Aleksandra').use", "official"),
    ("identifier.where(system='https://fhir.nhs.uk/Id/nhs-number').value", "9990000018"),
    ("extension.where(url='u/flag').valueBoolean", "false"),
    ("extension.where(url='u/nested').extension.where(url='language').valueCode", "pl"),
    ("extension.where(url='u/nested').extension.where(url='count').valueInteger", "2"),
    ("communication.where(preferred=true).language.coding.code", "pl"),
    ("communication.where(language.coding.code='en').language.coding.code", "en"),
    ("meta.lastUpdated.substring(0, 10)", "2026-01-31"),
    ("name.where(use='nickname').given | name.where(use='usual').given", "Ola"),
    ("address.postalCode", "ZX1 1AA"),  # a list of one, written without its brackets
    ("gender", None),
    ("managingOrganization.display", None),
    ("nothing.at.all", None),
    ("name[7].family", None),
]


@pytest.mark.parametrize(("path", "value"), READINGS)
def test_a_path_finds_the_first_value(path, value):
    assert find(path, WHOLE) == value


@pytest.mark.parametrize(
    "path",
    ["", "a b", "first()", "a.", "a |", "where(a='b')", "a.where(x > 1)", "a.where(x='y'", "a.exists()", "a.where(x='y''z')",
     "a.substring(0, 4).b", "a'; drop table x; --", "$.a", "a[x]", "a.ofType(string)"],
)  # fmt: skip
def test_what_is_no_path_is_refused(path):
    with pytest.raises(fhirpath.BadPath):
        fhirpath.parse(path)


def test_every_path_of_every_layout_is_understood():
    for layout in load().layouts.values():
        if layout["format"]["kind"] == "ndjson":
            for entry in layout.columns:
                assert fhirpath.root_of(entry["column"])


def test_what_is_built_from_a_path_is_found_by_it():
    for entry in load().layouts[LAYOUT].columns:
        path = entry["column"]
        assert find(path, resource({path: "2026-01-31"}, "Patient")) == "2026-01-31", path


def with_fhir() -> Standard:
    standard = load()
    rows = [
        {**row, "layouts": f"pas_patient {LAYOUT}"} if row["code"] == "ZZ1" else row
        for row in standard.tables["providers"]
    ]
    return dataclasses.replace(standard, tables={**standard.tables, "providers": rows})


@pytest.fixture
def lake(tmp_path: Path, monkeypatch) -> Lake:
    lakes.hasten(monkeypatch)
    return lakes.new_lake(tmp_path)


def patient(number: int, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": f"p{number}", "birthDate": "1980-05-01"} | more


def send(lake: Lake, lines: list[Any], name: str = "delivery") -> list[dict[str, str | None]]:
    """Deliver these lines; what bronze then holds."""
    folder = lake.path("landing", "ZZ1", PERIOD, name)
    folder.mkdir(parents=True)
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    (folder / "export.ndjson").write_text(text, encoding="utf-8")
    (folder / "_READY").touch()
    lakes.run(with_fhir(), lake)
    files = lake.files("bronze", LAYOUT)
    if not files:
        return []
    found = duckdb.sql(f"select * from read_parquet('{files[-1]}', hive_partitioning = false)")
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def ethnicity(**concept: Any) -> dict[str, Any]:
    return {"url": f"{CORE}EthnicCategory", "valueCodeableConcept": concept}


def said(lake: Lake, characteristic: str) -> list[tuple]:
    query = f"""select source_value, status, reason from harmonised.characteristic
                where characteristic = '{characteristic}' order by first_line"""
    return ask((with_fhir(), lake), query)


def column(field: str) -> str:
    return load().layouts[LAYOUT].fields[field]["column"]


def test_one_column_for_each_path_and_for_each_unknown_element(lake):
    hostile = "x'); drop/~ table y; --\" \\"
    more = {
        "species": {"code": "human"},
        hostile: "kept",
        "contact": [{"name": {"text": "A Thirdparty"}}],
        "active": True,
    }
    found = send(lake, [patient(1, **more), patient(2)])
    known = {entry["column"] for entry in load().layouts[LAYOUT].columns}
    assert set(found[0]) == known | {"species", hostile}
    assert [row["species"] for row in found] == ['{"code":"human"}', None]
    assert [row[hostile] for row in found] == ["kept", None]
    assert b"Thirdparty" not in Path(lake.files("bronze", LAYOUT)[0]).read_bytes()


def test_the_right_identifier_of_several(lake):
    status = {"url": f"{CORE}NHSNumberVerificationStatus", "valueCodeableConcept": {"coding": [{"code": "01"}]}}
    numbers = [
        {"system": "https://example.org/mrn", "value": "77"},
        {"system": NUMBER, "value": "9990000018", "extension": [status]},
    ]
    found = send(lake, [patient(1, identifier=numbers), patient(2, identifier=numbers[:1]), patient(3)])
    assert [row[column("nhs_number")] for row in found] == ["9990000018", None, None]
    assert [row[column("nhs_number_status")] for row in found] == ["01", None, None]


def test_what_is_missing_is_not_recorded(lake):
    send(lake, [patient(1), patient(2, extension=[]), patient(3, extension=[ethnicity(coding=[])])])
    assert said(lake, "ethnic_category") == [(None, "not_recorded", "blank")] * 3


def test_of_a_repeated_extension_the_first_counts(lake):
    twice = [ethnicity(coding=[{"system": ENGLAND, "code": code}]) for code in ("H", "J")]
    assert send(lake, [patient(1, extension=twice)])[0][column("ethnic_category")] == "H"


def test_a_code_of_another_list_is_neither_blank_nor_misread(lake):
    welsh = ethnicity(coding=[{"system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryWales", "code": "A"}])
    send(lake, [patient(1, extension=[welsh])])
    [(value, status, reason)] = said(lake, "ethnic_category")
    assert value.endswith("EthnicCategoryWales")
    assert (status, reason) == ("unrecognised", "not_in_map")


def test_own_words_are_read_where_there_is_no_code(lake):
    send(lake, [patient(1, extension=[ethnicity(text="Somali")])])
    assert [row[:2] for row in said(lake, "ethnic_category")] == [("Somali", "known")]


def test_the_preferred_language_and_the_older_extension(lake):
    older = {
        "url": f"{CORE}NHSCommunication",
        "extension": [
            {"url": "language", "valueCodeableConcept": {"coding": [{"code": "ur"}]}},
            {"url": "interpreterRequired", "valueBoolean": True},
        ],
    }
    talks = [{"language": {"coding": [{"code": "en"}]}}, {"preferred": True, "language": {"coding": [{"code": "pl"}]}}]
    found = send(
        lake, [patient(1, communication=talks), patient(2, communication=talks[:1]), patient(3, extension=[older])]
    )
    assert [row[column("main_language")] for row in found] == ["pl", "en", "ur"]


@pytest.mark.parametrize("interpreter", [True, False])
def test_whether_an_interpreter_is_needed(lake, interpreter):
    url = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired"
    send(lake, [patient(1, extension=[{"url": url, "valueBoolean": interpreter}])])
    query = "select code from harmonised.characteristic where characteristic = 'interpreter_required'"
    assert ask((with_fhir(), lake), query) == [("required" if interpreter else "not_required",)]


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ([patient(1), '{"resourceType": "Patient", "id": ', patient(3)], 2),
        ([patient(1), "", "[1, 2]"], 3),
        ([patient(1), '"Begum"'], 2),
        ([patient(1), patient(2), "id,name"], 3),
        ([patient(1), json.dumps(patient(2)) + json.dumps(patient(3))], 2),
    ],
)
def test_a_line_that_is_no_resource_is_an_outcome_that_names_it(lake, lines, line):
    assert send(lake, lines) == []
    [entry] = events(lake, "rejected")
    assert (entry["reason"], entry["detail"]) == ("unreadable_rows", f"layout {LAYOUT}: line {line}")


def test_a_resource_of_another_kind_is_an_outcome_that_names_its_line(lake):
    assert send(lake, [patient(1), {"resourceType": "Practitioner", "id": "x"}]) == []
    assert outcomes(lake) == [(f"ZZ1/{PERIOD}", "rejected", "other_resource", f"layout {LAYOUT}: line 2")]
    assert load().words("other_resource")["what_to_do"].startswith("Send one file")


def test_a_file_of_another_kind_is_no_layout(lake):
    send(lake, [{"resourceType": "Practitioner", "id": "x"}])
    assert [row[2] for row in outcomes(lake)] == ["unknown_layout"]


@pytest.mark.parametrize("fault", ["bom", "crlf"])
def test_line_ends_and_byte_order_marks_do_no_harm(lake, fault):
    deliver(lake.path("landing"), "ZZ1", PERIOD, {LAYOUT: 5}, {fault: True})
    lakes.run(with_fhir(), lake)
    assert [row[1] for row in outcomes(lake)] == ["accepted"]
    assert ask((with_fhir(), lake), "select count(*) from validated.patient where birth_date is not null") == [(5,)]


def test_blank_lines_do_not_count(lake):
    assert [row["id"] for row in send(lake, [patient(1), "", patient(2), "  ", ""])] == ["p1", "p2"]


def test_a_text_with_any_character_arrives_whole(lake):
    name = 'Zoë \u2028 "O\'Brien" \\ | , \t Łuk'
    found = send(lake, [patient(1, name=[{"family": name}])])
    assert found[0][column("family_name")] == name


def test_a_picture_is_no_obstacle(lake):
    found = send(lake, [patient(1, photo=[{"data": "x" * 3_000_000}]), patient(2)])
    assert [row["id"] for row in found] == ["p1", "p2"]


def test_a_line_that_is_far_too_long_is_an_outcome_that_names_it(lake):
    assert send(lake, [patient(1), patient(2, photo=[{"data": "x" * (LONGEST_LINE + 1)}]), patient(3)]) == []
    assert outcomes(lake) == [(f"ZZ1/{PERIOD}", "rejected", "unreadable_rows", f"layout {LAYOUT}: line 2")]


def test_nobody_and_a_wrong_number_of_rows_are_outcomes(lake):
    for name, fault in (("a", "wrong_row_count"), ("b", "ragged_row")):
        deliver(lake.path("landing"), "ZZ1", PERIOD, {LAYOUT: 4}, {fault: True}, name=name)
        lakes.run(with_fhir(), lake)
    assert [row[2] for row in outcomes(lake)] == ["wrong_row_count", "unreadable_rows"]


def test_the_head_tells_what_a_layout_knows_and_does_not(tmp_path):
    text = (
        json.dumps(patient(1, gender="female", species={}, photo=[]))
        + "\n"
        + json.dumps(patient(2, colour=""))
        + '\n{"cut": '
    )
    columns = columns_of(offered(text.encode(), load()), load().layouts[LAYOUT])
    assert {"id", "birthDate", "colour", "species"} <= set(columns)
    assert not {"photo", "resourceType", "cut"} & set(columns)
    (tmp_path / "f").write_text(text)
    found = recognise(tmp_path / "f", load(), ["pas_patient", LAYOUT])
    assert (found.reason, found.layout.name) == ("", LAYOUT)
    assert [name for name, _ in found.unmapped] == ["colour", "species"]


def test_without_an_id_nothing_tells_people_apart(tmp_path):
    (tmp_path / "f").write_text(
        json.dumps({"resourceType": "Patient", **{k: v for k, v in WHOLE.items() if k != "id"}})
    )
    found = recognise(tmp_path / "f", load(), [LAYOUT])
    assert (found.reason, found.detail) == ("missing_column", "id")


def test_check_tells_a_sender_of_resources(tmp_path):
    sent = deliver(tmp_path, "ZZ1", PERIOD, {LAYOUT: 12}, {"unknown_column": True})
    told = check(next(sent.path.glob("*.ndjson")), load())
    assert f"Layout: {LAYOUT}" in told
    assert "surprise" in told
    assert "would be accepted" in told
