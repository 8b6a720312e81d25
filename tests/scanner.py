"""Planted people -> where they can be found: opens whatever it scans, since Parquet and DuckDB compress and a grep is blind.

Promise: every column of every Parquet, DuckDB (with its key) and SQLite table, everything inside archives, every text and
the raw bytes are searched for a person's number (plain, spaced, as an integer, hashed), names and postcode.
"""

import base64
import bz2
import gzip
import hashlib
import hmac
import io
import itertools
import lzma
import re
import sqlite3
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

HASHES = ("md5", "sha1", "sha256", "sha512")


@dataclass(frozen=True)
class Canary:
    """A person who exists nowhere else."""

    number: str
    names: tuple[str, ...]
    postcode: str
    keys: tuple[str, ...] = ()  # what stands for them in the protected area, where nobody may find it any more
    salts: tuple[str, ...] = ()  # what a number might have been hashed with: codes of providers, and words


@dataclass(frozen=True)
class Hit:
    """Somebody was found: the file, the place inside it, and which form of what."""

    path: str
    inside: str
    what: str


def spellings(canary: Canary) -> dict[bytes, str]:
    """Every form in which a canary could travel -> what it is. Lower case: everything is searched in lower case."""
    n = canary.number
    found: dict[bytes, str] = {n.encode(): "number"}
    for mark in (" ", "-", "\u00a0", "."):
        found[f"{n[:3]}{mark}{n[3:6]}{mark}{n[6:]}".encode()] = "number, spaced"
    found[int(n).to_bytes(8, "little")] = "number, as an integer"
    for name, form in itertools.product(HASHES, (n, f"{n[:3]} {n[3:6]} {n[6:]}")):
        digest = hashlib.new(name, form.encode(), usedforsecurity=False).digest()
        found[digest] = f"number, {name}"
        found[digest.hex().encode()] = f"number, {name}"
        found[base64.b64encode(digest).rstrip(b"=").lower()] = f"number, {name} in base64"
        found[base64.urlsafe_b64encode(digest).rstrip(b"=").lower()] = f"number, {name} in base64"
    for name in canary.names:
        found[name.lower().encode()] = "name"
        found[hashlib.sha256(name.encode()).hexdigest().encode()] = "name, hashed"
    for key in canary.keys:
        found[key.encode()] = found[key.replace("-", "").encode()] = "key"
        found[bytes.fromhex(key.replace("-", ""))] = "key, as bytes"
    bare = canary.postcode.replace(" ", "").lower()
    found[bare.encode()] = "postcode"
    found[f"{bare[:-3]} {bare[-3:]}".encode()] = "postcode"
    return {needle.lower(): what for needle, what in found.items()}


JOINS = (
    "{s}{n}",
    "{n}{s}",
    "{s}:{n}",
    "{n}:{s}",
    "{s}|{n}",
    "{n}|{s}",
    "{s}-{n}",
    "{s}_{n}",
    "{s} {n}",
    "{s}/{n}",
    "{s},{n}",
)
PREFIX = 16  # hexadecimal digits: a hash that was cut to fewer stands for nobody
HASHED = re.compile(rb"[0-9a-f]{16,}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}")


@cache
def hashes(canary: Canary) -> dict[bytes, str]:
    """The beginning of every hash, plain or salted, of a canary's number, with and without its spaces -> what it is."""
    n = canary.number
    found = {}
    for form in (n, f"{n[:3]} {n[3:6]} {n[6:]}", f"{n[:3]}-{n[3:6]}-{n[6:]}"):
        told = {form: "number"}
        for salt in {form for one in canary.salts for form in (one, one.lower())}:
            told |= {join.format(s=salt, n=form): f"number, salted with {salt}" for join in JOINS}
            for name in HASHES:
                found[hmac.new(salt.encode(), form.encode(), name).hexdigest()[:PREFIX].encode()] = (
                    f"number, {name} keyed by {salt}"
                )
        for text, what in told.items():
            for name in HASHES:
                digest = hashlib.new(name, text.encode(), usedforsecurity=False)
                found[digest.hexdigest()[:PREFIX].encode()] = f"{what}, {name}"
    return found


