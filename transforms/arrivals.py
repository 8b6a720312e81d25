"""What the ledger says about each submission: its arrivals, what became of them, and which is current.

Promise: a pure function of the ledger's lines. Order is the arrival number, never a file's time.
"""

from copy import copy
from dataclasses import dataclass, field, fields, replace

from transforms import ledger
from transforms.lake import Lake, Submission

# A submission that its provider takes back: the line of the ledger, and the reason that its deliveries are rejected for then.
WITHDRAWN, TAKEN_BACK = "withdrawn", "taken_back"
OUTCOMES = ("accepted", "rejected", WITHDRAWN)


@dataclass(frozen=True)
class File:
    """One file of an arrival: its number in the lake, its layout and what it holds."""

    file_no: int
    layout: str
    sha256: str
    n_bytes: int
    is_utf8: bool
    n_rows: int | None = None


@dataclass(frozen=True)
class Arrival:
    """One delivery that was received. `outcome` is None until it is judged."""

    submission: Submission
    submission_no: int
    no: int
    received_on: str
    delivery_id: str
    files: tuple[File, ...]
    outcome: str | None = None
    reason: str = ""
    detail: str = ""
    opt_out_applied_on: str = ""  # the day on which the provider says it applied the national opt-out

    def file(self, layout: str) -> File | None:
        return next((item for item in self.files if item.layout == layout), None)

    def sha256_of(self, layout: str) -> str:
        """The hash of the file of a layout, "" when the delivery has none."""
        found = self.file(layout)
        return found.sha256 if found else ""


@dataclass
class State:
    """Everything known, by submission; and the landing folders that were dealt with."""

    arrivals: dict[Submission, list[Arrival]] = field(default_factory=dict)
    drops: set[str] = field(default_factory=set)
    numbers: dict[Submission, int] = field(default_factory=dict)
    n_files: int = 0
    crashed: dict[Submission, list[dict]] = field(default_factory=dict)
    undone: set[Submission] = field(default_factory=set)  # other content counts than what was said to be harmonised
    releases: list[dict] = field(default_factory=list)
    refused: list[dict] = field(default_factory=list)

    def copy(self) -> "State":
        """Another state with the same in it: what is added to one is not in the other."""
        return State(**{item.name: copy(getattr(self, item.name)) for item in fields(self)})

    def current(self, submission: Submission) -> dict[str, Arrival]:
        """Layout -> the last accepted delivery that contains it."""
        found: dict[str, Arrival] = {}
        for arrival in self.arrivals.get(submission, []):
            if arrival.outcome == "accepted":
                found.update((item.layout, arrival) for item in arrival.files)
        return found


_folded: list[tuple[list[ledger.Entry], State]] = []  # the lines that were folded last, and what came of them


def read_state(lake: Lake) -> State:
    """Fold the ledger into a state; lines that were folded before are not folded again."""
    listed = ledger.entries(lake)
    known, state = _folded[0] if _folded else ([], State())
    if not known or len(listed) < len(known) or listed[len(known) - 1] is not known[-1]:
        known, state = [], State()
    if new := listed[len(known) :]:
        state = state.copy()
        _fold(state, new)
        _folded[:] = [(listed, state)]
    return state.copy()


def _fold(state: State, listed: list[ledger.Entry]) -> None:
    """Add lines to a state. A list in it is replaced, never changed: an earlier state holds it too."""
    for entry in listed:
        event = entry["event"]
        if "drop_id" in entry:
            state.drops.add(entry["drop_id"])
        if event in ("published", "rolled_back"):
            state.releases.append(entry)
        if "provider" not in entry:
            continue
        if "submission_no" not in entry:
            state.refused.append(entry)
            continue
        submission = Submission(entry["provider"], entry["period"])
        arrivals = list(state.arrivals.get(submission, []))
        if event == "seen":
            files = tuple(File(**item) for item in entry["files"])
            state.n_files += len(files)
            state.numbers[submission] = entry["submission_no"]
            number, day = entry["arrival"], entry["at"][:10]
            made = Arrival(submission, entry["submission_no"], number, day, entry["delivery_id"], files)
            arrivals.append(replace(made, opt_out_applied_on=entry.get("opt_out_applied_on", "")))
        elif event in ("accepted", "rejected"):
            position = entry["arrival"] - 1
            known = arrivals[position]
            reason, detail = entry.get("reason", ""), entry.get("detail", "")
            arrivals[position] = replace(known, outcome=event, reason=reason, detail=detail)
            state.crashed.pop(submission, None)
            # Also what counted and does no more, by a standard that has changed: what was made of it has to go.
            if "accepted" in (event, known.outcome):
                state.undone.add(submission)
        elif event == "crashed":
            state.crashed[submission] = [*state.crashed.get(submission, []), entry]
        elif event == WITHDRAWN:
            # To whatever counted or waited; the submission is not done until what was made of it is gone.
            arrivals = [replace(a, outcome="rejected", reason=TAKEN_BACK, detail="") if a.outcome in (None, "accepted") else a
                        for a in arrivals]  # fmt: skip
            state.undone.add(submission)
        elif event == "done":
            state.crashed.pop(submission, None)
            state.undone.discard(submission)
        state.arrivals[submission] = arrivals
