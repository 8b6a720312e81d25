"""A small demonstration from one end to the other: what is published, beside the truth, fault class by fault class."""

import csv
import shutil
from pathlib import Path

import pytest

from transforms import keys
from transforms.demo_data import STANDARDS, demo_data
from transforms.demo_report import as_text, demo_report
from transforms.geography import import_postcodes
from transforms.lake import Lake
from transforms.publish import publish
from transforms.receive import receive
from transforms.standard import load
from transforms.work import pending, run_chunk

# Every special delivery, and every fault that one provider alone has, in as few submissions as can be.
PROVIDERS = ("ZZ1", "ZZ2", "ZZ3", "ZZ4", "ZZ8", "ZP005", "ZP007", "ZP009", "ZP014", "ZP022")
PROVIDERS += ("ZP025", "ZM01", "ZC01", "ZL01", "ZV01", "ZF01")  # a sender of each other layout
FOUND_BY_A_RULE = (
    "missing_nhs_number", "malformed_nhs_number", "placeholder_nhs_number", "missing_postcode", "missing_value",
    "future_birth_date", "future_date", "duplicate_key", "missing_local_id", "unrecognised_value", "spreadsheet_code",
)  # fmt: skip
HARMLESS = (
    "spaced_nhs_number",
    "postcode_spelling",
    "lower_case_code",
    "local_list_code",
    "local_second_character",
    "own_words",
)


def small_standards(folder: Path) -> Path:
    """A copy of standards/ with few demo providers and two periods."""
    shutil.copytree(STANDARDS, folder)
    with open(folder / "providers.csv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    with open(folder / "providers.csv", "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"starts_on": "2026-09-01"} for row in rows if row["code"] in PROVIDERS)
    settings = folder / "demo" / "demo.yml"
    settings.write_text(settings.read_text().replace("first_period: 2024-11", "first_period: 2026-09"))
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    lake, standard = Lake(root / "lake", root / "keys").prepare(), load()
    keys.initialise(lake)
    demo_data(lake.root, people=4000, standards=small_standards(root / "standards"))
    import_postcodes(lake.path("demo", "postcodes.csv"), lake)
    receive(standard, lake)
    names = pending(standard, lake)
    for stage in ("ingest", "validate", "harmonise"):
        run_chunk(stage, names, standard, lake)
    publish(standard, lake)
    return demo_report(lake, standard)


def test_every_delivery_became_what_was_expected(report):
    assert all(row["expected"] == row["outcome"] for row in report["delivery"])
    assert {row["expected"] for row in report["delivery"]} == {"accepted", "rejected", "unchanged"}
    assert all(row["why"] for row in report["refusal"] if row["expected"] == "rejected")


def test_no_two_people_became_one(report):
    counts = {row["what"]: row["n"] for row in report["person"]}
    assert counts["published people who are two or more people"] == 0
    assert counts["people who became exactly one published person"] > 0.9 * counts["of these, in what may be linked"]


def test_every_coded_fault_is_read_as_it_should_be(report):
    coded = [row for row in report["fault"] if row["n_read_rightly"] is not None]
    assert len({row["fault"] for row in coded}) > 12
    assert [row for row in coded if row["n_read_rightly"] != row["n_rows"]] == []


@pytest.mark.parametrize("fault", FOUND_BY_A_RULE)
def test_a_rule_finds(report, fault):
    rows = [row for row in report["fault"] if row["fault"] == fault]
    assert all(row["n_found_by_a_rule"] == row["n_rows"] for row in rows)


@pytest.mark.parametrize("fault", HARMLESS)
def test_no_rule_blames(report, fault):
    rows = [row for row in report["fault"] if row["fault"] == fault]
    assert rows
    assert all(row["n_found_by_a_rule"] == 0 for row in rows)


@pytest.mark.parametrize("fault", ["test_record", "confidential_record"])
def test_left_out_of_what_is_published(report, fault):
    rows = [row for row in report["fault"] if row["fault"] == fault]
    assert rows
    assert all(row["n_left_out"] == row["n_rows"] for row in rows)


def test_what_is_published_is_mostly_true(report):
    shares = {row["characteristic"]: row["share_right_of_answers"] for row in report["characteristic"]}
    assert shares["ethnic_category"] > 0.88  # wrong entries by design: about one in twenty
    assert all(share > 0.97 for name, share in shares.items() if name != "ethnic_category")


def test_attendance_is_close_to_the_truth(report):
    rows = [
        row for row in report["attendance"] if row["breakdown"] == "everyone" and row["published_share"] is not None
    ]
    assert len(rows) == 1
    assert abs(rows[0]["published_share"] - rows[0]["true_share"]) < 0.02


def test_the_report_says_that_it_is_invented(report):
    assert "invented" in as_text(report).splitlines()[0]
