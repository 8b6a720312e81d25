"""work.py and every write: a crash anywhere, and running again gives what an undisturbed run gives."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import lakes
from tests.abrupt import PowerCut
from tests.lakes import PERIOD, events, submission
from tests.synthetic import deliver
from transforms import keys, ledger, work
from transforms.arrivals import read_state
from transforms.lake import Lake
from transforms.receive import receive
from transforms.standard import load

ONE = f"ZP001/{PERIOD}"


class Cut:
    """Lets a function be called some times and then cuts the power, before or after the call has done its work."""

    def __init__(self, function, at: int, is_after: bool):
        self.function, self.at, self.is_after, self.calls = function, at, is_after, 0

    def __call__(self, *values, **named):
        self.calls += 1
        if self.calls == self.at and not self.is_after:
            raise PowerCut
        result = self.function(*values, **named)
        if self.calls == self.at:
            raise PowerCut
        return result


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    lakes.hasten(monkeypatch)


def waiting_lake(folder: Path, shared_keys: Path) -> Lake:
    """A lake with one delivery in landing; with the same keys as the others, so that contents can be compared."""
    lake = Lake(folder / "lake", shared_keys).prepare()
    keys.initialise(lake)
    deliver(lake.path("landing"), "ZP001", PERIOD, {"emis_patient": 6, "emis_observation": 6}, {"missing_key": 1})
    return lake


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Lake:
    """What comes of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        lake = waiting_lake(folder, folder / "keys")
        lakes.run(load(), lake)
    return lake


@pytest.fixture(scope="module")
def wanted(undisturbed) -> dict[str, list[tuple]]:
    return lakes.content(undisturbed)


def what_happened(lake: Lake) -> list[tuple]:
    """The ledger without times and hashes, and without what a second try says again."""
    kept = ("event", "provider", "period", "arrival", "reason", "submission_no", "delivery_id")
    lines = [tuple(entry.get(name) for name in kept) for entry in ledger.entries(lake)]
    return sorted(set(lines), key=str)


N_CALLS = {"os.replace": 23, "transforms.ledger.append": 3}  # what an undisturbed run makes of each


def cuts() -> list[tuple[str, int, bool]]:
    """Before every call; and after the last, since after one call is before the next."""
    before = [(name, at, False) for name, n_calls in N_CALLS.items() for at in range(1, n_calls + 1)]
    return before + [(name, n_calls, True) for name, n_calls in N_CALLS.items()]


def test_the_calls_that_are_cut_below_are_all_there_are(tmp_path, undisturbed, monkeypatch):
    counted = {"os.replace": Cut(os.replace, 0, False), "transforms.ledger.append": Cut(ledger.append, 0, False)}
    lake = waiting_lake(tmp_path, undisturbed.keys)
    for name, counter in counted.items():
        monkeypatch.setattr(name, counter)
    lakes.run(load(), lake)
    assert {name: counter.calls for name, counter in counted.items()} == N_CALLS


@pytest.mark.parametrize(("function", "at", "is_after"), cuts())
def test_after_a_crash_anywhere_running_again_gives_the_same(tmp_path, undisturbed, wanted, function, at, is_after):
    lake = waiting_lake(tmp_path, undisturbed.keys)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(function, Cut(os.replace if function == "os.replace" else ledger.append, at, is_after))
        with pytest.raises(PowerCut):
            lakes.run(load(), lake)
    lakes.run(load(), lake)
    assert lakes.content(lake) == wanted
    assert what_happened(lake) == what_happened(undisturbed)
    assert ledger.verify(lake) > 0
    assert work.pending(load(), lake) == []
    assert list(lake.path(".work").glob("*/*")) == []


@pytest.mark.parametrize("threads", ["1", "2", "4"])
def test_the_number_of_threads_changes_nothing(tmp_path, undisturbed, wanted, monkeypatch, threads):
    monkeypatch.setenv("THREADS", threads)
    lake = waiting_lake(tmp_path, undisturbed.keys)
    lakes.run(load(), lake)
    assert lakes.content(lake) == wanted


@pytest.fixture
def lake(tmp_path) -> Lake:
    """Three submissions are received; the one in the middle will be trouble."""
    made = lakes.new_lake(tmp_path)
    for provider in ("ZP001", "ZP002", "ZP003"):
        deliver(made.path("landing"), provider, PERIOD, {"emis_observation": 4})
    receive(load(), made)
    return made


