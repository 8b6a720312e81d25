"""ledger.py: what happened is written once, in order, and nobody changes it unnoticed."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms import ledger
from transforms.arrivals import State, _fold, read_state
from transforms.lake import Lake

FACTS = st.dictionaries(
    st.text(st.characters(categories=["Ll"]), min_size=1, max_size=8).filter(lambda key: key not in ("lake", "event")),
    st.one_of(st.text(max_size=20), st.integers(), st.booleans(), st.none(), st.lists(st.text(max_size=5), max_size=3)),
    max_size=4,
)
RESERVED = ("no", "at", "event", "previous", "hash")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", tmp_path / "keys").prepare()


def three_lines(lake: Lake) -> Path:
    for event in ("seen", "accepted", "done"):
        ledger.append(lake, event, provider="ZZ1", period="2026-09")
    return ledger.log_path(lake)


def test_an_empty_lake_has_an_empty_ledger(lake):
    assert ledger.entries(lake) == []
    assert ledger.verify(lake) == 0


def test_each_line_carries_its_number_and_the_hash_of_the_one_before(lake):
    three_lines(lake)
    first, second, third = ledger.entries(lake)
    assert [e["no"] for e in (first, second, third)] == [1, 2, 3]
    assert first["previous"] == ledger.FIRST
    assert (second["previous"], third["previous"]) == (first["hash"], second["hash"])
    assert ledger.verify(lake) == 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.tuples(st.sampled_from(["seen", "accepted", "rejected", "crashed"]), FACTS), max_size=6))
def test_whatever_is_appended_is_read_back(tmp_path_factory, lines):
    lake = Lake(tmp_path_factory.mktemp("ledger"), Path("keys")).prepare()
    said = [(event, {key: value for key, value in facts.items() if key not in RESERVED}) for event, facts in lines]
    for event, facts in said:
        ledger.append(lake, event, **facts)
    read = ledger.entries(lake)
    assert [e["event"] for e in read] == [event for event, _ in said]
    assert [{k: v for k, v in e.items() if k not in RESERVED} for e in read] == [facts for _, facts in said]
    assert ledger.verify(lake) == len(said)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(min_value=1, max_value=10_000))
def test_a_line_cut_short_by_a_crash_is_left_out_and_the_next_one_follows(tmp_path_factory, cut):
    lake = Lake(tmp_path_factory.mktemp("ledger"), Path("keys")).prepare()
    path = three_lines(lake)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: len(whole) - 1 - cut % (len(last) - 1)])
    assert [e["event"] for e in ledger.entries(lake)] == ["seen", "accepted"]
    ledger.append(lake, "done", again=True)
    assert [e["event"] for e in ledger.entries(lake)] == ["seen", "accepted", "done"]
    assert ledger.verify(lake) == 3


def changed_word(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b"accepted", b"rejected"), lines[2]]


def changed_with_a_new_hash(lines: list[bytes]) -> list[bytes]:
    entry = json.loads(lines[1]) | {"event": "rejected"}
    entry["hash"] = ledger.digest(entry)
    return [lines[0], json.dumps(entry).encode() + b"\n", lines[2]]


TAMPERED = [
    (changed_word, 2),
    (changed_with_a_new_hash, 3),
    (lambda lines: [lines[0], lines[2]], 2),
    (lambda lines: [lines[1], lines[2]], 1),
    (lambda lines: [lines[0], lines[2], lines[1]], 2),
    (lambda lines: [lines[0], lines[0], lines[1], lines[2]], 2),
]


@pytest.mark.parametrize(("change", "line"), TAMPERED)
def test_verify_finds_a_line_that_was_changed_dropped_moved_or_doubled(lake, change, line):
    path = three_lines(lake)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(ledger.LedgerDamaged, match=f"line {line} "):
        ledger.verify(lake)


def test_verify_says_which_line_cannot_be_read(lake):
    path = three_lines(lake)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"not a line of ours\n" + lines[2])
    with pytest.raises(ledger.LedgerDamaged, match="line 2 "):
        ledger.verify(lake)


def test_a_lock_that_is_held_says_so_and_is_free_again_afterwards(lake):
    with ledger.lock(lake, "submission ZZ1/2026-09"):
        with pytest.raises(ledger.Busy, match="safe to try again"), ledger.lock(lake, "submission ZZ1/2026-09"):
            pass
        with ledger.lock(lake, "submission ZZ2/2026-09"):
            pass  # another submission is nobody's business
    with ledger.lock(lake, "submission ZZ1/2026-09"):
        pass


def _hold_and_die(root: str) -> None:
    held = ledger.lock(Lake(Path(root), Path("keys")), "publish")
    held.__enter__()
    os._exit(1)


def _append_many(root: str) -> None:
    for _ in range(20):
        ledger.append(Lake(Path(root), Path("keys")), "seen")


def test_the_lock_of_a_process_that_died_is_free(lake):
    process = multiprocessing.get_context("spawn").Process(target=_hold_and_die, args=(str(lake.root),))
    process.start()
    process.join()
    with ledger.lock(lake, "publish"):
        pass


def test_two_processes_that_append_at_once_keep_one_chain(lake):
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_append_many, args=(str(lake.root),)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert ledger.verify(lake) == 40


def test_a_line_longer_than_what_is_read_at_once_is_followed_too(lake):
    for n_letters in (10, 5 * ledger.TAIL, ledger.TAIL - 200, 3 * ledger.TAIL, 1):
        ledger.append(lake, "seen", told="x" * n_letters)
    assert ledger.verify(lake) == 5
    log = ledger.log_path(lake)
    log.write_bytes(log.read_bytes() + b'{"no": 6, "half' + b"y" * 2 * ledger.TAIL)  # cut short by a crash
    ledger.append(lake, "done")
    assert ledger.verify(lake) == 6 and ledger.entries(lake)[-1]["event"] == "done"


def test_what_was_read_before_does_not_change_and_folding_on_gives_what_folding_anew_gives(lake):
    place = {"provider": "ZZ1", "period": "2026-09", "submission_no": 1}
    file = {"file_no": 1, "layout": "pas_patient", "sha256": "a", "n_bytes": 1, "is_utf8": True}
    lines = [("seen", {"arrival": 1, "delivery_id": "a", "files": [file], "drop_id": "d1"}), ("crashed", {}),
             ("accepted", {"arrival": 1}), ("seen", {"arrival": 2, "delivery_id": "b", "files": [file], "drop_id": "d2"}),
             ("rejected", {"arrival": 2}), ("withdrawn", {}), ("done", {})]  # fmt: skip
    earlier = []
    for event, facts in lines:
        ledger.append(lake, event, **place, **facts)
        earlier.append((read_state(lake), repr(read_state(lake))))
    for number, (state, said) in enumerate(earlier):
        assert repr(state) == said, "what came later is not in it"
        anew = State()
        _fold(anew, ledger.entries(lake)[: number + 1])
        assert anew == state
