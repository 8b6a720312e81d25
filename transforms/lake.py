"""Where everything lies, and how it is written.

Promise: a reader sees a whole file or none. Every file is written beside its target, fsynced, then renamed over it.
"""

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IDENTIFIABLE = (
    "landing",
    "received",
    "bronze",
    "validated",
    "quarantine",
    "results",
    "harmonised",
    "linked",
    "judged",
    "compared",
    "objections",
    "objected",
    "withdrawn",
)
STAGES = (*IDENTIFIABLE, "ledger", "provider", "releases")


class UsageError(Exception):
    """The caller asked for something that cannot be: the message says what to do."""


@dataclass(frozen=True, order=True)
class Submission:
    """One provider, one period; written ZZ1/2026-09."""

    provider: str
    period: str

    @classmethod
    def parse(cls, text: str) -> "Submission":
        """From "ZZ1/2026-09". Raises UsageError when it is not of that form."""
        match = re.fullmatch(r"([A-Za-z0-9]{2,10})/([12][0-9]{3}-(?:0[1-9]|1[0-2]))", text.strip())
        if not match:
            raise UsageError(f"{text!r} is not a submission: write it like ZZ1/2026-09")
        return cls(match[1].upper(), match[2])

    def __str__(self) -> str:
        return f"{self.provider}/{self.period}"


@dataclass(frozen=True)
class Lake:
    """One POSIX file system: the ledger, what was received, a folder per stage, the releases."""

    root: Path
    keys: Path

    @classmethod
    def from_environment(cls) -> "Lake":
        """LAKE names the lake (default ./lake), KEYS the folder of keys (default ./keys)."""
        return cls(Path(os.environ.get("LAKE", "lake")).resolve(), Path(os.environ.get("KEYS", "keys")).resolve())

    def prepare(self) -> "Lake":
        """Make the folders that are not there. Identifiable ones can be read by their owner only."""
        self.root.mkdir(parents=True, exist_ok=True)
        for stage in (*STAGES, "geography", ".work"):
            private = stage in IDENTIFIABLE or stage in ("ledger", ".work")
            (self.root / stage).mkdir(mode=0o700 if private else 0o755, exist_ok=True)
        return self

    def path(self, *parts: object) -> Path:
        """A path below the root."""
        return self.root.joinpath(*map(str, parts))

    def arrival_file(self, stage: str, name: str, submission: Submission, arrival: int, layout: str = "all") -> Path:
        """One file of a stage that keeps every arrival: bronze, quarantine, results."""
        folder = self.path(stage, name, f"provider={submission.provider}", f"period={submission.period}")
        return folder / f"{arrival:04d}-{layout}.parquet"

    def current_file(self, stage: str, name: str, submission: Submission, layout: str) -> Path:
        """One file of a stage that keeps only what is current: validated, harmonised."""
        folder = self.path(stage, name, f"provider={submission.provider}", f"period={submission.period}")
        return folder / f"{layout}.parquet"

    def provider_file(self, stage: str, name: str, provider: str) -> Path:
        """One file of a stage that keeps one of each provider: compared."""
        return self.path(stage, name, f"{provider}.parquet")

    def files(self, stage: str, name: str, provider: str = "*") -> list[str]:
        """Every finished file of a table, or of one provider in it, in a stable order."""
        folder = self.path(stage, name)
        return sorted(
            str(p) for form in (f"provider={provider}/*/*.parquet", f"{provider}.parquet") for p in folder.glob(form)
        )

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A private folder on the same file system as every target; gone afterwards."""
        folder = self.prepare().path(
            ".work", uuid.uuid4().hex
        )  # a stage that was deleted comes back as private as it was
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def fsync(path: Path) -> None:
    """Make a file's, or a folder's, content durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def install(source: Path, target: Path) -> None:
    """Move a finished file to its place, replacing what is there, in one step that survives a crash."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fsync(source)
    os.replace(source, target)
    fsync(target.parent)


def remove(target: Path) -> None:
    """Take a file away; nothing happens when it is not there."""
    if target.exists():
        target.unlink()
        fsync(target.parent)


def write_text(target: Path, text: str) -> None:
    """Write a small text file whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    beside.write_text(text, encoding="utf-8")
    install(beside, target)


def point(link: Path, target: str) -> None:
    """Make a symbolic link point elsewhere in one step: readers see the old or the new, never neither."""
    beside = link.with_name(f".{link.name}.{uuid.uuid4().hex}")
    beside.symlink_to(target)
    os.replace(beside, link)
    fsync(link.parent)
