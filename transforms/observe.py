"""A stage runs -> a line of JSON and events of lineage, for whoever asked for them.

Promise: codes, counts and seconds; of an error its kind and the line of ours, never its message; and no stage fails because
nobody listens. Both are off unless STAGE_LOG=json, or LINEAGE (lineage.py), asks for them.

A line: {"at", "stage", "submission" ("" for a stage over all), "outcome": done, busy or failed, "seconds", "counts"} and,
of a failure, "error" and "ours". For what arrives there is one more line each, whose outcome is the ledger's.
"""

import contextlib
import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

from transforms import ledger, lineage
from transforms.lake import Lake, Submission
from transforms.ours import line_of_ours

Counts = dict[str, Any]
AT_THE_DOOR = ("seen", "unchanged", "rejected", "withdrawn")
_only: list[TextIO] = []  # where lines go when nothing else goes there


def is_logging() -> bool:
    return bool(_only) or os.environ.get("STAGE_LOG", "") == "json"


@contextlib.contextmanager
def lines_only() -> Iterator[None]:
    """Lines are asked for, and have the output for themselves: words for people go beside it."""
    _only.append(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _only.pop()


@contextlib.contextmanager
def observing(lake: Lake, stage: str, submission: Submission | None = None) -> Iterator[Counts]:
    """Around one run of a stage, over one submission or over all. What is put into what it yields are its counts."""
    counts: Counts = {}
    run = lineage.begin(lake, stage, submission)
    began, outcome, about = time.monotonic(), "failed", {}
    try:
        yield counts
        outcome = "done"
    except ledger.Busy:
        outcome = "busy"
        raise
    except BaseException as error:
        about = {"error": type(error).__name__, "ours": line_of_ours(error)}
        raise
    finally:
        numbers = {name: n for name, n in counts.items() if isinstance(n, int)}
        lineage.end(lake, run, outcome, numbers, about.get("error", ""))
        if is_logging():
            seconds = round(time.monotonic() - began, 3)
            _say(stage, str(submission or ""), outcome, seconds=seconds, counts=numbers, **about)


def observed(stage: str) -> Callable[[Callable[..., Counts]], Callable[..., Counts]]:
    """For a stage over everything, which is called with the standard and the lake and returns its counts."""

    def wrap(function: Callable[..., Counts]) -> Callable[..., Counts]:
        @functools.wraps(function)
        def run(standard: Any, lake: Lake, *rest: Any, **more: Any) -> Counts:
            with observing(lake, stage) as counts:
                made = function(standard, lake, *rest, **more)
                counts |= made
            return made

        return run

    return wrap


@contextlib.contextmanager
def observing_arrivals(lake: Lake) -> Iterator[Counts]:
    """Around receiving: as `observing`, and a line for every delivery that was dealt with at the door."""
    after = len(ledger.entries(lake))
    try:
        with observing(lake, "receive") as counts:
            yield counts
    finally:
        _say_arrivals(lake, after)


def _say_arrivals(lake: Lake, after: int) -> None:
    for entry in ledger.entries(lake)[after:] if is_logging() else []:
        if entry["event"] in AT_THE_DOOR and "drop_id" in entry:
            facts = {"files": len(entry["files"]), "arrival": entry["arrival"]} if "files" in entry else {}
            more = {"reason": entry["reason"]} if "reason" in entry else {}
            _say("receive", f"{entry['provider']}/{entry['period']}", entry["event"], counts=facts, **more)


def _say(stage: str, submission: str, outcome: str, **facts: Any) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"at": at, "stage": stage, "submission": submission, "outcome": outcome, **facts}
    print(json.dumps(line), file=_only[-1] if _only else None, flush=True)
