"""Numbers of rules and lines -> issues.parquet and issues.csv.gz: the same rows, named as a trust reads them.

Promise: names are written once a piece and not once a row; both files are the same bytes for the same rows, and nothing
stands in them but these rows. Parquet is written by DuckDB alone: of a dictionary in which a name stands twice pyarrow leaves
a part of the page as it found it in memory, and patients' values were in it.
"""

import csv
import io
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from isal import igzip

from transforms.abort import reached
from transforms.sqltext import text

COLUMNS = ("file_role", "line", "line_in_file", "column", "rule", "because_of", "since")
SINCE = ("", "new", "open")
AT_ONCE = 2  # pieces that are made into text beside the one that is read
ROWS_AT_ONCE = 1 << 18

Named = list[tuple[str, str, str]]  # (file_role, column, rule) of each place, as they stand in the files


def write_files(con: duckdb.DuckDBPyConnection, named: Named, work: Path) -> None:
    """Both files in the folder `work`, from table `ordered`, which holds numbers: place of a rule, line, cause (0 for none, else
    1 + the place of another rule), and since, a place in SINCE."""
    layouts, columns, rules = zip(*named, strict=True)
    query = f"""select {_name(layouts, "place")} as file_role, line, (line + 1)::integer as line_in_file, {_name(columns, "place")} as "column",
                {_name(rules, "place")} as rule, {_name(("", *rules), "cause")} as because_of, {_name(SINCE, "since")} as since from ordered"""
    reached("write", work / "issues.parquet")
    con.execute(f"copy ({query}) to '{work / 'issues.parquet'}' (format parquet)")
    rows = con.execute("select place, line, cause, since from ordered").to_arrow_reader(ROWS_AT_ONCE)
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool, open(work / "issues.csv.gz", "wb") as sink:
        sink.write(_pressed(_line(*COLUMNS).encode()))
        for batch in rows:
            waiting.append(pool.submit(_text, batch, named))
            if len(waiting) > AT_ONCE:
                sink.write(waiting.popleft().result())
        for piece in waiting:
            sink.write(piece.result())


def _name(names: tuple[str, ...], number: str) -> str:
    """The name at a place, as SQL: of an enum, so that a row holds a number and Parquet the name once."""
    kind = f"enum({', '.join(map(text, dict.fromkeys(names)))})"
    return f"([{', '.join(map(text, names))}]::{kind}[])[{number} + 1]"


def _pressed(words: bytes | memoryview) -> bytes:
    """A piece of a gzip file: pieces stand behind each other, and every reader of gzip reads them as one."""
    return igzip.compress(words, 1, mtime=0)


def _line(*cells: str) -> str:
    """Cells as a line of CSV."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    return written.getvalue()


def _text(batch: pa.RecordBatch, named: Named) -> bytes:
    """Pressed text: what stands before and behind the numbers of a line is written once for a rule, cause and age."""
    place, line, cause, since = batch.columns
    n_causes, n_ages = len(named) + 1, len(SINCE)
    kind = pc.add(pc.multiply(pc.add(pc.multiply(place, n_causes), cause), n_ages), since).dictionary_encode()
    heads, tails = [], []
    for number in kind.dictionary.to_pylist():
        rule_no, cause_no, age = number // n_ages // n_causes, number // n_ages % n_causes, number % n_ages
        layout, column, rule = named[rule_no]
        heads.append(_line(layout)[:-1] + ",")
        tails.append("," + _line(column, rule, named[cause_no - 1][2] if cause_no else "", SINCE[age]))
    head, tail = (pa.array(words, pa.large_string()).take(kind.indices) for words in (heads, tails))
    first, second = (number.cast(pa.large_string()) for number in (line, pc.add(line, pa.scalar(1, pa.int32()))))
    comma, nothing = (pa.scalar(words, pa.large_string()) for words in (",", ""))
    joined = pc.binary_join_element_wise(head, first, comma, second, tail, nothing)
    # Exactly the texts: what a buffer holds behind them is whatever was in memory.
    n_bytes = pc.sum(pc.binary_length(joined)).as_py() or 0
    return _pressed(memoryview(joined.buffers()[2])[:n_bytes])
