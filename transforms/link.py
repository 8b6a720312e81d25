"""harmonised -> linked: which records are of one person.

Promise: a verified number and an agreeing birth date join; two different verified numbers never do; weights decide about
the rest, and what contradicts is reported and left apart. What is scored once is scored again only when the model, the
term frequencies or the code of it changed; whatever came first, the same records give the same people.
"""

from pathlib import Path

import duckdb

from transforms import fingerprint, keys, ledger
from transforms.cluster import cluster
from transforms.engine import HERE, add_standard, add_table, add_views, connect, copy, fingerprint_of, without_values
from transforms.lake import Lake, install
from transforms.receive import today
from transforms.rotate import translate
from transforms.sqlfolder import ordered, run_file
from transforms.standard import Standard
from transforms.weigh import LISTS, REMEMBERED, SHAPES, SHARES, model_version, recall, weigh

KEPT = ("edge", "conflict", "person", "person_record", "in_force", "rehearsal")
FOLDER = HERE / "linked"
# The files that read what scoring found, and those that read the clusters; all others come before.
WEIGHED = ("weighed_edge", "scored_edge", "choice", "told_apart", "judged_edge", "accepted_edge")
CLUSTERED = ("edge", "person_member", "person", "person_record", "conflict", "rehearsal")


def linked_fingerprint(standard: Standard, lake: Lake) -> str:
    """What linking reads: every harmonised identity, the agreements in force today, and our code."""
    patients = [
        (path.split("harmonised/")[-1], fingerprint_of(Path(path))) for path in lake.files("harmonised", "patient")
    ]
    agreements = [
        row
        for row in standard.tables["agreements"]
        if row["from"] <= today() and (not row["to"] or row["to"] >= today())
    ]
    judged = [fingerprint_of(path) for path in sorted(lake.path("judged").glob("*.parquet"))]
    layouts = [(n, la.content, la["nhs_number_traced"], la["restarts"]) for n, la in standard.layouts.items()]
    code = fingerprint.code("link.py", "cluster.py", "linked", "stages.sql")
    settings = [standard.settings[name] for name in ("nhs_number", "linkage")]
    return fingerprint.of(patients, agreements, judged, layouts, settings, model_version(standard), code)


def link(standard: Standard, lake: Lake) -> dict[str, int]:
    """Link everything. Returns persons, records and conflicts; {} when nothing has changed."""
    with ledger.lock(lake, "publish", wait=True), without_values("linking"):
        mark = linked_fingerprint(standard, lake)
        targets = {name: lake.path("linked", f"{name}.parquet") for name in (*KEPT, *REMEMBERED)}
        if all(fingerprint_of(targets[name]) == mark for name in KEPT):
            return {}
        con = connect(lake, memory="3GB")
        try:
            add_standard(con, standard)
            add_views(con, lake, standard, "harmonised")
            prepare(con, standard)
            recall(con, targets, model_version(standard))
            decide(con, lake)
            counts = link_tables(con, standard)
            with lake.workspace() as work:
                for name in KEPT:
                    copy(con, f"select * from linked.{name}", work / name, mark)
                for name in REMEMBERED:
                    copy(con, f"select * from linked.{name}", work / name, model_version(standard))
                for name, target in targets.items():
                    install(work / name, target)
            return {name: con.execute(f"select count(*) from linked.{name}").fetchone()[0] for name in KEPT} | counts
        finally:
            con.close()


def link_tables(con: duckdb.DuckDBPyConnection, standard: Standard) -> dict[str, int]:
    """Every table of schema `linked`, from harmonised.patient and what was scored before. Returns how much was compared."""
    files = ordered(FOLDER)
    for path in files:
        if path.stem not in (*WEIGHED, *CLUSTERED):
            run_file(con, path)
    counts = weigh(con, standard)
    for path in files:
        if path.stem in WEIGHED:
            run_file(con, path)
    cluster(con)
    for path in files:
        if path.stem in CLUSTERED:
            run_file(con, path)
    return counts


def prepare(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """All that linking reads beside the records: lists of names, thresholds, the day; nothing scored, nothing judged."""
    con.execute(SHAPES)
    for name in LISTS:
        add_table(con, f"standard.{name.removesuffix('s')}", standard.tables[name])
    for name in SHARES:
        rows = [{"name": row["name"], "share": float(row["share"])} for row in standard.tables[name]]
        add_table(con, f"standard.{name.removesuffix('s')}", rows or [{"name": "", "share": 0.0}])
    linkage = standard.settings["linkage"]
    for name in ("joined_from", "reviewed_from", "margin", "unlisted_name"):
        con.execute(f"set variable {name} = ?", [float(linkage[name])])
    con.execute("set variable rehearsed_share = ?", [float(linkage["rehearsed_share"])])
    con.execute("set variable rehearsed_at_most = ?", [int(linkage["rehearsed_at_most"])])
    con.execute("set variable model = ?", [model_version(standard)])
    set_variables(con, standard)


def decide(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """linked.judged: all that reviewers ever said, of records by the keys that they have now. Needs harmonised.patient."""
    if files := [str(path) for path in sorted(lake.path("judged").glob("*.parquet"))]:
        con.execute("insert into linked.judged by name from read_parquet(?, filename = true)", [files])
    now = keys.known_ids(lake).get("pseudonym")
    query = "select distinct key_id from linked.judged where key_id is distinct from ?"
    for (old,) in con.execute(query, [now]).fetchall():
        translate(con, lake, old)
        for side in "ab":
            con.execute(
                f"""update linked.judged set record_key_{side} = r.record_key from rekeyed as r
                    where judged.key_id = ? and judged.record_key_{side} = r.old_key""",
                [old],
            )


def set_variables(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """Facts of the standard and the day that the SQL files read."""
    number = standard.settings["nhs_number"]
    con.execute("set variable verified = ?", [number["verified"]])
    con.execute("set variable test_range = ?", [str(number["test_range"])])
    con.execute("set variable today = ?", [today()])
