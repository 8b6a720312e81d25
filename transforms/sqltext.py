"""Names and values that others chose -> SQL.

Promise: quoted here and nowhere else, so that none of them is ever read as SQL.
"""


def text(value: object) -> str:
    """A value as an SQL literal."""
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def sent_or_null(name: str, present: set[str]) -> str:
    """A column of a file that may not have it: null then."""
    return quoted(name) if name in present else "null::varchar"
