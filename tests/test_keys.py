"""keys.py: no key, no work; a wrong one is noticed before anything is written."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import lakes
from tests.lakes import PERIOD, listing, new_lake
from tests.synthetic import deliver
from transforms import keys, ledger, objections
from transforms.__main__ import main
from transforms.lake import Lake
from transforms.receive import receive
from transforms.standard import load


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Keys are made and one delivery waits."""
    made = new_lake(tmp_path)
    deliver(made.path("landing"), "ZZ1", PERIOD, {"pas_patient": 5})
    return made


def missing(lake: Lake, name: str) -> str:
    (lake.keys / f"{name}.key").unlink()
    return "is missing"


def wrong(lake: Lake, name: str) -> str:
    (lake.keys / f"{name}.key").write_text("ab" * keys.LENGTH)
    return "is not the key that this lake was made with"


def truncated(lake: Lake, name: str) -> str:
    path = lake.keys / f"{name}.key"
    path.write_text(path.read_text()[:20])
    return "is damaged"


def empty(lake: Lake, name: str) -> str:
    (lake.keys / f"{name}.key").write_text("")
    return "is damaged"


def not_hexadecimal(lake: Lake, name: str) -> str:
    (lake.keys / f"{name}.key").write_text("z" * keys.LENGTH * 2)
    return "is damaged"


def not_text(lake: Lake, name: str) -> str:
    (lake.keys / f"{name}.key").write_bytes(bytes(range(128, 192)))
    return "is damaged"


def readable_by_others(lake: Lake, name: str) -> str:
    (lake.keys / f"{name}.key").chmod(0o644)
    return "can be read by others"


FAULTS = [missing, wrong, truncated, empty, not_hexadecimal, not_text, readable_by_others]


@pytest.mark.parametrize("spoil", FAULTS)
@pytest.mark.parametrize("name", keys.NAMES)
def test_a_bad_key_is_refused_with_a_clear_message(lake, name, spoil):
    said = spoil(lake, name)
    with pytest.raises(keys.KeyFault, match=said) as caught:
        keys.load(lake, name)
    assert f"{name}.key" in str(caught.value)


@pytest.mark.parametrize("spoil", FAULTS)
def test_without_a_good_key_nothing_is_written(lake, spoil):
    def whole() -> dict[str, bytes]:
        return {name: text for name, text in listing(lake.root).items() if "locks" not in name}

    spoil(lake, "pseudonym")
    before = whole()
    with pytest.raises(keys.KeyFault):
        receive(load(), lake)
    assert whole() == before


COMMANDS = {
    "run": (["run", "--all"], "pseudonym"),
    "publish": (["publish"], "pseudonym"),
    "publish, protected": (["publish"], "protected"),
    "objections": (["objections"], "pseudonym"),
    "objections, confirmed": (["objections", "--confirm", "--sender", "ZL90"], "pseudonym"),
    "numbers out": (["objections", "--export-national", "{out}"], "pseudonym"),
    "permitted in": (["objections", "--import-permitted", "{in}", "--expires", "{soon}"], "pseudonym"),
    "rotate pseudonym": (["keys", "--rotate", "pseudonym"], "pseudonym"),
    "rotate protected": (["keys", "--rotate", "protected"], "protected"),
    "init": (["keys", "--init"], "pseudonym"),
    "init, protected": (["keys", "--init"], "protected"),
    "demo-data": (["demo-data", "--people", "50"], "pseudonym"),
    "demo-data, protected": (["demo-data", "--people", "50"], "protected"),
}


@pytest.fixture
def worked(tmp_path: Path, monkeypatch) -> Lake:
    """A lake in which something waits at every door: a delivery, work to be published, a list that was refused."""
    lakes.hasten(monkeypatch)
    made, standard = new_lake(tmp_path), load()
    deliver(made.path("landing"), "ZZ1", PERIOD, {"pas_patient": 5})
    lakes.run(standard, made)
    for name, text in (("a", ""), ("b", "9991111131\n")):
        folder = made.path("objections", "ZL90", name)
        folder.mkdir(parents=True)
        (folder / "who.csv").write_text("nhs_number\n" + text)
        if name == "a":
            (folder / "_READY").touch()
            objections.receive(standard, made)
    (made.path("objections", "ZL90", "b") / "_READY").touch()
    deliver(made.path("landing"), "ZZ2", PERIOD, {"pas_patient": 5})
    (tmp_path / "in.csv").write_text("9991111131\n")
    monkeypatch.setenv("LAKE", str(made.root))
    monkeypatch.setenv("KEYS", str(made.keys))
    return made


