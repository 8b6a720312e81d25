"""abort.py, disk.py and every write: wherever it ends, readers have a whole release, and running again gives the same."""

import ast
import contextlib
import errno
import os
import shutil
from functools import partial
from pathlib import Path

import duckdb
import pytest

from tests import abrupt, lakes
from tests.abrupt import PowerCut
from transforms import disk, follow, ledger, work
from transforms.__main__ import main
from transforms.lake import Lake
from transforms.receive import receive
from transforms.standard import ROOT, Standard, load

SOAK = os.environ.get("SOAK")  # `make soak`: every place
SAMPLE = 8  # of the places, otherwise


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    abrupt.haste(monkeypatch)


def went(standard: Standard, number: int, lake: Lake) -> None:
    """One of the days, and what is done on it."""
    abrupt.go(standard, lake)
    if number:
        abrupt.go_back(standard, lake)


class Days:
    """A lake before and after each of two days that nothing disturbed, and the places that were reached on each."""

    def __init__(self, folder: Path):
        self.standard = load()
        lakes.written_once(self.standard, folder / "pages")  # what only the first of all runs would reach
        self.before, self.after, self.places = [lakes.new_lake(folder / "0")], [], []
        for number, arrive in enumerate((abrupt.first_day, abrupt.second_day)):
            lake = self.before[-1] if number == 0 else abrupt.copied(self.after[-1], folder / str(number))
            arrive(lake)
            self.before[number:] = [abrupt.copied(lake, folder / f"before-{number}")]
            self.places.append(abrupt.places(partial(self.go, number, lake)))
            self.after.append(lake)
        self.wanted = [abrupt.said(lake) for lake in self.after]
        lake = abrupt.copied(self.before[0], folder / "ran")
        lakes.run(self.standard, lake)
        self.ran = lakes.content(lake)  # what the stages alone make of the first day: nothing of it is expired yet

    def go(self, number: int, lake: Lake) -> None:
        went(self.standard, number, lake)

    def all_places(self) -> list[tuple[int, str]]:
        """Each name once, on the first day on which it is reached."""
        found: dict[str, int] = {}
        for number, listed in enumerate(self.places):
            for name in listed:
                found.setdefault(name, number)
        return [(number, name) for name, number in found.items()]


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        abrupt.haste(patch)
        yield Days(tmp_path_factory.mktemp("days"))


