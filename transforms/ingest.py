"""received -> bronze: a faithful copy of each file, every column as text.

Promise: nothing is changed but the container; only a layout's `drop:` columns are left behind. Parquet's row number is
the line, counted from the first row after the header. A file that cannot be read is a recorded outcome, not a fault.
Of resources (NDJSON, one a line) a column is what a path of the layout finds, or an element that the layout does not
know, as it stands; blank lines do not count.
"""

import re
from pathlib import Path

import duckdb

from transforms import fhirpath, fingerprint, ledger
from transforms.arrivals import Arrival, File, read_state
from transforms.engine import EngineFault, copy, fingerprint_of, reuse
from transforms.lake import Lake, Submission, install
from transforms.recognise import LONGEST_LINE, decode, head_of, header_of, known_elements
from transforms.sqltext import quoted, text
from transforms.standard import Layout, Standard

CHUNK = 1 << 22


def bronze_file(lake: Lake, arrival: Arrival, layout: str) -> Path:
    return lake.arrival_file("bronze", layout, arrival.submission, arrival.no, layout)


def bronze_fingerprint(file: File, layout: Layout) -> str:
    read = [entry["column"] for entry in layout.columns] if layout["format"]["kind"] == "ndjson" else []
    known = (layout.drop, layout["ignore"], read) if read else layout.drop
    return fingerprint.of(
        file.sha256, known, layout["format"], fingerprint.code("ingest.py", "fhirpath.py", "sqltext.py")
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
    con = reuse(lake)
    with lake.workspace() as work:
        if not file.is_utf8:
            source = transcode(source, work / "utf8")
        try:
            if layout["format"]["kind"] == "ndjson":
                reason, detail, query = _resources(con, source, layout)
                if reason:
                    return reason, detail, 0
            else:
                query = _table(source, layout)
            n_rows = copy(con, query, work / "bronze.parquet", mark)
        except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
            line = re.search(r"Line: (\d+)", str(error))  # never the message: it repeats the row
            if layout["format"]["kind"] == "ndjson" and not line:
                raise EngineFault(f"reading resources failed: {type(error).__name__}") from None  # a fault of ours
            return "unreadable_rows", f"line {line[1]}" if line else "", 0
        finally:
            con.close()
        if n_rows == 0:
            return "no_rows", "", 0
        if file.n_rows is not None and file.n_rows != n_rows:
            return "wrong_row_count", f"{n_rows} rows, _READY says {file.n_rows}", 0
        install(work / "bronze.parquet", target)
    return "", "", n_rows


def _table(source: Path, layout: Layout) -> str:
    """A query: every column of a delimited file that is not dropped."""
    delimiter = layout["format"]["delimiter"]
    names = header_of(decode(head_of(source)), delimiter)
    names = tuple(n if n not in names[:i] else f"{n}_{i + 1}" for i, n in enumerate(names))
    kept = ", ".join(quoted(name) for name in names if name not in layout.drop)
    columns = "{" + ", ".join(f"{text(name)}: 'VARCHAR'" for name in names) + "}"
    options = "auto_detect = false, header = true, quote = '\"', escape = '\"', null_padding = false"
    return f"select {kept} from read_csv('{source}', columns = {columns}, delim = {text(delimiter)}, {options})"


def _resources(con: duckdb.DuckDBPyConnection, source: Path, layout: Layout) -> tuple[str, str, str]:
    """Whether every line is a resource of the layout's kind: a reason and where, or a query for what its paths find."""
    # No control character stands in JSON, so that a column delimited by one is a whole line.
    reading = f"""read_csv('{source}', columns = {{line: 'VARCHAR'}}, delim = chr(31), quote = '', escape = '',
                  header = false, auto_detect = false, max_line_size = {LONGEST_LINE})"""
    lines = f"""(select no, try_cast(line as json) as resource from (select row_number() over () as no, line from {reading})
                 where trim(line) <> '')"""
    told = con.execute(
        f"""with told as (select *, json_type(resource) is not distinct from 'OBJECT' as is_whole from {lines})
            select case when is_whole then json_keys(resource) end as elements, min(no) filter (not is_whole),
                   min(no) filter (is_whole and (resource ->> '$.resourceType') is distinct from $kind)
            from told group by elements""",
        {"kind": layout["format"]["resource"]},
    ).fetchall()
    for reason, place in (("unreadable_rows", 1), ("other_resource", 2)):
        if numbers := [row[place] for row in told if row[place]]:
            return reason, f"line {min(numbers)}", ""
    unknown = sorted(set().union(*(row[0] for row in told)) - known_elements(layout))
    return "", "", fhirpath.query([entry["column"] for entry in layout.columns], unknown, lines)


def transcode(source: Path, target: Path) -> Path:
    """Windows-1252 to UTF-8, in pieces; a byte that it does not define becomes the replacement character."""
    with (
        open(source, encoding="windows-1252", errors="replace", newline="") as reading,
        open(target, "w", encoding="utf-8", newline="") as writing,
    ):
        while piece := reading.read(CHUNK):
            writing.write(piece)
    return target
