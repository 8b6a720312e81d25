"""The demonstration's data: what the truth says about a file is what stands in the file."""

import csv
import hashlib
import io
import json
import re
import shutil
from pathlib import Path

import duckdb
import nhs_number
import pandas as pd
import pytest

from transforms import demo_data as module
from transforms.demo_data import OtherDemoData, demo_data
from transforms.demo_deliveries import DELIMITER, RESOURCE
from transforms.demo_people import Source
from transforms.fhirpath import query
from transforms.standard import load

PEOPLE = 6000


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("demo")
    demo_data(root, people=PEOPLE)
    return root


def truth(lake: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(lake / "demo" / "truth" / f"{name}.parquet")


def read(lake: Path, provider: str, period: str, delivery: str, layout: str) -> list[dict[str, str]]:
    folder = lake / "landing" / provider / period / delivery
    content = next(folder.glob(f"{provider}_{layout}_{period.replace('-', '')}.*")).read_bytes()
    if layout in RESOURCE:
        return paths_read(content.decode(), layout)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252")
    return list(csv.DictReader(io.StringIO(text), delimiter=DELIMITER.get(layout, ",")))


def paths_read(text: str, layout: str) -> list[dict[str, str]]:
    """What the layout's paths find in each resource."""
    con, paths = duckdb.connect(), [entry["column"] for entry in load().layouts[layout].columns]
    con.execute("create table sent (no integer, resource json)")
    con.executemany("insert into sent values (?, ?)", list(enumerate(text.splitlines())))
    found = con.execute(query(paths, {}, "(from sent order by no)")).fetchall()
    return [dict(zip(paths, (value or "" for value in row), strict=True)) for row in found]


def everything(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()
    }


def test_same_seed_same_bytes(lake, tmp_path):
    demo_data(tmp_path, people=PEOPLE)
    assert everything(tmp_path) == everything(lake)


def test_a_second_run_changes_nothing_and_says_so(lake):
    before = {path: path.stat().st_mtime_ns for path in lake.rglob("*")}
    assert demo_data(lake, people=PEOPLE)["is_unchanged"]
    assert before == {path: path.stat().st_mtime_ns for path in lake.rglob("*")}


def test_an_interrupted_run_is_finished(lake, tmp_path):
    again = shutil.copytree(lake, tmp_path / "lake")
    (again / "demo" / "made.json").unlink()
    lost = next((again / "landing").rglob("_READY"))
    lost.unlink()
    assert not demo_data(again, people=PEOPLE)["is_unchanged"]
    assert everything(again) == everything(lake)


def test_other_demo_data_are_not_mixed_in(lake):
    before = everything(lake)
    with pytest.raises(OtherDemoData):
        demo_data(lake, people=PEOPLE, seed=1)
    assert everything(lake) == before


def test_people_are_invented_and_different(lake):
    people = truth(lake, "person")
    assert len(people) == PEOPLE
    assert people["nhs_number"].is_unique
    assert people["nhs_number"].str.startswith("999").all()
    assert all(nhs_number.is_valid(number) for number in people["nhs_number"])
    assert people["birth_date"].max() < pd.Timestamp("2026-11-01").date()


def test_most_people_live_in_three_boards(lake):
    boards = truth(lake, "person")["icb_code"].value_counts(normalize=True)
    assert boards[["QHL", "QK1", "QUA"]].sum() > 0.95
    assert len(boards) == 12  # the other eight, and "" for outside, no fixed abode and unmatched


def test_ethnic_groups_follow_the_census(lake):
    people = truth(lake, "person")
    people = people[people["icb_code"] == "QHL"]
    rows = pd.DataFrame(Source(module.STANDARDS).rows("demo/ethnic_category_by_local_authority.csv"))
    rows = rows[rows["local_authority_code"].isin(["E08000025", "E08000029"])].assign(
        people=lambda frame: frame["people"].astype(int)
    )
    expected = rows.groupby("ethnic_category")["people"].sum() / rows["people"].sum()
    found = people["ethnic_category"].value_counts(normalize=True).reindex(expected.index, fill_value=0)
    assert ((found - expected).abs() < 0.03).all()


def test_postcodes_place_people_where_they_live(lake):
    directory = pd.read_csv(lake / "demo" / "postcodes.csv").set_index("postcode")["lsoa21_code"]
    people = truth(lake, "person")
    placed = people[people["place"] == ""]
    assert (directory.reindex(placed["postcode"]).to_numpy() == placed["lsoa21_code"].to_numpy()).all()
    lost = people[people["place"].isin(["pseudo_postcode", "unmatched_postcode"])]
    assert not lost["postcode"].isin(directory.index).any()


def test_every_fault_stands_where_the_truth_says(lake):
    faults = truth(lake, "fault")
    wrong = []
    for (provider, period, delivery, layout), part in faults.groupby(["provider", "period", "delivery", "layout"]):
        rows = read(lake, provider, period, delivery, layout)
        wrong += [fault for fault in part.itertuples() if rows[fault.line - 1][fault.column] != fault.sent]
    assert not wrong


def test_what_is_no_fault_is_the_truth(lake):
    """A national letter that no fault names is the person's own."""
    source = Source(module.STANDARDS)
    rows = read(lake, "ZZ1", "2026-10", "2026-11-08", "pas_patient")
    faults = truth(lake, "fault").query("provider == 'ZZ1' and period == '2026-10' and layout == 'pas_patient'")
    named = set(faults.loc[faults["column"] == "ETHNIC_CATEGORY", "line"])
    record = (
        truth(lake, "record")
        .query("provider == 'ZZ1' and layout == 'pas_patient'")
        .set_index("local_patient_id")["person_no"]
    )
    people = truth(lake, "person").set_index("person_no")["ethnic_category"]
    for line, row in enumerate(rows, 1):
        who = record[row["PATIENT_ID"]]
        if line not in named and who:
            assert row["ETHNIC_CATEGORY"] == source.national()[people[who]]


def test_every_fault_class_happens_about_as_often_as_declared(lake):
    faults, source = truth(lake, "fault"), Source(module.STANDARDS)
    assert {row["fault"] for row in source.faults} <= set(faults["fault"]) | {
        "placeholder_nhs_number",
        "future_birth_date",
    }
    rows = len(read(lake, "ZZ5", "2026-10", "2026-11-08", "pas_patient"))
    counted = faults.query("provider == 'ZZ5' and period == '2026-10' and layout == 'pas_patient'")[
        "fault"
    ].value_counts()
    for row in source.faults:
        if row["layout"] == "pas_patient" and row["providers"] == "ZZ5":
            assert abs(counted[row["fault"]] / rows - float(row["rate"])) < 0.07


def test_every_rule_that_a_fault_names_is_a_rule_of_its_layout():
    standard, claims_of = load(), {}
    for row in Source(module.STANDARDS).faults:
        layouts = (row["layout"], *row["taken_over_by"].split())
        assert row["field"] in standard.layouts[row["layout"]].fields
        rules = {
            rule.id
            for layout in layouts
            for rule in (*standard.rules_of_layout[layout], *standard.compared_of_layout[layout])
        }
        tables = {standard.layouts[layout].table for layout in layouts}
        for claim in row["rules"].split():
            assert {f"{table}.{claim}" for table in tables} & rules, f"{row['fault']}: nothing claims {claim}"
        about = (row["rules"], row["taken_over_by"])  # whoever has the fault, the same finds it
        assert claims_of.setdefault((row["fault"], row["layout"], row["field"]), about) == about


def test_every_fault_of_the_truth_is_declared(lake):
    declared = {
        (row["fault"], layout, row["field"])
        for row in Source(module.STANDARDS).faults
        for layout in (row["layout"], *row["taken_over_by"].split())
    }
    layouts = load().layouts
    for fault, layout, column in truth(lake, "fault")[["fault", "layout", "column"]].drop_duplicates().to_numpy():
        [field] = {entry["field"] for entry in layouts[layout].columns if entry["column"] == column}
        assert (fault, layout, field) in declared


def test_the_docstring_lists_every_fault_with_its_rates():
    said = " ".join((module.__doc__ or "").split())
    for row in Source(module.STANDARDS).faults:
        assert row["fault"] in said
        line = re.search(rf"\n    {row['fault']} .*(\n {{20,}}.*)*", module.__doc__)[0]
        if row["rate"]:  # else it comes of another one
            assert f"{float(row['rate']) * 100:g} %" in line
        assert row["providers"] in line
    for row in Source(module.STANDARDS).settings["deliveries"]:
        assert row["fault"] in said


def test_deliveries_are_what_the_truth_says(lake):
    outcome = truth(lake, "outcome")
    folders = {(p.parts[-3], p.parts[-2], p.parts[-1]) for p in (lake / "landing").glob("*/*/*")}
    assert folders == set(outcome[["provider", "period", "delivery"]].itertuples(index=False, name=None))
    assert outcome["provider"].nunique() == 39
    in_force = outcome[outcome["is_in_force"]].groupby("provider")["period"].nunique()
    assert in_force["ZZ7"] == in_force["ZP024"] == 24
    assert in_force["ZZ1"] == 3
    assert not outcome.duplicated(["provider", "period", "delivery"]).any()
    assert not outcome[outcome["is_in_force"]].duplicated(["provider", "period"]).any()


def test_manifests_are_true_but_one(lake):
    untrue = set()
    for ready in (lake / "landing").rglob("_READY"):
        for item in json.loads(ready.read_text() or '{"files": []}')["files"]:
            if hashlib.sha256((ready.parent / item["name"]).read_bytes()).hexdigest() != item["sha256"]:
                untrue.add(ready.parent.parts[-3:])
    outcome = truth(lake, "outcome").query("reason == 'wrong_hash'")
    assert untrue == set(outcome[["provider", "period", "delivery"]].itertuples(index=False, name=None))


def test_ready_comes_last(lake):
    for ready in (lake / "landing").rglob("_READY"):
        assert all(other.stat().st_mtime_ns <= ready.stat().st_mtime_ns for other in ready.parent.iterdir())


def test_encodings_are_those_of_real_systems(lake):
    files = [path.read_bytes() for path in (lake / "landing").rglob("*.csv")]
    assert any(content.startswith(b"\xef\xbb\xbf") for content in files)
    assert any(b"\r\n" in content for content in files)
    assert any(b"\xe1" in content and not _is_utf8(content) for content in files)  # Siobhán in Windows-1252


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_people_appear_in_several_places(lake):
    record = truth(lake, "record").query("person_no > 0")
    providers = record.groupby("person_no")["provider"].nunique()
    assert (providers > 1).mean() > 0.3
    assert providers.max() >= 3


def test_attendance_differs_by_deprivation(lake):
    people = truth(lake, "person").set_index("person_no")["quintile"]
    record = truth(lake, "record").query("layout == 'sus_outpatient'").drop_duplicates(["provider", "local_patient_id"])
    who = record.set_index(["provider", "local_patient_id"])["person_no"]
    missed, counted = {1: 0, 5: 0}, {1: 0, 5: 0}
    for provider in ("ZZ1", "ZZ3", "ZZ5"):
        for row in read(lake, provider, "2026-10", "2026-11-08", "sus_outpatient"):
            quintile = people[who[provider, row["LOPATID"]]] if row["LOPATID"] else 0
            if quintile in missed and row["ATTENDED"] in "3567":
                counted[quintile] += 1
                missed[quintile] += row["ATTENDED"] in "37"
    assert missed[1] / counted[1] > missed[5] / counted[5] + 0.03


def test_carers_are_named_only_in_columns_that_are_dropped(lake):
    rows = read(lake, "ZZ1", "2026-10", "2026-11-08", "pas_patient")
    assert any(row["CARER_NAME"] for row in rows)


NEW = {
    "ZZ1": ("sus_admitted", "ecds"),
    "ZP025": ("tpp_patient", "tpp_code"),
    "ZM01": ("mhsds_patient",),
    "ZC01": ("csds_patient",),
    "ZL01": ("social_care",),
    "ZV01": ("small_csv",),
    "ZF01": ("fhir_patient",),
}


def last_file(lake: Path, provider: str, layout: str) -> list[dict[str, str]]:
    folder = next((lake / "landing" / provider / "2026-10").iterdir())
    return read(lake, provider, "2026-10", folder.name, layout)


@pytest.mark.parametrize(("provider", "layout"), [(p, layout) for p, layouts in NEW.items() for layout in layouts])
def test_every_layout_has_a_sender_whose_rows_are_known_people(lake, provider, layout):
    rows = last_file(lake, provider, layout)
    assert len(rows) >= 4
    known = set(load().layouts[layout].known_columns)
    assert set(rows[0]) <= known
    record = truth(lake, "record").query("layout == @layout and provider == @provider")
    local = load().layouts[layout].fields["local_patient_id"]["column"]
    assert {row[local] for row in rows if row[local]} <= set(record["local_patient_id"])


def test_every_layout_of_the_standard_is_sent_by_somebody():
    sent = {name for row in Source(module.STANDARDS).providers for name in row["layouts"].split()}
    assert sent == set(load().layouts)


def test_services_know_people_whom_others_know_too(lake):
    record = truth(lake, "record").query("person_no > 0")
    elsewhere = set(record[~record["provider"].isin(["ZM01", "ZC01", "ZL01", "ZV01", "ZF01"])]["person_no"])
    for provider in ("ZM01", "ZC01", "ZL01", "ZV01", "ZF01"):
        assert record[record["provider"] == provider]["person_no"].isin(elsewhere).mean() > 0.8


def test_a_practice_with_systmone_has_patients_of_its_own(lake):
    record = truth(lake, "record")
    lists = record[record["layout"].isin(["emis_patient", "tpp_patient"]) & (record["person_no"] > 0)]
    systmone = set(lists.query("layout == 'tpp_patient'")["person_no"])
    assert systmone
    assert not systmone & set(lists.query("layout == 'emis_patient'")["person_no"])


def test_a_charity_writes_words(lake):
    rows = last_file(lake, "ZV01", "small_csv")
    words = {row["Ethnicity"] for row in rows}
    assert len(words) > 8
    assert any(" " in word for word in words)
    assert not any(len(word) == 1 for word in words)


def test_every_coded_column_of_the_services_is_filled_in_sometimes(lake):
    for provider in ("ZM01", "ZC01", "ZL01", "ZV01", "ZF01"):
        [layout] = NEW[provider]
        months = [folder.name for folder in sorted((lake / "landing" / provider).iterdir())]
        rows = [
            row
            for month in months
            for row in read(lake, provider, month, next((lake / "landing" / provider / month).iterdir()).name, layout)
        ]
        for entry in load().layouts[layout].columns:
            if entry.get("vocabulary"):
                assert any(row[entry["column"]] for row in rows), entry["column"]
