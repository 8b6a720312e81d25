"""What is there and not done: the ledger and the fingerprints decide, an event only wakes us.

Promise: new arrivals go before re-runs; one faulty submission never holds up the others.
"""

import os
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from transforms import harmonise as harmonise_stage
from transforms import ledger
from transforms.arrivals import State, read_state
from transforms.disk import stop_if_full
from transforms.engine import fingerprint_of
from transforms.feedback import feedback, owed
from transforms.harmonise import harmonise
from transforms.ingest import bronze_file, bronze_fingerprint, ingest
from transforms.lake import Lake, Submission
from transforms.observe import observing
from transforms.ours import line_of_ours
from transforms.standard import Standard
from transforms.validate import is_fresh, validate

STAGES: dict[str, Callable[[Submission, Standard, Lake], dict[str, int]]] = {
    "ingest": ingest,
    "validate": validate,
    "feedback": feedback,
    "harmonise": harmonise,
}
RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=60))
CHUNK_SUBMISSIONS = 60
CHUNK_BYTES = 200_000_000
FEWEST_CHUNKS = 4


class StageCrashed(Exception):
    """Some submissions failed for a fault of ours; the others went on. Names submissions and kinds of error only."""


def waits_for_person(state: State, submission: Submission) -> bool:
    """Whether our own faults stopped it as often as we retry."""
    return len(state.crashed.get(submission, [])) > len(RETRY_AFTER)


def may_retry(state: State, submission: Submission, now: datetime) -> bool:
    """Whether enough time has passed since our last fault."""
    crashes = state.crashed.get(submission, [])
    if not crashes:
        return True
    if waits_for_person(state, submission):
        return False
    return now >= datetime.fromisoformat(crashes[-1]["at"]) + RETRY_AFTER[len(crashes) - 1]


def is_stale(standard: Standard, lake: Lake, state: State, submission: Submission) -> bool:
    """Whether anything that is in force was made from something that has changed since, or was not finished."""
    if submission in state.undone:
        return True
    for name, arrival in state.current(submission).items():
        file = arrival.file(name)
        if file is None or not is_fresh(standard, lake, arrival, file, True):
            return True
        if fingerprint_of(bronze_file(lake, arrival, name)) != bronze_fingerprint(file, standard.layouts[name]):
            return True
        if not harmonise_stage.is_fresh(standard, lake, arrival, standard.layouts[name]):
            return True
    return False


def pending(standard: Standard, lake: Lake) -> list[str]:
    """Submissions with something to do: those with new arrivals first, oldest first, then those to re-run."""
    state, now = read_state(lake), datetime.now(UTC)
    new, again = [], []
    for submission, arrivals in state.arrivals.items():
        if not may_retry(state, submission, now):
            continue
        if any(arrival.outcome is None for arrival in arrivals):
            new.append(submission)
        elif is_stale(standard, lake, state, submission):
            again.append(submission)
    said_nothing = [s for s in owed(standard, lake) if s not in new + again and may_retry(state, s, now)]
    return [str(s) for s in (*new, *again, *said_nothing)]


def chunks(standard: Standard, lake: Lake) -> list[list[str]]:
    """Pending work in pieces for one task each: one submission when few wait, many small ones when many do.

    A piece for each processor, and not many more: every task starts a process and imports, which costs what judging
    twenty small files does.
    """
    names = pending(standard, lake)
    if len(names) <= FEWEST_CHUNKS:
        return [[name] for name in names]
    state = read_state(lake)
    pieces: list[list[str]] = []
    size = 0
    most = min(CHUNK_SUBMISSIONS, -(-len(names) // max(FEWEST_CHUNKS, os.cpu_count() or 1)))
    for name in names:
        n_bytes = sum(
            f.n_bytes for a in state.arrivals.get(Submission.parse(name), []) if a.outcome is None for f in a.files
        )
        if not pieces or len(pieces[-1]) >= most or size + n_bytes > CHUNK_BYTES:
            pieces.append([])
            size = 0
        pieces[-1].append(name)
        size += n_bytes
    return pieces


def run_chunk(stage: str, names: list[str], standard: Standard, lake: Lake) -> dict[str, Any]:
    """One stage over several submissions. One that is busy elsewhere is skipped; a fault of ours is recorded, the rest
    goes on, and StageCrashed is raised at the end. Returns the counts added up, and under `told` the submissions whose
    page tells of a new outcome."""
    totals: dict[str, Any] = {"submissions": 0, "busy": 0, "told": []}
    crashed = []
    for name in names:
        submission = Submission.parse(name)
        if stage != "ingest" and _must_wait(lake, submission):
            continue
        try:
            with observing(lake, stage, submission) as counts:
                counts |= STAGES[stage](submission, standard, lake)
        except ledger.Busy:
            totals["busy"] += 1
            continue
        except Exception as error:  # noqa: BLE001  our fault, whatever it is, must not stop the neighbours
            stop_if_full(error, lake)
            crashed.append(f"{name} ({type(error).__name__})")
            _record_crash(lake, submission, stage, error)
            continue
        totals["submissions"] += 1
        totals["told"] += [name] if counts.get("news") else []
        for key, value in counts.items():
            totals[key] = totals.get(key, 0) + value
    if crashed:
        raise StageCrashed(f"{stage} failed for {', '.join(crashed)}; see `python -m transforms status`")
    return totals


def _must_wait(lake: Lake, submission: Submission) -> bool:
    """A submission whose earlier stage crashed in this round waits for its retry; one whose copy is not there, for its next
    round: a task that was killed on the way there said nothing, and is no fault of the stages that come after it."""
    state = read_state(lake)
    crashes = state.crashed.get(submission, [])
    if crashes and datetime.now(UTC) < datetime.fromisoformat(crashes[-1]["at"]) + RETRY_AFTER[0]:
        return True
    unjudged = [one for one in state.arrivals.get(submission, []) if one.outcome is None]
    return not all(bronze_file(lake, arrival, file.layout).exists() for arrival in unjudged for file in arrival.files)


def _record_crash(lake: Lake, submission: Submission, stage: str, error: Exception) -> None:
    """Where it broke, without the message: a message can repeat a patient's value."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    facts = {"provider": submission.provider, "period": submission.period, "stage": stage}
    number = read_state(lake).numbers.get(submission)
    ledger.append(
        lake,
        "crashed",
        **facts,
        submission_no=number,
        error=type(error).__name__,
        place=place,
        ours=line_of_ours(error),
    )
