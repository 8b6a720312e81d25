"""Every layout of standards/layouts: recognised by its own header, and taken in from one end to the other."""

import dataclasses
import json
from pathlib import Path

import duckdb
import pytest

from tests import lakes
from tests.lakes import PERIOD, ask, copied_standard, outcomes, replace
from tests.synthetic import deliver
from tests.synthetic_layouts import column_for
from transforms.faults import Faults
from transforms.lake import Lake
from transforms.recognise import columns_of, head_of, offered, recognise
from transforms.standard import Standard, load
from transforms.work import run_chunk

NAMES = sorted(load().layouts)
PROVIDER = "ZZ1"


def sending(*layouts: str) -> Standard:
    """The standard, with one provider that sends these layouts."""
    standard = load()
    rows = [
        {**row, "layouts": " ".join(layouts)} if row["code"] == PROVIDER else row
        for row in standard.tables["providers"]
    ]
    return dataclasses.replace(standard, tables={**standard.tables, "providers": rows})


@pytest.fixture(scope="module")
def lake_of(tmp_path_factory):
    """A lake into which one layout was delivered, made once for each."""
    made: dict[str, tuple[Lake, Standard, object]] = {}

    def make(name: str):
        if name not in made:
            lake = lakes.new_lake(tmp_path_factory.mktemp(name))
            sent = deliver(lake.path("landing"), PROVIDER, PERIOD, {name: 30})
            with pytest.MonkeyPatch.context() as patch:
                lakes.hasten(patch)
                lakes.run(sending(name), lake)
            made[name] = (lake, sending(name), sent)
        return made[name]

    return make


def offer_of(folder: Path) -> dict:
    return offered(head_of(next(path for path in folder.iterdir() if path.name != "_READY")), load())


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_recognised_as_its_own_layout_among_all(tmp_path, name):
    sent = deliver(tmp_path, PROVIDER, PERIOD, {name: 3})
    file = next(path for path in sent.path.iterdir() if path.name != "_READY")
    found = recognise(head_of(file), load(), NAMES)
    assert found.reason == ""
    assert found.layout.name == name


@pytest.mark.parametrize("name", NAMES)
def test_no_other_layout_fits_a_file_as_well(tmp_path, name):
    offer = offer_of(deliver(tmp_path, PROVIDER, PERIOD, {name: 3}).path)
    share = {
        other: sum(e["column"] in columns_of(offer, layout) for e in layout.columns) / len(layout.columns)
        for other, layout in load().layouts.items()
    }
    assert share[name] > 0.5
    assert [other for other in share if other != name and share[other] > 0.9 * share[name]] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_must_be_there_has_a_column(name):
    standard, layout = load(), load().layouts[name]
    mandatory = {row["field"] for row in standard.fields_of(layout.table) if row["requirement"] == "mandatory"}
    assert mandatory <= set(layout.fields)
    assert set(layout.key) <= set(layout.fields)


@pytest.mark.parametrize("name", NAMES)
def test_a_layout_says_everything_once(name):
    layout = load().layouts[name]
    assert len(set(layout.known_columns)) == len(layout.known_columns)
    assert len(layout.fields) == len(layout.columns)
    dates = {row["field"] for row in load().fields_of(layout.table) if row["type"] == "date"}
    assert {e["recorded_on"] for e in layout.columns if e.get("recorded_on")} <= set(layout.fields) & dates
    assert layout.table == "patient" or layout["event_date"] in layout.fields


@pytest.mark.parametrize("name", NAMES)
def test_a_file_goes_from_one_end_to_the_other(lake_of, name):
    lake, standard, _ = lake_of(name)
    assert outcomes(lake) == [(f"{PROVIDER}/{PERIOD}", "accepted", "", "")]
    table = standard.layouts[name].table
    assert ask((standard, lake), f"select count(*) from validated.{table}") == [(30,)]
    [(n,)] = ask(
        (standard, lake), f"select count(distinct local_patient_id) from harmonised.patient where layout = '{name}'"
    )
    assert n == 30


