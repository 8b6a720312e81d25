"""Small lakes for tests -> a lake, a standard, and ways to look into them.

Promise: a lake that is shared is made once a session and never changed by a test; whoever changes one makes their own.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import duckdb
import numpy as np

from tests.synthetic import Delivery, deliver
from transforms import engine, exact, keys, ledger, work
from transforms.document import document
from transforms.lake import Lake, Submission
from transforms.receive import receive
from transforms.rules import Rule
from transforms.standard import ROOT, Standard, load

PERIOD = "2026-09"
PATIENT_FAULTS = {
    "lower_case": 6, "trailing_space": 5, "blank": 4, "second_character": 3, "lone_9": 2, "not_known": 4, "not_stated": 3,
    "unrecognised": 5, "word": 2, "missing_nhs_number": 4, "malformed_nhs_number": 3, "placeholder_nhs_number": 2,
    "spaced_nhs_number": 3, "missing_birth_date": 3, "unreadable_birth_date": 4, "future_birth_date": 2, "future_date": 3,
    "duplicate_key": 2, "test_record": 2, "confidential": 2, "unmatched_postcode": 2, "no_fixed_abode": 2, "hostile_name": 1,
}  # fmt: skip
APPOINTMENT_FAULTS = {
    "missing_key": 3,
    "lower_case": 3,
    "unrecognised": 4,
    "missing_local_id": 2,
    "unreadable_birth_date": 3,
}


@dataclass
class Made:
    """A lake with what was sent into it."""

    lake: Lake
    standard: Standard
    sent: dict[str, Delivery] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    con: duckdb.DuckDBPyConnection | None = None


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="lakes-", dir=os.environ.get("SCRATCH")))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def new_lake(folder: Path) -> Lake:
    """An empty lake with keys."""
    lake = Lake(folder / "lake", folder / "keys").prepare()
    keys.initialise(lake)
    return lake


QUICK = ("ingest", "validate", "harmonise")  # a page a submission costs a second, and has tests of its own


def run(standard: Standard, lake: Lake, stages: Iterable[str] = QUICK) -> dict[str, dict[str, int]]:
    """Receive what waits and take every pending submission through the stages, as `run --all` does."""
    counts = {"receive": receive(standard, lake)}
    names = work.pending(standard, lake)
    for stage in stages:
        counts[stage] = work.run_chunk(stage, names, standard, lake)
    return counts


@cache
def small() -> Made:
    """Two trusts, one of them with a local list, and a practice; every row fault that their layouts can have."""
    made = Made(new_lake(_folder() / "small"), load())
    landing = made.lake.path("landing")
    made.sent = {
        "index": deliver(landing, "ZZ1", PERIOD, {"pas_patient": 200}, PATIENT_FAULTS, name="index"),
        "local list": deliver(landing, "ZZ3", PERIOD, {"pas_patient": 30}, edit=_local_codes),
        "outpatients": deliver(landing, "ZZ2", PERIOD, {"sus_outpatient": 150}, APPOINTMENT_FAULTS),
        "practice": deliver(
            landing,
            "ZP001",
            PERIOD,
            {"emis_patient": 80, "emis_observation": 120},
            {"unrecognised": 4, "missing_key": 2},
        ),
    }
    made.counts = run(made.standard, made.lake, work.STAGES)
    return made


def _local_codes(layout: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """What trusts append to a national letter: a listed code, one listed in lower case, and one that nobody lists."""
    for row, code in zip(rows, ("PA", "pd ", "A9", "X7", "9", "99 ", "British", "Z"), strict=False):
        row["ETHNIC_CATEGORY"] = code
    return rows


def copied_standard(folder: Path) -> Path:
    """A copy of all that the standard is made of, which a test may spoil; give it to `load`."""
    for name in ("standards", "expectations"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "NOTICE", folder)
    return folder


def replace(path: Path, old: str, new: str) -> int:
    """Replace a text that stands in a file once, and return the line on which it begins."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def add_line(path: Path, line: str) -> int:
    """Add a line at the end of a file, and return its number."""
    text = path.read_text(encoding="utf-8")
    path.write_text(text + line + "\n", encoding="utf-8")
    return text.count("\n") + 1


