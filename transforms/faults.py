"""Reading the standard's files so that every fault can be named: file, line, what is wrong, what to do."""

import csv
import difflib
import io
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Row = dict[str, Any]
LINE = "__line__"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in standards/ or expectations/."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"\n    HINT: {self.hint}" if self.hint else "")


class Faults(Exception):
    """Everything that is wrong with the standard, at once. The command line ends with exit code 10."""

    def __init__(self, found: list[Fault]):
        self.found = found
        super().__init__("\n".join(map(str, found)) + f"\n{len(found)} fault(s) in the standard. Nothing was run.")


@dataclass
class Reader:
    """Reads files below one folder and collects faults instead of stopping at the first."""

    root: Path
    found: list[Fault] = field(default_factory=list)

    def fault(self, path: Path, line: int | None, what: str, hint: str = "") -> None:
        """Note one fault, with the path relative to the root."""
        where = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        self.found.append(Fault(f"{where}:{line}" if line else str(where), what, hint))

    def csv(self, path: Path, columns: Iterable[str], optional: Iterable[str] = ()) -> list[Row]:
        """Rows of a CSV file as text, each with its line number; an `optional` column that is not there is blank.

        Notes columns that are missing or that nobody reads, and ragged rows.
        """
        if not path.exists():
            self.fault(path, None, "this file is missing", "put it back, with only its header if it has no rows")
            return []
        try:  # a spreadsheet may put a byte order mark in front, or write in an encoding of its own
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            self.fault(path, None, "this file is not UTF-8", "save it as 'CSV UTF-8'")
            return []
        reader = csv.reader(io.StringIO(text, newline=""))
        header = next(reader, [])
        columns, optional = list(columns), list(optional)
        for column in columns:
            if column not in header:
                self.fault(path, 1, f"column '{column}' is missing", nearest(column, header) or "add it")
        for column in header:
            if column not in columns and column not in optional:
                self.fault(path, 1, f"column '{column}' is not known", one_of(column, (*columns, *optional)))
        rows = []
        names = [*header, *(name for name in (*columns, *optional) if name not in header), LINE]
        blanks = [""] * (len(names) - len(header) - 1)
        for values in reader:
            if len(values) != len(header):
                what = f"this row has {len(values)} values, the header has {len(header)}"
                self.fault(path, reader.line_num, what, "put quotation marks around a value that holds a comma")
                continue
            rows.append(dict(zip(names, (*values, *blanks, reader.line_num), strict=True)))
        return rows

    def yaml(self, path: Path) -> Any:
        """The content of a YAML file; every mapping in it knows its line."""
        try:
            return yaml.load(path.read_text(encoding="utf-8"), Loader=_LineLoader) or {}
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            what = f"not valid YAML: {getattr(error, 'problem', error)}"
            self.fault(
                path, mark.line + 1 if mark else None, what, "look for a bracket or a quotation mark, also above"
            )
            return {}

    def line_of(self, path: Path, key: str, start: int = 1) -> int:
        """The line of a key in a YAML mapping that begins at `start`; where it begins when the key is not there."""
        lines = path.read_text(encoding="utf-8").splitlines()
        found = (
            n for n in range(start, len(lines) + 1) if re.search(rf"(^|[\s{{,]){re.escape(key)}\s*:", lines[n - 1])
        )
        return next(found, start)

    def keys(self, path: Path, item: Row, known: Iterable[str], needed: Iterable[str] = ()) -> None:
        """Note keys of a YAML mapping that nobody reads, and keys that are needed and not there."""
        known = list(known)
        for key in item:
            if key != LINE and key not in known:
                line = self.line_of(path, str(key), item.get(LINE, 1))
                self.fault(path, line, f"key '{key}' is not known", one_of(key, known))
        for key in needed:
            if key not in item:
                self.fault(path, item.get(LINE), f"key '{key}' is missing", "add it")


class _LineLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML that remembers the line of every mapping; dates stay text."""


def _mapping(loader: _LineLoader, node: yaml.MappingNode) -> Row:
    return {
        **{str(key): value for key, value in loader.construct_mapping(node, deep=True).items()},
        LINE: node.start_mark.line + 1,
    }


_LineLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_LineLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    """Rows by what they have in one column, each group in the order of the rows; nothing where there is no group."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found


def closest(name: str, known: Iterable[str]) -> str:
    """The valid name that is nearest, or "" when nothing is near."""
    return next(iter(difflib.get_close_matches(str(name), [str(item) for item in known], n=1, cutoff=0.6)), "")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest valid name, or "" when nothing is near."""
    close = closest(name, known)
    return f"did you mean '{close}'?" if close else ""


def one_of(name: object, known: Iterable[str]) -> str:
    """A hint that names the nearest valid name, or all of them."""
    return nearest(str(name), known) or f"one of {', '.join(map(str, known))}"
