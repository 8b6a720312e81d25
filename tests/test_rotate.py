"""rotate.py: one key for another, at every step with a key that the ledger knows, and nothing lost by it."""

import shutil
from pathlib import Path

import duckdb
import pytest

from tests import lakes
from tests.lakes import PERIOD, events
from tests.synthetic import deliver, person
from transforms import engine, keys, ledger, objections, publish, release, rotate, withdraw, work
from transforms.__main__ import main
from transforms.lake import Lake, UsageError
from transforms.rotate import needed, unfinished
from transforms.standard import load
from transforms.verify import verify


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    lakes.hasten(monkeypatch)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Lake:
    """Ten people at one trust, one of whom objects, one with a number that nobody verified, and a release."""
    lake, standard = lakes.new_lake(tmp_path_factory.mktemp("rotate")), load()
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 10}, {"missing_nhs_number": 2})
        lakes.run(standard, lake)
        folder = lake.path("objections", "ZL90", "a")
        folder.mkdir(parents=True)
        (folder / "who.csv").write_text(f"nhs_number,provider,local_id\n{person(99).nhs_number},,\n,ZZ1,ZZ1000003\n")
        (folder / "_READY").touch()
        assert publish.publish(standard, lake)["people"] == 9
    return lake


@pytest.fixture
def lake(first: Lake, tmp_path: Path, monkeypatch) -> Lake:
    shutil.copytree(first.root, tmp_path / "lake", symlinks=True, ignore=shutil.ignore_patterns("standard"))
    shutil.copytree(first.keys, tmp_path / "keys")
    monkeypatch.setenv("LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("KEYS", str(tmp_path / "keys"))
    return Lake(tmp_path / "lake", tmp_path / "keys")


def mart(lake: Lake, number: int) -> list[tuple]:
    """(person_id, record_key) of a release, with the key that it was made with."""
    secret = keys.held(lake, "protected", release.key_of(lake, number)).hex()
    with duckdb.connect() as con:
        con.execute(f"attach '{withdraw.mart(lake, number)}' as p (read_only, encryption_key '{secret}')")
        return con.execute(
            "select person_id, record_key from p.person join p.person_key using (person_no) order by all"
        ).fetchall()


@pytest.mark.parametrize("name", keys.NAMES)
def test_the_old_key_stays_beside_the_new_one_and_the_ledger_tells(lake, name, capsys):
    old = keys.load(lake, name)
    assert main(["keys", "--rotate", name]) == 0
    new = keys.load(lake, name)
    said = capsys.readouterr().out
    assert new != old and new.hex() not in said and old.hex() not in said
    assert keys.held(lake, name, keys.key_id(old)) == old
    event = events(lake, "key")[-1]
    assert (event["name"], event["key_id"], event["replaces"]) == (name, keys.key_id(new), keys.key_id(old))
    assert {path.stat().st_mode & 0o777 for path in lake.keys.iterdir()} == {0o600}
    assert not keys.coming(lake, name).exists()
    ledger.verify(lake)


@pytest.mark.parametrize("name", keys.NAMES)
@pytest.mark.parametrize(
    "at", ["transforms.rotate.ledger.append", "transforms.keys.os.replace", "transforms.rotate._write"]
)
@pytest.mark.parametrize("is_after", [False, True])
def test_after_a_crash_at_any_step_the_key_in_the_folder_is_the_one_of_the_ledger(
    lake, monkeypatch, name, at, is_after
):
    old, calls = keys.load(lake, name), []
    function = at.rpartition(".")[2]
    target = {"append": ledger.append, "replace": keys.os.replace, "_write": rotate._write}[function]

    def cut(*values, **named):
        calls.append(values)
        if is_after:
            target(*values, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(at, cut)
        with pytest.raises(KeyboardInterrupt):
            rotate.rotate(lake, name)
    assert calls
    key = keys.load(lake, name)
    assert keys.key_id(key) == keys.known_ids(lake)[name]
    is_told = any("replaces" in event for event in events(lake, "key"))
    assert (key != old) == is_told == (function == "replace" or (function == "append" and is_after))
    assert not is_told or keys.held(lake, name, keys.key_id(old)) == old
    rotate.rotate(lake, name)
    assert keys.load(lake, name) not in (key, old)


@pytest.mark.parametrize("name", keys.NAMES)
def test_a_bad_key_is_not_rotated(lake, name):
    (lake.keys / f"{name}.key").write_text("ab" * keys.LENGTH)
    before = lakes.listing(lake.keys)
    assert main(["keys", "--rotate", name]) == 13
    assert lakes.listing(lake.keys) == before
    assert not any("replaces" in event for event in events(lake, "key"))


def test_with_a_new_protected_key_the_next_release_is_made_and_the_old_one_still_read(lake):
    standard, before = load(), mart(lake, 1)
    rotate.rotate(lake, "protected")
    assert "are what was published" in verify(lake)
    assert [*needed(lake).values()] == ["releases"]
    assert publish.is_due(standard, lake)
    assert publish.publish(standard, lake)["release"] == 2
    assert not publish.is_due(standard, lake)
    assert mart(lake, 2) == mart(lake, 1) == before
    assert release.key_of(lake, 1) != release.key_of(lake, 2)
    with duckdb.connect() as con, pytest.raises(duckdb.Error):
        con.execute(
            f"attach '{withdraw.mart(lake, 2)}' as p (encryption_key '{keys.held(lake, 'protected', release.key_of(lake, 1)).hex()}')"
        )
    shutil.rmtree(lake.path("releases", 1))
    assert [*needed(lake).values()] == [""]


def test_with_a_new_pseudonym_key_everything_has_another_name_and_who_objects_stays_out(lake, capsys):
    standard, before = load(), mart(lake, 1)
    rotate.rotate(lake, "pseudonym")
    assert unfinished(lake) == [f"ZZ1/{PERIOD}"]
    assert not publish.is_due(standard, lake)
    with pytest.raises(UsageError, match="run --all"):
        publish.publish(standard, lake)
    assert work.pending(standard, lake) == [f"ZZ1/{PERIOD}"]
    lakes.run(standard, lake)
    assert unfinished(lake) == [] and work.pending(standard, lake) == []
    assert publish.publish(standard, lake)["people"] == 9
    after = mart(lake, 2)
    assert len(after) == len(before)
    for place in (0, 1):
        assert not {row[place] for row in after} & {row[place] for row in before}
    secret = keys.load(lake, "protected").hex()
    with duckdb.connect() as con:
        con.execute(f"attach '{withdraw.mart(lake, 2)}' as p (read_only, encryption_key '{secret}')")
        assert con.execute("select count(*) from p.person_change").fetchone() == (0,)
    with engine.connect(lake) as con:
        engine.add_views(con, lake, standard, "harmonised")
        rotate.translate(con, lake, release.key_of(lake, 1, "pseudonym"))
        rekeyed = dict(con.execute("select old_key, record_key from rekeyed").fetchall())
    assert {rekeyed[key] for _, key in before} == {key for _, key in after}
    assert [*needed(lake).values()] == ["lists of objections"]
    capsys.readouterr()
    assert main(["keys"]) == 0
    assert "still needed by lists of objections" in capsys.readouterr().out
    # Who was not in the lake when the key was new is found by the old list all the same.
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 10}, first_person=92, name="more")
    deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 10}, first_person=92)
    lakes.run(standard, lake)
    publish.publish(standard, lake)
    assert events(lake, "published")[-1]["removed"]["objection"]["people"] == 1


def test_once_the_list_is_sent_again_nothing_needs_the_old_key(lake):
    rotate.rotate(lake, "pseudonym")
    folder = lake.path("objections", "ZL90", "b")
    folder.mkdir(parents=True)
    (folder / "who.csv").write_text("provider,local_id\nZZ1,ZZ1000003\n")
    (folder / "_READY").touch()
    objections.receive(load(), lake)
    assert events(lake, "objection")[-1]["n_lifted"] is None  # what two keys made cannot be compared
    assert [*needed(lake).values()] == ["the release, which is to be made again"]


def test_without_the_old_key_that_a_list_needs_nothing_is_published(lake):
    standard, old = load(), keys.known_ids(lake)["pseudonym"]
    rotate.rotate(lake, "pseudonym")
    lakes.run(standard, lake)
    keys.aside(lake, "pseudonym", old).unlink()
    with pytest.raises(keys.KeyFault, match="missing"):
        publish.publish(standard, lake)
    assert len(events(lake, "published")) == 1
