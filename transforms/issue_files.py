"""Numbers of rules and lines -> issues.parquet and issues.csv.gz: the same rows, named as a trust reads them.

Promise: names are written once a piece and not once a row; both files are the same bytes for the same rows.
"""

import csv
import io
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from isal import igzip

COLUMNS = ("file_role", "line", "line_in_file", "column", "rule", "because_of", "since")
NUMBERS = [name for name in COLUMNS if name.startswith("line")]
NAMES = [name for name in COLUMNS if name not in NUMBERS]
NAME, DELTA = pa.dictionary(pa.int32(), pa.string()), "DELTA_BINARY_PACKED"  # lines in their order take next to no room
SCHEMA = pa.schema([(name, pa.int32() if name in NUMBERS else NAME) for name in COLUMNS])
SINCE = ("", "new", "open")
AT_ONCE = 2  # pieces that are made into text beside the one that is written as Parquet

Named = list[tuple[str, str, str]]  # (file_role, column, rule) of each place, as they stand in the files


def write_files(rows: pa.RecordBatchReader, named: Named, work: Path) -> None:
    """Both files in the folder `work`, from numbers: place of a rule, line, cause (0 for none, else 1 + the place of another
    rule), and since, a place in SINCE."""
    waiting: deque[Future[bytes]] = deque()
    # Readers are told of plain text: that it was made from numbers is of no use to them.
    parquet = pq.ParquetWriter(
        work / "issues.parquet",
        SCHEMA,
        store_schema=False,
        use_dictionary=NAMES,
        column_encoding=dict.fromkeys(NUMBERS, DELTA),
    )
    with ThreadPoolExecutor(AT_ONCE) as pool, parquet as table, open(work / "issues.csv.gz", "wb") as text:
        text.write(_pressed(_line(*COLUMNS).encode()))
        for batch in rows:
            waiting.append(pool.submit(_text, batch, named))
            table.write_table(_table(batch, named))
            if len(waiting) > AT_ONCE:
                text.write(waiting.popleft().result())
        for piece in waiting:
            text.write(piece.result())


def _pressed(text: bytes | pa.Buffer) -> bytes:
    """A piece of a gzip file: pieces stand behind each other, and every reader of gzip reads them as one."""
    return igzip.compress(text, 1, mtime=0)


def _line(*cells: str) -> str:
    """Cells as a line of CSV."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    return written.getvalue()


def _table(batch: pa.RecordBatch, named: Named) -> pa.Table:
    place, line, cause, since = batch.columns
    layouts, columns, rules = (list(names) for names in zip(*named, strict=True))
    told = ((place, layouts), (place, columns), (place, rules), (cause, ["", *rules]), (since, SINCE))
    layout, *behind = (pa.DictionaryArray.from_arrays(numbers, pa.array(names)) for numbers, names in told)
    return pa.table([layout, line, _after_header(line), *behind], names=COLUMNS)


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
    head, tail = (pa.array(texts, pa.large_string()).take(kind.indices) for texts in (heads, tails))
    first, second = (number.cast(pa.large_string()) for number in (line, _after_header(line)))
    comma, nothing = (pa.scalar(text, pa.large_string()) for text in (",", ""))
    return _pressed(pc.binary_join_element_wise(head, first, comma, second, tail, nothing).buffers()[2])


def _after_header(line: pa.Array) -> pa.Array:
    return pc.add(line, pa.scalar(1, pa.int32()))
