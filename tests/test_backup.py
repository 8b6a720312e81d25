"""backup.py: what cannot be made again is kept whole, and a lake that is made again from it says the same."""

import json
import shutil
from pathlib import Path

import pytest

from tests import lakes
from tests.lakes import PERIOD, events
from tests.synthetic import deliver
from transforms import backup, keys, ledger, publish, release, work
from transforms.__main__ import main
from transforms.geography import import_postcodes
from transforms.lake import Lake, UsageError
from transforms.standard import load
from transforms.verify import verify

STAGES = ("bronze", "validated", "quarantine", "results", "harmonised")


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    lakes.hasten(monkeypatch, is_audited=False)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory) -> Lake:
    """A lake with a correction, a rejected delivery, decisions, lists and postcodes."""
    folder = tmp_path_factory.mktemp("pattern")
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch, is_audited=False)
        return filled(lakes.new_lake(folder), folder / "postcodes.csv")


@pytest.fixture
def lake(pattern, tmp_path) -> Lake:
    """The same, of the test's own; with the same keys."""
    shutil.copytree(pattern.root, tmp_path / "lake", symlinks=True)
    shutil.copytree(pattern.keys, tmp_path / "keys")
    return Lake(tmp_path / "lake", tmp_path / "keys")


def filled(made: Lake, postcodes: Path) -> Lake:
    postcodes.write_text("postcode,lsoa21_code\nB1 1AA,E01033620\n", encoding="utf-8")
    import_postcodes(postcodes, made)
    landing = made.path("landing")
    deliver(landing, "ZZ1", PERIOD, {"pas_patient": 30, "sus_outpatient": 20}, {"unrecognised": 3})
    deliver(landing, "ZZ2", PERIOD, {"pas_patient": 10}, {"binary_junk": True})
    deliver(landing, "ZP001", PERIOD, {"emis_patient": 20, "emis_observation": 30})
    lakes.run(load(), made, work.STAGES)
    deliver(landing, "ZZ1", PERIOD, {"pas_patient": 32}, name="correction")
    lakes.run(load(), made, work.STAGES)
    for stage in ("judged", "objected"):  # small files of the kind that only people can make
        (made.path(stage) / "kept.txt").write_text(f"{stage} by a person")
    return made


def elsewhere(tmp_path, lake: Lake) -> Lake:
    return Lake(tmp_path / "elsewhere", lake.keys)


def test_a_lake_made_again_from_its_backup_says_the_same(lake, tmp_path):
    standard = load()
    for stage in ("judged", "objected"):
        (lake.path(stage) / "kept.txt").unlink()
    publish.publish(standard, lake)
    before, tables = lakes.content(lake, *STAGES), release.current_manifest(lake)["tables"]
    protected = release.protected_manifest(lake)["tables"]
    assert backup.backup(lake, tmp_path / "backup")["copied"] == len(backup_files(tmp_path))
    again = elsewhere(tmp_path, lake)
    backup.restore(again, tmp_path / "backup")
    assert ledger.entries(again)[:-1] == ledger.entries(lake)
    assert events(again, "restored")[0]["n_lines"] == ledger.verify(lake)
    assert "each follows from the one before" in verify(again)
    lakes.run(standard, again, work.STAGES)
    assert lakes.content(again, *STAGES) == before
    assert publish.publish(standard, again)["release"] == 2
    made = release.current_manifest(again)["tables"]
    assert {name for name in tables if made[name] != tables[name]} <= {"open.about"}
    assert release.protected_manifest(again)["tables"] == protected
    assert "tables are what was published" in verify(again)
    assert work.pending(standard, again) == [] and not publish.is_due(standard, again)
    outcomes = ("accepted", "rejected")
    assert lakes.outcomes(again) == lakes.outcomes(lake) and events(again, *outcomes) == events(lake, *outcomes)


def backup_files(tmp_path) -> dict[str, str]:
    return json.loads((tmp_path / "backup" / backup.MANIFEST).read_text())["files"]


def test_a_backup_holds_what_only_people_and_senders_can_make_and_no_key(lake, tmp_path, monkeypatch):
    monkeypatch.setenv("LAKE", str(lake.root))
    monkeypatch.setenv("KEYS", str(lake.keys))
    assert main(["backup", str(tmp_path / "backup")]) == 0
    kept = backup_files(tmp_path)
    assert {name.split("/")[0] for name in kept} == {"ledger", "received", "judged", "objected", "geography"}
    for name in kept:
        assert (tmp_path / "backup" / name).read_bytes() == (lake.root / name).read_bytes()
    secrets = [(lake.keys / f"{name}.key").read_text().strip().encode() for name in keys.NAMES]
    for path in (tmp_path / "backup").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0 or path.is_file(), "folders are shut"
        assert path.is_dir() or not [secret for secret in secrets if secret in path.read_bytes()]


