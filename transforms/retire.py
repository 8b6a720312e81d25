"""Deliveries that count no longer -> deleted when their time is over: their copies in bronze and quarantine, and what was sent.

Promise: nothing that is in force, or waits to be judged, is touched; each deletion stands in the ledger, once; results stay,
which hold no value.
"""

from datetime import date, timedelta
from pathlib import Path

from transforms import ledger
from transforms.arrivals import Arrival, State, read_state
from transforms.ingest import bronze_file
from transforms.lake import Lake, remove
from transforms.receive import today
from transforms.standard import Standard

EVENT = "expired"


def retire(standard: Standard, lake: Lake) -> dict[str, int]:
    """Delete what has had its time. Returns how many deliveries lost their copies, and how many contents were deleted."""
    settings = standard.settings["retention"]
    counts = {"copies_deleted": 0, "contents_deleted": 0}
    state = read_state(lake)
    told, gone = _told(lake)
    for arrival in (one for one in _all(state) if _is_over(one, state, int(settings["replaced_days"]))):
        place = (arrival.submission.provider, arrival.submission.period, arrival.no)
        if place not in told:
            for path in _copies(standard, lake, arrival):
                remove(path)
            facts = dict(zip(("provider", "period", "arrival"), place, strict=True))
            ledger.append(lake, EVENT, what="copies", submission_no=arrival.submission_no, **facts)
            counts["copies_deleted"] += 1
    kept = {
        file.sha256
        for arrival in _all(state)
        if not _is_over(arrival, state, int(settings["received_days"]))
        for file in arrival.files
    }
    sent = {file.sha256 for arrival in _all(state) for file in arrival.files}
    for sha256 in sorted(sent - kept):
        path = lake.path("received", sha256, "content")
        if path.parent.exists():
            if sha256 not in gone:  # said first: of what is gone nobody could say it any more
                ledger.append(lake, EVENT, what="content", content=sha256)
            remove(path)
            remove(path.parent)
            counts["contents_deleted"] += 1
    return counts


def _told(lake: Lake) -> tuple[set[tuple[str, str, int]], set[str]]:
    """Of what the ledger says that it was deleted: the deliveries, and the contents that nobody sent again since."""
    deliveries, contents = set(), set()
    for entry in ledger.entries(lake):
        if entry["event"] == EVENT and entry["what"] == "copies":
            deliveries.add((entry["provider"], entry["period"], entry["arrival"]))
        elif entry["event"] == EVENT:
            contents.add(entry["content"])
        elif entry["event"] == "seen":
            contents -= {file["sha256"] for file in entry["files"]}
    return deliveries, contents


def _all(state: State) -> list[Arrival]:
    return [arrival for listed in state.arrivals.values() for arrival in listed]


def _is_over(arrival: Arrival, state: State, days: int) -> bool:
    """Whether a delivery neither counts nor waits, and came so long ago."""
    in_force = {one.no for one in state.current(arrival.submission).values()}
    is_needed = arrival.outcome is None or arrival.no in in_force
    return not is_needed and date.fromisoformat(arrival.received_on) + timedelta(days=days) <= date.fromisoformat(
        today()
    )


def _copies(standard: Standard, lake: Lake, arrival: Arrival) -> list[Path]:
    """Where bronze and quarantine hold a delivery."""
    found = []
    for file in arrival.files:
        if layout := standard.layouts.get(file.layout):
            found += [bronze_file(lake, arrival, file.layout)]
            found += [lake.arrival_file("quarantine", layout.table, arrival.submission, arrival.no, file.layout)]
    return [path for path in found if path.exists()]
