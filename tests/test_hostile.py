"""Whatever is sent: one recorded outcome with words that help, within bounds, and neighbours go through."""

import contextlib
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from tests import lakes
from tests.hostile import CASES, GOOD, PLAIN, ROWS, SLOW, SOMEBODY, Case
from tests.lakes import events
from tests.scanner import Scanner
from tests.synthetic import deliver
from transforms import apart as apart_module
from transforms import ledger, parse, work
from transforms.lake import Lake
from transforms.receive import receive
from transforms.standard import Standard, load

NEIGHBOURS = [("ZZ2", "2019-01"), (PLAIN, "2019-01"), ("ZZ3", "2026-09")]  # before, among and after the others
MAY_HOLD = ("landing", "received", "bronze", "validated", "quarantine", "harmonised", "results/value_count")
MAY_HOLD += ("results/value_meaning",)
PAGES = {"accepted", "unreadable_rows", "unknown_layout", "bad_manifest", "wrong_row_count"}  # one of each, by default
SECONDS = 20  # of any one case; most take less than a tenth of one


@dataclass
class Ran:
    """A lake that every case went through, and what became of each."""

    lake: Lake
    places: dict[str, tuple[str, str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    memory: int = 0  # the most that the processes which read files held together, in bytes
    same: set[str] = field(default_factory=set)  # submissions whose content is that of the plain file, in other clothes

    def outcomes(self, place: tuple[str, str]) -> list[dict]:
        found = events(self.lake, "accepted", "rejected", "unchanged", "crashed")
        return [entry for entry in found if (entry["provider"], entry["period"]) == place]

    def bronze(self, place: tuple[str, str]) -> list[dict]:
        """The rows of a submission, in order."""
        provider, period = place
        pattern = self.lake.path("bronze", "*", f"provider={provider}", f"period={period}", "*.parquet")
        if not list(self.lake.path("bronze").glob(f"*/provider={provider}/period={period}/*.parquet")):
            return []
        found = duckdb.sql(f"select * from read_parquet('{pattern}', hive_partitioning = false)")
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def lay(lake: Lake, cases: list[Case]) -> dict[str, tuple[str, str]]:
    """Every case in landing, each a submission of its own. Returns where."""
    places, taken = {}, set(NEIGHBOURS)
    for case in cases:
        months = (f"{year}-{month:02d}" for year in range(2000, 2026) for month in range(1, 13))
        place = case.place or next((case.provider, m) for m in months if (case.provider, m) not in taken)
        taken.add(place)
        folder = lake.path("landing", *place, f"{SOMEBODY.names[1]} {len(places)}")
        folder.mkdir(parents=True)
        case.make(folder)
        if case.is_ready and not os.path.lexists(folder / "_READY"):
            (folder / "_READY").touch()
        places[case.name] = place
    return places


@contextlib.contextmanager
def watched(ran: Ran) -> Iterator[None]:
    """Look every few moments how much memory the process holds that reads a file."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            server = apart_module._server
            with contextlib.suppress(OSError, AttributeError, ValueError):  # nothing is read just now
                [child] = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()[:1]
                pages = int(Path(f"/proc/{child}/statm").read_text().split()[1])
                ran.memory = max(ran.memory, pages * os.sysconf("SC_PAGE_SIZE"))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()


def taken_through(folder: Path, cases: list[Case], is_whole: bool) -> Ran:
    """Every case and the neighbours through the stages; unless `is_whole`, what is the plain file once more is judged once,
    and pages are made for a few."""
    lake, standard = lakes.new_lake(folder), load()
    ran = Ran(lake, lay(lake, cases))
    for provider, period in NEIGHBOURS:
        deliver(lake.path("landing"), provider, period, {"pas_patient": 4}, name="good")
    with watched(ran):
        receive(standard, lake)
        work_through(ran, standard, is_whole)
    return ran


def work_through(ran: Ran, standard: Standard, is_whole: bool) -> None:
    lake, told = ran.lake, set()
    plain = ran.places.get("utf-8", ("", ""))
    names = {
        f"{provider}/{period}": (provider, period) for provider, period in (plain, *ran.places.values(), *NEIGHBOURS)
    }

    def take(stage: str, name: str) -> None:
        try:
            work.run_chunk(stage, [name], standard, lake)
        except work.StageCrashed as fault:
            ran.faults.append(str(fault))

    for name, place in names.items():
        if place[0] not in standard.providers or not re.fullmatch(r"[12][0-9]{3}-(0[1-9]|1[0-2])", place[1]):
            continue  # no submission
        begun = time.monotonic()
        take("ingest", name)
        if not is_whole and place != plain and ran.bronze(place) and ran.bronze(place) == ran.bronze(plain):
            ran.same.add(name)
        elif not ran.outcomes(place):
            take("validate", name)
        outcome = (ran.outcomes(place) or [{}])[-1].get("reason", "accepted")
        if is_whole or outcome in PAGES - told:
            told.add(outcome)
            take("feedback", name)
        ran.seconds[name] = time.monotonic() - begun


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Ran:
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        patch.setenv("READY_GRACE_HOURS", "0")
        return taken_through(tmp_path_factory.mktemp("hostile"), CASES, is_whole=False)


def judge(ran: Ran, case: Case) -> None:
    """One outcome, the declared one, with words; and what was accepted is there whole."""
    standard, place = load(), ran.places[case.name]
    if case.place and case.outcome != "accepted":
        provider = place[0] if place[0] in standard.providers else "unknown"
        told = ran.outcomes((provider, "unknown")) + ran.outcomes((provider, place[1]))
        assert case.outcome in [entry["reason"] for entry in told]
        return
    if "/".join(place) in ran.same:
        assert case.outcome == "accepted" and case.rows == ROWS
        return
    [outcome] = ran.outcomes(place)
    if case.outcome == "accepted":
        # Some break a rule that guards the whole file: they were read, and the scorecard says the rest.
        assert outcome["event"] == "accepted" or outcome["reason"] == "rule_broken", (
            outcome["event"],
            outcome.get("reason"),
        )
        assert len(ran.bronze(place)) == case.rows
    else:
        assert (outcome["event"], outcome.get("reason")) == ("rejected", case.outcome)
        assert case.detail in outcome["detail"]
        said = standard.words(case.outcome)
        assert len(said["words"]) > 10 and len(said["what_to_do"]) > 10
        assert list(ran.lake.path("bronze").rglob(f"provider={place[0]}/period={place[1]}/*")) == []
    assert ran.seconds.get("/".join(place), 0) < SECONDS


def test_there_are_as_many_as_are_asked_for():
    assert len({case.name for case in CASES}) == len(CASES) >= 120


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_it_ends_in_its_recorded_outcome(ran, case):
    judge(ran, case)


def test_none_was_a_fault_of_ours(ran):
    assert ran.faults == []
    assert events(ran.lake, "crashed") == []


def test_memory_is_bounded(ran):
    assert 30_000_000 < ran.memory < 1_500_000_000


def test_neighbours_go_through(ran):
    for place in NEIGHBOURS:
        assert [entry["event"] for entry in ran.outcomes(place)] == ["accepted"]


def test_nobody_is_named_by_what_became_of_them(ran, capsys):
    """Neither in the ledger nor on a page nor in results: also where reading failed, and for names of files and folders."""
    assert ran.lake.path("provider", PLAIN).exists()
    found = Scanner([SOMEBODY]).folder(ran.lake.root, skip=[ran.lake.path(name) for name in MAY_HOLD])
    assert found == []
    assert Scanner([SOMEBODY]).text(capsys.readouterr().out) == []
    assert Scanner([SOMEBODY]).folder(ran.lake.path("bronze")), "they were there to be found"


def test_what_wakes_us_looks_at_all_of_it_and_finds_nothing_new(ran):
    from landing import marked, unknown

    marks = marked(ran.lake)
    assert len(marks) > 200
    assert unknown(ran.lake, marks) == {}


def test_nothing_is_left_of_what_could_not_be_read(ran):
    assert list(ran.lake.path(".work").iterdir()) == []
    assert ledger.verify(ran.lake) > len(CASES)


def test_every_reason_for_a_container_has_words(standard):
    for row in standard.tables["file_kinds"]:
        assert standard.words(row["reason"])["what_to_do"], row


@pytest.mark.slow
def test_with_every_stage_and_every_page_it_is_the_same(tmp_path, monkeypatch):
    """Great Expectations judges, and each has its page; with those that take long."""
    monkeypatch.setenv("READY_GRACE_HOURS", "0")
    whole = taken_through(tmp_path, [*CASES, *SLOW], is_whole=True)
    assert whole.faults == []
    for case in (*CASES, *SLOW):
        judge(whole, case)
    assert Scanner([SOMEBODY]).folder(whole.lake.root, skip=[whole.lake.path(name) for name in MAY_HOLD]) == []


# The same rows.


@pytest.fixture(scope="module")
def encoded(tmp_path_factory) -> dict[str, str]:
    """Encoding -> a hash of what bronze holds, of equal rows."""
    found, lake, standard = {}, lakes.new_lake(tmp_path_factory.mktemp("encoded")), load()
    for number, (name, mark) in enumerate(ENCODINGS.items(), start=1):
        folder = lake.path("landing", PLAIN, f"2020-{number:02d}", "1")
        folder.mkdir(parents=True)
        (folder / "export.csv").write_bytes(mark + GOOD.encode(name))
        (folder / "_READY").touch()
    receive(standard, lake)
    work.run_chunk("ingest", work.pending(standard, lake), standard, lake)
    for number, name in enumerate(ENCODINGS, start=1):
        [path] = lake.path("bronze").rglob(f"period=2020-{number:02d}/*.parquet")
        rows = duckdb.sql(f"select * from read_parquet('{path}', hive_partitioning = false)")
        found[name] = hashlib.sha256(repr((rows.columns, rows.fetchall())).encode()).hexdigest()
    return found


ENCODINGS = {"utf-8": b"", "utf-8-sig": b"", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff", "cp1252": b""}


@pytest.mark.parametrize("name", ENCODINGS)
def test_the_same_rows_in_five_encodings_are_the_same_content(encoded, name):
    assert "ë" in GOOD and "ü" in GOOD
    assert encoded[name] == encoded["utf-8"]


@pytest.mark.parametrize(
    ("pieces", "longest"),
    [([b"aaa"], 3), ([b"a\nbb"], 2), ([b"a\nbb", b"bbb\nc"], 5), ([b"aa", b"aa", b"\n"], 4), ([b"a\r", b"\nbb\rc"], 1)],
)
def test_the_longest_line_is_known_whatever_the_pieces(pieces, longest):
    """Between two pieces only: inside one a line is shorter than the piece."""
    found, length = 0, 0
    for piece in pieces:
        most, length = parse.open_end(piece, length)
        found = max(found, most, length)
    assert found == longest
