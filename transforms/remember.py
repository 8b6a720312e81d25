"""A standard that was loaded and checked -> the same, for the next process, until a file of it or of our code changes.

Promise: what is remembered is exactly what loading would give; if it cannot be read, is not ours, or is old, it is not used.
"""

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

from transforms import fingerprint
from transforms.lake import rename

FOLDER = Path(__file__).resolve().parent.parent / ".airflow"  # beside what else the service keeps for itself


def _place(version: str) -> Path:
    code = fingerprint.code("macros.sql", *sorted(path.name for path in fingerprint.HERE.glob("*.py")))
    return FOLDER / f"standard-{fingerprint.of(version, code)}.pickle"


def recall(version: str) -> Any:
    """What was kept for a version of the standard, or None. Only a file of one's own is opened: a pickle is code."""
    with (
        contextlib.suppress(
            OSError, pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError, ImportError
        ),
        open(_place(version), "rb") as handle,
    ):
        facts = os.fstat(handle.fileno())
        if facts.st_uid == os.getuid() and not facts.st_mode & 0o022:
            return pickle.load(handle)
    return None


def keep(version: str, loaded: Any) -> None:
    """Keep it, and nothing older; where the folder cannot be written, nothing is kept."""
    target = _place(version)
    with contextlib.suppress(OSError):
        target.parent.mkdir(mode=0o700, exist_ok=True)
        beside = target.with_suffix(f".{os.getpid()}")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            pickle.dump(loaded, handle, protocol=pickle.HIGHEST_PROTOCOL)
        rename(beside, target)
        for old in target.parent.glob("standard-*.pickle"):
            if old != target:
                old.unlink(missing_ok=True)
