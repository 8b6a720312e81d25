"""Everything -> a release: protected.duckdb, open.duckdb with Parquet and CSV beside it, and the site.

Promise: a release is built aside, audited by contracts.yml, and read only then: one pointer moves. If the audit fails,
the last good release stays. Publishing twice what has not changed makes nothing.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from transforms import (
    changes,
    document,
    earlier,
    engine,
    fingerprint,
    hold,
    keys,
    ledger,
    objections,
    release,
    rollback,
)
from transforms.abort import reached
from transforms.analysts import columns_of
from transforms.arrivals import read_state
from transforms.audit import ContractBroken, audit, record_failure
from transforms.choose import choose
from transforms.describe import describe, tables
from transforms.dictionary import add_dictionaries, describe_columns
from transforms.disclose import CODE as OF_DISCLOSURE
from transforms.disclose import judge, record
from transforms.disclose import set_variables as set_disclosure_variables
from transforms.engine import HERE, add_standard, add_table, add_views, connect, fingerprint_of
from transforms.former import KEPT
from transforms.geography import add_geography, directory
from transforms.lake import Lake, UsageError, write_text
from transforms.link import link, linked_fingerprint
from transforms.link import set_variables as set_linking_variables
from transforms.maturity import first_received
from transforms.measure import measure
from transforms.metrics import described
from transforms.objecting import add_objecting, objecting_fingerprint
from transforms.observe import observed
from transforms.periods import periods
from transforms.receive import today
from transforms.rotate import unfinished
from transforms.site import site
from transforms.sqlfolder import run_folder
from transforms.standard import Standard
from transforms.trend import trend
from transforms.withdraw import NOTICE, withdraw
from transforms.work import pending

CODE = (
    "publish.py",
    "changes.py",
    "describe.py",
    "measure.py",
    "maturity.py",
    "tally.py",
    "choose.py",
    "metrics.py",
    "cells.py",
    "facts.py",
    "periods.py",
    "trend.py",
    "dictionary.py",
    "xmr.py",
    *OF_DISCLOSURE,
    "geography.py",
    "protected",
    "measure",
    "open",
    "macros.sql",
    "site.py",
    *("explore.py", "community.py", "called.py", "analysts.py"),
    "regional.py",
    *document.CODE,
)
PATIENCE = timedelta(minutes=10)
PATIENCE_WITH_FIRST = timedelta(minutes=30)  # while somebody waits for their first answer: a release takes their time
NOT_KEPT = ("person_link", "value_key", "moved_record", "more_specific", "ethnicity_seen")


def release_fingerprint(standard: Standard, lake: Lake) -> str:
    """What a release is made from: all that is harmonised, judged and in force, who objects, the standard, keys, our code."""
    files = [lake.files("harmonised", table) for table in ("characteristic", "activity")]
    made = [(path.split("harmonised/")[-1], fingerprint_of(Path(path))) for listed in files for path in listed]
    state = read_state(lake)
    judged = [(str(s), name, arrival.no) for s in state.arrivals for name, arrival in state.current(s).items()]
    calendar = today()[:7] if standard.settings["disclosure"]["release"] == hold.MONTHLY else ""
    postcodes = fingerprint_of(directory(lake))
    code = fingerprint.code(*CODE)
    return fingerprint.of(
        *(linked_fingerprint(standard, lake), made, sorted(judged), standard.version, postcodes, calendar, code),
        *(objecting_fingerprint(standard, lake), keys.known_ids(lake)),
    )


def is_due(standard: Standard, lake: Lake) -> bool:
    """Whether something has changed since the last release, and the work that is under way is through.

    A burst of arrivals makes one release, not many; but nobody waits for ever behind a stream of them. Patience begins with
    the first that the release is without; where its mart was withdrawn nobody can read, and there is less of it.
    """
    release.settle(lake)
    if rollback.held(lake):
        return rollback.is_owed(standard, lake)
    state = read_state(lake)
    if not any(state.current(submission) for submission in state.arrivals) or unfinished(lake):
        return False
    for name in keys.NAMES:  # no key, no work: not even what is linked is made
        keys.load(lake, name)
    made = release.current_manifest(lake)
    if made.get("fingerprint") == release_fingerprint(standard, lake):
        return False
    if not (waiting := pending(standard, lake)):
        return True
    since, patience = made["made_at"] if made else ledger.entries(lake)[0]["at"], PATIENCE
    if not lake.path("current", "protected", NOTICE).exists():
        since = next((e["at"] for e in ledger.entries(lake) if e["event"] == "seen" and e["at"] > since), since)
        first = {str(s) for s, listed in state.arrivals.items() if all(one.outcome is None for one in listed)}
        patience = PATIENCE_WITH_FIRST if first & set(waiting) else PATIENCE
    return datetime.now(UTC) - datetime.fromisoformat(since) > patience


@observed("publish")
def publish(standard: Standard, lake: Lake, is_asked: bool = True) -> dict[str, Any]:
    """Link and make a release if anything changed. Returns {"release": number or None, ...counts}. After a roll back only who
    `is_asked` for it goes forward again; by itself the service just leaves out who objects by now.

    Raises audit.ContractBroken when what was built is not what consumers may expect, keys.KeyFault, and UsageError
    between the rotation of a key and the work that follows from it.
    """
    if not is_asked and (line := rollback.held(lake)):
        release.settle(lake)
        is_owed = rollback.is_owed(standard, lake)
        return rollback.roll_back(standard, lake, line["release"]) if is_owed else {"release": None}
    lake.prepare()
    secret = keys.load(lake, "protected")
    keys.load(lake, "pseudonym")
    if behind := unfinished(lake):
        raise UsageError(
            f"the pseudonym key was rotated and {len(behind)} submissions have keys of the old one: run --all"
        )
    objections.receive(standard, lake)  # a list that waits is not overtaken by a release
    link(standard, lake)
    with ledger.lock(lake, "publish", wait=True), engine.without_values("publishing"):
        release.settle(lake)
        mark, who = release_fingerprint(standard, lake), objecting_fingerprint(standard, lake)
        if release.current_manifest(lake).get("fingerprint") == mark:
            return {"release": None}
        number = release.next_number(lake)
        with lake.workspace() as work:
            built = work / "release"
            try:
                facts, removed = _build(standard, lake, built, secret.hex(), number, mark)
            except ContractBroken:
                record_failure(lake, mark)
                raise
            keep = int(standard.settings["publishing"]["keep_releases"])
            about = {"fingerprint": mark, "standard": standard.version, "removed": removed, "objecting": who}
            release.install_release(lake, built, number, about, keep)
    return {"release": number, **facts}


def _build(
    standard: Standard, lake: Lake, built: Path, secret: str, number: int, mark: str
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Build, audit and describe a release in a folder of its own. Returns its counts, and of whom it is without."""
    for area, mode in (("protected", 0o700), ("open", 0o755), ("site", 0o755)):
        (built / area).mkdir(parents=True, mode=mode)
    con = connect(lake, memory="4GB")
    try:
        con.execute(f"attach '{built}/protected/protected.duckdb' as protected (encryption_key '{secret}')")
        con.execute(f"attach '{built}/open/open.duckdb' as open")
        kept_because = hold.CALENDAR if hold.is_open_held(standard, lake) else ""
        removed = _prepare(con, standard, lake)
        changes.compare(con, standard, lake)
        reached("build", "protected")
        run_folder(con, HERE / "protected", is_database=True)
        facts = {"people": con.execute("select count(*) from protected.person").fetchone()[0]}
        reached("build", "measure")
        facts["cells"] = measure(con, standard)
        before = earlier.earlier_cells(con, lake)
        if not kept_because:
            judge(con, standard)
            kept_because = hold.TOO_CLOSE if earlier.is_too_close(con) and _is_same_house(standard, lake) else ""
        if not kept_because:
            counts, kept_because = hold.disclose_beside(con, standard)
            facts |= counts
        is_held = bool(kept_because)  # then nothing is told anew, and nothing is made of it
        add_dictionaries(con)
        for name in NOT_KEPT:
            con.execute(f"drop table protected.{name}")
        if not is_held:
            reached("build", "open")
            run_folder(con, HERE / "open", is_database=True)
            trend(con)
            write_text(built / "open" / "disclosure.json", json.dumps(record(con, standard, before), indent=1))
        audit(con, standard, "protected" if is_held else "")
        changes.keep(con, is_held)
        earlier.keep(con, is_held)
        for area in ("protected", "open"):
            describe_columns(con, standard, area)
        describe(con, standard, lake, built, number, mark, fingerprint.code(*CODE), is_held)
        reached("write", "open")
        for table in tables(con, "open"):
            con.execute(f"copy open.{table} to '{built}/open/{table}.parquet' (format parquet)")
            con.execute(f"copy open.{table} to '{built}/open/{table}.csv' (header)")
        protected = columns_of(con, "protected")
        con.execute("checkpoint protected; checkpoint open; detach protected; detach open")
    finally:
        con.close()
    if is_held:
        hold.keep_open(lake, built, kept_because)
    else:
        site(
            standard,
            built,
            json.loads((built / "release.json").read_text(encoding="utf-8")),
            _same_pages(standard, lake),
            protected,
        )
    return facts, removed


