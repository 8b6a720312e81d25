"""bronze -> results/value_count, results/value_meaning: each distinct value of each coded column, and what the maps make of it.

Promise: what a map must cover is counted once an arrival, and only here; nothing is judged.
"""

from pathlib import Path

import duckdb

from transforms import engine, fingerprint
from transforms.arrivals import Arrival, File
from transforms.engine import fingerprint_of
from transforms.ingest import bronze_file, bronze_fingerprint
from transforms.lake import Lake, install
from transforms.parquet import copy
from transforms.resolve import declared, resolve
from transforms.sqltext import sent_or_null, text
from transforms.standard import Standard

CODE = ("values.py", "resolve.py", "macros.sql")


def result_file(lake: Lake, name: str, arrival: Arrival, layout: str) -> Path:
    """One file of a table of results."""
    return lake.arrival_file("results", name, arrival.submission, arrival.no, layout)


def values_mark(standard: Standard, arrival: Arrival, file: File) -> str:
    """What counting the values of a file reads."""
    layout = standard.layouts[file.layout]
    names = sorted({row["field"] for row in declared(standard, layout, arrival.submission.provider)})
    return fingerprint.of(bronze_fingerprint(file, layout), layout.settings, names, fingerprint.code(*CODE))


def place_of(arrival: Arrival, layout: str) -> str:
    """The columns that say where a result belongs."""
    submission = arrival.submission
    return (
        f"{arrival.submission_no}::integer as submission_no, {text(submission.provider)} as provider, "
        f"{text(submission.period)} as period, {arrival.no}::integer as arrival, {text(layout)} as layout"
    )


def count_values(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake, arrival: Arrival, file: File) -> None:
    """Tables `value_counted` and `resolved`: each distinct value of each coded column, and what it means.

    Both are kept in results/: four stages need them, and to resolve a few values costs more than to read a small file.
    """
    layout = standard.layouts[file.layout]
    wanted = declared(standard, layout, arrival.submission.provider)
    nothing = dict.fromkeys(("field", "column_name", "system", "vocabulary", "first"), "") | {
        "place": 0,
        "is_partial": False,
    }
    engine.add_table(con, "declared", wanted or [nothing])
    target = result_file(lake, "value_count", arrival, file.layout)
    first = {row["field"]: row for row in wanted if row["place"] == 1}
    mark = values_mark(standard, arrival, file)
    if fingerprint_of(target) != mark:
        bronze = bronze_file(lake, arrival, file.layout)
        present = {row[0] for row in con.execute(f"describe select * from read_parquet('{bronze}')").fetchall()}
        parts = []
        for name, row in first.items():
            raw = sent_or_null(layout.fields[row["column_name"]]["column"], present)
            parts.append(
                f"select {text(name)} as field, {text(row['first'])} as vocabulary, clean_text({raw}) as value, "
                f"count(*) as n from read_parquet('{bronze}') group by all"
            )
        query = " union all ".join(parts) or "select '' as field, '' as vocabulary, '' as value, 0 as n limit 0"
        place = place_of(arrival, file.layout)
        with lake.workspace() as work:
            copy(con, f"select {place}, * from ({query})", work / "values.parquet", mark)
            install(work / "values.parquet", target)
    con.execute(f"create or replace table value_counted as select field, value, n from read_parquet('{target}')")
    kept = result_file(lake, "value_meaning", arrival, file.layout)
    mark = fingerprint.of(mark, standard.version)
    if fingerprint_of(kept) == mark:
        con.execute(f"create or replace table resolved as from read_parquet('{kept}')")
        return
    resolve(con)
    with lake.workspace() as work:
        copy(con, "from resolved", work / "meaning.parquet", mark)
        install(work / "meaning.parquet", kept)
