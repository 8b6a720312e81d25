"""valid_from, valid_to of a row -> the days on which it holds. Both days belong to it; a blank one has no end.

Promise: two rows of one key may stand together only where no day is in both.
"""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from transforms.faults import LINE, Reader, Row

Span = tuple[date, date]
ALWAYS = (date.min, date.max)


def span(row: Row) -> Span:
    """The days of a row; always, where its dates cannot be read (which `check_dates` says)."""
    first, last = row.get("valid_from"), row.get("valid_to")
    if not first and not last:
        return ALWAYS
    try:
        return (
            date.fromisoformat(first) if first else date.min,
            date.fromisoformat(last) if last else date.max,
        )
    except ValueError:
        return ALWAYS


def meet(row: Row, other: Row) -> bool:
    """Whether some day is in both."""
    (begins, ends), (first, last) = span(row), span(other)
    return begins <= last and first <= ends


def check_dates(reader: Reader, row: Row) -> None:
    """Note dates that are none, and a row that ends before it begins."""
    if not row["valid_from"] and not row["valid_to"]:
        return
    for name in ("valid_from", "valid_to"):
        text = row.get(name) or ""
        try:
            sound = not text or date.fromisoformat(text).isoformat() == text
        except ValueError:
            sound = False
        if not sound:
            reader.fault(row["path"], row[LINE], f"{name} '{text}' is not a date", "write it as 2001-03-31")
            return
    if span(row)[0] > span(row)[1]:
        reader.fault(
            row["path"],
            row[LINE],
            f"valid_from {row['valid_from']} is after valid_to {row['valid_to']}",
            "change one of them",
        )


def uncovered(wanted: Span, given: list[Span]) -> Span | None:
    """The first days of `wanted` that are in none of `given`."""
    first, last = wanted
    for begins, ends in sorted(given):
        if begins > first:
            return first, min(last, begins - timedelta(days=1))
        if ends >= last:
            return None
        first = max(first, ends + timedelta(days=1))
    return first, last


def days(said: Span) -> str:
    """A span in words; "" for always."""
    begins = f" from {said[0]}" if said[0] > date.min else ""
    return begins + (f" until {said[1]}" if said[1] < date.max else "")


def check_once(reader: Reader, rows: list[Row], key: Callable[[Row], tuple], path: Path | None, what: str) -> None:
    """Note every key that stands twice on one day; `path` where rows do not know their own."""
    seen: dict[tuple, list[Row]] = {}
    for row in rows:
        identity = key(row)
        for first in seen.get(identity, ()):
            if meet(row, first):
                dated = any(item.get(name) for item in (row, first) for name in ("valid_from", "valid_to"))
                hint = (
                    "rows of one key may stand together only if no day is in both" if dated else "take one of them away"
                )
                said = f"{what} '{identity[-1]}' is here twice (line {first[LINE]})"
                reader.fault(Path(row.get("path") or path or ""), row[LINE], said, hint)
                break
        seen.setdefault(identity, []).append(row)
