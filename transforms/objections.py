"""objections/<sender>/<delivery>/ -> objected/list/: whom a sender's list names, as keyed hashes and nothing else.

Promise: a list replaces the sender's former one, whole, from its line in the ledger on. What cannot be read lifts no
objection: a list with bad rows adds to the former one, and an empty one is refused until somebody says that it is meant.
"""

import contextlib
import hashlib
import json
from pathlib import Path

from transforms import engine, keys, ledger
from transforms.finished import READY, newer
from transforms.lake import Lake, UsageError, remove, write_text
from transforms.objection_list import take
from transforms.objection_state import EMPTY, RECEIVED, REFUSED, Facts, State, read_state
from transforms.sent import Refused, is_file
from transforms.standard import Standard


def drop_id(folder: Path) -> str:
    """What a folder is now: its sender, and its files' sizes and times; not their names, which may name somebody."""
    listing = sorted((f.lstat().st_size, f.lstat().st_mtime_ns) for f in folder.iterdir() if not f.is_dir())
    return hashlib.sha256(json.dumps([folder.parent.name, listing]).encode()).hexdigest()[:32]


def waiting(lake: Lake, state: State, confirmed: str = "") -> list[tuple[Path, str]]:
    """Finished folders (see finished.newer) that were not dealt with, oldest first; and of `confirmed` the empty list that was refused last."""
    meant = state.newest.get(confirmed, {})
    again = meant.get("drop_id") if meant.get("reason") == EMPTY else None
    found = []
    for folder in lake.path("objections").glob("*/*"):
        with contextlib.suppress(FileNotFoundError, PermissionError):  # a sender may tidy up while we look
            if folder.is_dir() and is_file(folder / READY) and not newer(folder):
                identity = drop_id(folder)
                if identity not in state.drops or identity == again:
                    found.append(((folder / READY).lstat().st_ctime_ns, folder.name, folder, identity))
    return [(folder, identity) for _, _, folder, identity in sorted(found)]


def overtaken(lake: Lake, state: State) -> int:
    """How many folders are not read because something in them is newer than _READY."""
    folders = [folder for folder in lake.path("objections").glob("*/*") if folder.is_dir() and newer(folder)]
    return sum(drop_id(folder) not in state.drops for folder in folders)


def unconfirmed(lake: Lake, sender: str = "") -> str:
    """The sender whose last list was refused because it is empty. Raises UsageError when it is none, or one of several."""
    found = sorted(name for name, entry in read_state(lake).newest.items() if entry.get("reason") == EMPTY)
    if sender and sender.upper() in found:
        return sender.upper()
    if sender or len(found) != 1:
        raise UsageError(
            f"--confirm needs --sender, one whose empty list was refused: {', '.join(found) or 'there is none'}"
        )
    return found[0]


def receive(standard: Standard, lake: Lake, confirmed: str = "") -> dict[str, int]:
    """Take in every list that waits. `confirmed` is the sender whose empty list is meant. Returns counts.

    Raises KeyFault, and UsageError when no empty list of `confirmed` waits.
    """
    lake.prepare()
    counts = {"lists": 0, "lists_refused": 0, "objections": 0, "lifted": 0, "bad_rows": 0}
    keys.load(lake, "pseudonym")
    with ledger.lock(lake, "objections", wait=True), engine.without_values("reading objections"):
        state = read_state(lake)
        listed = waiting(lake, state, confirmed)
        if confirmed and not any(_sender(folder) == confirmed for folder, _ in listed):
            raise UsageError(f"no list of {confirmed} waits: only an empty list that was refused last can be confirmed")
        for folder, identity in listed:
            try:
                told = _receive_one(standard, lake, folder, identity, _sender(folder) == confirmed)
            except ledger.Busy:  # the next time
                continue
            counts["lists" if told["what"] == RECEIVED else "lists_refused"] += 1
            for count, name in (("objections", "n_objections"), ("lifted", "n_lifted"), ("bad_rows", "n_bad")):
                counts[count] += told.get(name) or 0
    return counts


def _sender(folder: Path) -> str:
    return folder.parent.name.upper()


def _receive_one(standard: Standard, lake: Lake, folder: Path, identity: str, is_confirmed: bool) -> Facts:
    """Read one list, keep its hashes, write the ledger's line. Returns the line."""
    sender, settings = _sender(folder), standard.settings["objections"]
    answers: list[tuple[int, str]] = []
    known = sender in standard.providers or sender in (settings["senders"] or {})
    try:
        if not known:
            raise Refused("unknown_sender")
        told = take(standard, lake, folder, sender, answers, is_confirmed)
        what = RECEIVED
    except Refused as refused:
        what, told = REFUSED, {"reason": "manifest" if refused.reason == "bad_manifest" else refused.reason}
        answers.append((0, told["reason"]))
    _answer(folder, settings["answers"], answers)
    return ledger.append(lake, "objection", what=what, sender=sender if known else "unknown", drop_id=identity, **told)


def _answer(folder: Path, words: Facts, answers: list[tuple[int, str]]) -> None:
    """Beside the folder, for the sender: the line, what is wrong and what to do. Never a value."""
    told = ["line,what,what_to_do"]
    told += [
        ",".join(f'"{cell}"' for cell in (line or "", words[name]["what"], words[name]["do"])) for line, name in answers
    ]
    target = answer_file(folder)
    if answers:
        write_text(target, "\n".join(told) + "\n")
    else:
        remove(target)


def answer_file(folder: Path) -> Path:
    """Where the answer to a list stands: beside its folder."""
    return folder.with_name(f"{folder.name}.answer.csv")
