"""changes.py, protected/moved*.sql, open/moved.sql, open/code_map_change.sql: what a release says has moved, and nothing else."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from tests import lakes
from tests.lakes import PERIOD, replace
from tests.synthetic import deliver
from tests.test_publish import new_lake, opened
from transforms import hold, publish
from transforms.lake import Lake
from transforms.standard import Standard, load

EMIS = "standards/code_systems/ethnic_category/from_emis.csv"
HERITAGE = "standards/code_systems/ethnic_category/to_heritage.csv"
MANY, FEW = 24, 5  # people of two ethnic codes at the practice
MOVES = "select characteristic, code_before, status_before, code, status, n_records, n_people from protected.moved"


@dataclass
class Noted:
    """A lake with a release, and what was sent to it."""

    lake: Lake
    standard: Standard


def practice(rest: str = "9i7.."):
    """What a practice sends: 24 people Caribbean, 5 Chinese, everyone else Indian, in EMIS's codes."""

    def edit(layout: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        codes = ["9iB.."] * MANY + ["9iE.."] * FEW
        for row, code in zip(rows, [*codes, *[rest] * 80], strict=False):
            row["EthnicCode"] = code
        return rows

    return edit


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    hasten(monkeypatch)


def hasten(monkeypatch) -> None:
    """No verdicts by Great Expectations and no pages of the standard: neither is what these tests are about."""
    lakes.hasten(monkeypatch, is_audited=False)
    monkeypatch.setattr("transforms.site.document", lambda standard, folder: 0)


@pytest.fixture(scope="module")
def noted(tmp_path_factory) -> Noted:
    folder = tmp_path_factory.mktemp("noted")
    lake, standard = new_lake(folder), load()
    with pytest.MonkeyPatch.context() as patch:
        hasten(patch)
        deliver(lake.path("landing"), "ZP001", PERIOD, {"emis_patient": 100}, edit=practice())
        deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 60}, {"unrecognised": 12}, first_person=500)
        charity = next(code for code, row in standard.providers.items() if "small_csv" in row["layouts"].split())
        faith = {"small_csv": {"religion": ["Muslim"] * MANY + ["Sikh"] * 16}}
        deliver(lake.path("landing"), charity, PERIOD, {"small_csv": 40}, first_person=800, overrides=faith)
        lakes.run(standard, lake)
        publish.publish(standard, lake)
    return Noted(lake, standard)


@pytest.fixture
def again(noted, tmp_path) -> Noted:
    """A copy of the lake, and of the standard, that a test may change."""
    shutil.copytree(noted.lake.root, tmp_path / "lake", symlinks=True)
    return Noted(Lake(tmp_path / "lake", noted.lake.keys), load(lakes.copied_standard(tmp_path / "copy")))


def folder_of(made: Noted) -> Path:
    return made.standard.folder.parent


def next_release(made: Noted) -> duckdb.DuckDBPyConnection:
    """Run what the edited standard makes stale, publish, and open the release."""
    standard = load(folder_of(made))
    lakes.run(standard, made.lake)
    assert publish.publish(standard, made.lake)["release"]
    return opened(made.lake)


def said(made: Noted) -> dict:
    return json.loads(made.lake.path("current", "release.json").read_text())["changes"]


def page(made: Noted) -> str:
    text = made.lake.path("site", "index.html").read_text(encoding="utf-8")
    return " ".join(text.split('id="changed"')[1].split("<h2")[0].split())


def read_as(made: Noted, value: str, old: str, new: str, name: str = EMIS) -> None:
    """Edit the row of one value in a map, EMIS's unless told otherwise."""
    path = folder_of(made) / name
    [line] = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(f"{value},")]
    replace(path, line, line.replace(f",{old},", f",{new},", 1))


def test_the_first_release_says_that_it_is_the_first(noted):
    assert said(noted)["since_release"] is None
    assert said(noted)["moved"] == said(noted)["rows"] == said(noted)["labels"] == []
    assert "This is the first release" in page(noted)
    with opened(noted.lake) as con:
        assert con.execute("select count(*) from open.code_map_change").fetchone() == (0,)
        assert con.execute(MOVES).fetchall() == []


def test_the_whole_map_is_published(noted):
    with opened(noted.lake) as con:
        n, valid = con.execute("select count(*), count(valid_from) from open.code_map").fetchone()
        for name in ("code", "label"):
            assert {"valid_from", "valid_to"} <= {row[0] for row in con.execute(f"describe open.{name}").fetchall()}
    assert n == valid == len(noted.standard.code_maps)


def test_a_reading_holds_a_keyed_hash_and_no_value(noted):
    with opened(noted.lake) as con:
        columns = [row[0] for row in con.execute("describe protected.reading").fetchall()]
        found = con.execute("select value_key::text, code from protected.reading where code = 'caribbean'").fetchall()
        assert "value_key" not in {row[0] for row in con.execute("describe protected.characteristic_record").fetchall()}
        text = str(con.execute("from protected.reading").fetchall())
    assert "value_key" in columns and not {"value", "source_value"} & set(columns)
    assert len(found) >= 1 and all(len(key) == 36 for key, _ in found)
    assert "9iB" not in text and "X7" not in text


