"""A DuckDB connection: bounded, shut off from the world, with the macros and the standard in it.

Promise: SQL reads `validated.patient`, never a path; every stage is a schema, typed also when it is empty.
"""

import contextlib
import os
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.disk import number_of
from transforms.lake import Lake
from transforms.ours import line_of_ours
from transforms.standard import Standard

HERE = Path(__file__).resolve().parent
TYPES = {"text": "varchar", "date": "date", "boolean": "boolean", "integer": "bigint", "code": "varchar"}
TYPES |= {"nhs_number": "varchar", "postcode": "varchar"}
# What stands in every table made from a provider's file, beside the standard's own fields.
RECORD = "submission_no integer, file_no integer, line integer, record_key uuid, is_key_stable boolean, "
RECORD += "identity_a ubigint, identity_b ubigint"
# Where a file holds an empty word instead of null, which it is to every reader of the stage.
EMPTY = {("harmonised", "characteristic"): ("source_value", "code", "detail", "reason")}


def connect(lake: Lake, *, memory: str | None = None) -> duckdb.DuckDBPyConnection:
    """A database of its own, in memory, that can read and write below the lake only, and spills there, encrypted."""
    extension = cipher()
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute(f"load '{extension}'; set allow_unsigned_extensions = false")  # its signature was verified already
    con.execute(f"set threads = {int(os.environ.get('THREADS', '2'))}")
    con.execute(f"set memory_limit = '{memory or os.environ.get('MEMORY', '1GB')}'")
    con.execute("set temp_file_encryption = true")
    con.execute("set autoinstall_known_extensions = false; set enable_progress_bar = false")
    con.execute(f"set temp_directory = '{lake.path('.work', 'spill')}'")
    con.execute(f"set allowed_directories = ['{lake.root}/']")
    con.execute("set enable_external_access = false")
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    return con


@lru_cache(maxsize=4)
def _shared(lake: Lake) -> duckdb.DuckDBPyConnection:
    return connect(lake)


def reuse(lake: Lake) -> duckdb.DuckDBPyConnection:
    """A connection to this process's one database for a lake: opening one costs more than judging a small file."""
    return _shared(lake).cursor()


@cache
def cipher() -> Path:
    """The extension with the ciphers that DuckDB needs to write anything encrypted, also what it spills.

    DuckDB verifies its signature here, once a process: that takes longer than all else of opening a database.
    """
    import duckdb_extension_httpfs

    found = next(Path(duckdb_extension_httpfs.__file__).parent.rglob("*.duckdb_extension"))
    with duckdb.connect() as con:
        con.execute(f"load '{found}'")
    return found


