"""A built release -> release.json: what it is, what it was made from, and a hash of every table.

Promise: the open one tells nothing that the open area does not; exact counts and inputs stand in the protected one.
"""

import json
from pathlib import Path

import duckdb

from transforms import changes, release
from transforms.arrivals import read_state
from transforms.engine import add_table
from transforms.lake import Lake, write_text
from transforms.standard import Standard


def tables(con: duckdb.DuckDBPyConnection, database: str) -> list[str]:
    query = "select table_name from duckdb_tables() where database_name = ? order by 1"
    return [row[0] for row in con.execute(query, [database]).fetchall()]


def describe(
    con: duckdb.DuckDBPyConnection,
    standard: Standard,
    lake: Lake,
    built: Path,
    number: int,
    mark: str,
    code: str,
    is_open_held: bool,
) -> None:
    """release.json for everyone, and one in the protected area with its exact counts. What moved is what the open area tells:
    while that is held, what moved to it."""
    state = read_state(lake)
    inputs = [
        {"provider": s.provider, "period": s.period, "layout": name, "arrival": a.no, "sha256": a.sha256_of(name)}
        for s in sorted(state.arrivals)
        for name, a in sorted(state.current(s).items())
    ]
    facts = {
        "release": number,
        "made_at": release.now(),
        "open_made_at": release.now(),
        "is_invented": con.execute("select getvariable('is_invented')").fetchone()[0],
        "notice": "Made from invented demonstration data." if _is_invented(con) else "",
        "latest_period": con.execute("select getvariable('latest_period')").fetchone()[0],
        "standard": standard.version,
        "code": code,
        "engine": f"duckdb {duckdb.__version__}",
        "fingerprint": mark,
        "disclosure": {k: v for k, v in standard.settings["disclosure"].items() if k != "__line__"},
    }
    hashes = {f"open.{t}": release.content_hash(con, f"open.{t}") for t in tables(con, "open")}
    counts = {f"protected.{t}": release.content_hash(con, f"protected.{t}") for t in tables(con, "protected")}
    add_table(con, "open.about", [{k: str(v) for k, v in facts.items() if k != "disclosure"}])
    before = release.current_manifest(lake) if is_open_held else None
    facts["changes"] = changes.told(con, standard, lake) if before is None else before.get("changes", {})
    con.execute("comment on table open.about is 'One row: which release this is and what it was made from.'")
    disclosure = {k: v for k, v in facts["disclosure"].items() if k != "sensitive"} | {
        "sensitive": dict(facts["disclosure"].get("sensitive", {}))
    }
    disclosure["sensitive"].pop("__line__", None)
    facts["disclosure"] = disclosure
    write_text(built / "release.json", json.dumps(facts | {"tables": hashes}, indent=1))
    write_text(built / "protected" / "release.json", json.dumps(facts | {"inputs": inputs, "tables": counts}, indent=1))
    about = {k: str(v) for k, v in facts.items() if k not in ("disclosure", "changes")}
    add_table(con, "protected.about", [about])


def _is_invented(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(con.execute("select getvariable('is_invented')").fetchone()[0])
