"""`check FILE`: the service's own verdict on a file that lies anywhere, before it is sent."""

import pytest

from tests.synthetic import deliver
from transforms.check import check, plain
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
    assert report.endswith("Verdict: it would be accepted.\n")


def test_a_misspelt_column_is_named_with_its_near_match(standard, tmp_path):
    file = made(tmp_path, "pas_patient")
    file.write_bytes(file.read_bytes().replace(b"ETHNIC_CATEGORY|", b"ETHNIC_CATGORY|", 1))
    report = check(file, standard)
    assert "ETHNIC_CATGORY    did you mean 'ETHNIC_CATEGORY'?" in report
    assert "Columns of the layout that the file does not have: 1" in report


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