def test_one_edited_row_moves_its_records_and_nothing_else(again):
    read_as(again, "9iB..", "caribbean", "african")
    with next_release(again) as con:
        assert con.execute(MOVES).fetchall() == [
            ("ethnic_category", "caribbean", "known", "african", "known", MANY, MANY)
        ]
        [row] = con.execute("select characteristic, was, becomes, cell_status, n_records from open.moved").fetchall()
        assert row == ("ethnic_category", "caribbean", "african", "shown", 25)
        changed = con.execute("select what, name, value, change, was, becomes from open.code_map_change").fetchall()
    assert [row[:4] for row in changed] == [("map row", "emis", "9iB..", "changed")]
    assert changed[0][4].startswith("caribbean") and changed[0][5].startswith("african")
    assert said(again)["since_release"] == 1
    assert [(row["was"], row["becomes"], row["n_records"]) for row in said(again)["moved"]] == [
        ("caribbean", "african", 25)
    ]
    labels = {row["code"]: row["label"] for row in again.standard.codes if row["system"] == "ethnic_category"}
    moved = f"moved from “{labels['caribbean']}” to “{labels['african']}”"
    assert f"About 25 records of ethnic category {moved}" in page(again)
    assert "ethnic category: map rows of emis, 1 changed" in page(again)


def test_too_few_are_not_shown(again):
    read_as(again, "9iE..", "chinese", "any_other_l")
    with next_release(again) as con:
        assert [row[-2:] for row in con.execute(MOVES).fetchall()] == [(FEW, FEW)]
        assert con.execute("select cell_status, n_records, share from open.moved").fetchall() == [
            ("suppressed", None, None)
        ]
    assert said(again)["moved"] == [] and said(again)["n_moved_hidden"] == 1
    assert "One move is of too few records or people to show" in page(again)
    assert "Chinese" not in page(again).split("Rows of the standard")[0]


def test_of_a_sensitive_item_only_the_statuses_are_told(again):
    read_as(again, "muslim", "muslim", "another_religion", "standards/code_systems/religion/from_religion_text.csv")
    with next_release(again) as con:
        assert [row[1:] for row in con.execute(MOVES).fetchall()] == [
            ("muslim", "known", "another_religion", "known", MANY, MANY)
        ]
        assert con.execute("select was, becomes, cell_status, n_records from open.moved").fetchall() == [
            ("known", "known", "shown", 20)
        ]
    assert "muslim" not in page(again).lower().split("rows of the standard")[0]


def test_a_value_that_nobody_knew_and_is_known_now_moves_from_not_recognised(again):
    path = folder_of(again) / "standards/code_systems/ethnic_category/from_national_2001.csv"
    [row] = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("Z,")]
    lakes.add_line(path, "X7" + row[1:])
    with next_release(again) as con:
        assert con.execute(MOVES).fetchall() == [("ethnic_category", None, "unrecognised", None, "not_stated", 12, 12)]
        assert con.execute("select was, n_records from open.moved").fetchall() == [("unrecognised: not_in_map", 10)]
    assert "moved from unrecognised (no map of this feed knows it) to not stated" in page(again)


def test_a_corrected_delivery_alone_moves_nothing(again):
    deliver(
        again.lake.path("landing"), "ZP001", PERIOD, {"emis_patient": 100}, name="correction", edit=practice("9i8..")
    )
    with next_release(again) as con:
        assert con.execute(MOVES).fetchall() == []
        assert con.execute("select count(*) from open.moved").fetchone() == (0,)
        n = con.execute("select count(*) from protected.characteristic_record where code = 'indian'").fetchone()[0]
    assert n < 71  # one edit of the data, none of the standard
    assert said(again)["is_standard_changed"] is False
    assert "Nothing moved" in page(again)


def test_a_corrected_delivery_beside_an_edited_row_is_no_move(again):
    deliver(
        again.lake.path("landing"), "ZP001", PERIOD, {"emis_patient": 100}, name="correction", edit=practice("9i8..")
    )
    read_as(again, "9iB..", "caribbean", "african")
    with next_release(again) as con:
        assert con.execute(MOVES).fetchall() == [
            ("ethnic_category", "caribbean", "known", "african", "known", MANY, MANY)
        ]


def test_a_label_that_is_changed_is_told_and_moves_nobody(again):
    replace(folder_of(again) / HERITAGE, "irish,irish,Irish,", "irish,irish,From Ireland,")
    with next_release(again) as con:
        assert con.execute(MOVES).fetchall() == []
        assert con.execute("select what, name, value, change from open.code_map_change").fetchall() == [
            ("label", "heritage", "irish", "changed")
        ]
    assert "nothing moved" in page(again)
    assert "From Ireland" in page(again)


def test_what_moved_is_told_once(again):
    read_as(again, "9iB..", "caribbean", "african")
    next_release(again).close()
    deliver(again.lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 50}, name="correction", first_person=500)
    with next_release(again) as con:
        assert con.execute(MOVES).fetchall() == []
    assert said(again)["since_release"] == 2
    assert "Nothing moved" in page(again)


def test_while_the_open_area_waits_all_is_compared_with_what_it_shows(again, monkeypatch):
    replace(folder_of(again) / "standards/disclosure.yml", "release: on_arrival", "release: monthly")
    read_as(again, "9iB..", "caribbean", "african")
    before = said(again)
    with monkeypatch.context() as patch:
        patch.setattr(hold, "disclose", lambda con, standard: pytest.fail("disclosed for nobody"))
        con = next_release(again)  # protected only: the open area is of this month already
    with con:
        assert said(again) == before
        assert [row[1:5] for row in con.execute(MOVES).fetchall()] == [("caribbean", "known", "african", "known")]
        assert con.execute("select count(*) from open.moved").fetchone() == (0,)
    read_as(again, "9i7..", "indian", "pakistani")
    for module in (publish, hold):
        monkeypatch.setattr(module, "today", lambda: "2031-01-15")
    with next_release(again) as con:
        found = con.execute("select was, becomes from open.moved order by 1").fetchall()
        assert found == [("caribbean", "african"), ("indian", "pakistani")]
    assert said(again)["since_release"] == 2
