"""A lake that older code made, and newer code: it is worked on again where that matters, judged once, and says the same."""

import shutil

import pytest

from tests import lakes
from tests.lakes import PERIOD, events
from tests.synthetic import deliver
from transforms import fingerprint, publish, release, validate, work
from transforms.lake import Lake
from transforms.standard import load
from transforms.verify import verify


def in_haste(patch) -> None:
    lakes.hasten(patch)
    patch.setattr(publish, "audit", lambda con, standard: 0)


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    in_haste(monkeypatch)


@pytest.fixture(scope="module")
def older(tmp_path_factory) -> Lake:
    """What the code made before."""
    made = lakes.new_lake(tmp_path_factory.mktemp("older"))
    deliver(made.path("landing"), "ZZ1", PERIOD, {"pas_patient": 30}, {"unrecognised": 3})
    deliver(made.path("landing"), "ZZ2", PERIOD, {"pas_patient": 10}, {"wrong_hash": True})
    with pytest.MonkeyPatch.context() as patch:
        in_haste(patch)
        lakes.run(load(), made, work.STAGES)
        publish.publish(load(), made)
    return made


@pytest.fixture
def lake(older, tmp_path) -> Lake:
    shutil.copytree(older.root, tmp_path / "lake", symlinks=True)
    return Lake(tmp_path / "lake", older.keys)


def newer(monkeypatch, folder, *names: str) -> None:
    """As if these modules said something else from now on."""
    if not folder.exists():
        shutil.copytree(fingerprint.HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(fingerprint, "HERE", folder)
    for name in names:
        with open(folder / name, "a", encoding="utf-8") as file:
            file.write("\n")
    fingerprint.code.cache_clear()


@pytest.fixture(autouse=True)
def own_code():
    yield
    fingerprint.code.cache_clear()


@pytest.mark.parametrize("name", [validate.CODE[0], "harmonise.py", "publish.py"])
def test_newer_code_works_again_on_what_it_makes_and_judges_nothing_twice(lake, tmp_path, monkeypatch, name):
    standard, before = load(), lakes.content(lake, "bronze", "validated", "harmonised")
    written, outcomes = lakes.written(lake, "bronze", "harmonised"), lakes.outcomes(lake)
    tables, received = release.current_manifest(lake)["tables"], lakes.listing(lake.path("received"))
    assert work.pending(standard, lake) == [] and not publish.is_due(standard, lake)
    newer(monkeypatch, tmp_path / "newer", name)
    assert work.pending(standard, lake) == ([] if name == "publish.py" else [f"ZZ1/{PERIOD}"])
    assert "tables are what was published" in verify(lake), "readers have the release of the older code until then"
    lakes.run(standard, lake, work.STAGES)
    assert publish.publish(standard, lake)["release"] == 2
    assert lakes.content(lake, "bronze", "validated", "harmonised") == before
    again = {path for path, at in lakes.written(lake, "bronze", "harmonised").items() if written[path] != at}
    assert {path.split("/")[0] for path in again} == (set() if name == "publish.py" else {"harmonised"})
    assert lakes.outcomes(lake) == outcomes and len(events(lake, "seen")) == 1
    made = release.current_manifest(lake)["tables"]
    assert {table for table in tables if made[table] != tables[table]} <= {"open.about"}
    assert lakes.listing(lake.path("received")) == received
    assert work.pending(standard, lake) == [] and not publish.is_due(standard, lake)


def test_a_newer_engine_says_that_its_hashes_may_differ_and_a_release_settles_it(lake, monkeypatch):
    monkeypatch.setattr("duckdb.__version__", "99.0")
    assert "publish again to compare" in verify(lake)
