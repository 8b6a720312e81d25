"""What happened, in order, for ever: ledger/log.jsonl.

Promise: a line once written is never changed; each line carries the hash of the one before, so a changed, dropped or
reordered line is found by `verify`. Events: fetched, seen, claimed, accepted, rejected, crashed, superseded, withdrawn,
published, audit_failed, rolled_back, objection, key, alerted, alert_ended. No line holds a patient's value or a provider's file name.
"""

import contextlib
import errno
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from transforms.abort import reached
from transforms.lake import Lake, fsync

Entry = dict[str, Any]
FIRST = "0" * 64


class Busy(Exception):
    """Someone else is working on the same thing; try again later."""


class LedgerDamaged(Exception):
    """The chain of hashes does not hold: the message names the first line that is wrong."""


Looks = tuple[int, ...]  # which file it is, how long, and when it was changed
_parsed: dict[Path, tuple[Looks, bytes, list[Entry]]] = {}  # the log as it was when it was last read, and its lines
TAIL = 1 << 16  # more than the longest line is likely to have


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

    The file is read only when it is another than it was, and what begins as it did the last time is not parsed again.
    """
    path = log_path(lake)
    try:
        facts = path.stat()
    except FileNotFoundError:
        return []
    looks = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    known_looks, known, found = _parsed.get(path, ((), b"", []))
    if known_looks == looks:
        return list(found)
    text = path.read_bytes()
    text = text[: text.rfind(b"\n") + 1]
    if not text.startswith(known):
        known, found = b"", []
    found = list(found)
    for number, line in enumerate(text[len(known) :].split(b"\n")[:-1], start=len(found) + 1):
        try:
            found.append(json.loads(line))
        except ValueError:
            raise LedgerDamaged(f"ledger/log.jsonl line {number} is not a line of ours") from None
    _parsed.clear()  # of one lake: a process works on one
    _parsed[path] = (looks, text, found)  # its looks are from before it was read: what came meanwhile is read again
    return list(found)


def append(lake: Lake, event: str, **facts: Any) -> Entry:
    """Add one line, durable before this returns. Returns it, with its number, time and hash."""
    path = log_path(lake)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{event} {facts['what']}" if "what" in facts else event
    with lock(lake, "log", wait=True), open(path, "a+b", buffering=0) as handle:
        whole, last = _last(handle)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry: Entry = {"no": last["no"] + 1, "at": at, "event": event, **facts, "previous": last["hash"]}
        entry["hash"] = digest(entry)
        reached("append", name)
        _write_line(handle, whole, json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        reached("appended", name)
    if entry["no"] == 1:
        fsync(path.parent)
    return entry


def _last(handle: io.FileIO) -> tuple[int, Entry]:
    """How long the log is up to its last whole line, and that line. What a crash cut short was never acknowledged: it is
    taken away."""
    size, tail = handle.seek(0, os.SEEK_END), b""
    at = size
    while at and tail.count(b"\n") < 2:  # the end of the last line, and that of the one before
        at = max(0, at - max(TAIL, len(tail)))
        handle.seek(at)
        tail = handle.read(size - at)
    whole = at + tail.rfind(b"\n") + 1
    if whole < size:
        handle.truncate(whole)
    lines = tail[: whole - at].splitlines()
    return whole, json.loads(lines[-1]) if lines else {"no": 0, "hash": FIRST}


def _write_line(handle: io.FileIO, whole: int, line: bytes) -> None:
    """A line at the end, durable. Where it cannot be made so, none of it stays: nobody may go by what was never acknowledged."""
    try:
        if handle.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            handle.truncate(whole)
        raise


def verify(lake: Lake) -> int:
    """Follow the chain to its end. Returns the number of lines; raises LedgerDamaged at the first that is wrong."""
    previous = FIRST
    _parsed.clear()  # what was changed without a trace in the folder is found too
    listed = entries(lake)
    for number, entry in enumerate(listed, start=1):
        if entry.get("no") != number or entry.get("previous") != previous or entry.get("hash") != digest(entry):
            raise LedgerDamaged(f"ledger/log.jsonl line {number} does not follow from the line before it")
        previous = entry["hash"]
    return len(listed)
