"""The current release -> what moves in the next: readings of values, rows of maps, labels and codes, then and now.

Promise: what is compared is what was published; a keyed hash stands for each value, and the first release says that it
is the first. While the open area waits for its calendar, all is compared with the release that it shows.
"""

from typing import Any

import duckdb

from transforms import keys, release
from transforms.engine import rows_of
from transforms.lake import Lake
from transforms.standard import Standard
from transforms.withdraw import mart

READING = """provider varchar, layout varchar, characteristic varchar, value_key uuid, code varchar, detail varchar,
    status varchar, reason varchar, n_records bigint, n_people bigint"""
# Published dictionary -> the table of the standard that it is made from, and columns that have another name there.
DICTIONARIES = {"code": ("code", ""), "code_map": ("code_map", ""), "label": ("classification", "rename (label_set as classification)")}  # fmt: skip
MOST_LABELS = 50


def compare(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake) -> None:
    """Attach the current release as before_protected and before_open; schema standard gets what it says, if anything."""
    made = release.current_manifest(lake)
    found: set[tuple[str, str]] = set()
    number, key = 0, keys.known_ids(lake).get("pseudonym", "")
    if made:
        number = int(release.current_number(lake) or 0)
        if before := mart(lake, number):
            secret = keys.held(lake, "protected", release.key_of(lake, number)).hex()
            con.execute(f"attach '{before}' as before_protected (read_only, encryption_key '{secret}')")
        con.execute(f"attach '{lake.path('releases', number)}/open/open.duckdb' as before_open (read_only)")
        query = "select database_name, table_name from duckdb_tables() where database_name like 'before_%'"
        found = set(con.execute(query).fetchall())
    con.execute(f"create table standard.reading_before ({READING})")
    if ("before_protected", "reading") in found:
        con.execute("insert into standard.reading_before by name select * from before_protected.reading")
    con.execute("create table standard.person_before (person_id varchar, record_key uuid)")
    is_compared = ("before_protected", "person_key") in found and release.key_of(lake, number, "pseudonym") == key
    if is_compared:
        con.execute("""insert into standard.person_before select p.person_id, k.record_key
            from before_protected.person_key as k join before_protected.person as p using (person_no)
            where k.is_key_stable""")
    con.execute("set variable is_compared = ?", [is_compared])
    # A standard that is the same reads every value as it did: what differs then is the data's doing.
    con.execute("set variable is_standard_changed = ?", [made.get("standard") != standard.version])
    for name, (table, other) in DICTIONARIES.items():
        then = f"union all by name select * {other}, true as is_before from before_open.{name}"
        is_known = ("before_open", name) in found
        con.execute(f"""create view standard.{name}_then_and_now as
            select *, false as is_before from standard.{table} {then if is_known else ""}""")
    # A release from before these tables were published has nothing to compare with.
    is_whole = {("before_open", name) for name in DICTIONARIES} <= found
    con.execute("set variable release_before = ?", [made.get("release") if is_whole else None])


def keep(con: duckdb.DuckDBPyConnection, is_open_held: bool) -> None:
    """The readings that the next release is compared with: while the open area is held, those of what it shows."""
    con.execute("alter table protected.characteristic_record drop column value_key")
    if is_open_held:
        # Of a value that nobody says any more who is not left out nothing stays.
        con.execute("""create or replace table protected.reading as from standard.reading_before
            semi join protected.reading using (provider, layout, characteristic, value_key)""")


def told(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake) -> dict[str, Any]:
    """What the release says of itself: only what the open area holds."""
    made = release.current_manifest(lake)
    since = con.execute("select getvariable('release_before')").fetchone()[0]
    moved = rows_of(
        con, "select characteristic, was, becomes, n_records, n_records_in_all, cell_status from open.moved"
    )
    counts = "count(*) filter (change = 'added') as added, count(*) filter (change = 'removed') as removed, "
    counts += "count(*) filter (change = 'changed') as changed"
    return {
        "since_release": since,
        "standard_before": made.get("standard", "") if since is not None else "",
        "is_standard_changed": since is not None and made.get("standard") != standard.version,
        "moved": [row for row in moved if row["cell_status"] == "shown"],
        "n_moved_hidden": sum(row["cell_status"] != "shown" for row in moved),
        "rows": rows_of(
            con, f"select what, system, name, {counts} from open.code_map_change group by all order by all"
        ),
        "labels": rows_of(
            con,
            f"""select system, name, value, was, becomes from open.code_map_change
                where what in ('label', 'code') and change = 'changed' order by all limit {MOST_LABELS}""",
        ),
    }
