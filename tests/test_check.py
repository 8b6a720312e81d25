"""`check FILE`: the service's own verdict on a file that lies anywhere, before it is sent."""

import re
import tempfile

import pytest

from tests.abrupt import small_disk
from tests.synthetic import deliver
from transforms.__main__ import main
from transforms.advise import plain
from transforms.check import check
from transforms.lake import UsageError

PERIOD = "2026-09"


def made(tmp_path, layout, n=30, faults=None, **more):
    """One file of a layout, outside any landing folder."""
    sent = deliver(tmp_path / "sent", "ZZ1", PERIOD, {layout: n}, faults, **more)
    content = next(path for path in sent.path.iterdir() if path.name != "_READY").read_bytes()
    target = tmp_path / "export.txt"
    target.write_bytes(content)
    return target


def test_a_good_file_is_recognised_and_accepted(standard, tmp_path):
    report = check(made(tmp_path, "sus_outpatient"), standard)
    assert "Layout: sus_outpatient" in report and "certain" in report
    assert f"for {PERIOD}" in report  # the month of its latest appointment, not today's
    assert "\nVerdict: it would be accepted.\n\nWhat would help most:\n" in report


@pytest.mark.parametrize("kilobytes", [40, 200])
def test_where_there_is_no_room_to_check_it_that_place_is_said_to_be_full(tmp_path, monkeypatch, capsys, kilobytes):
    file = made(tmp_path, "pas_patient", n=300)
    monkeypatch.setattr("transforms.check.IN_MEMORY", tmp_path / "nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "small"))
    with small_disk(tmp_path / "small", kilobytes):
        assert main(["check", str(file)]) == 14
    said = capsys.readouterr().err
    assert f"{tmp_path}/small/check-" in said and "make room" in said


def test_a_misspelt_column_is_named_with_its_near_match(standard, tmp_path):
    file = made(tmp_path, "pas_patient")
    file.write_bytes(file.read_bytes().replace(b"ETHNIC_CATEGORY|", b"ETHNIC_CATGORY|", 1))
    report = check(file, standard)
    assert "ETHNIC_CATGORY    did you mean 'ETHNIC_CATEGORY'?" in report
    assert "Columns of the layout that the file does not have: 1" in report


def test_a_column_that_no_layout_reads_and_the_standard_has_a_field_for(standard, tmp_path):
    file = made(tmp_path, "pas_patient", n=5)
    file.write_bytes(file.read_bytes().replace(b"TITLE|", b"RELIGION|", 1))
    report = check(file, standard)
    assert "RELIGION    the layout could fill a field with it: did you mean 'religion'?" in report


def helping(report):
    """The last section: what would help most."""
    head, _, said = report.partition("\nWhat would help most:\n")
    assert head
    return [line.split(None, 1)[1] for line in said.splitlines()]


def test_a_code_that_no_map_knows_is_named_with_the_nearest_that_one_does(standard, tmp_path):
    def odd(_, rows):
        words = ["Pakistani"] * 9 + ["99 9"] * 8 + ["W1"] * 8
        for row, word in zip(rows, words, strict=False):
            row["ETHNIC_CATEGORY"] = word
        return rows

    report = check(made(tmp_path, "pas_patient", edit=odd), standard)
    assert "Pakistani    9    did you mean 'J' (Asian or Asian British - Pakistani)?" in report
    assert "99 9    8    did you mean '99'?" in report
    assert "W1    8\n" in report


def test_what_would_help_most_is_ranked_by_the_records_it_would_mend(standard, tmp_path):
    def odd(_, rows):
        for place, row in enumerate(rows):
            row["INTERPRETER_REQUIRED"] = "" if place < 35 else "N"
            row["ETHNIC_CATEGORY"] = "A"
            row["IS_CARER"] = "N"
            for word, first, last in (("W1", 0, 10), ("W2", 10, 19), ("W3", 19, 27), ("W4", 27, 29), ("", 30, 34)):
                row["ETHNIC_CATEGORY"] = word if first <= place < last else row["ETHNIC_CATEGORY"]
        return rows

    file = made(tmp_path, "pas_patient", n=40, edit=odd)
    file.write_bytes(file.read_bytes().replace(b"CARER_SUPPORT_INDICATOR|", b"PET|", 1))
    said = helping(check(file, standard))
    assert len(said) == 5
    wanted = [
        "40 records: add the column CARER_SUPPORT_INDICATOR: has_carer is in no record",
        "35 records: fill in INTERPRETER_REQUIRED, which is blank",
        "27 records: send these 3 codes of ETHNIC_CATEGORY in 'National ethnic category codes 2001 (16+1)', "
        "or ask for rows in its map: W1, W2, W3",
    ]
    assert [line for line in said if line in wanted] == wanted
    numbers = [int(line.split()[0]) for line in said]
    assert numbers == sorted(numbers, reverse=True)


def test_a_column_in_the_codes_of_another_list_is_said_so(standard, tmp_path):
    def odd(_, rows):
        for place, row in enumerate(rows):
            row["ETHNIC_CATEGORY"] = str(place % 19 + 1)
        return rows

    report = check(made(tmp_path, "pas_patient", n=40, edit=odd), standard)
    assert "ETHNIC_CATEGORY holds codes of 'ONS Census 2021 ethnic group codes'" in report
    assert "and the layout says 'National ethnic category codes 2001 (16+1)'" in report


def test_what_is_set_aside_is_said_with_the_rule_that_does_it(standard, tmp_path):
    report = check(made(tmp_path, "sus_outpatient", faults={"missing_key": 3}), standard)
    assert re.search(r"\nSet aside: 3 records\n +3 by appointment\.appointment_id\.", report)
    assert any("(these are set aside)" in line for line in helping(report))


def test_a_column_full_of_unknown_codes_does_not_flood_the_report(standard, tmp_path):
    def odd(_, rows):
        for place, row in enumerate(rows):
            row["ETHNIC_CATEGORY"] = f"Q{place % 25:02}"
        return rows

    report = check(made(tmp_path, "pas_patient", n=200, edit=odd), standard)
    assert len(re.findall(r"\n        Q\d\d    8", report)) == 20 and "\n        and 5 more\n" in report


def test_a_code_counts_by_the_day_that_it_is_about(standard, tmp_path):
    """A legacy digit is known before April 2001 and no code of any list after that."""

    def odd(_, rows):
        for place, row in enumerate(rows):
            row["ETHNOS"] = "4" if place < 20 else "A"
            row["ADMIDATE"] = "2000-05-05" if place < 8 else row["ADMIDATE"]
        return rows

    report = check(made(tmp_path, "sus_admitted", n=40, edit=odd), standard)
    assert (
        "ETHNOS: 12 records, 1 different values\n        4    12    the standard refuses it, or it counts only on other dates"
        in report
    )


def test_a_value_of_a_sensitive_field_is_named_later(standard, tmp_path):
    [column] = [e["column"] for e in standard.layouts["small_csv"].columns if e["field"] == "sexual_orientation"]

    def odd(_, rows):
        for place, row in enumerate(rows):
            row[column] = "Q1" if place < 9 else "Q2" if place < 20 else row[column]
        return rows

    report = check(made(tmp_path, "small_csv", edit=odd), standard)
    assert "Q2    11" in report and "Q1" not in report
    assert "each fewer than 10 times, are not shown: 9 records" in report


def test_rare_values_are_not_named_where_it_says_what_would_help(standard, tmp_path):
    def odd(_, rows):
        for place, row in enumerate(rows):
            row["ETHNIC_CATEGORY"] = f"Secretname{place}"
        return rows

    report = check(made(tmp_path, "pas_patient", edit=odd), standard)
    assert "Secretname" not in report and "send the rare codes of ETHNIC_CATEGORY" in report


def test_resources_are_checked_like_any_other_file(standard, tmp_path):
    report = check(made(tmp_path, "fhir_patient", n=12), standard)
    assert "Layout: fhir_patient" in report and "certain" in report
    assert "Records: 12, judged" in report and "Verdict: it would be accepted." in report


def test_rare_codes_are_counted_and_not_shown(standard, tmp_path):
    def odd(_, rows):
        for place, row in enumerate(rows):
            row["ETHNIC_CATEGORY"] = "QQQ" if place < 9 else "Secretname" if place < 11 else row["ETHNIC_CATEGORY"]
        return rows

    report = check(made(tmp_path, "pas_patient", edit=odd), standard)
    assert "QQQ    9" in report and "Secretname" not in report
    assert "1 values, each fewer than 8 times, are not shown: 2 records" in report


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("header_only", "no_rows"),
        ("ragged_row", "unreadable_rows"),
        ("missing_mandatory_column", "missing_column"),
        ("empty_file", "empty_file"),
        ("binary_junk", "binary_file"),
        ("unknown_layout", "unknown_layout"),
    ],
)
def test_what_would_be_rejected_says_why_and_what_to_do(standard, tmp_path, fault, reason):
    report = check(made(tmp_path, "pas_patient", faults={fault: True}), standard)
    said = standard.words(reason)
    assert f"it would be REJECTED. {said['words']}" in report and said["what_to_do"] in report
    assert helping(report)[0] == f"every record: {said['what_to_do']}"