def _same_pages(standard: Standard, lake: Lake) -> Path | None:
    """The standard's pages in the current release, where they would say the same now: they are made of nothing else."""
    pages = lake.path("current", "site", "standard")
    return pages if _is_same_house(standard, lake) and pages.is_dir() else None


def _is_same_house(standard: Standard, lake: Lake) -> bool:
    """Whether the current release was made by the standard and the code of today: what differs is the data's doing."""
    made = release.current_manifest(lake)
    return (made.get("standard"), made.get("code")) == (standard.version, fingerprint.code(*CODE))


def _prepare(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake) -> dict[str, dict[str, int]]:
    """Everything that the SQL files read: schemas standard, harmonised, results, linked and objected, and variables.

    Returns how many people and records are left out, by reason.
    """
    add_standard(con, standard)
    add_geography(con, standard, lake)
    add_views(con, lake, standard, "harmonised", "results")
    con.execute("create schema if not exists linked; create schema if not exists measure")
    for name in KEPT:
        con.execute(f"create view linked.{name} as from read_parquet('{lake.path('linked', name)}.parquet')")
    removed = add_objecting(con, standard, lake)
    withdraw(con, standard, lake)  # also when what is built below does not pass its audit
    keys.arm(con, lake, "person")
    set_linking_variables(con, standard)
    set_disclosure_variables(con, standard)
    settings = standard.settings["publishing"]
    for name in ("ethnicity", "default_set", "region", "deprivation_index", "not_covered"):
        con.execute(f"set variable {name} = ?", [settings[name]])
    con.execute("set variable alike_from = ?", [float(settings["alike_from"])])
    choose(con, standard)
    con.execute("""
        set variable latest_period = (select max(period) from linked.in_force);
        set variable rolling_to = last_day(strptime(getvariable('latest_period') || '-01', '%Y-%m-%d')::date);
        set variable rolling_from = date_trunc('month', getvariable('rolling_to') - interval 11 months)::date;
        set variable rolling_period = strftime(getvariable('rolling_from'), '%Y-%m') || ' to ' || getvariable('latest_period');
        set variable is_invented = (select coalesce(bool_or(p.demo = 'true'), false) from linked.in_force as f
                                    join standard.provider as p on p.code = f.provider)""")
    state = read_state(lake)
    in_force = [
        {"provider": s.provider, "period": s.period, "layout": name, "arrival": arrival.no}
        | {"received_on": first_received(state, s, name)}
        for s in state.arrivals
        for name, arrival in state.current(s).items()
    ]
    add_table(con, "measure.arrival_in_force", in_force)
    con.execute(
        """delete from measure.arrival_in_force where provider not in (
            select provider from standard.agreement where may_publish_protected = 'true' and "from" <= ?
            and ("to" = '' or "to" >= ?))""",
        [today(), today()],
    )
    latest = con.execute("select getvariable('latest_period')").fetchone()[0]
    add_table(con, "standard.period", periods(latest) if latest else [])
    add_table(con, "standard.metric", described(con, standard))
    return removed