def chosen(days: Days) -> list[tuple[int, str]]:
    listed = days.all_places()
    return listed if SOAK else listed[:: len(listed) // SAMPLE]


def test_the_days_reach_every_kind_of_step_and_of_line(days):
    names = [name for _, name in days.all_places()]
    assert len(names) > 150
    assert {name.split(":")[0] for name in names} == {
        "build", "write", "rename", "renamed", "remove", "removed", "append", "appended"}  # fmt: skip
    told = {name.removeprefix("appended: ") for name in names if name.startswith("appended")}
    assert told >= {"seen", "accepted", "rejected", "unchanged", "withdrawn", "done", "published", "rolled_back",
                    "objection list received", "objection release withdrawn", "expired copies", "expired content"}  # fmt: skip
    assert not [name for name in names if "ZZ1" in name or "2026" in name], "of no provider and no period"


@pytest.mark.slow
def test_killed_at_every_place_and_run_again_it_is_as_if_nothing_had_been(days, tmp_path):
    """By SIGKILL, in a process of its own. Somebody reads all the time and has one release or the other."""
    for number, name in chosen(days):
        lake = abrupt.copied(days.before[number], tmp_path / "lake")
        with abrupt.reader(lake) if number else contextlib.nullcontext(set()) as seen:
            assert abrupt.killed(partial(went, days.standard, number, lake), name), name
            ledger.verify(lake)
            days.go(number, lake)
        assert abrupt.said(lake) == days.wanted[number], name
        releases = {(int(f.name), abrupt.hash_of(f)) for f in lake.path("releases").iterdir() if f.name.isdigit()}
        assert seen <= releases, name
        assert work.pending(days.standard, lake) == [], name
        assert not [path for path in lake.path(".work").iterdir() if path.name != "spill"], name


@pytest.mark.slow
def test_a_full_disk_at_every_place_is_said_and_with_room_it_goes_on(days, tmp_path, monkeypatch):
    """The steps that need room: of each kind once. Nothing is blamed for it, and nothing half written counts."""
    steps = [(n, name) for n, name in days.all_places() if name.split(":")[0] in ("write", "rename", "append", "build")]
    for number, name in steps if SOAK else steps[:: len(steps) // SAMPLE]:
        lake = abrupt.copied(days.before[number], tmp_path / "lake")
        with abrupt.trouble(name, abrupt.fill_disk), pytest.raises((OSError, disk.DiskFault)) as caught:
            days.go(number, lake)
        fault = disk.disk_fault(caught.value, lake)
        assert fault and str(lake.root) in str(fault) and "make room" in str(fault), name
        assert not [entry for entry in ledger.entries(lake) if entry["event"] == "crashed"], name
        days.go(number, lake)
        assert abrupt.said(lake) == days.wanted[number], name


def arrived(days: Days, folder: Path) -> Lake:
    return abrupt.copied(days.before[0], folder / "lake")


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("at", [1, 2, 5, 9, 14])
def test_what_cannot_be_made_durable_was_never_acknowledged(days, tmp_path, monkeypatch, number, at):
    """fsync fails: a line that was written is taken back, and what it would have told of is done again."""
    lake, calls, real = arrived(days, tmp_path), [], os.fsync

    def fails(handle: int) -> None:
        calls.append(handle)
        if len(calls) == at:
            raise OSError(number, os.strerror(number))
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises((OSError, disk.DiskFault)) as caught:
            lakes.run(days.standard, lake)
        n_lines = len(ledger.entries(lake))
        assert ledger.verify(lake) == n_lines
    told = str(disk.disk_fault(caught.value, lake))
    assert ("EIO" in told) == (number == errno.EIO) and str(lake.root) in told
    lakes.run(days.standard, lake)
    assert lakes.content(lake) == days.ran


def test_a_line_that_is_not_durable_is_not_in_the_ledger(tmp_path, monkeypatch):
    lake = lakes.new_lake(tmp_path)
    before = ledger.entries(lake)

    def fails(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="Input/output"):
            ledger.append(lake, "pinned", release=1)
    assert ledger.entries(lake) == before
    ledger.append(lake, "pinned", release=2)
    assert ledger.verify(lake) == len(before) + 1


def test_the_command_line_says_which_lake_is_full_and_what_to_do(days, tmp_path, monkeypatch, capsys):
    lake = arrived(days, tmp_path)
    monkeypatch.setenv("LAKE", str(lake.root))
    monkeypatch.setenv("KEYS", str(lake.keys))
    with abrupt.trouble("write: results/mark", abrupt.fill_disk):
        assert main(["run", "--all"]) == 14
    said = capsys.readouterr().err
    assert str(lake.root) in said and "make room" in said and "run the same again" in said and len(said) < 400
    assert main(["run", "--all"]) == 0


@pytest.mark.parametrize("kilobytes", [120, 180, 240, 300, 360])
def test_on_a_disk_that_is_really_full(days, tmp_path, kilobytes):
    """A small file system of its own: the engine and the system say so themselves, and with room all is as it would be."""
    lake = Lake(tmp_path / "small", days.before[0].keys)
    with abrupt.small_disk(lake.root, kilobytes) as enlarge:
        with pytest.raises((OSError, disk.DiskFault)) as caught:
            abrupt.lay(days.before[0], lake)
            lakes.run(days.standard, lake)
        if not isinstance(caught.value, shutil.Error):
            assert "make room" in str(disk.disk_fault(caught.value, lake))
        enlarge(200_000)
        abrupt.lay(days.before[0], lake, "landing")
        lakes.run(days.standard, lake)
        assert work.pending(days.standard, lake) == []
        assert lakes.content(lake) == days.ran
        assert not [entry for entry in ledger.entries(lake) if entry["event"] == "crashed"]


def test_a_disk_that_is_full_for_who_reads_confined_is_said_and_blames_no_sender(days, tmp_path, monkeypatch, capsys):
    """It is the reader that meets the end of the room: neither has the sender's file a fault, nor has the reader."""
    lake = Lake(tmp_path / "small", days.before[0].keys)
    monkeypatch.setenv("LAKE", str(lake.root))
    monkeypatch.setenv("KEYS", str(lake.keys))
    with abrupt.small_disk(lake.root, 200_000):
        abrupt.lay(days.before[0], lake)
        receive(days.standard, lake)
        [*_, before] = ledger.entries(lake)
        with open(lake.root / "filler", "wb", buffering=0) as filling, contextlib.suppress(OSError):
            while True:
                filling.write(bytes(4096))
        codes: list[int] = []
        reached = abrupt.places(lambda: codes.append(main(["run", "--all"])))
        assert codes == [14] and reached[-1] == "write: .work/parsed.parquet", "nothing but the reader wrote"
        said = capsys.readouterr().err
        assert str(lake.root) in said and "make room" in said and "fault" not in said
        assert ledger.entries(lake)[-1] == before, "nobody was blamed"
        (lake.root / "filler").unlink()
        lakes.run(days.standard, lake)
        assert lakes.content(lake) == days.ran


def test_what_the_engine_can_lay_aside_no_more_for_want_of_room_is_a_full_disk(tmp_path):
    """It names a limit of memory then; to the sender of a file it would be one that is beyond what can be read."""
    sorting = (
        "create table t as select i, md5(i::text) as a, md5((i + 1)::text) as b from range(3000000) as t(i) order by a"
    )
    told = {}
    with abrupt.small_disk(tmp_path / "small", 8192):
        for name, aside in {"disk": f"{tmp_path}/small/aside", "memory": ""}.items():
            settings = {"memory_limit": "60MB", "threads": "1", "temp_directory": aside}
            with duckdb.connect(config=settings) as con, pytest.raises(duckdb.OutOfMemoryException) as caught:
                con.execute(sorting)
            told[name] = disk.number_of(caught.value)
    assert told == {"disk": errno.ENOSPC, "memory": None}


@pytest.mark.parametrize(
    ("gone", "at"), [("compared", "write: .work/figure"), ("provider", "rename: provider/index.html")]
)
def test_what_follows_a_release_blames_no_provider_for_a_full_disk(days, tmp_path, gone, at):
    """Comparing, and the pages that tell of it: each goes on to the next when one fails for another reason."""
    lake = abrupt.copied(days.after[0], tmp_path / "lake")
    shutil.rmtree(lake.path(gone))
    with abrupt.trouble(at, abrupt.fill_disk), pytest.raises(disk.DiskFault, match="make room"):
        follow.follow(days.standard, lake)
    follow.follow(days.standard, lake)
    assert abrupt.said(lake)["pages"] == days.wanted[0]["pages"]
    assert lakes.content(lake, "compared") == lakes.content(days.after[0], "compared")


def test_what_a_kill_left_in_the_workspaces_is_taken_away_and_nobody_elses(days, tmp_path):
    """It can hold parts of what was sent, and would lie there for ever."""
    lake = arrived(days, tmp_path)
    assert abrupt.killed(partial(lakes.run, days.standard, lake), "write: .work/parsed.parquet")
    [left] = [path for path in lake.path(".work").iterdir() if path.name != "spill"]
    with lake.workspace() as mine:
        receive(days.standard, lake)
        assert mine.exists() and not left.exists()


# Nothing goes round it.

STEPS = {"replace", "rename", "unlink", "rmdir", "rmtree", "symlink_to", "move", "truncate", "fsync"}
WRITES = {"write_text", "write_bytes", "copytree", "copyfile", "copy2"}
# What is written where nobody looks yet, in a workspace or a release that is being built; and outside the lake.
ASIDE = {
    "hold.py": "rmtree copytree", "rollback.py": "copytree", "site.py": "copytree", "explore.py": "copyfile",
    "document.py": "write_text", "export.py": "write_text", "feedback.py": "write_text", "geography.py": "write_bytes",
    "national.py": "copyfile open", "issue_files.py": "open", "sent.py": "open", "backup.py": "copy2",
    "parse.py": "open write_text",  # by a process that is confined to a workspace
    "check.py": "copyfile", "demo_data.py": "write_text write_bytes", "remember.py": "unlink open", "review.py": "unlink open",
    "keys.py": "open", "rotate.py": "open", "fetch.py": "open",
}  # fmt: skip


def steps(path: Path) -> set[str]:
    """Every call of a module that changes a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in STEPS | WRITES:
            of_text = node.func.attr == "replace" and ast.unparse(node.func.value) != "os"
            found |= set() if of_text else {node.func.attr}
        if isinstance(node.func, ast.Name) and node.func.id == "open" and len(node.args) > 1:
            found |= {"open"} if set("wax+") & set(ast.literal_eval(node.args[1])) else set()
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "transforms").glob("*.py")), ids=lambda path: path.name)
def test_every_step_goes_through_the_lake_or_the_ledger_which_name_it(path):
    if path.name not in ("lake.py", "ledger.py"):
        assert steps(path) == set(ASIDE.get(path.name, "").split())


@pytest.mark.parametrize(("module", "name"), [("lake", "rename"), ("lake", "remove"), ("lake", "write_text"),
                                              ("parquet", "copy"), ("sent", "copy_file"), ("fetch", "_download"), ("ingest", "_copy_file"),
                                              ("lineage", "_write"), ("ledger", "append")])  # fmt: skip
def test_what_they_do_is_named(module, name):
    tree = ast.parse((ROOT / "transforms" / f"{module}.py").read_text(encoding="utf-8"))
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert "reached(" in ast.unparse(function)


def test_a_power_cut_is_handled_by_nobody(days, tmp_path):
    with abrupt.trouble(3, abrupt.cut), pytest.raises(PowerCut):
        lakes.run(days.standard, arrived(days, tmp_path))
