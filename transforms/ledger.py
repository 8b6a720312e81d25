"""What happened, in order, for ever: ledger/log.jsonl.

Promise: a line once written is never changed; each line carries the hash of the one before, so a changed, dropped or
reordered line is found by `verify`. Events: fetched, seen, claimed, accepted, rejected, crashed, superseded, withdrawn,
published, audit_failed, rolled_back, objection, key, alerted, alert_ended. No line holds a patient's value or a provider's file name.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from transforms.lake import Lake, fsync

Entry = dict[str, Any]
FIRST = "0" * 64


class Busy(Exception):
    """Someone else is working on the same thing; try again later."""


class LedgerDamaged(Exception):
    """The chain of hashes does not hold: the message names the first line that is wrong."""


_parsed: dict[Path, tuple[bytes, list[Entry]]] = {}  # the log as it was when it was last read, and its lines


def log_path(lake: Lake) -> Path:
    return lake.path("ledger", "log.jsonl")


def digest(entry: Entry) -> str:
    """The hash of a line without its own hash."""
    plain = {key: value for key, value in entry.items() if key != "hash"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@contextlib.contextmanager
def lock(lake: Lake, name: str, wait: bool = False) -> Iterator[None]:
    """Hold a named lock; the operating system gives it back when the process dies. Raises Busy unless `wait`."""
    folder = lake.path("ledger", "locks")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(folder / name.replace("/", "-"), "a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Busy(f"{name} is being worked on by another process; it is safe to try again later") from None
        yield


def entries(lake: Lake) -> list[Entry]:
    """Every line, oldest first. A last line that a crash cut short was never acknowledged and is left out.

    The whole file is read each time; what begins as it did the last time is not parsed again.
    """
    path = log_path(lake)
    if not path.exists():
        return []
    text = path.read_bytes()
    text = text[: text.rfind(b"\n") + 1]
    known, found = _parsed.get(path, (b"", []))
    if not text.startswith(known):
        known, found = b"", []
    found = list(found)
    for number, line in enumerate(text[len(known) :].split(b"\n")[:-1], start=len(found) + 1):
        try:
            found.append(json.loads(line))
        except ValueError:
            raise LedgerDamaged(f"ledger/log.jsonl line {number} is not a line of ours") from None
    _parsed.clear()  # of one lake: a process works on one
    _parsed[path] = (text, found)
    return list(found)


def append(lake: Lake, event: str, **facts: Any) -> Entry:
    """Add one line, durable before this returns. Returns it, with its number, time and hash."""
    path = log_path(lake)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock(lake, "log", wait=True), open(path, "a+b") as handle:
        handle.seek(0)
        text = handle.read()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):  # a crash cut the last line short: it was never acknowledged
            handle.truncate(whole)
        lines = text[:whole].splitlines()
        last: Entry = json.loads(lines[-1]) if lines else {"no": 0, "hash": FIRST}
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry: Entry = {"no": last["no"] + 1, "at": at, "event": event, **facts, "previous": last["hash"]}
        entry["hash"] = digest(entry)
        handle.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())
    if entry["no"] == 1:
        fsync(path.parent)
    return entry


def verify(lake: Lake) -> int:
    """Follow the chain to its end. Returns the number of lines; raises LedgerDamaged at the first that is wrong."""
    previous = FIRST
    listed = entries(lake)
    for number, entry in enumerate(listed, start=1):
        if entry.get("no") != number or entry.get("previous") != previous or entry.get("hash") != digest(entry):
            raise LedgerDamaged(f"ledger/log.jsonl line {number} does not follow from the line before it")
        previous = entry["hash"]
    return len(listed)
