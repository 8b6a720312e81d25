"""received -> bronze: a faithful copy of each file, every column as text.

Promise: nothing is changed but the container; only a layout's `drop:` columns are left behind. Parquet's row number is
the line, counted from the first row after the header. A file that cannot be read is a recorded outcome, not a fault; it
is read by a process that is confined, so that also one that makes its reader stop harms nobody.
Of resources (NDJSON, one a line) a column is what a path of the layout finds, or an element that the layout does not
know, as it stands; blank lines do not count.
"""

import os
from pathlib import Path

from transforms import fingerprint, ledger, parse
from transforms.abort import reached
from transforms.apart import ApartFault, Unreadable, apart
from transforms.arrivals import Arrival, File, read_state
from transforms.engine import fingerprint_of
from transforms.lake import Lake, Submission, install
from transforms.recognise import known_elements, reason_of
from transforms.standard import Layout, Standard


def bronze_file(lake: Lake, arrival: Arrival, layout: str) -> Path:
    return lake.arrival_file("bronze", layout, arrival.submission, arrival.no, layout)


def bronze_fingerprint(file: File, layout: Layout) -> str:
    read = [entry["column"] for entry in layout.columns] if layout["format"]["kind"] == "ndjson" else []
    known = (layout.drop, layout["ignore"], read) if read else layout.drop
    return fingerprint.of(
        file.sha256, known, layout["format"], fingerprint.code("ingest.py", "parse.py", "fhirpath.py", "sqltext.py")
    )


def relevant(lake: Lake, submission: Submission) -> list[Arrival]:
    """The arrivals that count: those not judged yet, and those in force."""
    state = read_state(lake)
    current = {arrival.no for arrival in state.current(submission).values()}
    return [a for a in state.arrivals.get(submission, []) if a.outcome is None or a.no in current]


def ingest(submission: Submission, standard: Standard, lake: Lake) -> dict[str, int]:
    """Copy every file of the submission's relevant arrivals that is not copied yet. Returns files and rows written."""
    counts = {"files": 0, "rows": 0, "rejected": 0}
    with ledger.lock(lake, f"submission {submission}"):
        for arrival in relevant(lake, submission):
            for file in arrival.files:
                layout = standard.layouts[file.layout]
                target, mark = bronze_file(lake, arrival, file.layout), bronze_fingerprint(file, layout)
                if fingerprint_of(target) == mark:
                    continue
                reason, detail, n_rows = _copy_file(lake, file, layout, target, mark)
                if reason:
                    _reject(lake, arrival, reason, f"layout {file.layout}" + (f": {detail}" if detail else ""))
                    counts["rejected"] += 1
                    break
                counts["files"] += 1
                counts["rows"] += n_rows
    return counts


def _reject(lake: Lake, arrival: Arrival, reason: str, detail: str) -> None:
    submission = {"provider": arrival.submission.provider, "period": arrival.submission.period}
    facts = {**submission, "submission_no": arrival.submission_no, "arrival": arrival.no}
    ledger.append(lake, "rejected", **facts, reason=reason, detail=detail)


def _copy_file(lake: Lake, file: File, layout: Layout, target: Path, mark: str) -> tuple[str, str, int]:
    """One file to Parquet. Returns ("", "", rows), or a reason of outcomes.csv and where."""
    source = lake.path("received", file.sha256, "content")
    form = layout["format"]
    with lake.workspace() as work:
        asked = (source, work, file.is_utf8, engine_for(), mark)
        reached("write", work / "parsed.parquet")
        try:
            if form["kind"] == "ndjson":
                paths = [entry["column"] for entry in layout.columns]
                told = apart(parse.resources, *asked, form["resource"], paths, sorted(known_elements(layout)),
                             reads=[source], folder=work, n_bytes=file.n_bytes)  # fmt: skip
            else:
                told = apart(parse.table, *asked, form["delimiter"], layout.drop, layout.known_columns,
                             reads=[source], folder=work, n_bytes=file.n_bytes)  # fmt: skip
        except Unreadable as stopped:
            if stopped.why == "died" and not apart(parse.is_well, work, engine_for(), folder=work):
                raise ApartFault("no file can be read here") from None
            return *reason_of(stopped), 0
        reason, detail, n_rows = told
        if reason:
            return reason, detail, 0
        if n_rows == 0:
            return "no_rows", "", 0
        if file.n_rows is not None and file.n_rows != n_rows:
            return "wrong_row_count", f"{n_rows} rows, _READY says {file.n_rows}", 0
        install(work / "parsed.parquet", target)
    return "", "", n_rows


def engine_for() -> parse.Engine:
    """What reading a file may use: THREADS and MEMORY, as everywhere."""
    return parse.Engine(int(os.environ.get("THREADS", "2")), os.environ.get("MEMORY", "1GB"))
