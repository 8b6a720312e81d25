"""Bytes that somebody sent -> what their first lines offer, or a Parquet file, every column as text.

Promise: everything that interprets bytes of a sender stands here and is called through `apart` only, so that it runs
confined: whatever is in the bytes, it ends with this call. Nothing is imported here that is not needed for it.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from transforms import fhirpath
from transforms.parquet import copy
from transforms.sqltext import quoted, text

CHUNK = 1 << 22
LONGEST_LINE = 1 << 24  # of a resource, with its pictures
MOST_COLUMNS = 2_048  # the widest extract that is known has some hundreds; each costs memory, however few its rows are
WIDE = 500
# The last where the message itself, which repeats the row, was cut inside a character.
UNREADABLE = (
    duckdb.InvalidInputException,
    duckdb.ConversionException,
    duckdb.NotImplementedException,
    UnicodeDecodeError,
)
TAKEN = ("file_row_number", "filename", "file_index")  # what the engine calls by these names when it reads a file again
# Of any line, in bytes: of one that is longer than what it reads at once the engine says nothing and leaves it out, or
# gives up (seen from 32 MB on, at the end of a file and inside it).
LONGEST_READ = 3 << 23
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
# What encodings need is looked up now: in a process that is confined nothing can be imported.
for _name in ("utf-8-sig", "utf-16", "windows-1252", "latin-1"):
    codecs.lookup(_name)


def be_still() -> None:
    """End the threads that the engine begins when it is imported: a fork would have their locks and not them."""
    duckdb.default_connection().execute("set threads = 1")


@dataclass(frozen=True)
class Engine:
    """What the engine may use. What does not fit into memory it lays down beside what it writes, where all is as private."""

    threads: int
    memory: str

    def open(self, reads: Path, folder: Path | None = None) -> duckdb.DuckDBPyConnection:
        """A database in memory that reads one file and writes below one folder."""
        spill = f"{folder}/spill" if folder else ""
        con = duckdb.connect(
            config={"threads": str(self.threads), "memory_limit": self.memory, "temp_directory": spill}
        )
        con.execute("set autoinstall_known_extensions = false; set enable_progress_bar = false")
        con.execute(f"set allowed_paths = [{text(reads)}]")
        con.execute(f"set allowed_directories = [{text(f'{folder}/')}]" if folder else "select 1")
        con.execute("set enable_external_access = false; set lock_configuration = true")
        return con


def decoding(head: bytes) -> tuple[str, str]:
    """Encoding and error handling: UTF-16 where its mark says so, else UTF-8 with or without one; a byte that is not
    UTF-8 is Windows-1252, so that a file of that, or one that mixes the two, is read as well."""
    return ("utf-16", "replace") if head.startswith(UTF_16) else ("utf-8-sig", "windows-1252")


def _windows(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("windows-1252", errors="replace"), error.end


codecs.register_error("windows-1252", _windows)


def decode(head: bytes) -> str:
    """The first lines as text; a character that the cut fell into is left out."""
    encoding, errors = decoding(head)
    return codecs.getincrementaldecoder(encoding)(errors).decode(head)


def offered(head: bytes, delimiters: Iterable[str]) -> dict[str, Any]:
    """What the first lines of a file hold: the names in the first line by delimiter, and the kind of the first resource with
    the elements that the first ones have. `reason` says why nothing can be told, "" where something is."""
    found: dict[str, Any] = {"reason": "", "headers": {}, "resource": "", "elements": []}
    words = decode(head)
    if "\0" in words or head.startswith(UTF_32):
        return found | {"reason": "binary_file"}
    if not words.strip():
        return found | {"reason": "empty_file"}
    headers = {delimiter: header_of(words, delimiter) for delimiter in delimiters}
    if max(map(len, headers.values()), default=0) > MOST_COLUMNS:
        return found | {"reason": "beyond_limits"}
    kind, elements = resources_of(words)
    return found | {"headers": headers, "resource": kind, "elements": elements}


def manifest(words: bytes) -> dict[str, Any] | None:
    """What a _READY says, where it is of the documented form: each file's name, perhaps its hash and number of rows; perhaps
    the day of the national opt-out."""
    try:
        told = json.loads(words)
        files, day = told.get("files", []), told.get("opt_out_applied_on")
        known = [{key: item.get(key) for key in ("name", "sha256", "n_rows")} for item in files]
    except (ValueError, RecursionError, TypeError, AttributeError):
        return None
    for item in known:
        name, digest, n_rows = item.values()
        if not (isinstance(name, str) and name and name == Path(name).name):
            return None
        if not isinstance(digest, str | None):
            return None
        if n_rows is not None and not (type(n_rows) is int and 0 <= n_rows < 1 << 53):
            return None
    if day not in (None, ""):
        try:
            day = date.fromisoformat(day).isoformat()
        except (ValueError, TypeError):
            return {"files": [], "bad": "opt_out_applied_on"}
    return {"files": known, "opt_out_applied_on": day or ""}


def header_of(words: str, delimiter: str) -> tuple[str, ...]:
    """The names in the first line; none where it is no line of a table."""
    try:
        first = next(csv.reader(io.StringIO(words, newline=""), delimiter=delimiter), [])
    except csv.Error:  # one value of more than 131,072 characters: a picture in a resource
        first = []
    return tuple(name.strip() for name in first)


def resources_of(words: str) -> tuple[str, list[str]]:
    """The kind of resource on the first line, and the elements that the first lines have. A cut line says nothing."""
    kind, elements = "", set()
    for line in words.split("\n"):  # not splitlines: a text in JSON may hold the line breaks of Unicode
        try:
            resource = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(resource, dict):
            kind = kind or str(resource.get("resourceType"))
            elements |= set(resource)
    return (kind, sorted(elements - {"resourceType"})) if kind else ("", [])


def distinct(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Every column by a name of its own, as the engine tells them apart: in whatever case. Those that a layout knows keep
    theirs, what has none is called by its place."""
    names = list(names)
    exact = set(known) & set(names)
    taken, found = {name.lower() for name in exact} | set(TAKEN), []
    for place, name in enumerate(names, start=1):
        if name in exact:
            exact.remove(name)
        else:
            name = name or f"column_{place}"
            base = name
            while name.lower() in taken:
                name = f"{base}_{place}" if name == base else name + "_"
            taken.add(name.lower())
        found.append(name)
    return found


