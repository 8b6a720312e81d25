"""harmonised -> linked: which records are of one person.

Promise: a verified number and an agreeing birth date join; two different verified numbers never do; weights decide about
the rest, and what contradicts is reported and left apart. What is scored once is scored again only when the model, the
term frequencies or the code of it changed; whatever came first, the same records give the same people.
"""

from pathlib import Path
from typing import Any

import duckdb

from transforms import fingerprint, keys, ledger
from transforms.engine import add_standard, add_table, add_views, connect, fingerprint_of, without_values
from transforms.former import KEPT, REMEMBERED, keep, mark_of, providers, recall
from transforms.join import kept, link_tables
from transforms.known import add_known, compared_by, remind, write_known
from transforms.lake import Lake
from transforms.observe import observed
from transforms.parquet import copy
from transforms.receive import today
from transforms.relink import relink
from transforms.rotate import translate
from transforms.standard import Standard
from transforms.weigh import LISTS, SHAPES, SHARES, model_version

CODE = ("link.py", "join.py", "relink.py", "known.py", "former.py", "cluster.py", "linked", "nearby", "stages.sql")


def linked_facts(standard: Standard, lake: Lake) -> dict[str, Any]:
    """What linking reads: every harmonised identity, what was judged, and the rest: the agreements in force today, what of the
    standard it asks, the keys that records are named with, and our code."""
    agreements = [
        row
        for row in standard.tables["agreements"]
        if row["from"] <= today() and (not row["to"] or row["to"] >= today())
    ]
    told = ("nhs_number_traced", "restarts")
    layouts = [(n, la.content, la.pseudonym_key, *(la[name] for name in told)) for n, la in standard.layouts.items()]
    settings = [standard.settings[name] for name in ("nhs_number", "linkage")]
    demo = sorted(code for code, row in standard.providers.items() if row["demo"] == "true")
    code = (fingerprint.code(*CODE), duckdb.__version__)
    version, named_with = model_version(standard), keys.known_ids(lake).get("pseudonym", "")
    patients = {
        path.split("harmonised/")[-1]: fingerprint_of(Path(path)) for path in lake.files("harmonised", "patient")
    }
    return {
        "patients": patients,
        "judged": {path.name: fingerprint_of(path) for path in sorted(lake.path("judged").glob("*.parquet"))},
        "rest": fingerprint.of(agreements, layouts, settings, demo, version, named_with, code),
    }


def linked_fingerprint(standard: Standard, lake: Lake) -> str:
    """One fingerprint for all that linking reads."""
    return mark_of(linked_facts(standard, lake))


@observed("link")
def link(standard: Standard, lake: Lake) -> dict[str, int]:
    """Link everything. Returns persons, records and conflicts; {} when nothing has changed."""
    with ledger.lock(lake, "publish", wait=True), without_values("linking"):
        facts = linked_facts(standard, lake) | {"model": model_version(standard)}
        before = recall(lake)
        if before and mark_of(before) == mark_of(facts):
            return {}
        for attempt in (relink, link_all):
            con = connect(lake, memory="3GB")
            try:
                add_standard(con, standard)
                add_views(con, lake, standard, "harmonised")
                prepare(con, standard)
                keys.arm(con, lake, "mark")
                con.execute("set variable mark_key = keyed('mark')")
                decide(con, lake)
                with lake.workspace() as work:
                    if counts := attempt(con, standard, lake, before, facts, work):
                        keep(lake, work, facts)
                        return counts
            finally:
                con.close()
    raise AssertionError("linking everybody gives something")


def link_all(
    con: duckdb.DuckDBPyConnection,
    standard: Standard,
    lake: Lake,
    before: dict[str, Any],
    facts: dict[str, Any],
    work: Path,
) -> dict[str, int]:
    """Link everybody, and write it to `work`. Returns rows by table, and how much was compared."""
    if before.get("model") == facts["model"]:
        remind(con, lake, providers(before))
    compared = link_tables(con, standard)
    names = (*KEPT, *REMEMBERED)
    counts = {
        name: copy(con, f"select {kept(name)} from linked.{name}", work / f"{name}.parquet", mark_of(facts))
        for name in names
    }
    add_known(con, compared_by(standard) or [])
    write_known(con, work / "known", providers(facts), mark_of(facts))
    return counts | compared


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