class Scanner:
    """Looks for canaries; `secret` opens encrypted DuckDB files."""

    def __init__(self, canaries: Iterable[Canary], secret: str = ""):
        self.needles: dict[bytes, str] = {}
        self.hashes: dict[bytes, str] = {}
        for canary in canaries:
            self.needles |= spellings(canary)
            self.hashes |= hashes(canary)
        self.pattern = re.compile(
            b"|".join(re.escape(needle) for needle in sorted(self.needles, key=len, reverse=True))
        )
        self.secret = secret
        self.opened: dict[str, int] = {}

    def folder(self, root: Path, skip: Iterable[Path] = ()) -> list[Hit]:
        """Scan every file below a folder but those below `skip`; links are looked at by name only."""
        skip = tuple(skip)
        found = []
        for path in sorted(root.rglob("*")):
            if any(path.is_relative_to(other) for other in skip):
                continue
            name = str(path.relative_to(root))
            found += [Hit(name, "file name", what) for what in self._find(name.encode())]
            if path.is_file() and not path.is_symlink():
                found += self.file(path, name)
        return found

    def file(self, path: Path, name: str = "") -> list[Hit]:
        """Scan one file: as what it is, and as bytes."""
        return [
            Hit(name or path.name, inside, what) for inside, what in dict.fromkeys(self._content(path.read_bytes()))
        ]

    def text(self, text: str, name: str = "text") -> list[Hit]:
        """Scan a text, such as what a program printed."""
        return [Hit(name, "text", what) for what in self._find(text.encode())]

    def _find(self, data: bytes) -> list[str]:
        lowered = data.lower()
        found = [self.needles[match] for match in self.pattern.findall(lowered)]
        cut = (match.replace(b"-", b"")[:PREFIX] for match in HASHED.findall(lowered))
        found += [self.hashes[start] for start in cut if start in self.hashes]
        if (start := data[: PREFIX // 2].hex().encode()) in self.hashes:  # a cell of bytes
            found.append(self.hashes[start])
        if b"\0" in lowered:  # UTF-16, or cells of fixed width
            found += [self.needles[match] for match in self.pattern.findall(lowered.replace(b"\0", b""))]
        return found

    def _content(self, data: bytes) -> Iterator[tuple[str, str]]:
        yield from (("bytes", what) for what in self._find(data))
        kind = self._kind(data)
        if kind is None:
            return
        self.opened[kind] = self.opened.get(kind, 0) + 1
        if kind in ("gzip", "bzip2", "xz"):
            inside = {"gzip": gzip, "bzip2": bz2, "xz": lzma}[kind].decompress(data)
            yield from self._nested(kind, inside)
        elif kind == "zip":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    yield from ((f"zip {name}", what) for what in self._find(name.encode()))
                    yield from self._nested(f"zip {name}", archive.read(name))
        elif kind == "tar":
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                for member in archive.getmembers():
                    yield from ((f"tar {member.name}", what) for what in self._find(member.name.encode()))
                    if handle := archive.extractfile(member):
                        yield from self._nested(f"tar {member.name}", handle.read())
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "copy"
                path.write_bytes(data)
                for place, cell in {"parquet": self._parquet, "duckdb": self._duckdb, "sqlite": self._sqlite}[kind](
                    path
                ):
                    yield from ((f"{kind} {place}", what) for what in self._cell(cell))

    def _nested(self, place: str, data: bytes) -> Iterator[tuple[str, str]]:
        yield from ((f"{place} > {inside}", what) for inside, what in self._content(data))

    def _cell(self, cell: object) -> list[str]:
        """One value of a table, whatever its type; a blob may be an archive itself."""
        if cell is None or isinstance(cell, bool):
            return []
        if isinstance(cell, (bytes, bytearray, memoryview)):
            return [what for _, what in self._content(bytes(cell))]
        if isinstance(cell, dict):
            return [what for item in (*cell, *cell.values()) for what in self._cell(item)]
        if isinstance(cell, (list, tuple)):
            return [what for item in cell for what in self._cell(item)]
        if isinstance(cell, float) and cell.is_integer():
            cell = int(cell)
        return self._find(str(cell).encode())

    @staticmethod
    def _kind(data: bytes) -> str | None:
        magic = {b"PAR1": "parquet", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip"}
        magic[b"SQLite format 3\0"] = "sqlite"
        for start, kind in magic.items():
            if data.startswith(start):
                return kind
        if data[8:12] == b"DUCK":
            return "duckdb"
        return "tar" if data[257:262] == b"ustar" else None

    def _parquet(self, path: Path) -> Iterator[tuple[str, object]]:
        with duckdb.connect() as con:
            yield from self._rows(con, f"read_parquet('{path}', hive_partitioning = false)", "rows")
            yield "metadata", con.execute(f"select key, value from parquet_kv_metadata('{path}')").fetchall()

    def _duckdb(self, path: Path) -> Iterator[tuple[str, object]]:
        with duckdb.connect() as con:
            try:
                con.execute(f"attach '{path}' as scanned (read_only)")
            except duckdb.Error:  # encrypted; a wrong key is an error here, and must not pass for a clean file
                con.execute(f"attach '{path}' as scanned (read_only, encryption_key '{self.secret}')")
            for query in ("duckdb_tables()", "duckdb_views()", "duckdb_columns()"):
                rows = con.execute(f"select * from {query} where database_name = 'scanned' and not internal").fetchall()
                yield "catalogue", rows
            tables = con.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = 'scanned'"
            ).fetchall()
            for schema, table in tables:
                yield from self._rows(con, f'scanned."{schema}"."{table}"', table)
            con.execute("detach scanned")

    @staticmethod
    def _rows(con: duckdb.DuckDBPyConnection, source: str, name: str) -> Iterator[tuple[str, object]]:
        cursor = con.execute(f"select * from {source}")
        columns = [item[0] for item in cursor.description]
        while rows := cursor.fetchmany(10_000):
            for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
                # One search over a column of plain values is far quicker than one a cell.
                plain = [cell for cell in cells if isinstance(cell, (str, int)) and not isinstance(cell, bool)]
                yield f"{name}.{column}", "\n".join(map(str, plain))
                for cell in cells:
                    if not isinstance(cell, (str, int)):
                        yield f"{name}.{column}", cell

    @staticmethod
    def _sqlite(path: Path) -> Iterator[tuple[str, object]]:
        con = sqlite3.connect(path)
        try:
            names = con.execute("select name, sql from sqlite_master where type = 'table'").fetchall()
            yield "schema", names
            for name, _ in names:
                for row in con.execute(f'select * from "{name}"'):
                    yield name, row
        finally:
            con.close()
