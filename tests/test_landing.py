"""finished.py and plugins/landing.py: what is taken in and when, however it is uploaded, and whatever becomes of events."""

import asyncio
import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from landing import LandingTrigger

from tests.lakes import PERIOD, events
from tests.synthetic import deliver
from transforms import finished, operations, receive
from transforms.arrivals import read_state
from transforms.lake import Lake
from transforms.status import report, summary

LONG_AGO, FAR_AHEAD = 1_000_000_000, 4_000_000_000
NOTHING = {"received": 0, "unchanged": 0, "rejected": 0}


def later() -> None:
    """The clock of a file system ticks every few milliseconds."""
    time.sleep(0.02)


def upload(path: Path, data: bytes) -> None:
    later()
    path.write_bytes(data)


def ready(folder: Path, words: str = "") -> None:
    upload(folder / "_READY", words.encode())


def take(standard, lake: Lake) -> dict[str, int]:
    return receive.receive(standard, lake)


def bell(lake: Lake, seconds: float = 0.3) -> int:
    """How many deliveries a trigger that starts now tells of."""

    async def listen() -> int:
        found = 0
        try:
            async with asyncio.timeout(seconds):
                async for event in LandingTrigger(interval=0.02).run():
                    found += event.payload["n_deliveries"]
        except TimeoutError:
            pass
        return found

    return asyncio.run(listen())