def test_the_next_backup_copies_what_is_new_and_forgets_what_has_had_its_time(lake, tmp_path):
    first = backup.backup(lake, tmp_path / "backup")
    assert backup.backup(lake, tmp_path / "backup") == {**first, "copied": 1, "removed": 0}  # the ledger
    old = next(lake.path("received").glob("*/content"))
    deliver(lake.path("landing"), "ZP002", PERIOD, {"emis_observation": 5})
    lakes.run(load(), lake)
    old.unlink()
    after = backup.backup(lake, tmp_path / "backup")
    assert after == {"files": first["files"], "copied": 2, "removed": 1}
    assert not (tmp_path / "backup" / old.relative_to(lake.root)).exists()


def test_a_backup_that_was_changed_cut_or_not_finished_is_refused(lake, tmp_path):
    made, again = tmp_path / "backup", elsewhere(tmp_path, lake)
    backup.backup(lake, made)
    received = next(name for name in backup_files(tmp_path) if name.startswith("received"))
    for name in (received, "judged/kept.txt", "ledger/log.jsonl"):
        spoiled = tmp_path / "spoiled"
        shutil.copytree(made, spoiled)
        (spoiled / name).chmod(0o600)
        (spoiled / name).write_bytes((spoiled / name).read_bytes()[:-1])
        with pytest.raises(backup.BackupDamaged, match="not what was backed up"):
            backup.restore(again, spoiled)
        (spoiled / name).unlink()
        with pytest.raises(backup.BackupDamaged, match="not what was backed up"):
            backup.restore(again, spoiled)
        shutil.rmtree(spoiled)
    (made / ".unfinished").touch()
    with pytest.raises(backup.BackupDamaged, match="no finished backup"):
        backup.restore(again, made)
    assert not again.root.exists()
    backup.backup(lake, made)
    backup.restore(again, made)


def test_a_backup_that_is_cut_short_anywhere_is_finished_by_the_next(lake, tmp_path, monkeypatch):
    real, calls = backup._copy, []

    def cut(source, target):
        calls.append(target)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return real(source, target)

    monkeypatch.setattr(backup, "_copy", cut)
    for stop in range(1, 9):
        calls.clear()
        shutil.rmtree(tmp_path / "backup", ignore_errors=True)
        try:
            backup.backup(lake, tmp_path / "backup")
        except KeyboardInterrupt:
            with pytest.raises(backup.BackupDamaged):
                backup.restore(elsewhere(tmp_path, lake), tmp_path / "backup")
            stop = 0
            backup.backup(lake, tmp_path / "backup")
    stop = 4
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        backup.restore(elsewhere(tmp_path, lake), tmp_path / "backup")
    assert ledger.entries(elsewhere(tmp_path, lake)) == []
    stop = 0
    backup.restore(elsewhere(tmp_path, lake), tmp_path / "backup")


def test_without_its_keys_a_backup_is_not_restored(lake, tmp_path, capsys, monkeypatch):
    backup.backup(lake, tmp_path / "backup")
    monkeypatch.setenv("LAKE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("KEYS", str(tmp_path / "no keys"))
    assert main(["restore", str(tmp_path / "backup")]) == 13
    other = Lake(tmp_path / "other", tmp_path / "other keys").prepare()
    keys.initialise(other)
    monkeypatch.setenv("KEYS", str(other.keys))
    assert main(["restore", str(tmp_path / "backup")]) == 13
    assert not (tmp_path / "elsewhere").exists()
    assert "is not the key that goes with this" in capsys.readouterr().err


def test_it_goes_where_it_is_of_use_only(lake, tmp_path):
    for place in (lake.root, lake.path("backup"), tmp_path, lake.keys, lake.keys / "backup"):
        with pytest.raises(UsageError):
            backup.backup(lake, place)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a file").touch()
    with pytest.raises(UsageError, match="holds something else"):
        backup.backup(lake, tmp_path / "full")
    backup.backup(lake, tmp_path / "backup")
    with pytest.raises(UsageError, match="is in use"):
        backup.restore(lake, tmp_path / "backup")
