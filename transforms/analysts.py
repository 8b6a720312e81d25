"""A release's files -> site/dictionary.html, site/analysts.html and site/method.html: what every column means, and how to ask.

Promise: the dictionary says what the files themselves say in their comments; every worked query is run by the tests.
"""

from pathlib import Path
from typing import Any

import duckdb

from transforms.lake import write_text
from transforms.render import HERE, render
from transforms.sqlfolder import leading_comment

Facts = dict[str, Any]
QUERIES = HERE / "queries"
PROTECTED_WORD = "Protected. "


def columns_of(con: duckdb.DuckDBPyConnection, database: str) -> list[Facts]:
    """One fact per table of a database: name, comment, and columns as (name, type, comment)."""
    query = "select table_name, comment from duckdb_tables() where database_name = ? order by table_name"
    found = [
        {"name": name, "comment": comment or "", "columns": []}
        for name, comment in con.execute(query, [database]).fetchall()
    ]
    by_name = {table["name"]: table for table in found}
    query = """select table_name, column_name, data_type, comment from duckdb_columns() where database_name = ?
               order by table_name, column_index"""
    for table, *column in con.execute(query, [database]).fetchall():
        if table in by_name:
            by_name[table]["columns"].append(column)
    return found


def queries() -> list[Facts]:
    """The worked queries in their order: name, words, sql, and whether the protected mart is asked."""
    found = []
    for path in sorted(QUERIES.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        words = leading_comment(text)
        sql = "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
        is_protected = words.startswith(PROTECTED_WORD)
        words = words.removeprefix(PROTECTED_WORD)
        found.append(
            {"name": path.stem[3:].removeprefix("protected_"), "words": words, "sql": sql, "is_protected": is_protected}
        )
    return found


def analysts(site: Path, about: Facts, databases: dict[str, list[Facts]], disclosure: Facts) -> int:
    """Write the three pages. `databases`: "open" and "protected" -> columns_of. Returns how many."""
    write_text(site / "dictionary.html", render("dictionary.html", **about, databases=databases))
    write_text(site / "analysts.html", render("analysts.html", **about, queries=queries()))
    write_text(site / "method.html", render("method.html", **about, disclosure=disclosure))
    return 3
