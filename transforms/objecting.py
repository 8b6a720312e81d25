"""What is kept of objections, harmonised and linked -> schema objected: who is left out of a release, and every record of theirs.

Promise: people are removed after linking, so that all their records go; who is left out, and why, stands in no table that
outlives the connection.
"""

from typing import Any

import duckdb

from transforms import fingerprint, keys
from transforms.arrivals import read_state as read_arrivals
from transforms.engine import HERE, add_table, add_views
from transforms.lake import Lake
from transforms.objection_state import SHAPE, in_force, permitted_file, permitted_now, read_state
from transforms.receive import today
from transforms.sqlfolder import run_file
from transforms.standard import Standard

CODE = ("objecting.py", "objected")
DECLARED, CHECKED = "declared", "checked"  # of the ways in objections.yml: those that ask something of a delivery
RECORD = "submission_no integer, layout varchar, patient_no integer"


def objecting_fingerprint(standard: Standard, lake: Lake) -> str:
    """What decides who is left out, beside who is linked: the lists in force, the permitted list, and what was declared."""
    state = read_state(lake)
    lists = [(sender, entry["sha256"]) for sender, entry in sorted(state.lists.items())]
    permitted = state.permitted.get("sha256", "") if permitted_now(state) else ""
    checking = to_check(standard, lake)
    national = (permitted, standard.settings["objections"]["national"]["without_number"]) if checking else ""
    return fingerprint.of(lists, national, checking, fingerprint.code(*CODE))


def ways(standard: Standard) -> dict[str, str]:
    """Provider -> how the national opt-out is applied to what it sends, by the agreements in force today; the strictest."""
    found: dict[str, str] = {}
    for row in standard.tables["agreements"]:
        if row["from"] <= today() and (not row["to"] or row["to"] >= today()):
            told = {found.get(row["provider"], ""), row["national_opt_out"]}
            found[row["provider"]] = next((way for way in (CHECKED, DECLARED) if way in told), row["national_opt_out"])
    return found


def to_check(standard: Standard, lake: Lake) -> list[tuple[int, str, str]]:
    """(submission_no, layout, submission) in force to which nobody has applied the national opt-out yet: the provider
    leaves it to us, or should have declared it and did not."""
    way, state = ways(standard), read_arrivals(lake)
    return [
        (state.numbers[submission], layout, str(submission))
        for submission in sorted(state.arrivals)
        for layout, arrival in sorted(state.current(submission).items())
        if way.get(submission.provider) == CHECKED
        or (way.get(submission.provider) == DECLARED and not arrival.opt_out_applied_on)
    ]


def add_linked(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake) -> None:
    """Schemas harmonised and linked, as far as people are left out by them."""
    add_views(con, lake, standard, "harmonised")
    con.execute("create schema if not exists linked")
    con.execute(
        f"create view linked.person_record as from read_parquet('{lake.path('linked', 'person_record')}.parquet')"
    )


def add_objecting(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake) -> dict[str, Any]:
    """Tables objected.person and objected.record. Needs harmonised.patient, linked.person_record. Returns counts by reason.

    Raises ObjectionsLost and KeyFault: without all lists in force, and the keys that they were hashed with, nobody knows
    who is to be left out. The pads on the connection are changed.
    """
    files = [str(path) for path in in_force(lake)]
    con.execute("create schema if not exists objected")
    con.execute(f"create or replace table objected.kept ({SHAPE})")
    if files:
        con.execute(f"insert into objected.kept from read_parquet({files!r})")
    checking = [{"submission_no": no, "layout": layout} for no, layout, _ in to_check(standard, lake)]
    con.execute("create or replace table objected.to_check (submission_no integer, layout varchar)")
    if checking:
        add_table(con, "objected.checking", checking)
        con.execute("insert into objected.to_check from objected.checking")
    national = standard.settings["objections"]["national"]
    con.execute("set variable numberless_stay = ?", [national["without_number"] == "kept"])
    con.execute(f"create or replace table objected.matched ({RECORD}, record_key uuid)")
    con.execute(f"create or replace table objected.permitted ({RECORD})")
    _match(con, lake, bool(checking))
    for name in ("person", "record"):
        run_file(con, HERE / "objected" / f"{name}.sql")
    counts = """select reason, count(distinct person_no), (select count(distinct record_key) from objected.record as r where r.reason = p.reason)
                from objected.person as p group by reason order by reason"""
    return {
        reason: {"people": people, "records": records} for reason, people, records in con.execute(counts).fetchall()
    }


def _match(con: duckdb.DuckDBPyConnection, lake: Lake, is_checking: bool) -> None:
    """Find the records that are named, and those whose number came back as permitted, with each key that a list was hashed
    with: a key that was replaced is still asked for what nobody has sent again since."""
    state = read_state(lake)
    permitted = state.permitted if is_checking and permitted_now(state) else {}
    used = {row[0] for row in con.execute("select distinct key_id from objected.kept").fetchall()}
    for used_key in sorted(used | ({permitted["key_id"]} if permitted else set())):
        keys.arm(con, lake, "objection", used_key)
        con.execute(f"create or replace table objected.listed ({SHAPE})")
        con.execute("insert into objected.listed from objected.kept where key_id = ?", [used_key])
        asks_numbers = permitted.get("key_id") == used_key
        kinds = {row[0] for row in con.execute("select distinct kind from objected.listed").fetchall()}
        con.execute(
            "set variable kinds_asked = ?::varchar[]", [sorted(kinds | ({"number"} if asks_numbers else set()))]
        )
        for name in ("claim", "match"):
            run_file(con, HERE / "objected" / f"{name}.sql")
        con.execute("insert into objected.matched from objected.match")
        if asks_numbers:
            con.execute(f"""insert into objected.permitted select submission_no, layout, patient_no from objected.claim
                            semi join read_parquet('{permitted_file(lake, state)}') using (kind, name_key)""")
