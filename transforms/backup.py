"""The lake -> what cannot be made again, in a folder elsewhere; and back. Promise: a backup is whole or says that it is not.

Kept: the ledger, what was received, who objects, what reviewers decided, and the postcode directory. Every other stage is
rebuilt from these by `run --all` and `publish`. Keys are never in it: they are backed up apart, and without them a backup
is of no use for linking, yet it holds what was sent: it belongs on an encrypted volume like the lake's own stages.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from transforms import keys, ledger
from transforms.lake import Lake, UsageError, install, remove, sha256, write_text

KEPT = ("received", "objected", "judged", "geography")
LOCKS = ("receive", "objections", "publish")  # what appends to the kept stages holds one of these
MANIFEST = "backup.json"
LOG = Path("ledger", "log.jsonl")


class BackupDamaged(Exception):
    """A backup is not what its manifest says: the message names the first file that is wrong."""


def backup(lake: Lake, to: Path) -> dict[str, int]:
    """Bring the backup in a folder up to date: what is there already is not copied again, and what has had its time in the
    lake goes there too. Returns how many files it holds, how many were copied and how many removed."""
    to = to.resolve()
    if to.is_relative_to(lake.root) or lake.root.is_relative_to(to) or to.is_relative_to(lake.keys):
        raise UsageError(f"{to} is the lake, or in it, or beside the keys: choose a folder on another volume")
    if to.exists() and any(to.iterdir()) and not (to / MANIFEST).exists() and not (to / ".unfinished").exists():
        raise UsageError(f"{to} holds something else: choose an empty folder, or one that is a backup")
    if not ledger.entries(lake):
        raise UsageError("there is nothing to back up yet")
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    to.chmod(0o700)
    write_text(to / ".unfinished", "")
    known = _read_manifest(to)["files"] if (to / MANIFEST).exists() else {}
    copied = _copy_new(lake, to, known, ("received",))  # most of it, while others work
    with ExitStack() as held:
        for name in LOCKS:
            held.enter_context(ledger.lock(lake, name, wait=True))
        copied |= _copy_new(lake, to, known | copied, KEPT)
        with ledger.lock(lake, "log", wait=True):
            copied[str(LOG)] = _copy(ledger.log_path(lake), to / LOG)
    n_lines = ledger.verify(Lake(to, lake.keys))
    files = {name: digest for name, digest in (known | copied).items() if (lake.root / name).exists()}
    gone = [path for path in _files(to, KEPT) if str(path.relative_to(to)) not in files]
    for path in gone:
        remove(path)
    last = ledger.entries(Lake(to, lake.keys))[-1]
    facts = {"made_at": last["at"], "n_lines": n_lines, "last_hash": last["hash"], "keys": keys.known_ids(lake)}
    write_text(to / MANIFEST, json.dumps({**facts, "files": dict(sorted(files.items()))}, indent=1))
    remove(to / ".unfinished")
    return {"files": len(files), "copied": len(copied), "removed": len(gone)}


def restore(lake: Lake, source: Path) -> dict[str, int]:
    """Fill an empty lake from a backup; everything else is then made again by `run --all` and `publish`. The ledger comes
    last, so that a restore that was interrupted is simply done again. Raises UsageError, BackupDamaged or KeyFault before
    anything is written."""
    if ledger.entries(lake):
        raise UsageError(f"{lake.root} is in use: restore into a new folder, which LAKE names")
    if not (source / MANIFEST).exists() or (source / ".unfinished").exists():
        raise BackupDamaged(f"{source} is no finished backup: run backup once more, or take the one before")
    manifest = _read_manifest(source)
    for name, wanted in manifest["files"].items():
        if not (source / name).is_file() or sha256(source / name) != wanted:
            raise BackupDamaged(f"{source / name} is not what was backed up: take the backup before")
    log = ledger.entries(Lake(source, lake.keys))
    if ledger.verify(Lake(source, lake.keys)) != manifest["n_lines"] or log[-1]["hash"] != manifest["last_hash"]:
        raise BackupDamaged(f"{source / LOG} is not the ledger that was backed up")
    keys.check(lake, manifest["keys"])
    lake.prepare()
    for name in sorted(manifest["files"], key=lambda name: name == str(LOG)):
        _copy(source / name, lake.root / name)
    ledger.append(lake, "restored", made_at=manifest["made_at"], n_lines=manifest["n_lines"])
    return {"files": len(manifest["files"]), "ledger_lines": manifest["n_lines"]}


def _read_manifest(folder: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return made


def _files(root: Path, stages: tuple[str, ...]) -> Iterator[Path]:
    """What is finished below these stages: names that begin with a point are being written."""
    for stage in stages:
        for path in sorted((root / stage).rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                yield path


def _copy_new(lake: Lake, to: Path, known: dict[str, str], stages: tuple[str, ...]) -> dict[str, str]:
    """Copy what the backup lacks, or holds otherwise. Returns name -> hash of what was copied."""
    copied = {}
    for path in _files(lake.root, stages):
        name = str(path.relative_to(lake.root))
        if name in known and _is_same(path, to / name):
            continue
        try:
            copied[name] = _copy(path, to / name)
        except FileNotFoundError:  # its time was over while we looked
            continue
    return copied


def _is_same(path: Path, there: Path) -> bool:
    """Files of these stages are never changed, only added and removed: size and time tell them apart."""
    if not there.exists():
        return False
    ours, theirs = path.stat(), there.stat()
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def _copy(source: Path, target: Path) -> str:
    """One file, whole or not at all, with its mode and time. Returns its hash as it was read back."""
    for folder in (*reversed(target.parent.parents), target.parent):
        if not folder.exists():
            folder.mkdir(mode=0o700)
    beside = target.with_name(f".{target.name}.coming")
    remove(beside)
    shutil.copy2(source, beside)
    install(beside, target)
    return sha256(target)
