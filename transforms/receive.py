"""landing -> received: a finished delivery is copied, content-addressed and immutable, and entered in the ledger.

Promise: landing is never changed; each delivery gets exactly one recorded outcome at the door, and none blocks another.
"""

import hashlib
import json
import os
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from transforms import keys, ledger, parse
from transforms.apart import ApartFault, Unreadable, apart
from transforms.arrivals import State, read_state
from transforms.disk import number_of
from transforms.finished import READY, TAKE_BACK, as_unfinished, is_over, newer, waiting
from transforms.lake import Lake, Submission, UsageError, install
from transforms.ours import line_of_ours
from transforms.recognise import recognise
from transforms.sent import Refused, copy_file, is_file, is_linked, is_open, opened
from transforms.standard import Standard
from transforms.take_back import take_back

LONGEST_MANIFEST = 1 << 22


class ReceiveCrashed(Exception):
    """Some deliveries could not be looked at for a fault of ours; they are tried again the next time. Names no file.
    `counts`, of the others."""

    def __init__(self, faults: list[str], counts: dict[str, int]):
        super().__init__(f"{len(faults)} deliveries could not be received: {'; '.join(sorted(set(faults)))}")
        self.counts = counts


def receive(standard: Standard, lake: Lake) -> dict[str, int]:
    """Take in everything that waits. Returns how many deliveries were received, unchanged or rejected at the door, and, if
    any, how many took a submission back or are not finished. Raises ReceiveCrashed, when all were looked at, and what a full
    disk says at once."""
    lake.prepare().tidy()
    crashed: list[str] = []
    counts = {"received": 0, "unchanged": 0, "rejected": 0}
    with ledger.lock(lake, "receive", wait=True):
        keys.load(lake, "pseudonym")
        state = read_state(lake)
        for folder, identity in waiting(lake, state.drops):
            try:
                outcome = _receive_one(standard, lake, state, folder, identity)
                counts[outcome] = counts.get(outcome, 0) + 1
            except ledger.Busy:  # a submission that is worked on is taken back the next time
                pass
            except (OSError, ApartFault) as error:  # one delivery must not stop the others
                if number_of(error):  # but a full disk stops them all, and is nobody's fault
                    raise
                crashed.append(f"{type(error).__name__} in {line_of_ours(error)}")
            state = read_state(lake)
    if crashed:
        raise ReceiveCrashed(crashed, counts)
    return counts


def _receive_one(standard: Standard, lake: Lake, state: State, folder: Path, identity: str) -> str:
    provider, period = folder.parent.parent.name.upper(), folder.parent.name
    try:
        submission = submission_of(standard, provider, period)
        if not is_open(folder):
            raise Refused("no_files", "a link") if is_linked(folder) else Refused("no_access")
        if is_file(folder / TAKE_BACK):
            return _take_back(lake, submission, identity)
        manifest = manifest_of(folder)
        files = _files(standard, lake, state, submission, folder, manifest)
    except Refused as refused:
        if last := newer(folder):  # what is wrong may be that an upload goes on
            if not is_over(last):
                return "unfinished"
            identity = as_unfinished(identity)
        named, period = repeatable(standard, provider, period)
        why = {"provider": named, "period": period, "reason": refused.reason, "detail": refused.detail}
        ledger.append(lake, "rejected", drop_id=identity, **why)
        return "rejected"
    delivery_id = hashlib.sha256(json.dumps(sorted((f["layout"], f["sha256"]) for f in files)).encode()).hexdigest()
    facts: dict[str, Any] = {"provider": submission.provider, "period": submission.period, "drop_id": identity}
    facts["submission_no"] = state.numbers.get(submission, len(state.numbers) + 1)
    if _is_current(state, submission, files, delivery_id):
        ledger.append(lake, "unchanged", **facts)
        return "unchanged"
    number = len(state.arrivals.get(submission, [])) + 1
    opt_out = {"opt_out_applied_on": manifest["opt_out_applied_on"]} if manifest.get("opt_out_applied_on") else {}
    ledger.append(lake, "seen", **facts, arrival=number, delivery_id=delivery_id, files=files, **opt_out)
    return "received"


def repeatable(standard: Standard, provider: str, period: str) -> tuple[str, str]:
    """A folder's name is the sender's own text: it is repeated only where it is a known code, or a period."""
    return (
        provider if provider in standard.providers else "unknown",
        period if re.fullmatch(r"\d{4}-\d{2}", period) else "unknown",
    )