@pytest.mark.parametrize("spoil", FAULTS)
def test_every_command_that_writes_needs_good_keys_and_writes_nothing_without(worked, tmp_path, capsys, spoil):
    places = {
        "out": tmp_path / "out.csv",
        "in": tmp_path / "in.csv",
        "soon": f"{datetime.now(UTC) + timedelta(5):%Y-%m-%d}",
    }
    sound = listing(worked.keys)

    def whole() -> dict[str, bytes]:
        return {name: text for name, text in listing(tmp_path).items() if "/locks/" not in name}

    for what, (arguments, name) in COMMANDS.items():
        said = spoil(worked, name)
        before = whole()
        assert main([word.format(**places) for word in arguments]) == 13, what
        told = capsys.readouterr().err
        assert f"{name}.key" in told and (said in told or "is missing from" in told), what
        assert whole() == before, what
        for file, content in sound.items():
            (worked.keys / file).write_bytes(content)
            (worked.keys / file).chmod(0o600)


def test_airflow_makes_nothing_without_good_keys_either(worked):
    from transforms.publish import is_due

    assert is_due(load(), worked) is not None
    for name in keys.NAMES:
        path = worked.keys / f"{name}.key"
        text = path.read_text()
        path.write_text(text[:30])
        with pytest.raises(keys.KeyFault):
            is_due(load(), worked)
        path.write_text(text)


def test_keys_are_made_for_an_empty_lake_only(lake):
    before = {name: (lake.keys / f"{name}.key").read_text() for name in keys.NAMES}
    assert keys.initialise(lake) == []  # those that are there stay
    assert {name: (lake.keys / f"{name}.key").read_text() for name in keys.NAMES} == before
    shutil.rmtree(lake.keys)
    with pytest.raises(keys.KeyFault, match="restore it"):
        keys.initialise(lake)
    assert not lake.keys.exists()


def test_keys_are_readable_by_their_owner_only_and_differ(lake):
    assert {path.stat().st_mode & 0o777 for path in lake.keys.iterdir()} == {0o600}
    assert lake.keys.stat().st_mode & 0o777 == 0o700
    assert len({keys.load(lake, name) for name in keys.NAMES}) == len(keys.NAMES)


def test_the_ledger_knows_the_keys_and_nothing_in_the_lake_holds_them(lake):
    assert set(keys.known_ids(lake)) == set(keys.NAMES)
    assert not lake.keys.is_relative_to(lake.root)
    secrets = [keys.load(lake, name) for name in keys.NAMES]
    for text in listing(lake.root).values():
        assert not any(secret in text or secret.hex().encode() in text for secret in secrets)


def test_two_lakes_with_one_key_agree_and_two_keys_do_not(tmp_path):
    first, second = new_lake(tmp_path / "a"), new_lake(tmp_path / "b")
    assert keys.known_ids(first) != keys.known_ids(second)
    shared = Lake(tmp_path / "c", first.keys).prepare()
    keys.initialise(shared)
    assert keys.known_ids(shared) == keys.known_ids(first)


def test_a_subkey_serves_one_purpose_and_sql_hashes_as_rfc_2104_says(lake):
    import hashlib
    import hmac

    from transforms.engine import connect

    subkey = hmac.new(keys.load(lake, "pseudonym"), b"record", hashlib.sha256).digest()
    found = {}
    with connect(lake) as con:
        for purpose in ("record", "person"):
            keys.arm(con, lake, purpose)
            [(found[purpose],)] = con.execute("select keyed('2:ab')").fetchall()
    assert found["record"] == hmac.new(subkey, b"2:ab", hashlib.sha256).hexdigest()
    assert found["person"] != found["record"]


def test_using_a_key_again_adds_no_line_to_the_ledger(lake):
    before = len(ledger.entries(lake))
    for name in keys.NAMES * 2:
        keys.load(lake, name)
    assert len(ledger.entries(lake)) == before