def extract(lake: Lake, name: str = "delivery", rows: int = 40, seed: int = 1) -> tuple[Path, Path, bytes]:
    """A delivery that is not in landing yet: its folder there, its file there, and what is to be in it."""
    made = deliver(lake.root / "sender", "ZZ1", PERIOD, {"pas_patient": rows}, name=name, seed=seed)
    [file] = made.path.glob("*.csv")
    folder = lake.path("landing", "ZZ1", PERIOD, name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder, folder / file.name, file.read_bytes()


@pytest.fixture
def received(standard, lake) -> tuple[Path, Path, bytes]:
    """A delivery that was taken in, and what the sender puts into the same folder next."""
    folder, file, data = extract(lake)
    upload(file, data)
    ready(folder)
    assert take(standard, lake) == NOTHING | {"received": 1}
    later()
    return folder, file, extract(lake, seed=2)[2]


def in_place(file: Path, data: bytes):
    file.write_bytes(data[: len(data) // 2])
    yield
    file.write_bytes(data)


def with_the_sender_s_time(file: Path, data: bytes):
    """As programs do that keep a file's time: set when it is closed."""
    for part in (data[: len(data) // 2], data):
        file.write_bytes(part)
        os.utime(file, (LONG_AGO, LONG_AGO))
        yield


def from_ahead(file: Path, data: bytes):
    for part in (data[: len(data) // 2], data):
        file.write_bytes(part)
        os.utime(file, (FAR_AHEAD, FAR_AHEAD))
        yield


def piece_by_piece(file: Path, data: bytes):
    file.unlink()
    with open(file, "ab") as handle:
        for start in range(0, len(data), len(data) // 3):
            handle.write(data[start : start + len(data) // 3])
            handle.flush()
            yield


def renamed_when_whole(file: Path, data: bytes):
    """As MESH clients do: under another name, and the control file, here _READY, after it."""
    return from_beside(file, data, file.with_name(f"{file.name}.tmp"), LONG_AGO)


def hidden_until_whole(file: Path, data: bytes):
    """As rsync does."""
    return from_beside(file, data, file.with_name(f".{file.name}.Xq3"), None)


def from_beside(file: Path, data: bytes, other: Path, at: float | None):
    other.write_bytes(data[: len(data) // 2])
    yield
    other.write_bytes(data)
    yield
    if at is not None:
        os.utime(other, (at, at))
    later()
    other.rename(file)
    yield


def as_another_name(file: Path, data: bytes):
    file.rename(file.with_name("old.csv"))
    yield
    file.write_bytes(data)
    yield
    file.with_name("old.csv").unlink()
    yield


def touched(ready: Path) -> None:
    ready.touch()


def replaced(ready: Path) -> None:
    ready.with_name("_READY.part").write_text("")
    ready.with_name("_READY.part").rename(ready)


def with_its_old_time(ready: Path) -> None:
    at = ready.stat().st_mtime_ns
    ready.write_text("")
    os.utime(ready, ns=(at, at))


WAYS = [in_place, with_the_sender_s_time, from_ahead, piece_by_piece, renamed_when_whole, hidden_until_whole, as_another_name]  # fmt: skip
AGAIN = [touched, replaced, with_its_old_time]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_is_sent_again_under_an_old_ready_waits_for_it(standard, lake, received, way):
    folder, file, data = received
    steps = 0
    for _ in way(file, data):
        steps += 1
        assert bell(lake, 0.15) == 0, "there is nothing to wake for"
        counts = take(standard, lake)
        assert counts["received"] == counts["rejected"] == 0
        later()
    assert steps >= 1 and len(events(lake, "seen", "rejected")) == 1
    ready(folder)
    assert bell(lake) == 1
    assert take(standard, lake) == NOTHING | {"received": 1}
    [taken] = events(lake, "seen")[-1]["files"]
    assert taken["sha256"] == hashlib.sha256(data).hexdigest(), "all of it, and nothing of the time before"


@pytest.mark.parametrize("again", AGAIN, ids=lambda again: again.__name__)
def test_ready_can_be_sent_again_in_every_way(standard, lake, received, again):
    folder, file, data = received
    file.write_bytes(data)
    assert take(standard, lake) == NOTHING
    later()
    again(folder / "_READY")
    assert bell(lake) == 1
    assert take(standard, lake) == NOTHING | {"received": 1}


@pytest.mark.parametrize("again", AGAIN, ids=lambda again: again.__name__)
def test_nobody_waits_for_ever_and_it_can_still_be_mended(standard, lake, received, monkeypatch, again):
    """After the grace the sender has an answer, once; and then _READY, whatever time it bears, is heard."""
    folder, file, data = received
    file.write_bytes(data)
    assert take(standard, lake) == NOTHING
    monkeypatch.setenv("READY_GRACE_HOURS", "0")
    assert take(standard, lake) == NOTHING | {"rejected": 1}
    [refused] = events(lake, "rejected")
    assert (refused["reason"], refused["provider"]) == ("ready_is_older", "ZZ1")
    assert "_READY" in standard.words("ready_is_older")["what_to_do"]
    assert take(standard, lake) == NOTHING and bell(lake, 0.1) == 0
    later()
    again(folder / "_READY")
    assert bell(lake) == 1
    assert take(standard, lake) == NOTHING | {"received": 1}


def listing(files: dict[str, bytes]) -> str:
    return json.dumps({"files": [{"name": n, "sha256": hashlib.sha256(d).hexdigest()} for n, d in files.items()]})


def test_hashes_settle_what_times_cannot(standard, lake, monkeypatch):
    """_READY came first, as it may when a whole folder is sent at once; its hashes say when everything is there."""
    folder, file, data = extract(lake)
    ready(folder, listing({file.name: data}))
    upload(file, data[: len(data) // 2])
    assert bell(lake, 0.1) == 0 and take(standard, lake) == NOTHING, "it may go on any moment"
    monkeypatch.setattr(finished, "QUIET", 0.0)
    assert take(standard, lake) == NOTHING | {"unfinished": 1}
    assert events(lake, "seen", "rejected") == []
    upload(file, data)
    assert bell(lake) == 1
    assert take(standard, lake) == NOTHING | {"received": 1}
    assert take(standard, lake) == NOTHING


def test_hashes_vouch_for_nothing_but_their_own_files(standard, lake, monkeypatch):
    folder, file, data = extract(lake)
    ready(folder, listing({"other.csv": b"something"}))
    upload(folder / "other.csv", b"something")
    upload(file, data)
    monkeypatch.setattr(finished, "QUIET", 0.0)
    assert take(standard, lake) == NOTHING | {"unfinished": 1}
    monkeypatch.setenv("READY_GRACE_HOURS", "0")
    assert take(standard, lake) == NOTHING | {"rejected": 1} and take(standard, lake) == NOTHING


def test_a_file_that_changes_while_it_is_read_is_not_taken(standard, lake, monkeypatch):
    folder, file, data = extract(lake)
    upload(file, data)
    ready(folder)
    whole = receive.copy_file

    def meanwhile(reading, target, where):
        monkeypatch.setattr(receive, "copy_file", whole)
        taken = whole(reading, target, where)
        later()
        file.write_bytes(data[:-100])
        return taken

    monkeypatch.setattr(receive, "copy_file", meanwhile)
    assert take(standard, lake) == NOTHING | {"unfinished": 1}
    assert not list(lake.path("received").iterdir()), "nothing of it is kept"
    upload(file, data)
    ready(folder)
    assert take(standard, lake) == NOTHING | {"received": 1}


@pytest.mark.parametrize("at", [LONG_AGO, FAR_AHEAD])
def test_a_sender_s_clock_neither_gives_up_an_upload_nor_keeps_it(standard, lake, monkeypatch, at):
    """How long something lies here without its _READY is for our own clock to say."""
    folder, file, data = extract(lake)
    upload(file, data)
    os.utime(file, (at, at))
    os.utime(folder, (at, at))
    assert take(standard, lake) == NOTHING
    monkeypatch.setenv("READY_GRACE_HOURS", "0.00001")
    later()
    later()
    assert take(standard, lake) == NOTHING | {"rejected": 1}


def test_deliveries_are_numbered_as_they_came_whatever_a_sender_s_clock_says(standard, lake):
    """The correction came after the clock had been put right."""
    for number, at in ((1, FAR_AHEAD), (2, LONG_AGO), (3, 2_000_000_000)):
        folder, file, data = extract(lake, name=f"{9 - number}", seed=number)
        upload(file, data)
        ready(folder)
        os.utime(folder / "_READY", (at, at))
    take(standard, lake)
    wanted = [finished.drop_id(lake.path("landing", "ZZ1", PERIOD, name)) for name in "876"]
    assert [entry["drop_id"] for entry in events(lake, "seen")] == wanted


def test_what_was_taken_in_stays_so_when_its_files_are_only_touched(standard, lake, received):
    """Whoever puts modes or owners right changes a file's change time, and nothing else."""
    _, file, _ = received
    file.chmod(0o640)
    assert take(standard, lake) == NOTHING and bell(lake, 0.1) == 0
    assert summary(standard, lake)["newer_than_ready"] == []


def test_what_programs_leave_behind_is_no_part_of_a_delivery(standard, lake, received):
    """Or the older of two would come into force again, for a file that nobody sent."""
    folder, _, _ = received
    other, file, data = extract(lake, name="correction", seed=3)
    upload(file, data)
    ready(other)
    assert take(standard, lake) == NOTHING | {"received": 1}
    (folder / ".DS_Store").write_text("where the window was")
    assert take(standard, lake) == NOTHING


def test_who_looks_is_told_what_waits_for_its_ready(standard, lake, received, monkeypatch):
    folder, file, data = received
    (folder.parent.parent.parent / "Mary Example" / "soon").mkdir(parents=True)
    shutil.copytree(folder, folder.parent.parent.parent / "Mary Example" / "soon" / "x")
    later()
    for place in (file, folder.parent.parent.parent / "Mary Example" / "soon" / "x" / file.name):
        place.write_bytes(data)
    facts = summary(standard, lake)
    assert facts["newer_than_ready"] == [
        {"provider": "unknown", "period": "unknown", "hours": 0.0},
        {"provider": "ZZ1", "period": PERIOD, "hours": 0.0},
    ]
    assert f"ZZ1/{PERIOD}: files are newer than _READY: send _READY again (an upload may go on)" in report(facts)
    assert "Mary" not in report(facts)
    more = operations.operations(facts, standard, lake)
    assert "midlands_landing_newer_than_ready 2" in operations.prometheus(more)
    assert "is not taken in" not in operations.page(more)
    monkeypatch.setattr(finished.time, "time", lambda now=time.time: now() + 7200)
    more = operations.operations(summary(standard, lake), standard, lake)
    assert f"<strong>ZZ1/{PERIOD} is not taken in</strong>" in operations.page(more)
    assert "nothing has changed for 2.0 hours" in report(more)


def test_a_withdrawal_waits_for_nothing(standard, lake, received):
    folder, file, data = received
    file.write_bytes(data)
    (folder / "_WITHDRAW").touch()
    assert bell(lake) == 1
    assert take(standard, lake) == NOTHING | {"taken_back": 1}


# Events.


def test_a_burst_is_few_events_and_each_delivery_one_arrival_whatever_becomes_of_them(standard, lake):
    """Between two looks, and while one is taken in; heard twice, or by nobody: the trigger starts anew, and a sweep asks."""
    providers = [code for code in standard.providers if code.startswith("ZP")][:20]
    assert len(providers) == 20

    async def listen() -> list[dict]:
        heard = []

        async def hear() -> None:
            async for event in LandingTrigger(interval=0.02).run():
                heard.append(event.payload)

        task = asyncio.create_task(hear())
        for number, provider in enumerate(providers):
            await asyncio.to_thread(deliver, lake.path("landing"), provider, PERIOD, {"emis_patient": 3})
            if number % 7 == 3:
                await asyncio.sleep(0.1)
        await asyncio.sleep(0.3)
        task.cancel()
        return heard

    first, doubled = asyncio.run(listen()), bell(lake)
    assert sum(event["n_deliveries"] for event in first) == doubled == 20, "each once; and again after a start"
    assert 1 < len(first) < 15
    assert take(standard, lake) == NOTHING | {"received": 20}, "nobody heard: the sweep"
    assert take(standard, lake) == NOTHING, "heard twice"
    assert bell(lake, 0.1) == 0
    assert {len(listed) for listed in read_state(lake).arrivals.values()} == {1}


def test_an_event_shows_few_names_of_many(lake):
    for number in range(30):
        folder = lake.path("landing", f"ZP{number:03d}", PERIOD, "x")
        folder.mkdir(parents=True)
        (folder / "_READY").touch()

    async def first() -> dict:
        async for event in LandingTrigger(interval=0.02).run():
            return event.payload
        raise AssertionError

    told = asyncio.run(first())
    assert told["n_deliveries"] == 30 and len(told["submissions"]) == 20
