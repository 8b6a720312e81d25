"""The standard's words -> comments on the columns of a mart, and dictionaries inside the protected one.

Promise: whoever opens a file reads in it what its columns mean; a column that nobody described has no comment, never a guess.
"""

import duckdb

from transforms.sqltext import text
from transforms.standard import Standard

DICTIONARIES = ("code", "classification", "label_set", "field", "provider", "lsoa", "icb", "period", "metric")


def add_dictionaries(con: duckdb.DuckDBPyConnection) -> None:
    """What codes and fields mean, inside the protected mart too."""
    for name in DICTIONARIES:
        con.execute(f"create table protected.{name} as from standard.{name}")
        con.execute(f"comment on table protected.{name} is 'Dictionary: one row per {name} of the standard'")


def describe_columns(con: duckdb.DuckDBPyConnection, standard: Standard, database: str) -> int:
    """Comment every column that columns.csv or fields.csv has words for. Returns how many."""
    known = {row["field"]: row["definition"] for row in standard.tables["fields"]}
    known |= {row["column"]: row["definition"] for row in standard.tables["columns"]}
    query = "select table_name, column_name from duckdb_columns() where database_name = ?"
    found = [pair for pair in con.execute(query, [database]).fetchall() if pair[1] in known]
    for table, column in found:
        con.execute(f'comment on column {database}.{table}."{column}" is {text(known[column])}')
    return len(found)