def opened(made: Made | tuple[Standard, Lake]) -> duckdb.DuckDBPyConnection:
    """A connection with every stage as a schema; a shared lake has one for all, since nothing changes in it."""
    if isinstance(made, Made):
        if made.con is None:
            made.con = _connect(made.standard, made.lake)
        return made.con
    return _connect(*made)


def _connect(standard: Standard, lake: Lake) -> duckdb.DuckDBPyConnection:
    con = engine.connect(lake)
    engine.add_views(con, lake, standard)
    return con


def ask(made: Made | tuple[Standard, Lake], query: str) -> list[tuple]:
    """The rows of one query over all stages."""
    return opened(made).execute(query).fetchall()


def events(lake: Lake, *names: str) -> list[dict]:
    return [entry for entry in ledger.entries(lake) if entry["event"] in names]


def outcomes(lake: Lake) -> list[tuple[str, str, str, str]]:
    """What became of each delivery, oldest first: submission, event, reason, detail."""
    found = events(lake, "accepted", "rejected", "unchanged")
    return [(f"{e['provider']}/{e['period']}", e["event"], e.get("reason", ""), e.get("detail", "")) for e in found]


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def content(lake: Lake, *stages: str) -> dict[str, list[tuple]]:
    """Each Parquet file of the stages with its rows in order: what must be equal when contents are equal."""
    found = {}
    for stage in stages or ("bronze", "validated", "quarantine", "results", "harmonised"):
        for path in sorted(lake.path(stage).rglob("*.parquet")):
            rows = duckdb.sql(
                f"select * from read_parquet('{path}', hive_partitioning = false) order by all"
            ).fetchall()
            found[str(path.relative_to(lake.root))] = rows
    return found


def written(lake: Lake, *stages: str) -> dict[str, int]:
    """When each Parquet file of the stages was written."""
    found = (p for stage in stages for p in lake.path(stage).rglob("*.parquet"))
    return {str(path.relative_to(lake.root)): path.stat().st_mtime_ns for path in found}


def judged_by_counts(
    con: duckdb.DuckDBPyConnection,
    rules: tuple[Rule, ...],
    column_of: dict[str, str],
    counts: dict[str, tuple[int, int]],
) -> dict[str, bool]:
    """Stands in for Great Expectations where a test is not about verdicts: the same verdicts, without its second a file."""
    return {r.id: counts[r.id][0] - counts[r.id][1] >= r.mostly * counts[r.id][0] for r in rules}


PAGES: dict[str, Path] = {}  # version of a standard -> its pages, as they were written the first time


def written_once(standard: Standard, folder: Path) -> int:
    """Stands in for `document` where a test is not about it: the same files, without the seconds of writing them again."""
    if standard.version not in PAGES:
        made = _folder() / f"pages-{standard.version}"
        document(standard, made)
        PAGES[standard.version] = made
    shutil.copytree(PAGES[standard.version], folder)
    return len(list(folder.rglob("*.html")))


def leave_audit_out(monkeypatch) -> None:
    """Where a test is not about the audit: Great Expectations takes seconds."""
    monkeypatch.setattr("transforms.publish.audit", lambda con, standard, schema="": 0)


def hasten(monkeypatch, is_audited: bool = True, is_proved: bool = False) -> None:
    """Judge by counts in this test, write equal pages once, and let no submission wait for its page; and where it is not
    `is_audited`, publish without the audit; where it is not `is_proved`, protect what is hidden against adding up and
    subtracting alone, without exact proofs: these have tests of their own."""
    if not is_audited:
        leave_audit_out(monkeypatch)
    nothing = np.zeros(0, dtype=int), []
    proofs = exact.uncertain if is_proved else lambda *of_told: nothing
    monkeypatch.setattr("transforms.secondary.uncertain", proofs)
    monkeypatch.setattr("transforms.duckdb_expectations.judge", judged_by_counts)
    monkeypatch.setattr("transforms.site.document", written_once)
    monkeypatch.setattr("transforms.work.owed", lambda standard, lake: [])


def submission(name: str) -> Submission:
    return Submission.parse(name)
