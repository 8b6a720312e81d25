"""ingest.py: bronze is a faithful copy, every column as text; only what the layout drops is left behind."""

import csv
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests import lakes
from tests.lakes import PERIOD, events
from tests.synthetic import COLUMNS, deliver
from transforms import work
from transforms.lake import Lake
from transforms.receive import receive
from transforms.standard import load

NAMES = COLUMNS["pas_patient"].split()
DROPPED = set(load().layouts["pas_patient"].drop)
CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lakes.new_lake(tmp_path)


def bronze(
    lake: Lake, rows: list[dict[str, str]] | None = None, data: bytes | None = None
) -> list[dict[str, str | None]]:
    """What bronze holds of one patient index, given as rows or as the bytes of a file."""
    sent = deliver(
        lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": len(rows or [1])}, edit=lambda layout, made: rows or made
    )
    if data is not None:
        next(sent.path.glob("*.csv")).write_bytes(data)
        (sent.path / "_READY").touch()
    receive(load(), lake)
    work.run_chunk("ingest", work.pending(load(), lake), load(), lake)
    files = lake.files("bronze", "pas_patient")
    if not files:
        return []
    found = duckdb.sql(f"select * from read_parquet('{files[-1]}', hive_partitioning = false)")
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def row(**cells: str) -> dict[str, str]:
    return dict.fromkeys(NAMES, "") | cells


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=4))
@example([["a|b", 'say "no"', " 007 "], ["=1+1", "'; drop table x; --", "NULL"]])
@example([["\\", '"', "|"], ["N/A", "1e5", "0012"]])
def test_what_was_sent_is_what_is_there(tmp_path_factory, cells):
    lake = lakes.new_lake(tmp_path_factory.mktemp("faithful"))
    sent = [row(PATIENT_ID=a or "x", FAMILY_NAME=b, ETHNIC_CATEGORY=c) for a, b, c in cells]
    found = bronze(lake, sent)
    assert [{name: cell or "" for name, cell in one.items()} for one in found] == [
        {name: cell for name, cell in one.items() if name not in DROPPED} for one in sent
    ]


def test_a_line_break_inside_a_value_does_not_break_a_row(lake):
    found = bronze(lake, [row(PATIENT_ID="1", FAMILY_NAME="two\nlines"), row(PATIENT_ID="2", FAMILY_NAME="after")])
    assert [one["FAMILY_NAME"] for one in found] == ["two\nlines", "after"]


def test_codes_stay_text(lake):
    found = bronze(lake, [row(PATIENT_ID="000123", NHS_NUMBER="0123456789", ETHNIC_CATEGORY="01")])
    assert (found[0]["PATIENT_ID"], found[0]["NHS_NUMBER"], found[0]["ETHNIC_CATEGORY"]) == (
        "000123",
        "0123456789",
        "01",
    )


def test_what_the_layout_drops_never_reaches_bronze(lake):
    assert DROPPED
    found = bronze(lake, [row(PATIENT_ID="1", CARER_NAME="A Thirdparty", NOTES="private")])
    assert not DROPPED & set(found[0])
    for path in lake.path("bronze").rglob("*.parquet"):
        assert b"Thirdparty" not in path.read_bytes()


def encoded(text: str, encoding: str, line: str = "\n") -> bytes:
    lines = ["|".join(NAMES), "|".join(row(PATIENT_ID="1", FAMILY_NAME=text).values()), ""]
    return line.join(lines).encode(encoding)


@pytest.mark.parametrize(
    ("encoding", "line"),
    [("utf-8", "\n"), ("utf-8", "\r\n"), ("utf-8-sig", "\n"), ("cp1252", "\n"), ("cp1252", "\r\n")],
)
def test_a_name_arrives_whole_in_every_encoding(lake, encoding, line):
    found = bronze(lake, data=encoded("Zoë Łuk" if encoding != "cp1252" else "Zoë Müller", encoding, line))
    assert found[0]["FAMILY_NAME"] == ("Zoë Łuk" if encoding != "cp1252" else "Zoë Müller")
    assert found[0]["PATIENT_ID"] == "1"


def test_a_file_without_a_last_line_break_is_whole(lake):
    assert len(bronze(lake, data=encoded("Last", "utf-8").rstrip(b"\n"))) == 1


def test_two_columns_of_one_name_are_both_kept(lake):
    lines = ["|".join([*NAMES, "SEX"]), "|".join([*row(PATIENT_ID="1", SEX="1").values(), "2"]), ""]
    found = bronze(lake, data="\n".join(lines).encode())
    assert sorted(value for name, value in found[0].items() if name.startswith("SEX")) == ["1", "2"]


def test_a_column_with_a_hostile_name_is_a_column(lake):
    name = "x'); drop table y; --\" \\"
    lines = [
        "|".join([*NAMES, '"' + name.replace('"', '""') + '"']),
        "|".join([*row(PATIENT_ID="1").values(), "kept"]),
        "",
    ]
    assert bronze(lake, data="\n".join(lines).encode())[0][name] == "kept"


@pytest.mark.parametrize(
    "spoil", [lambda line: line + "|more", lambda line: line.replace("|", "", 3), lambda line: '"' + line]
)
def test_a_row_that_does_not_fit_is_an_outcome_that_names_its_line_and_nothing_of_it(lake, spoil):
    good = "|".join(row(PATIENT_ID="1", FAMILY_NAME="Begum").values())
    lines = ["|".join(NAMES), good, good, spoil(good), ""]
    assert bronze(lake, data="\n".join(lines).encode()) == []
    [entry] = events(lake, "rejected")
    assert entry["reason"] == "unreadable_rows"
    assert "Begum" not in entry["detail"]
    assert not list(lake.path(".work").glob("*/*"))


def test_a_copy_is_made_once(lake):
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 5})
    receive(load(), lake)
    assert work.run_chunk("ingest", [f"ZZ1/{PERIOD}"], load(), lake)["rows"] == 5
    before = lakes.written(lake, "bronze")
    assert work.run_chunk("ingest", [f"ZZ1/{PERIOD}"], load(), lake)["rows"] == 0
    assert lakes.written(lake, "bronze") == before


def test_lines_are_counted_from_the_first_row_after_the_header(lake, monkeypatch):
    lakes.hasten(monkeypatch)
    sent = deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 9}, {"unrecognised": 2})
    lakes.run(load(), lake)
    found = lakes.ask((load(), lake), "select line from results.issue where rule like '%.recognised' order by 1")
    assert [line for (line,) in found] == sent.lines("unrecognised")
    with open(next(sent.path.glob("*.csv")), encoding="utf-8", newline="") as handle:
        lines = list(csv.DictReader(handle, delimiter="|"))
    assert {lines[line - 1]["ETHNIC_CATEGORY"] for (line,) in found} == {"X7"}
