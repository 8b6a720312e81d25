"""An earlier release -> the newest one: what readers had before, under a new number, without whoever objects by now.

Promise: nothing of a release is changed; people are left out of the copy, and of them no trace stays in it. From then on
nothing newer is published by itself: only when somebody says so.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb

from transforms import fingerprint, keys, ledger, objections, release
from transforms.arrivals import read_state
from transforms.audit import audit
from transforms.describe import tables
from transforms.engine import add_standard, connect, without_values
from transforms.lake import Lake, UsageError, write_text
from transforms.measure import add_measures
from transforms.objecting import add_linked, add_objecting, objecting_fingerprint
from transforms.sqltext import quoted, text
from transforms.standard import Standard
from transforms.withdraw import LEAVING, MART, NOTICE, mart, withdraw

EVENT, READING = "rolled_back", "reading"


def held(lake: Lake) -> dict[str, Any] | None:
    """The ledger's line of the newest release when that is an earlier one again: nothing is published by itself then."""
    newest = read_state(lake).releases[-1:]
    return newest[0] if newest and newest[0]["event"] == EVENT else None


def is_owed(standard: Standard, lake: Lake) -> bool:
    """Whether readers are held at a release that is to be made once more, since other people object by now."""
    line = held(lake)
    return line is not None and line["objecting"] != objecting_fingerprint(standard, lake)


def roll_back(standard: Standard, lake: Lake, number: int) -> dict[str, Any]:
    """Make release `number` the newest again, under a new number. Returns {"release": new, "rolled_back_to": number, ...}.

    Raises UsageError when there is nothing to go back to, and KeyFault.
    """
    lake.prepare()
    secret = keys.load(lake, "protected").hex()
    keys.load(lake, "pseudonym")
    objections.receive(standard, lake)
    with ledger.lock(lake, "publish", wait=True), without_values("rolling back"):
        release.settle(lake)
        _may_go(lake, number)
        new, who = release.next_number(lake), objecting_fingerprint(standard, lake)
        with lake.workspace() as work:
            built = work / "release"
            shutil.copytree(lake.path("releases", number), built, ignore=shutil.ignore_patterns(MART, NOTICE))
            facts, removed = _copy_mart(standard, lake, number, built, secret)
            _describe(built, number, new, facts.pop("tables"))
            about = {"rolled_back_to": number, "standard": standard.version, "removed": removed, "objecting": who}
            keep = int(standard.settings["publishing"]["keep_releases"])
            release.install_release(lake, built, new, about, keep, EVENT)
    return {"release": new, "rolled_back_to": number, **facts}


def _may_go(lake: Lake, number: int) -> None:
    """Raise UsageError unless a release can be made again."""
    there = release.kept(lake)
    possible = [n for n in there if mart(lake, n) and _is_of_this_key(lake, n)]
    listed = ", ".join(map(str, possible)) or "none yet"
    if number not in there:
        raise UsageError(f"release {number} is not kept: releases to go back to are {listed}")
    if not mart(lake, number):
        raise UsageError(
            f"the protected mart of release {number} was deleted after an objection: releases to go back to are {listed}"
        )
    if number not in possible:
        raise UsageError(
            f"release {number} was made with another pseudonym key, so that nobody could tell who objects: {listed}"
        )


def _is_of_this_key(lake: Lake, number: int) -> bool:
    return release.key_of(lake, number, "pseudonym") == keys.known_ids(lake).get("pseudonym")


def _copy_mart(
    standard: Standard, lake: Lake, number: int, built: Path, secret: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """protected.duckdb without whoever objects. Returns {people, people_left_out, tables: table -> hash}, and counts of those
    left out by reason. Every table is written anew: what is only deleted would stay in the file."""
    con = connect(lake, memory="4GB")
    try:
        add_linked(con, standard, lake)
        removed = add_objecting(con, standard, lake)
        withdraw(con, standard, lake)  # it may move the mart that is read here
        old = keys.held(lake, "protected", release.key_of(lake, number)).hex()
        con.execute(f"attach '{mart(lake, number)}' as asked (read_only, encryption_key '{old}')")
        con.execute(f"attach '{built}/protected/{MART}' as protected (encryption_key '{secret}')")
        # Two people can share a key: here nobody can tell them apart any more, and both are left out.
        con.execute(f"set variable is_without = false; create table objected.leaving as {LEAVING}")
        copied = tables(con, "asked")
        for table in copied:
            _copy_table(con, table)
        _audit(con, standard, built)
        count = "select (select count(*) from protected.person), (select count(*) from objected.leaving)"
        people, left_out = con.execute(count).fetchone()
        hashes = {f"protected.{table}": release.content_hash(con, f"protected.{table}") for table in copied}
        con.execute("checkpoint protected; detach protected; detach asked")
    finally:
        con.close()
    return {"people": people, "people_left_out": left_out, "tables": hashes}, removed


def _copy_table(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """One table with its comments: its rows but those of whoever leaves, by every column that names a person."""
    query = "select column_name, comment from duckdb_columns() where database_name = 'asked' and table_name = ?"
    columns = con.execute(query, [table]).fetchall()
    named = [name for name, _ in columns if name.startswith(("person_no", "person_id"))]
    kept = [f"not exists (from objected.leaving as l where l.{name[:9]} = t.{name})" for name in named]
    if table == READING:  # what it counts cannot be taken apart again: the next release is compared with nothing
        kept = ["not exists (from objected.leaving)"]
    con.execute(f"create table protected.{table} as from asked.{table} as t where {' and '.join(kept) or 'true'}")
    query = "select comment from duckdb_tables() where database_name = 'asked' and table_name = ?"
    told = {f"table protected.{table}": con.execute(query, [table]).fetchone()[0]}
    told |= {f"column protected.{table}.{quoted(name)}": words for name, words in columns}
    for what, words in told.items():
        con.execute(f"comment on {what} is {text(words) if words else 'null'}")


def _audit(con: duckdb.DuckDBPyConnection, standard: Standard, built: Path) -> None:
    """Judge the contracts, where the release was made by today's code and standard; others were judged when they were made."""
    from transforms.publish import CODE

    made = json.loads((built / "release.json").read_text(encoding="utf-8"))
    if (made["standard"], made["code"]) == (standard.version, fingerprint.code(*CODE)):
        add_standard(con, standard)
        add_measures(con, standard)
        audit(con, standard, "protected")


def _describe(built: Path, number: int, new: int, hashes: dict[str, str]) -> None:
    """Both release.json. The open area and the site stay what they were: only when it came back is told, so that the calendar
    counts from now."""
    for path in (built / "release.json", built / "protected" / "release.json"):
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts |= {"release": new, "rolled_back_to": number, "made_at": release.now(), "open_made_at": release.now()}
        facts["fingerprint"] = f"release {number} again"  # of nothing that publishing would make
        if path.parent != built:
            facts["tables"] = hashes
        write_text(path, json.dumps(facts, indent=1))