def add_standard(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """Schema `standard`: code, code_map, classification, set, field, layout, provider, agreement, vocabulary, rule."""
    con.execute("create schema if not exists standard; create table if not exists standard.loaded (version varchar)")
    if con.execute("select version from standard.loaded").fetchall() == [(standard.version,)]:
        return
    layouts = [
        {
            "layout": layout.name,
            "title": layout["title"],
            "layout_table": layout.table,
            "content": layout.content,
            "care_setting": layout["care_setting"],
            "is_number_traced": bool(layout["nhs_number_traced"]),
            "pseudonym_key": layout.pseudonym_key,
            "restarts": layout["restarts"] or "",
        }
        for layout in standard.layouts.values()
    ]
    stated = {
        (layout.name, item["characteristic"]): True
        for layout in standard.layouts.values()
        for items in (layout["states"] or {}).values()
        if isinstance(items, list)
        for item in items
    }
    # A column of its own says something of every record; a code in another column only where it is there.
    stated |= {(layout.name, name): False for layout in standard.layouts.values() for name in layout.fields}
    collected = [{"layout": layout, "field": name, "is_partial": p} for (layout, name), p in stated.items()]
    resolution = standard.settings["resolution"]
    ranks = [
        {"kind": kind, "name": str(name), "place": place}
        for kind in ("care_settings", "statuses", "stated_by")
        for place, name in enumerate(resolution[kind], start=1)
    ]
    ranks += [
        {"kind": "specificity", "name": k, "place": v}
        for k, v in resolution["specificity"].items()
        if v and k != "__line__"
    ]
    tables = {
        "code": standard.codes,
        "code_map": standard.code_maps,
        "classification": standard.classifications,
        "label_set": standard.sets,
        "field": standard.tables["fields"],
        "provider": standard.tables["providers"],
        "agreement": standard.tables["agreements"],
        "vocabulary": standard.tables["vocabularies"],
        "reason": standard.tables["reasons"],
        "activity_kind": kinds(standard),
        "measurement": [
            row | {"lowest": float(row["lowest"]), "highest": float(row["highest"])}
            for row in standard.tables["measurements"]
        ],
        "rule": [rule.describe() for rule in standard.rules],
        "layout": layouts,
        "collected": collected,
        "characteristic": characteristics(standard),
        "rank": ranks,
        "derived": derived(standard) or [dict.fromkeys(("derived_from", "characteristic", "vocabulary", "system"), "")],
    }
    for name, rows in tables.items():
        add_table(con, f"standard.{name}", rows)
    con.execute("delete from standard.loaded")
    con.execute("insert into standard.loaded values (?)", [standard.version])


def characteristics(standard: Standard) -> list[dict]:
    """One row per characteristic: its code system, and what fields.csv says of it."""
    said = ("topic", "cardinality", "area", "suppression")
    return [
        {"characteristic": name, "system": system} | {column: standard.characteristic(name)[column] for column in said}
        for name, system in standard.characteristics().items()
    ]


def kinds(standard: Standard) -> list[dict]:
    """One row per kind of event, with the layouts that bring it."""
    return [
        row | {"layouts": " ".join(sorted(standard.bringing(row["kind"])))} for row in standard.tables["activity_kinds"]
    ]


def derived(standard: Standard) -> list[dict]:
    """One row per characteristic that a detail of another one answers too, and the vocabulary that says how."""
    systems = standard.characteristics()
    return [
        {"derived_from": item["from"], "characteristic": item["to"], "vocabulary": item["vocabulary"]}
        | {"system": systems[item["to"]]}
        for item in standard.settings["resolution"].get("derived") or []
    ]


def add_table(con: duckdb.DuckDBPyConnection, name: str, rows: list[dict]) -> None:
    """A table from a few rows; paths and line numbers of the files they came from stay behind."""
    names = [name for name in dict.fromkeys(chain.from_iterable(rows)) if name not in ("path", "__line__")]
    con.register("incoming", pa.table({name: [row.get(name) for row in rows] for name in names}))
    con.execute(f"create or replace table {name} as select * from incoming")
    con.unregister("incoming")


def rows_of(con: duckdb.DuckDBPyConnection, query: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
    """The few rows of a query, each as column -> value."""
    found = con.execute(query, values or [])
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def field_columns(standard: Standard, table: str) -> dict[str, str]:
    """The columns of a validated table and their types: its fields, and a status for each date and code."""
    columns: dict[str, str] = {}
    for row in standard.fields_of(table):
        columns[row["field"]] = TYPES[row["type"]]
        if row["type"] in ("date", "boolean", "integer", "code"):
            columns[f"{row['field']}_status"] = "varchar"
    return columns


def add_views(
    con: duckdb.DuckDBPyConnection, lake: Lake, standard: Standard, *stages: str, provider: str = "*"
) -> None:
    """A schema per stage with a view per table over its finished files, or over those of one provider."""
    shapes: dict[tuple[str, str], str] = {}
    for table in dict.fromkeys(row["table"] for row in standard.tables["fields"]):
        fields = ", ".join(f"{name} {kind}" for name, kind in field_columns(standard, table).items())
        shapes["validated", table] = f"{RECORD}, {fields}"
        shapes["quarantine", table] = f"{RECORD}, {fields}"
    for stage, table, columns in fixed_shapes():
        shapes[stage, table] = columns
    for (stage, table), columns in shapes.items():
        if stages and stage not in stages:
            continue
        con.execute(f"create schema if not exists {stage}; create or replace temp table empty_shape ({columns})")
        con.execute(f"create schema if not exists empty; create or replace table empty.{stage}_{table} ({columns})")
        listed = [row[0] for row in con.execute("describe empty_shape").fetchall()]
        empty = EMPTY.get((stage, table), ())
        names = ", ".join(f"nullif({name}, '') as {name}" if name in empty else f'"{name}"' for name in listed)
        files = lake.files(stage, table, provider)
        # By name, and whatever a file has: a layout that collects less leaves columns out of its files.
        reading = f"read_parquet({files!r}, union_by_name = true, hive_partitioning = false)"
        union = f" union all by name select * from {reading}" if files else ""
        whole = f"(select * from empty.{stage}_{table}{union})"
        con.execute(f"create or replace view {stage}.{table} as select {names} from {whole}")
    con.execute("drop table if exists empty_shape")


def fixed_shapes() -> list[tuple[str, str, str]]:
    """(stage, table, columns) of stages.sql, which says what the tables of results and harmonised hold."""
    found = []
    lines = (HERE / "stages.sql").read_text(encoding="utf-8").splitlines()
    for statement in "\n".join(line for line in lines if not line.startswith("--")).split(";"):
        body = statement.strip()
        if body.startswith("create table "):
            name, _, columns = body.removeprefix("create table ").partition("(")
            stage, _, table = name.strip().partition(".")
            found.append((stage, table, columns.rsplit(")", 1)[0]))
    return found


class EngineFault(Exception):
    """DuckDB refused something. Its own message can repeat a patient's value, so only its kind and our line are told."""


@contextlib.contextmanager
def without_values(doing: str) -> Iterator[None]:
    """Let no message of the engine out: it can hold what was in a cell."""
    try:
        yield
    except duckdb.Error as error:
        if number := number_of(error):
            raise OSError(number, os.strerror(number)) from None
        raise EngineFault(f"{doing} failed in {line_of_ours(error)}: {type(error).__name__}") from None


def fingerprint_of(path: Path) -> str:
    """The fingerprint inside a Parquet file, or "" when it is not there or cannot be read."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return ""
    return metadata.get(b"fingerprint", b"").decode()
