"""Which layout a file has: by its header, or by the kind of its resources; never by its name, and only among the layouts
that the provider declared.

Promise: nothing of a file but its first lines is read here, and no value of it is repeated in a message.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transforms import fhirpath, parse
from transforms.apart import Unreadable, apart
from transforms.faults import nearest
from transforms.standard import Layout, Standard

NEARLY_ALL = 0.8


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
        return parse.first_lines(handle)


def container(head: bytes, standard: Standard) -> str:
    """A reason of outcomes.csv where a file begins like one that is no text, see file_kinds.csv; else "". None is opened."""
    for row in standard.tables["file_kinds"]:
        if head.startswith(bytes.fromhex(row["begins_with"])) and bytes.fromhex(row["holds"]) in head:
            return str(row["reason"])
    return ""


def reason_of(stopped: Unreadable) -> tuple[str, str]:
    """A reason of outcomes.csv, and where, of a file that made its reader stop."""
    return ("unreadable_file", "") if stopped.why == "died" else ("beyond_limits", stopped.why)


def offered(head: bytes, standard: Standard) -> dict[str, Any]:
    """What the first lines offer, see parse.offered. Raises Unreadable."""
    formats = [layout["format"] for layout in standard.layouts.values()]
    delimiters = sorted({form["delimiter"] for form in formats if form["kind"] == "csv"})
    return dict(apart(parse.offered, head, delimiters, n_bytes=len(head)))


def columns_of(offer: dict[str, Any], layout: Layout) -> tuple[str, ...]:
    """What the first lines of a file offer a layout: the names in its header, or, of resources, the layout's paths whose
    element is there and the elements that the layout does not know. Empty where the file is of another kind."""
    if layout["format"]["kind"] != "ndjson":
        return tuple(offer["headers"].get(layout["format"]["delimiter"], ()))
    if layout["format"]["resource"] != offer["resource"]:
        return ()
    found = set(offer["elements"])
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


def known_elements(layout: Layout) -> set[str]:
    """The elements of a resource that a layout knows, whatever it does with them."""
    roots = [fhirpath.root_of(entry["column"]) for entry in layout.columns]
    return {"resourceType"}.union(*roots, layout.drop, layout["ignore"] or ())


def recognise(path: Path, standard: Standard, names: list[str]) -> Recognised:
    """The layout among `names` that a file has."""
    return recognise_head(head_of(path), standard, names)


def recognise_head(head: bytes, standard: Standard, names: list[str]) -> Recognised:
    """The layout among `names` whose mapped columns a file of these first lines has most of. Every mandatory one must be
    there."""
    if not head.strip():
        return Recognised(None, (), "empty_file")
    if reason := container(head, standard):
        return Recognised(None, (), reason)
    try:
        offer = offered(head, standard)
    except Unreadable as stopped:
        return Recognised(None, (), *reason_of(stopped))
    if offer["reason"]:
        return Recognised(None, (), offer["reason"], "columns" if offer["reason"] == "beyond_limits" else "")
    best: tuple[float, Layout | None, tuple[str, ...]] = (0.0, None, ())
    for name in names:
        tried = standard.layouts[name]
        header = columns_of(offer, tried)
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
