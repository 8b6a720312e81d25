"""__main__.py, status.py: the command line says what it did, and each kind of fault has its exit code."""

import json
from pathlib import Path

import pytest

from tests import lakes
from tests.lakes import PERIOD, copied_standard, replace
from tests.synthetic import deliver, write_postcodes
from transforms import audit, keys, ledger, standard, work
from transforms.__main__ import COMMANDS, main
from transforms.lake import Lake


@pytest.fixture(autouse=True)
def lake(tmp_path: Path, monkeypatch) -> Lake:
    lakes.hasten(monkeypatch)
    made = lakes.new_lake(tmp_path)
    monkeypatch.setenv("LAKE", str(made.root))
    monkeypatch.setenv("KEYS", str(made.keys))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(work.STAGES, "feedback", lambda submission, standard, lake: {"pages": 0})
    return made


def send(lake: Lake, provider: str = "ZZ1", period: str = PERIOD, faults: dict | None = None, rows: int = 12) -> None:
    deliver(lake.path("landing"), provider, period, {"pas_patient": rows}, faults)


def test_help_names_every_command_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)
    assert all(word in said for word in ("LAKE", "KEYS", "Exit codes", "10", "12", "13"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert "LAKE" in capsys.readouterr().out


def test_run_all_then_nothing_to_do(lake, capsys):
    send(lake)
    assert main(["run", "--all"]) == 0
    assert "harmonise" in capsys.readouterr().out
    assert main(["run", "--all"]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_run_one_leaves_the_others(lake, capsys):
    send(lake)
    send(lake, "ZZ2")
    assert main(["run", f"ZZ2/{PERIOD}"]) == 0
    assert work.pending(standard.load(), lake) == [f"ZZ1/{PERIOD}"]


def test_publish_then_nothing_to_do(lake, capsys, tmp_path):
    send(lake, rows=40)
    assert main(["postcodes", str(write_postcodes(tmp_path / "directory.csv"))]) == 0
    assert main(["run", "--all"]) == 0
    assert main(["publish"]) == 0
    assert "release 1" in capsys.readouterr().out
    assert main(["publish"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(["verify"]) == 0
    said = capsys.readouterr().out
    assert "each follows from the one before" in said
    assert "tables are what was published" in said


@pytest.mark.parametrize("arguments", [["run"], ["run", "ZZ1/2026-09", "--all"], ["run", "ZZ1-2026-09"], ["run", "ZZ1/2026-13"],
                                       ["postcodes", "nowhere.csv"], ["check", "nowhere.csv"]])  # fmt: skip
def test_wrong_usage_is_2_and_says_what_to_do(arguments, capsys):
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.strip()) > 20


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["status", "--wrong"]])
def test_an_unknown_command_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_faults_in_the_standard_are_10_and_nothing_is_run(lake, tmp_path, monkeypatch, capsys):
    folder = copied_standard(tmp_path / "standard")
    replace(folder / "standards/layouts/pas_patient.yml", "table: patient", "table: patients")
    monkeypatch.setattr(standard, "ROOT", folder)
    send(lake)
    assert main(["run", "--all"]) == 10
    said = capsys.readouterr().err
    assert "standards/layouts/pas_patient.yml:3: table 'patients' is not in fields.csv" in said
    assert "did you mean 'patient'?" in said
    assert "Nothing was run." in said
    assert lakes.events(lake, "seen") == []


def test_a_broken_contract_is_12(lake, monkeypatch, capsys):
    def broken(con, standard, schema=""):
        raise audit.ContractBroken("the last good one stays")

    monkeypatch.setattr("transforms.publish.audit", broken)
    send(lake)
    main(["run", "--all"])
    assert main(["publish"]) == 12
    assert "the last good one stays" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["run", "--all"], ["publish"], ["keys"]])
def test_a_missing_key_is_13(lake, arguments, capsys):
    (lake.keys / "pseudonym.key").unlink()
    send(lake)
    assert main(arguments) == 13
    assert "pseudonym.key" in capsys.readouterr().err


def test_keys_are_made_once_and_named_without_being_shown(lake, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LAKE", str(tmp_path / "another"))
    monkeypatch.setenv("KEYS", str(tmp_path / "other-keys"))
    assert main(["keys", "--init"]) == 0
    assert "back them up" in capsys.readouterr().out
    assert main(["keys", "--init"]) == 0
    said = capsys.readouterr().out
    assert "nothing to do" in said
    for name in keys.NAMES:
        assert (tmp_path / "other-keys" / f"{name}.key").read_text().strip() not in said


def test_a_damaged_ledger_is_not_silent(lake, capsys):
    send(lake)
    main(["run", "--all"])
    path = ledger.log_path(lake)
    path.write_text(path.read_text().replace('"accepted"', '"rejected"'))
    assert main(["verify"]) == 1
    assert "ledger/log.jsonl line" in capsys.readouterr().err


def test_a_fault_of_ours_is_not_a_success(lake, monkeypatch, capsys):
    def breaks(submission, standard, lake):
        raise RuntimeError("Begum 9991234567")

    monkeypatch.setitem(work.STAGES, "validate", breaks)
    send(lake)
    assert main(["run", "--all"]) == 1
    said = capsys.readouterr()
    assert f"ZZ1/{PERIOD} (RuntimeError)" in said.err
    assert "Begum" not in said.out + said.err


def test_status_of_an_empty_lake(capsys):
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "submissions: none yet" in said
    assert "release: none yet" in said


def test_status_says_what_needs_somebody(lake, monkeypatch, capsys):
    monkeypatch.setenv("READY_GRACE_HOURS", "0")
    send(lake)
    send(lake, "ZZ2", faults={"unreadable_birth_date": 9})
    send(lake, "ZZ3", faults={"empty_file": True})
    send(lake, "ZZ4", faults={"header_only": True})
    main(["run", "--all"])
    send(lake, "ZZ5")
    capsys.readouterr()
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    for part in ("1 deliveries wait in landing", "1 accepted", "2 rejected", f"ZZ2/{PERIOD}", "patient.birth_date.mostly_readable",
                 f"ZZ3/{PERIOD}: refused at the door (A file is empty", "A file has a header and no rows"):  # fmt: skip
        assert part in said, part
    assert main(["status", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {item["submission"]: item["state"] for item in facts["submissions"]} == {
        f"ZZ1/{PERIOD}": "accepted", f"ZZ2/{PERIOD}": "rejected", f"ZZ4/{PERIOD}": "rejected",
    }  # fmt: skip