def submission_of(standard: Standard, provider: str, period: str) -> Submission:
    """Which one a delivery is for. Raises Refused."""
    if provider not in standard.providers:
        raise Refused("unknown_provider")
    try:
        submission = Submission.parse(f"{provider}/{period}")
    except UsageError:
        raise Refused("bad_period") from None
    if submission.period > f"{date.today():%Y-%m}":
        raise Refused("period_in_future", submission.period)
    return submission


def _take_back(lake: Lake, submission: Submission, identity: str) -> str:
    try:
        take_back(lake, submission, identity, wait=False)
    except UsageError:
        raise Refused("nothing_to_take_back") from None
    return "taken_back"


def manifest_of(folder: Path) -> dict[str, Any]:
    """What _READY says: {} when it is empty."""
    ready = folder / READY
    if not is_file(ready):
        raise Refused("not_ready")
    with opened(ready, "_READY") as handle:
        words = handle.read(LONGEST_MANIFEST + 1).strip()
    if not words:
        return {}
    if len(words) > LONGEST_MANIFEST:
        raise Refused("bad_manifest")
    try:
        manifest = apart(parse.manifest, words, n_bytes=len(words))
    except Unreadable:
        manifest = None
    if manifest is None:
        raise Refused("bad_manifest")
    if manifest.get("bad"):
        raise Refused("bad_manifest", manifest["bad"])
    return dict(manifest)


def _files(
    standard: Standard, lake: Lake, state: State, submission: Submission, folder: Path, manifest: dict[str, Any]
) -> list[dict[str, Any]]:
    """Copy every file of a delivery to received/, and say what each is."""
    listed = {item["name"]: item for item in manifest.get("files", [])}
    present = sorted(f for f in folder.iterdir() if is_file(f) and f.name != READY and not f.name.startswith("."))
    if missing := [position for position, name in enumerate(listed, 1) if folder / name not in present]:
        raise Refused("missing_file", f"file {missing[0]} of the list")
    if not present:
        raise Refused("no_files")
    found: dict[str, dict[str, Any]] = {}
    ready = (folder / READY).lstat().st_ctime_ns
    layouts = standard.providers[submission.provider]["layouts"].split()
    with lake.workspace() as work:
        copies = []
        for position, source in enumerate(present, 1):
            where = f"file {position} of {len(present)}"
            copied = work / str(position)
            said = listed.get(source.name, {})
            with opened(source, where) as reading:
                begun = os.fstat(reading.fileno())
                if begun.st_ctime_ns > ready and not said.get("sha256"):
                    raise Refused("ready_is_older", where)
                head = recognise(parse.first_lines(reading), standard, layouts)
                if head.reason:
                    named = f", layout {head.layout.name}" if head.layout else ""
                    raise Refused(head.reason, f"{where}{named}" + (f": {head.detail}" if head.detail else ""))
                assert head.layout is not None
                sha256, n_bytes, is_utf8 = copy_file(reading, copied, where)
                ended = os.fstat(reading.fileno())
            if (begun.st_size, begun.st_mtime_ns) != (ended.st_size, ended.st_mtime_ns):
                raise Refused("ready_is_older", where)
            if said.get("sha256") and str(said["sha256"]).lower() != sha256:
                raise Refused("wrong_hash", where)
            if head.layout.name in found:
                raise Refused("same_role_twice", f"layout {head.layout.name}")
            facts = {"layout": head.layout.name, "sha256": sha256, "n_bytes": n_bytes, "is_utf8": is_utf8}
            found[head.layout.name] = {"file_no": state.n_files + position, **facts, "n_rows": said.get("n_rows")}
            copies.append((copied, lake.path("received", sha256, "content")))
        for copied, target in copies:
            if not target.exists():
                copied.chmod(0o400)
                install(copied, target)
    return list(found.values())


def _is_current(state: State, submission: Submission, files: list[dict[str, Any]], delivery_id: str) -> bool:
    """Whether this content is in force already, or was the last to arrive and waits to be judged."""
    listed = state.arrivals.get(submission, [])
    if listed and listed[-1].outcome is None:
        return listed[-1].delivery_id == delivery_id
    current = state.current(submission)
    return all(f["layout"] in current and current[f["layout"]].sha256_of(f["layout"]) == f["sha256"] for f in files)


def today() -> str:
    """The day in UTC, as the ledger counts days."""
    return f"{datetime.now(UTC):%Y-%m-%d}"