def test_a_first_line_that_may_be_a_person_is_not_repeated(standard, tmp_path):
    file = tmp_path / "no-header.txt"
    file.write_text("Amara|Begum|9991234567\nJoan|Ellis|9997654321\n", encoding="utf-8")
    report = check(file, standard)
    assert "Amara" not in report and "999" not in report and "Is the first line a header?" in report


def test_no_value_of_a_patient_is_in_the_report(standard, tmp_path):
    faults = {"future_birth_date": 3, "malformed_nhs_number": 3, "hostile_name": 2}
    sent = deliver(tmp_path / "landing", "ZZ1", PERIOD, {"pas_patient": 30}, faults)
    file = next(path for path in sent.path.iterdir() if path.name != "_READY")
    report = check(file, standard)
    assert standard.providers["ZZ1"]["name"] in report  # a file in a landing folder is judged as its provider's
    for row in sent.rows["pas_patient"]:
        assert not any(row[c] and row[c] in report for c in ("PATIENT_ID", "NHS_NUMBER", "POSTCODE", "DATE_OF_BIRTH"))


def test_a_wrong_layout_name_is_answered_with_the_nearest(standard, tmp_path):
    file = made(tmp_path, "pas_patient", n=2)
    with pytest.raises(UsageError, match="did you mean 'pas_patient'"):
        check(file, standard, "pas_pateint")
    with pytest.raises(UsageError, match="not a file"):
        check(tmp_path / "nothing.csv", standard)


def test_nothing_is_left_behind(standard, tmp_path, monkeypatch):
    monkeypatch.setattr("transforms.check.IN_MEMORY", tmp_path / "none")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    check(made(tmp_path, "pas_patient"), standard)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_terminal_is_not_steered():
    assert plain("\x1b[2Jred\n") == "\ufffd[2Jred\ufffd"
    assert len(plain("x" * 500)) == 60
