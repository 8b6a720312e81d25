"""keys.py: no key, no work; a wrong one is noticed before anything is written."""

import shutil
from pathlib import Path

import pytest

from tests.lakes import PERIOD, listing, new_lake
from tests.synthetic import deliver
from transforms import keys, ledger
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