@pytest.mark.parametrize("name", [n for n in NAMES if not load().layouts[n].characteristics])
def test_a_file_in_which_nobody_is_asked_anything_has_a_page_too(lake_of, name):
    """Contacts and referrals hold no coded field: rules are all that can be said of them."""
    lake, standard, _ = lake_of(name)
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        run_chunk("feedback", [f"{PROVIDER}/{PERIOD}"], standard, lake)
    told = json.loads(lake.path("provider", PROVIDER, PERIOD, "scorecard.json").read_text(encoding="utf-8"))
    assert [rule for rule in told["rules"] if rule["layout"] == name]
    assert [row for row in told["fields"] if row["layout"] == name] == []
    assert "<h1>" in lake.path("provider", PROVIDER, PERIOD, "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_dropped_never_reaches_bronze(lake_of, name):
    lake, standard, _ = lake_of(name)
    [file] = lake.files("bronze", name)
    columns = duckdb.sql(f"select * from read_parquet('{file}', hive_partitioning = false)").columns
    assert not set(standard.layouts[name].drop) & set(columns)
    assert b"Thirdparty" not in Path(file).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_every_coded_column_is_read_as_it_was_meant(lake_of, name):
    lake, standard, sent = lake_of(name)
    meant = {}
    for line, truth in enumerate(sent.truth[name], 1):
        for field, code in truth.items():
            meant[field, sent.rows[name][line - 1][column_for(name, field)]] = code
    found = ask(
        (standard, lake),
        "select characteristic, source_value, code from harmonised.characteristic where code is not null",
    )
    said = {(field, value): code for field, value, code in found}
    assert {key: said.get(key) for key in meant} == meant


@pytest.mark.parametrize("name", [n for n in NAMES if load().layouts[n].events])
def test_events_become_activity(lake_of, name):
    lake, standard, _ = lake_of(name)
    found = ask(
        (standard, lake), "select kind, count(*), count(distinct event_date) > 9 from harmonised.activity group by 1"
    )
    assert sorted(found) == [(kind, 30, True) for kind in sorted(standard.layouts[name].events)]


def test_one_pathway_is_as_many_events_as_have_happened(tmp_path):
    """A referral counts from its day on, and is over when the person was told; a treatment counts when it has begun."""
    days = {
        "PW1": {"CANCER FASTER DIAGNOSIS PATHWAY END DATE": "", "TREATMENT START DATE (CANCER)": ""},
        "PW2": {"CANCER FASTER DIAGNOSIS PATHWAY END DATE": "2026-09-20", "TREATMENT START DATE (CANCER)": ""},
        "PW3": {
            "CANCER FASTER DIAGNOSIS PATHWAY END DATE": "2026-09-20",
            "TREATMENT START DATE (CANCER)": "2026-10-02",
        },
    }
    told = {"CANCER REFERRAL TO TREATMENT PERIOD START DATE": "2026-09-01", "CANCER TREATMENT MODALITY": "01"}

    def edit(_layout: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        return [row | told | said | {"PATIENT PATHWAY IDENTIFIER": key} for row, (key, said) in zip(rows, days.items())]

    lake = lakes.new_lake(tmp_path)
    deliver(lake.path("landing"), PROVIDER, PERIOD, {"cancer_waits": 3}, edit=edit)
    standard = sending("cancer_waits")
    lakes.run(standard, lake)
    found = ask(
        (standard, lake),
        """
        select patient_no, kind, event_date::text, ended_on::text, outcome_code from harmonised.activity order by all""",
    )
    first = "2026-09-01"
    assert [(no, kind, begun, ended) for no, kind, begun, ended, _ in found] == [
        (1, "cancer_referral", first, None),
        (2, "cancer_referral", first, "2026-09-20"),
        (3, "cancer_referral", first, "2026-09-20"),
        (3, "cancer_treatment", first, "2026-10-02"),
    ]
    assert [outcome for *_, kind, _, _, outcome in found if kind == "cancer_treatment"] == ["01"]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_layout_has_no_column_for_is_not_collected(lake_of, name):
    """Nothing stands in harmonised for it: `not_collected` is known from the layout, never from a value."""
    lake, standard, _ = lake_of(name)
    layout = standard.layouts[name]
    stated = {
        item["characteristic"]
        for items in (layout["states"] or {}).values()
        for item in (items if isinstance(items, list) else [])
    }
    collected = {field for field in layout.fields if field in standard.characteristics()} | stated
    found = {row[0] for row in ask((standard, lake), "select distinct characteristic from harmonised.characteristic")}
    assert found <= collected


def test_overrides_put_raw_values_where_they_are_wanted(tmp_path):
    wanted = {"ETHNIC_CATEGORY": ["Z", "99", "", "X7"]}
    sent = deliver(tmp_path, PROVIDER, PERIOD, {"pas_patient": 6}, overrides={"pas_patient": wanted})
    assert [row["ETHNIC_CATEGORY"] for row in sent.rows["pas_patient"][:4]] == wanted["ETHNIC_CATEGORY"]
    again = deliver(
        tmp_path,
        PROVIDER,
        PERIOD,
        {"pas_patient": 6},
        name="again",
        overrides={"pas_patient": {"ethnic_category": ["Z"]}},
    )
    assert again.rows["pas_patient"][0]["ETHNIC_CATEGORY"] == "Z"


def test_a_charity_finds_help_and_an_example_for_every_column():
    columns = load().layouts["small_csv"].columns
    assert all(entry.get("help") for entry in columns)
    assert all(isinstance(entry.get("example"), str) for entry in columns)
    collected = {entry["field"] for entry in columns}
    care = ("long-term conditions", "prevention")  # what general practice codes of its own work, and asks nobody
    asked = {row["field"] for row in load().fields_of("patient") if row["type"] == "code" and row["topic"] not in care}
    assert asked - collected == set(), "a charity can answer every coded item of a person"


@pytest.mark.parametrize("name", [n for n in NAMES if any("example" in e for e in load().layouts[n].columns)])
def test_the_example_of_the_template_is_understood_and_left_out_when_it_is_sent_by_mistake(tmp_path, monkeypatch, name):
    lakes.hasten(monkeypatch)
    lake, standard = lakes.new_lake(tmp_path), sending(name)
    example = {entry["column"]: entry["example"] for entry in standard.layouts[name].columns}
    deliver(lake.path("landing"), PROVIDER, PERIOD, {name: 1}, edit=lambda layout, rows: [example])
    lakes.run(standard, lake)
    assert [row[1] for row in outcomes(lake)] == ["accepted"]
    assert ask((standard, lake), "select exclusion from harmonised.patient") == [("test record",)]
    unread = "select characteristic, source_value from harmonised.characteristic where status = 'unrecognised'"
    assert ask((standard, lake), unread) == []


def test_digits_of_the_years_before_2001_are_read_only_in_those_years(tmp_path, monkeypatch):
    lakes.hasten(monkeypatch)
    lake, standard = lakes.new_lake(tmp_path), sending("sus_admitted")

    def dated(layout: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        for row, day in zip(rows, ("2001-03-31", "2001-04-01", f"{PERIOD}-01"), strict=True):
            row |= {"ETHNOS": "4", "ADMIDATE": day, "DISDATE": "", "DOB": "1950-01-01"}
        return rows

    deliver(lake.path("landing"), PROVIDER, PERIOD, {"sus_admitted": 3}, edit=dated)
    lakes.run(standard, lake)
    query = """select recorded_on::text, status, reason from harmonised.characteristic
               where characteristic = 'ethnic_category' order by 1"""
    found = ask((standard, lake), query)
    assert [row[:2] for row in found] == [
        ("2001-03-31", "known"),
        ("2001-04-01", "unrecognised"),
        (f"{PERIOD}-01", "unrecognised"),
    ]
    assert {row[2] for row in found[1:]} == {"not_valid_on_date"}


def test_a_language_column_may_hold_braille_which_is_a_format(tmp_path, monkeypatch):
    lakes.hasten(monkeypatch)
    lake, standard = lakes.new_lake(tmp_path), sending("mhsds_patient")
    overrides = {"mhsds_patient": {"main_language": ["q1", "pl"]}}
    deliver(lake.path("landing"), PROVIDER, PERIOD, {"mhsds_patient": 2}, overrides=overrides)
    lakes.run(standard, lake)
    found = ask(
        (standard, lake),
        "select source_value, code from harmonised.characteristic where characteristic = 'information_format'",
    )
    assert found == [("q1", "braille")]


def test_a_small_service_may_leave_out_what_it_does_not_hold(tmp_path):
    """Three columns of the template are enough, and a column of its own does no harm to a fuller file."""
    standard = load()
    few = tmp_path / "few.csv"
    few.write_text("Your reference,Ethnicity,Language they speak\n1,Somali,Somali\n", encoding="utf-8")
    assert recognise(head_of(few), standard, list(standard.layouts)).layout.name == "small_csv"
    without = tmp_path / "without.csv"
    without.write_text("Ethnicity,Language they speak\nSomali,Somali\n", encoding="utf-8")
    found = recognise(head_of(without), standard, list(standard.layouts))
    assert (found.reason, found.detail) == ("missing_column", "Your reference")
    other = tmp_path / "other.csv"
    other.write_text("Ethnicity,Mood,Shoe size\nSomali,good,39\n", encoding="utf-8")
    assert recognise(head_of(other), standard, ["small_csv"]).reason == "unknown_layout"


def test_a_layout_of_pseudonyms_is_not_asked_for_check_digits_and_an_unknown_kind_of_number_is_refused(tmp_path):
    folder = copied_standard(tmp_path)
    layout = folder / "standards" / "layouts" / "pas_patient.yml"
    replace(layout, "nhs_number: clear", "nhs_number: pseudonym(north)")
    loaded = load(folder)
    assert loaded.layouts["pas_patient"].pseudonym_key == "north"
    assert "patient.nhs_number.passes_check" not in {rule.id for rule in loaded.rules_of_layout["pas_patient"]}
    assert "patient.nhs_number.passes_check" in {rule.id for rule in loaded.rules_of_layout["emis_patient"]}
    line = replace(layout, "nhs_number: pseudonym(north)", "nhs_number: hashed")
    with pytest.raises(Faults, match=rf"pas_patient.yml:{line}: nhs_number 'hashed' is not known"):
        load(folder)