def trouble_in(stage: str, patch, provider: str = "ZP002") -> None:
    real = work.STAGES[stage]

    def breaks(item, standard, lake):
        if item.provider == provider:
            raise RuntimeError("row 9991234567 Begum B1 1AA")
        return real(item, standard, lake)

    patch.setitem(work.STAGES, stage, breaks)


def run_all(lake: Lake) -> list[str]:
    """Every stage over what is pending; the stages that crashed."""
    names, crashed = work.pending(load(), lake), []
    for stage in lakes.QUICK:
        try:
            work.run_chunk(stage, names, load(), lake)
        except work.StageCrashed as error:
            assert "ZP002" in str(error)
            assert "Begum" not in str(error)
            crashed.append(stage)
    return crashed


@pytest.mark.parametrize("stage", lakes.QUICK)
def test_a_fault_of_ours_does_not_stop_the_neighbours(lake, stage):
    with pytest.MonkeyPatch.context() as patch:
        trouble_in(stage, patch)
        assert run_all(lake) == [stage]
    done = {entry["provider"] for entry in events(lake, "done")}
    assert done == {"ZP001", "ZP003"}
    [entry] = events(lake, "crashed")
    assert (entry["provider"], entry["stage"], entry["error"]) == ("ZP002", stage, "RuntimeError")
    assert "Begum" not in ledger.log_path(lake).read_text()
    assert "9991234567" not in ledger.log_path(lake).read_text()


def test_an_ingest_that_was_killed_is_no_fault_of_what_comes_after_it(lake):
    """Airflow goes on with the next stage; a killed process has written nothing down."""
    work.run_chunk("ingest", [f"ZP001/{PERIOD}", f"ZP003/{PERIOD}"], load(), lake)
    for stage in work.STAGES.keys() - {"ingest"}:
        work.run_chunk(stage, [f"ZP002/{PERIOD}"], load(), lake)
    assert read_state(lake).crashed == {}
    assert f"ZP002/{PERIOD}" in work.pending(load(), lake)
    assert run_all(lake) == []
    assert {entry["provider"] for entry in events(lake, "accepted")} == {"ZP001", "ZP002", "ZP003"}


def test_it_is_tried_again_after_a_while_and_then_it_is_done(lake, monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        trouble_in("validate", patch)
        run_all(lake)
    assert work.pending(load(), lake) == []  # its time has not come
    monkeypatch.setattr(work, "RETRY_AFTER", (timedelta(0),) * 3)
    assert work.pending(load(), lake) == [f"ZP002/{PERIOD}"]
    assert run_all(lake) == []
    assert {entry["provider"] for entry in events(lake, "done")} == {"ZP001", "ZP002", "ZP003"}
    assert read_state(lake).crashed == {}


def test_retries_come_after_1_10_and_60_minutes_and_then_a_person_is_needed(lake):
    item, first = submission(f"ZP002/{PERIOD}"), datetime.now(UTC)
    for minutes in (1, 10, 60):
        ledger.append(lake, "crashed", provider=item.provider, period=item.period, submission_no=2, stage="validate")
        state = read_state(lake)
        assert not work.may_retry(state, item, first + timedelta(minutes=minutes) - timedelta(seconds=30))
        assert work.may_retry(state, item, first + timedelta(minutes=minutes, seconds=30))
        assert not work.waits_for_person(state, item)
    ledger.append(lake, "crashed", provider=item.provider, period=item.period, submission_no=2, stage="validate")
    state = read_state(lake)
    assert work.waits_for_person(state, item)
    assert not work.may_retry(state, item, first + timedelta(days=30))


def test_a_damaged_partition_is_made_again(lake):
    """A file that cannot be read has no fingerprint, and what has none is stale."""
    run_all(lake)
    before = lakes.content(lake)
    for stage in ("bronze", "validated", "harmonised"):
        victim = next(lake.path(stage).rglob("provider=ZP001/*/*.parquet"))
        victim.write_bytes(b"PAR1 half a file")
    assert work.pending(load(), lake) == [f"ZP001/{PERIOD}"]
    run_all(lake)
    assert lakes.content(lake) == before


@pytest.mark.parametrize("stage", ["bronze", "validated", "harmonised", "results", "quarantine", "results/issue"])
def test_a_stage_that_is_deleted_is_rebuilt(lake, stage):
    run_all(lake)
    before = lakes.content(lake)
    shutil.rmtree(lake.path(stage))
    assert len(work.pending(load(), lake)) == 3
    run_all(lake)
    assert lakes.content(lake) == before
