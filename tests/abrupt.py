"""A service that ends in the middle of something -> a power cut, a full disk or a kill at a named place.

Promise: the names are those that a run reaches, as `abort.reached` tells them; none is written down here.
"""

import contextlib
import errno
import faulthandler
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import lakes
from tests.lakes import PERIOD
from tests.synthetic import deliver
from transforms import abort, follow, ledger, publish, retire, rollback, work
from transforms.finished import READY
from transforms.lake import Lake
from transforms.receive import receive
from transforms.standard import Standard
from transforms.withdraw import sweep

LONGEST = 300  # seconds until a process that hangs is ended
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["tests.abrupt"])  # it has what a run needs, and has done nothing


class PowerCut(BaseException):
    """Not an Exception: nothing of ours may handle it, as nothing handles a killed process."""


@contextlib.contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Hear of every place that is reached."""
    assert abort.listener is None
    abort.listener = listener
    try:
        yield
    finally:
        abort.listener = None


def places(doing: Callable[[], object]) -> list[str]:
    """What is reached while something is done, in order, as often as it is."""
    found: list[str] = []
    with listening(found.append):
        doing()
    return found


@contextlib.contextmanager
def trouble(at: str | int, act: Callable[[], None]) -> Iterator[list[str]]:
    """Do something at a name, the first time, or at the place of a number, counted from 1."""
    reached: list[str] = []

    def listener(name: str) -> None:
        reached.append(name)
        if at == len(reached) or (at == name and reached.count(name) == 1):
            act()

    with listening(listener):
        yield reached


def cut() -> None:
    raise PowerCut


def fill_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[int], None]]:
    """A file system of its own at a folder, which can be made larger: the system itself says when it is full."""
    if os.getuid():
        pytest.skip("only root can mount")
    folder.mkdir(exist_ok=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        yield lambda more: subprocess.run(["mount", "-o", f"remount,size={more}k", str(folder)], check=True)  # type: ignore[func-returns-value]
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(doing: Callable[[], object], at: str | int) -> bool:
    """Do something, which can be pickled, in a process of its own, which is killed at a place. Returns whether it got there.

    No fork of this process: that has connections of DuckDB without their threads, and hangs or ends when it lets go of one.
    """
    process = FRESH.Process(target=_until, args=(doing, at, lakes.PAGES))
    process.start()
    process.join(LONGEST)
    is_over = process.exitcode is not None
    process.kill()
    process.join()
    assert is_over, f"it hung: {at}"
    assert process.exitcode in (0, -signal.SIGKILL), f"it ended by itself before it was killed: {process.exitcode}"
    return process.exitcode == -signal.SIGKILL


def _until(doing: Callable[[], object], at: str | int, pages: dict[str, Path]) -> None:
    faulthandler.dump_traceback_later(LONGEST - 10)  # where it hangs, if it does
    lakes.PAGES.update(pages)
    with pytest.MonkeyPatch.context() as patch, trouble(at, die):
        haste(patch)
        doing()


def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """As fast as these tests want it, and in a time at which what was sent first is expired."""
    lakes.hasten(monkeypatch)
    monkeypatch.setattr(retire, "today", lambda: f"{datetime.now(UTC) + timedelta(days=500):%Y-%m-%d}")


def first_day(lake: Lake) -> None:
    """Two trusts and a practice send; one delivery has faults, one is judged away, one is refused at the door."""
    landing = lake.path("landing")
    deliver(landing, "ZZ1", PERIOD, {"pas_patient": 12, "sus_outpatient": 12}, {"unrecognised": 1, "missing_key": 1})
    deliver(landing, "ZZ2", PERIOD, {"sus_outpatient": 9}, first_person=5)
    deliver(landing, "ZP001", PERIOD, {"emis_patient": 8, "emis_observation": 8})
    deliver(landing, "ZP002", PERIOD, {"emis_patient": 8}, {"unreadable_birth_date": 7})
    deliver(landing, "ZZ9X", PERIOD, {"pas_patient": 2})


def second_day(lake: Lake) -> None:
    """One corrects, one takes back, one sends the same again, and somebody objects."""
    landing = lake.path("landing")
    deliver(landing, "ZZ1", PERIOD, {"pas_patient": 11}, name="corrected")
    deliver(landing, "ZZ2", PERIOD, {"sus_outpatient": 9}, first_person=5, name="again")
    (landing / "ZP001" / PERIOD / "undo").mkdir()
    (landing / "ZP001" / PERIOD / "undo" / "_WITHDRAW").touch()
    folder = lake.path("objections", "ZZ1", "list")
    folder.mkdir(parents=True)
    (folder / "list.csv").write_text("nhs_number,provider,local_id,birth_date\n,ZZ1,ZZ1000003,\n", encoding="utf-8")
    (folder / "_READY").touch()


def go(standard: Standard, lake: Lake) -> None:
    """Everything that the service does by itself: after a roll back it goes forward only when somebody asks."""
    receive(standard, lake)
    sweep(standard, lake)
    names = work.pending(standard, lake)
    for stage in work.STAGES:
        work.run_chunk(stage, names, standard, lake)
    publish.publish(standard, lake, is_asked=False)
    follow.follow(standard, lake)
    retire.retire(standard, lake)  # last, so that a run that was done twice deletes what one alone does


def go_back(standard: Standard, lake: Lake) -> None:
    """An operator goes back to the first release, unless it was done; the service compares with what is read then."""
    if not rollback.held(lake):
        rollback.roll_back(standard, lake, 1)
    follow.follow(standard, lake)


def copied(lake: Lake, folder: Path) -> Lake:
    """A lake like another, with the same keys."""
    shutil.rmtree(folder, ignore_errors=True)
    return lay(lake, Lake(folder, lake.keys))


def lay(lake: Lake, copy: Lake, stage: str = "") -> Lake:
    """Copy a lake, or a stage of it, over another. To the file system the files are new: each _READY is put last again, in
    the order in which they came, and with the times that its sender gave it."""
    shutil.copytree(lake.path(stage), copy.path(stage), dirs_exist_ok=True, symlinks=True)
    for ready in sorted(lake.path(stage).rglob(READY), key=lambda path: path.lstat().st_ctime_ns):
        facts, place = ready.lstat(), copy.path(ready.relative_to(lake.root))
        os.utime(place, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return copy


def said(lake: Lake) -> dict[str, object]:
    """All that a run leaves and that must be equal after another: rows by file, what the marts hold, what happened."""
    kept = ("event", "what", "provider", "period", "arrival", "reason", "submission_no", "delivery_id", "release", "sender",
            "name", "content")  # fmt: skip
    told = [tuple(entry.get(name) for name in kept) for entry in ledger.entries(lake)]
    once = [line for line in told if line[0] != "done"]
    assert len(set(once)) == len(once), [line for line in once if once.count(line) > 1]
    marts = json.loads(lake.path("current", "protected", "release.json").read_text())
    pages = [path for stage in ("provider", "site") for path in lake.path(stage).rglob("[!.]*") if path.is_file()]
    return {
        **lakes.content(lake, "bronze", "validated", "quarantine", "results", "harmonised", "compared"),
        "happened": sorted(set(told), key=str),
        "release": {name: marts[name] for name in ("release", "tables")},
        "pages": sorted(str(path.relative_to(lake.root)) for path in pages),
        "releases": sorted(path.name for path in lake.path("releases").iterdir()),
        "received": sorted(path.name for path in lake.path("received").glob("*")),
    }


def release_now(lake: Lake) -> tuple[int, str]:
    """What somebody reads who follows `current` once: its number, and a hash of every open table's text."""
    folder = lake.path("current").resolve()
    told = json.loads((folder / "release.json").read_text(encoding="utf-8"))
    assert told["release"] == int(folder.name)
    return int(folder.name), hash_of(folder)


def hash_of(folder: Path) -> str:
    texts = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "open").glob("*.csv")}
    assert texts and (folder / "site" / "index.html").exists() and (folder / "open" / "open.duckdb").exists()
    return hashlib.sha256(json.dumps(sorted(texts.items())).encode()).hexdigest()


@contextlib.contextmanager
def reader(lake: Lake) -> Iterator[set[tuple[int, str]]]:
    """Somebody who reads the current release all the time. Gives what they saw; what they could not read fails the test."""
    seen: set[tuple[int, str]] = set()
    faults: list[BaseException] = []
    over = threading.Event()

    def read() -> None:
        while not over.wait(0.02):
            try:
                seen.add(release_now(lake))
            except BaseException as error:  # noqa: BLE001  whatever it is, it is told below
                faults.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
    assert not faults, faults[0]
