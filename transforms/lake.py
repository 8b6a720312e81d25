"""Where everything lies, and how it is written.

Promise: a reader sees a whole file or none. Every file is written beside its target, fsynced, then renamed over it.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transforms.abort import reached

WORKSPACE = 32  # letters of a workspace's name: a uuid's
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
        """A private folder on the same file system as every target; gone afterwards, also after a kill: see tidy."""
        self.prepare()  # a stage that was deleted comes back as private as it was
        folder = self.path(".work", uuid.uuid4().hex)
        with contextlib.ExitStack() as held:
            with _held(self.path(".work"), fcntl.LOCK_SH):  # nobody tidies between the next two lines
                folder.mkdir(mode=0o700)
                held.enter_context(_held(folder, fcntl.LOCK_EX))
            held.callback(shutil.rmtree, folder, ignore_errors=True)
            yield folder

    def tidy(self) -> int:
        """Take away the workspaces of processes that were killed: they can hold parts of what was sent. Returns how many."""
        n_left = 0
        with contextlib.suppress(BlockingIOError), _held(self.path(".work"), fcntl.LOCK_EX | fcntl.LOCK_NB):
            for folder in self.path(".work").iterdir():
                if len(folder.name) == WORKSPACE:
                    with contextlib.suppress(BlockingIOError), _held(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                        shutil.rmtree(folder, ignore_errors=True)
                        n_left += 1
        return n_left


@contextlib.contextmanager
def _held(folder: Path, how: int) -> Iterator[None]:
    """A folder under a lock, which the operating system gives back when the process dies."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def fsync(path: Path) -> None:
    """Make a file's, or a folder's, content durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename(source: Path, target: Path) -> None:
    """Move a file or a folder, replacing a file that is there, in one step. What must survive a power cut is fsynced by who
    calls."""
    reached("rename", target)
    os.replace(source, target)
    reached("renamed", target)


def install(source: Path, target: Path) -> None:
    """Move a finished file to its place, replacing what is there, in one step that survives a crash."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fsync(source)
    rename(source, target)
    fsync(target.parent)


def sha256(path: Path) -> str:
    """The hash of a file's content."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def remove(target: Path) -> None:
    """Take a file, or an empty folder, away; nothing happens when it is not there."""
    if target.exists():
        reached("remove", target)
        if target.is_dir():
            target.rmdir()
        else:
            target.unlink()
        reached("removed", target)
        fsync(target.parent)


def discard(lake: Lake, folder: Path) -> None:
    """Take a whole folder away in one step: nobody finds half of it."""
    with lake.workspace() as work:
        rename(folder, work / "discarded")
    fsync(folder.parent)


def write_text(target: Path, text: str) -> None:
    """Write a small text file whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    reached("write", target)
    try:
        beside.write_text(text, encoding="utf-8")
        install(beside, target)
    except OSError:  # a full disk leaves half a file, which nobody would ever take away
        beside.unlink(missing_ok=True)
        raise


def point(lake: Lake, link: Path, target: str) -> None:
    """Make a symbolic link point elsewhere in one step: readers see the old or the new, never neither."""
    with lake.workspace() as work:  # a link that a kill leaves behind is tidied away
        (work / link.name).symlink_to(target)
        rename(work / link.name, link)
    fsync(link.parent)
