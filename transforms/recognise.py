"""Which layout a file has: by its header, or by the kind of its resources; never by its name, and only among the layouts
that the provider declared.

Promise: nothing of a file but its first lines is read here, and no value of it is repeated in a message.
"""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from transforms import fhirpath
from transforms.faults import nearest
from transforms.standard import Layout, Standard

HEAD = 1 << 20
NEARLY_ALL = 0.8
LONGEST_LINE = 1 << 24  # of a resource, with its pictures


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


def head_of(path: Path) -> bytes:
    """The first lines of a file: a megabyte, and the first line to its end."""
    with open(path, "rb") as handle:
        head = handle.read(HEAD)
        return head if b"\n" in head else head + handle.readline(LONGEST_LINE)


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
    """The names in the first line; none where it is no line of a table."""
    try:
        first = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    except csv.Error:  # one value of more than 131,072 characters: a picture in a resource
        first = []
    return tuple(name.strip() for name in first)


def columns_of(text: str, layout: Layout) -> tuple[str, ...]:
    """What the first lines of a file offer a layout: the names in its header, or, of resources, the layout's paths whose
    element is there and the elements that the layout does not know. Empty where the file is of another kind."""
    if layout["format"]["kind"] != "ndjson":
        return header_of(text, layout["format"]["delimiter"])
    resource, elements = layout["format"]["resource"], resources_of(text)
    if resource not in elements:
        return ()
    found = elements[resource]
    paths = [entry["column"] for entry in layout.columns if fhirpath.root_of(entry["column"]) & found]
    return (*paths, *sorted(found - known_elements(layout)))


def fit(header: tuple[str, ...], layout: Layout) -> float:
    """The share of a layout's columns that a file has. A file that may leave out what it does not hold, since nearly all
    that it has is the layout's (a small service's few columns, a resource of the right kind), is half the way there."""
    found = sum(entry["column"] in header for entry in layout.columns)
    share = found / len(layout.columns)
    known = sum(name in layout.known_columns for name in header)
    is_part = found > 1 and known >= NEARLY_ALL * len(header)
    return (1 + share) / 2 if share and (is_part or layout["format"]["kind"] == "ndjson") else share


def resources_of(text: str) -> dict[str, set[str]]:
    """The kind of resource on the first line, and the elements that the first lines have. A cut line says nothing."""
    kind, elements = "", set()
    for line in text.split("\n"):  # not splitlines: a text in JSON may hold the line breaks of Unicode
        try:
            resource = json.loads(line)
        except ValueError:
            continue
        if isinstance(resource, dict):
            kind = kind or str(resource.get("resourceType"))
            elements |= set(resource)
    return {kind: elements - {"resourceType"}} if kind else {}


def known_elements(layout: Layout) -> set[str]:
    """The elements of a resource that a layout knows, whatever it does with them."""
    roots = [fhirpath.root_of(entry["column"]) for entry in layout.columns]
    return {"resourceType"}.union(*roots, layout.drop, layout["ignore"] or ())


def recognise(path: Path, standard: Standard, names: list[str]) -> Recognised:
    """The layout among `names` whose mapped columns the file has most of. Every mandatory one must be there."""
    head = head_of(path)
    if not head.strip():
        return Recognised(None, (), "empty_file")
    if b"\0" in head:
        return Recognised(None, (), "binary_file")
    text = decode(head)
    best: tuple[float, Layout | None, tuple[str, ...]] = (0.0, None, ())
    for name in names:
        tried = standard.layouts[name]
        header = columns_of(text, tried)
        share = fit(header, tried)
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
