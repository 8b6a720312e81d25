"""The two secrets, kept outside the lake: pseudonym.key makes record and person keys, protected.key encrypts the mart.

Promise: keys are never made silently, never logged, and a wrong, missing or truncated one is noticed before anything is
written: the ledger knows each key's id, which says nothing about the key.
"""

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

import duckdb

from transforms import ledger
from transforms.lake import Lake, fsync, rename

NAMES = ("pseudonym", "protected")
LENGTH = 32
BLOCK = 64


class KeyFault(Exception):
    """A key is missing, damaged or not the one that this lake was made with. The command line ends with code 13."""


def key_id(key: bytes) -> str:
    """A short public name for a key, from which the key cannot be found."""
    return hmac.new(key, b"key id", hashlib.sha256).hexdigest()[:12]


def known_ids(lake: Lake, up_to: int | None = None) -> dict[str, str]:
    """The id of each key as the ledger last recorded it; `up_to`: as it was when that line was written."""
    told = (entry for entry in ledger.entries(lake) if entry["event"] == "key" and "key_id" in entry)
    return {entry["name"]: entry["key_id"] for entry in told if up_to is None or entry["no"] <= up_to}


def initialise(lake: Lake) -> list[str]:
    """Make the keys that are missing and record their ids. Returns the names made. Refuses once anything was received."""
    missing = [name for name in NAMES if not (lake.keys / f"{name}.key").exists()]
    if missing and ledger.entries(lake):
        raise KeyFault(
            f"{', '.join(missing)}.key is missing from {lake.keys} and this lake was made with another: restore it "
            "from its backup. New keys are made only for an empty lake."
        )
    lake.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in missing:
        path = lake.keys / f"{name}.key"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(secrets.token_hex(LENGTH) + "\n")
        fsync(path)
    if missing:
        fsync(lake.keys)
    for name in NAMES:
        load(lake, name)
    return missing


def load(lake: Lake, name: str) -> bytes:
    """The key, checked against the ledger; its id is recorded at first use. Raises KeyFault."""
    path = lake.keys / f"{name}.key"
    expected = known_ids(lake).get(name)
    key = _read(path)
    if (
        expected not in (None, key_id(key))
        and coming(lake, name).exists()
        and key_id(_read(coming(lake, name))) == expected
    ):
        rename(coming(lake, name), path)  # the ledger says that it was rotated: a crash came between
        fsync(lake.keys)
        key = _read(path)
    if expected is None:
        ledger.append(lake, "key", name=name, key_id=key_id(key))
    elif expected != key_id(key):
        raise KeyFault(f"{path} is not the key that this lake was made with (id {key_id(key)}, not {expected})")
    return key


def check(lake: Lake, wanted: dict[str, str]) -> None:
    """Whether the keys are there that have these ids, name -> id; nothing is written. Raises KeyFault."""
    for name, expected in wanted.items():
        if key_id(_read(lake.keys / f"{name}.key")) != expected:
            raise KeyFault(f"{lake.keys / name}.key is not the key that goes with this (id {expected})")


def held(lake: Lake, name: str, wanted: str) -> bytes:
    """The key with an id: the one in use, or one that was replaced and kept aside. Raises KeyFault."""
    key = load(lake, name)
    if key_id(key) == wanted:
        return key
    path = aside(lake, name, wanted)
    key = _read(path)
    if key_id(key) != wanted:
        raise KeyFault(f"{path} is not the key that its name says (id {key_id(key)})")
    return key


def coming(lake: Lake, name: str) -> Path:
    """Where a new key lies until the ledger names it."""
    return lake.keys / f"{name}.key.new"


def aside(lake: Lake, name: str, key: str) -> Path:
    """Where a key that was replaced is kept."""
    return lake.keys / f"{name}-{key}.key"


def _read(path: Path) -> bytes:
    """The key in a file. Raises KeyFault when it is missing, readable by others or damaged."""
    if not path.exists():
        raise KeyFault(
            f"{path} is missing: restore it, or make keys for a new lake with: python -m transforms keys --init"
        )
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeyFault(f"{path} can be read by others: run chmod 600 on it")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != LENGTH:
        raise KeyFault(f"{path} is not a key of {LENGTH} bytes in hexadecimal: it is damaged; restore it")
    return key


def arm(con: duckdb.DuckDBPyConnection, lake: Lake, purpose: str, wanted: str = "") -> None:
    """Give a connection the two HMAC pads of a subkey for one purpose, so that SQL can hash and never sees the key.

    `wanted`: the id of a key that was replaced, for what was hashed with it. The variable armed_key is the key's id.
    """
    key = held(lake, "pseudonym", wanted) if wanted else load(lake, "pseudonym")
    subkey = hmac.new(key, purpose.encode(), hashlib.sha256).digest()
    padded = subkey.ljust(BLOCK, b"\0")
    for name, byte in (("inner_pad", 0x36), ("outer_pad", 0x5C)):
        pad = "".join(f"\\x{value ^ byte:02X}" for value in padded)
        con.execute(f"set variable {name} = '{pad}'::blob")
    con.execute("set variable armed_key = ?", [key_id(key)])