def table(source: Path, folder: Path, is_utf8: bool, engine: Engine, mark: str, delimiter: str, drop: Iterable[str],
          known: Iterable[str], by_place: bool = False) -> tuple[str, str, int]:  # fmt: skip
    """A delimited file to folder/parsed.parquet, without the columns `drop`; called c0, c1, … if `by_place`. Returns
    ("", "", rows), or a reason of outcomes.csv and where."""
    source, is_whole = _as_utf8(source, folder, is_utf8)
    if not is_whole:
        return "binary_file", "", 0
    with open(source, "rb") as handle:
        names = distinct(header_of(decode(first_lines(handle)), delimiter), known)
    if len(names) > MOST_COLUMNS:
        return "beyond_limits", "columns", 0
    if by_place:
        names = [f"c{place}" for place in range(len(names))]
    kept = ", ".join(quoted(name) for name in names if name not in drop)
    columns = "{" + ", ".join(f"{text(name)}: 'VARCHAR'" for name in names) + "}"
    options = "auto_detect = false, header = true, quote = '\"', escape = '\"', null_padding = false"
    reading = f"read_csv({text(source)}, columns = {columns}, delim = {text(delimiter)}, {options})"
    # Two threads would hold two pieces of each column at once.
    con = (engine if len(names) < WIDE else replace(engine, threads=1)).open(source, folder)
    try:
        return "", "", copy(con, f"select {kept} from {reading}", folder / "parsed.parquet", mark, len(names))
    except UNREADABLE as error:
        return "unreadable_rows", line_of(error), 0


