"""Releases that can still be read -> what they tell, so that the next one tells nothing more by its difference from them.

Promise: each is taken as it was disclosed; where hardly anybody differs the open area stays as it is.
"""

import json
from typing import Any

import duckdb

from transforms import keys, release
from transforms.engine import HERE
from transforms.lake import Lake
from transforms.sqlfolder import run_file
from transforms.withdraw import mart

PUBLISHED = """"table" varchar, metric varchar, period varchar, place_kind varchar, place varchar, breakdown varchar,
    category varchar, numerator bigint, denominator bigint, n_people_numerator bigint, n_people_denominator bigint,
    n_people_difference bigint, suppression varchar, smallest_count_shown integer, rounding_base integer,
    hides_none_and_all boolean, was_hidden boolean, was_base_hidden boolean, is_numerator_open boolean,
    is_denominator_open boolean, is_rest_open boolean, was_left_out boolean, is_numerator_unprotected boolean,
    is_denominator_unprotected boolean, is_rest_unprotected boolean, was_gone boolean"""
KEPT = "published_cell"


def earlier_cells(con: duckdb.DuckDBPyConnection, lake: Lake) -> dict[str, list[int]]:
    """Make measure.earlier_cell: what every release that can be read tells, once for each open area. Returns their numbers:
    those that are reckoned with, and those of which nobody can know any more what their numbers rest on (`unknown`)."""
    con.execute(f"create or replace table measure.earlier_cell (release integer, {PUBLISHED})")
    found: dict[str, list[int]] = {"reckoned_with": [], "unknown": []}
    told = set()
    for number in sorted(_numbers(lake), reverse=True):
        made_at = _manifest(lake, number).get("open_made_at")
        if made_at in told:  # an open area that was kept is the same one
            continue
        told.add(made_at)
        with_it = _attached(con, lake, number)
        known = con.execute("select 1 from duckdb_tables() where database_name = ? and table_name = ?", [with_it, KEPT])
        is_known = known.fetchone() is not None
        if is_known:
            con.execute(
                f"insert into measure.earlier_cell by name select * exclude (hidden_as), {number} as release from {with_it}.{KEPT}"
            )
        found["reckoned_with" if is_known else "unknown"].append(number)
        if with_it.startswith("earlier_"):
            con.execute(f"detach {with_it}")
    return found


def is_too_close(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether measure.judged_cell differs in what is made now from what a release that can be read tells, and nowhere by as many as may be shown."""
    run_file(con, HERE / "measure" / "difference.sql")
    query = """select 1 from measure.difference
               where n_cells > 0 and n_people < getvariable('smallest_count_shown') limit 1"""
    return con.execute(query).fetchone() is not None


def keep(con: duckdb.DuckDBPyConnection, is_open_held: bool) -> None:
    """protected.published_cell: what the open area tells, exact. While it is held that is what it told before."""
    told = "from measure.published_cell"
    if is_open_held:
        before = "select 1 from duckdb_tables() where database_name = 'before_protected' and table_name = ?"
        none = "select * exclude (release), null::varchar as hidden_as from measure.earlier_cell limit 0"
        told = f"from before_protected.{KEPT}" if con.execute(before, [KEPT]).fetchone() else none
    con.execute(f"create or replace table protected.{KEPT} as {told}")
    con.execute("""comment on table protected.published_cell is
        'One row per number that the open area tells or hides: exact, and why it is hidden.'""")


def _numbers(lake: Lake) -> list[int]:
    folder = lake.path("releases")
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []


def _manifest(lake: Lake, number: int) -> dict[str, Any]:
    path = lake.path("releases", number, "release.json")
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _attached(con: duckdb.DuckDBPyConnection, lake: Lake, number: int) -> str:
    """The name of a release's protected database, also of one that is withdrawn; "" where there is none any more. The
    current one is attached already."""
    path = mart(lake, number)
    if path is None or number == release.current_number(lake):
        return "before_protected" if path else ""
    secret = keys.held(lake, "protected", release.key_of(lake, number)).hex()
    con.execute(f"attach '{path}' as earlier_{number} (read_only, encryption_key '{secret}')")
    return f"earlier_{number}"
