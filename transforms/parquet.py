"""A query -> a Parquet file that knows what it was made from.

Promise: what is written fits into memory however wide its rows are.
"""

from pathlib import Path

import duckdb

from transforms.abort import reached

CELLS = 4_000_000  # of one row group: wide rows, as many as narrow ones, are spilled before they are written
DICTIONARIES = 1 << 28  # bytes, of all columns
ROWS = 122_880  # what DuckDB takes by itself


def copy(con: duckdb.DuckDBPyConnection, query: str, target: Path, fingerprint: str, n_columns: int = 1) -> int:
    """Write a query to a Parquet file that knows what it was made from. Returns the number of rows.

    `n_columns`: of a wide query, so that its row groups fit into memory.
    """
    n_rows = max(2, min(ROWS, CELLS // n_columns) // 2048) * 2048  # in whole vectors
    # A dictionary of identifiers is built in vain: giving up early takes a fifth off the time to write.
    # And room for one, a megabyte by itself, is taken for every column before there is anything to write.
    room = min(1 << 20, max(1 << 12, DICTIONARIES // n_columns))
    options = f"""format parquet, row_group_size {n_rows}, dictionary_size_limit 2000,
                  string_dictionary_page_size_limit {room}, kv_metadata {{fingerprint: '{fingerprint}'}}"""
    reached("write", target)
    return con.execute(f"copy ({query}) to '{target}' ({options})").fetchone()[0]
