"""Small tables in plain text <-> rows, so that somebody who is no programmer can say whether a test is right."""

import duckdb


def rows(text: str) -> list[dict[str, str | None]]:
    """The rows of a picture: a header, then a line each, cells between bars. A blank cell is null."""
    header, *lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return [{name: cell or None for name, cell in zip(header, line, strict=True)} for line in lines]


def table(found: list[tuple]) -> str:
    """Rows as people read them: a line each, cells between bars."""
    return "\n".join(" | ".join("" if cell is None else str(cell) for cell in row) for row in found)


def picture(text: str) -> str:
    """The same of a picture in a test: indentation and padding do not matter."""
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return "\n".join(" | ".join(line) for line in lines)


def fill(con: duckdb.DuckDBPyConnection, name: str, columns: str, text: str, **same: object) -> None:
    """A table of the given columns and types with the rows of a picture; `same` fills a column of every row."""
    con.execute(f"create or replace table {name} ({columns})")
    for row in rows(text):
        row = {key: value for key, value in same.items() if key not in row} | row
        marks = ", ".join("?" for _ in row)
        con.execute(f"insert into {name} ({', '.join(row)}) values ({marks})", list(row.values()))
