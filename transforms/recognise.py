"""Which layout a file has: by its header, never by its name, among the layouts that the provider declared.

Promise: nothing of a file but its first lines is read here, and no value of it is repeated in a message.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from transforms.faults import nearest
from transforms.standard import Layout, Standard

HEAD = 1 << 20


@dataclass(frozen=True)
class Recognised:
    """What the head of a file told. `reason` is "" when a layout fits, else a reason of outcomes.csv."""

    layout: Layout | None
    header: tuple[str, ...]
    reason: str = ""
    detail: str = ""

    @property
    def unmapped(self) -> list[tuple[str, str]]:
        """Columns that the layout does not know, each with a hint."""
        known = self.layout.known_columns if self.layout else ()
        return [(name, nearest(name, known)) for name in self.header if name not in known]

    @property
    def absent(self) -> list[str]:
        """Columns that the layout knows and the file does not have."""
        return [e["column"] for e in self.layout.columns if e["column"] not in self.header] if self.layout else []


def decode(head: bytes) -> str:
    """The first lines as text: UTF-8 with or without a byte order mark, else Windows-1252."""
    body = head.removeprefix(b"\xef\xbb\xbf")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start > len(body) - 4:  # the cut fell inside a character
            return body[: error.start].decode("utf-8")
        return body.decode("windows-1252", errors="replace")


def header_of(text: str, delimiter: str) -> tuple[str, ...]:
    """The names in the first line."""
    first = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    return tuple(name.strip() for name in first)


def recognise(path: Path, standard: Standard, names: list[str]) -> Recognised:
    """The layout among `names` whose mapped columns the file has most of. Every mandatory one must be there."""
    with open(path, "rb") as handle:
        head = handle.read(HEAD)
    if not head.strip():
        return Recognised(None, (), "empty_file")
    if b"\0" in head:
        return Recognised(None, (), "binary_file")
    text = decode(head)
    best: tuple[float, Layout | None, tuple[str, ...]] = (0.0, None, ())
    for name in names:
        tried = standard.layouts[name]
        header = header_of(text, tried["format"]["delimiter"])
        share = sum(e["column"] in header for e in tried.columns) / len(tried.columns)
        if share > best[0]:
            best = (share, tried, header)
    share, layout, header = best
    if layout is None or share < 0.5:
        return Recognised(None, header, "unknown_layout")
    mandatory = {r["field"] for r in standard.fields_of(layout.table) if r["requirement"] == "mandatory"}
    needed = [e["column"] for e in layout.columns if e["field"] in mandatory | set(layout.key)]
    missing = [column for column in needed if column not in header]
    if missing:
        return Recognised(layout, header, "missing_column", ", ".join(missing))
    return Recognised(layout, header)
