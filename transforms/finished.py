"""What lies in landing -> which folders are finished.

Promise: no half is taken for a whole. A folder is finished when nothing in it is newer than its _READY: than an upload that
goes on, a file that got its name afterwards, or one that was sent again under the _READY of the time before.

Newer by the change time that our own file system keeps (the file server's, where it is one): the other times are the
sender's to set. What touches every file alike, such as a copy of the folder, can leave _READY older; then the hashes in it
can vouch for the files, or it is sent again.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Container
from pathlib import Path

from transforms.lake import Lake
from transforms.sent import is_file, is_folder, is_open

READY = "_READY"
TAKE_BACK = "_WITHDRAW"  # a delivery that holds this file, and whatever else, takes its submission back
QUIET = 5.0  # seconds without a change before hashes are compared with files that are newer


def inside(folder: Path) -> list[Path]:
    """What a delivery consists of. What begins with a dot is not the sender's: programs leave it on their way."""
    return [path for path in folder.iterdir() if not path.name.startswith(".") and not is_folder(path)]


def drop_id(folder: Path) -> str:
    """What a landing folder is now: its place, and its files with their sizes and times; of one that cannot be looked
    into, and of a link, its own."""
    parts = inside(folder) if is_open(folder) else [folder]
    listing = sorted((f.name, f.lstat().st_size, f.lstat().st_mtime_ns) for f in parts)
    return _hash([folder.parent.parent.name, folder.parent.name, folder.name], listing)


def as_unfinished(identity: str) -> str:
    """The same folder while files in it are newer than its _READY: once that is sent again, whatever time it bears, it is
    looked at anew."""
    return _hash(identity, READY)


def newer(folder: Path) -> float:
    """When the last file was changed that is newer than _READY, in seconds since 1970; 0 when there is none, or no _READY
    that could vouch for any."""
    with contextlib.suppress(OSError):
        if is_open(folder) and is_file(folder / READY) and not is_file(folder / TAKE_BACK):
            ready = (folder / READY).lstat().st_ctime_ns
            last = max(path.lstat().st_ctime_ns for path in inside(folder))
            return last / 1e9 if last > ready else 0.0
    return 0.0


def is_over(since: float) -> bool:
    """Whether the grace has passed for what is not finished."""
    return time.time() - since >= float(os.environ.get("READY_GRACE_HOURS", "24")) * 3600


def may_be_read(folder: Path) -> bool:
    """Whether there is any use in looking into it: nothing is newer than _READY; or what is has come to rest, and _READY may
    hold its hashes; or nobody will send _READY again."""
    last = newer(folder)
    with contextlib.suppress(OSError):
        return last == 0 or is_over(last) or (time.time() - last >= QUIET and (folder / READY).lstat().st_size > 0)
    return False


def is_known(folder: Path, identity: str, known: Container[str]) -> bool:
    """Whether the ledger has an outcome for a folder as it is now."""
    return identity in known or (as_unfinished(identity) in known and newer(folder) > 0)


def waiting(lake: Lake, known: Container[str]) -> list[tuple[Path, str]]:
    """Landing folders that are finished, or abandoned for longer than the grace, and not dealt with; oldest first."""
    found = []
    for folder in lake.path("landing").glob("*/*/*"):
        with contextlib.suppress(FileNotFoundError):  # a provider may tidy up while we look
            if not folder.is_dir() or (is_open(folder) and not any(folder.iterdir())):
                continue
            is_inside = is_open(folder)
            marks = (folder / name for name in (READY, TAKE_BACK) if is_inside and is_file(folder / name))
            if (ready := next(marks, folder)) == folder:
                parts = folder.iterdir() if is_inside else iter([folder])
                if not is_over(max(path.lstat().st_ctime for path in parts)):
                    continue
            if not is_known(folder, identity := drop_id(folder), known) and may_be_read(folder):
                place = (folder.parent.parent.name, folder.parent.name)
                found.append((place, ready.lstat().st_ctime_ns, folder, identity))
    return [(folder, identity) for _, _, folder, identity in sorted(found, key=lambda item: (*item[:2], item[2].name))]


def overtaken(lake: Lake, known: Container[str]) -> list[tuple[Path, float]]:
    """Folders that are not taken in because files are newer than _READY, and for how many seconds nothing in them changed."""
    found = []
    for folder in sorted(lake.path("landing").glob("*/*/*")):
        with contextlib.suppress(FileNotFoundError):
            if folder.is_dir() and (last := newer(folder)) and not is_known(folder, drop_id(folder), known):
                found.append((folder, time.time() - last))
    return found


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
