"""A folder of SQL files -> a schema of tables: file = table, folder = schema, the leading comment = the grain.

Promise: files run after those they name in `-- after:`; a cycle or an unknown name is refused.
"""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import duckdb

from transforms.sqltext import text


class OrderFault(Exception):
    """The files of a folder wait for each other, or for one that is not there."""


def leading_comment(text: str) -> str:
    """The comment at the head of a file, without its `after:` lines."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if not line.startswith("-- after:"):
            lines.append(line.removeprefix("--").strip())
    return " ".join(lines)


def ordered(folder: Path) -> list[Path]:
    """The files in an order that keeps every `-- after: name[, name]`."""
    files = {path.stem: path for path in sorted(folder.glob("*.sql"))}
    waits: dict[str, set[str]] = {}
    for name, path in files.items():
        said = [
            line.removeprefix("-- after:") for line in path.read_text().splitlines() if line.startswith("-- after:")
        ]
        waits[name] = {other.strip() for line in said for other in line.split(",")}
        if unknown := waits[name] - set(files):
            raise OrderFault(f"{folder.name}/{name}.sql waits for {', '.join(sorted(unknown))}, which is not there")
    try:
        return [files[name] for name in TopologicalSorter(waits).static_order()]
    except CycleError as error:
        raise OrderFault(f"{folder.name}: these wait for each other: {', '.join(error.args[1])}") from None


def run_folder(
    con: duckdb.DuckDBPyConnection, folder: Path, *, is_database: bool = False, leave: tuple[str, ...] = ()
) -> list[str]:
    """Create every table of a folder but those to leave. Returns their names in order.

    `is_database`: a database of that name is attached, and the tables go there.
    """
    if not is_database:
        con.execute(f"create schema if not exists {folder.name}")
    made = []
    for path in ordered(folder):
        if path.stem not in leave:
            run_file(con, path)
            made.append(path.stem)
    return made


def run_file(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create one table, with the file's leading comment as its own."""
    query = path.read_text(encoding="utf-8")
    name = f"{path.parent.name}.{path.stem}"
    con.execute(f"create or replace table {name} as {query}")
    con.execute(f"comment on table {name} is {text(leading_comment(query))}")