def resources(source: Path, folder: Path, is_utf8: bool, engine: Engine, mark: str, kind: str, paths: list[str],
              known: Iterable[str]) -> tuple[str, str, int]:  # fmt: skip
    """Resources, one a line, to folder/parsed.parquet: a column for what each path finds, one for each element that is not
    `known`. Returns as above."""
    source, is_whole = _as_utf8(source, folder, is_utf8)
    if not is_whole:
        return "binary_file", "", 0
    con, is_read = engine.open(source, folder), False
    # No control character stands in JSON, so that a column delimited by one is a whole line.
    reading = f"""read_csv({text(source)}, columns = {{line: 'VARCHAR'}}, delim = chr(31), quote = '', escape = '',
                  header = false, auto_detect = false, max_line_size = {LONGEST_LINE})"""
    lines = f"""(select no, try_cast(line as json) as resource from (select row_number() over () as no, line from {reading})
                 where trim(line) <> '')"""
    try:
        told = con.execute(
            f"""with told as (select *, json_type(resource) is not distinct from 'OBJECT' as is_whole from {lines})
                select case when is_whole then json_keys(resource) end as elements, min(no) filter (not is_whole),
                       min(no) filter (is_whole and (resource ->> '$.resourceType') is distinct from {text(kind)})
                from told group by elements"""
        ).fetchall()
        is_read = True
        for reason, place in (("unreadable_rows", 1), ("other_resource", 2)):
            if numbers := [row[place] for row in told if row[place]]:
                return reason, f"line {min(numbers)}", 0
        unknown = sorted(set().union(*(row[0] for row in told)) - set(known))
        if len(paths) + len(unknown) > MOST_COLUMNS:
            return "beyond_limits", "columns", 0
        names = distinct([*paths, *unknown], paths)[len(paths) :]
        query = fhirpath.query(paths, dict(zip(names, unknown, strict=True)), lines)
        return "", "", copy(con, query, folder / "parsed.parquet", mark, len(paths) + len(unknown))
    except UNREADABLE as error:
        if not is_read or line_of(error):
            return "unreadable_rows", line_of(error), 0
        raise


def is_well(folder: Path, engine: Engine) -> bool:
    """Whether a sound file is read here: what stops every file is no fault of one."""
    (folder / "sound").write_text("a,b\n1,2\n", encoding="utf-8")
    return table(folder / "sound", folder, True, engine, "", ",", (), ()) == ("", "", 1)


def line_of(error: Exception) -> str:
    """The line that the engine names; never its message, which repeats the row."""
    line = re.search(r"Line: (\d+)", str(error))
    return f"line {line[1]}" if line else ""


def latest_month(source: Path, engine: Engine, column: str, delimiter: str, formats: list[str]) -> str:
    """The month of the latest day in a column that is not in the future, "" where there is none."""
    day = f"try_strptime(trim({quoted(column)}), [{', '.join(map(text, formats))}])"
    try:  # dates are ASCII, so that one encoding serves for all; what cannot be read is told by those who read it whole
        found = engine.open(source).execute(
            f"""select strftime(max({day}), '%Y-%m')
                from read_csv({text(source)}, all_varchar = true, header = true, delim = {text(delimiter)},
                              encoding = 'latin-1', ignore_errors = true, strict_mode = false)
                where {day} <= current_date"""
        )
        return str((found.fetchone() or [""])[0] or "")
    except duckdb.Error:
        return ""


def open_end(piece: bytes, length: int) -> tuple[int, int]:
    """How long the line that a piece of a file goes on with has become, and how long the one is that it leaves open."""
    begin = min((at for at in (piece.find(b"\n"), piece.find(b"\r")) if at >= 0), default=-1)
    if begin < 0:
        return length + len(piece), length + len(piece)
    return length + begin, len(piece) - 1 - max(piece.rfind(b"\n"), piece.rfind(b"\r"))


def first_lines(handle: BinaryIO) -> bytes:
    """The first lines of a file: a megabyte, and the first line to its end."""
    head = handle.read(1 << 20)
    return head if b"\n" in head else head + handle.readline(LONGEST_LINE)


def _as_utf8(source: Path, folder: Path, is_utf8: bool) -> tuple[Path, bool]:
    """The file in UTF-8, and whether all of it is text."""
    if is_utf8:
        return source, True
    with open(source, "rb") as handle:
        encoding, errors = decoding(handle.read(4))
    target, is_whole = folder / "utf8", True
    with (
        open(source, encoding=encoding, errors=errors, newline="") as reading,
        open(target, "w", encoding="utf-8", errors="replace", newline="") as writing,
    ):
        while piece := reading.read(CHUNK):
            is_whole = is_whole and "\0" not in piece
            writing.write(piece)
    return target, is_whole
