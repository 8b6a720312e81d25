"""Everything -> a release: protected.duckdb, open.duckdb with Parquet and CSV beside it, and the site.

Promise: a release is built aside, audited by contracts.yml, and read only then: one pointer moves. If the audit fails,
the last good release stays. Publishing twice what has not changed makes nothing.
"""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from transforms import changes, document, earlier, engine, fingerprint, keys, ledger, release
from transforms.arrivals import read_state
from transforms.audit import audit
from transforms.disclose import CODE as OF_DISCLOSURE
from transforms.disclose import disclose_beside, record
from transforms.disclose import set_variables as set_disclosure_variables
from transforms.engine import HERE, add_standard, add_table, add_views, connect, fingerprint_of
from transforms.geography import add_geography, directory
from transforms.guidance import plain
from transforms.lake import Lake, write_text
from transforms.link import KEPT, link, linked_fingerprint
from transforms.link import set_variables as set_linking_variables
from transforms.maturity import first_received
from transforms.measure import measure
from transforms.receive import today
from transforms.site import site
from transforms.sqlfolder import run_folder
from transforms.standard import Standard
from transforms.work import pending

CODE = (
    "publish.py",
    "changes.py",
    "measure.py",
    "maturity.py",
    "tally.py",
    "metrics.py",
    *OF_DISCLOSURE,
    "geography.py",
    "protected",
    "measure",
    "open",
    "macros.sql",
    "site.py",
    "regional.py",
    *document.CODE,
)
PATIENCE = timedelta(minutes=10)
NOT_KEPT = ("person_link", "value_key", "moved_record")
# The tests that can choose between records, and how many different values each can have.
TESTS = {
    "known_before_absent": 2,
    "stated_before_derived": 2,
    "specific_before_general": 10,
    "latest": 200_000,  # days since 1800
    "self_stated_first": 100,
    "care_setting": 100,
}
MONTHLY = "monthly"  # disclosure.yml, release: the open area changes once a month; on_arrival: with every release


def release_fingerprint(standard: Standard, lake: Lake) -> str:
    """What a release is made from: everything harmonised and judged that is in force, the standard, and our code."""
    files = [lake.files("harmonised", table) for table in ("characteristic", "activity")]
    made = [(path.split("harmonised/")[-1], fingerprint_of(Path(path))) for listed in files for path in listed]
    state = read_state(lake)
    judged = [(str(s), name, arrival.no) for s in state.arrivals for name, arrival in state.current(s).items()]
    calendar = today()[:7] if standard.settings["disclosure"]["release"] == MONTHLY else ""
    postcodes = fingerprint_of(directory(lake))
    code = fingerprint.code(*CODE)
    return fingerprint.of(
        linked_fingerprint(standard, lake), made, sorted(judged), standard.version, postcodes, calendar, code
    )


def is_due(standard: Standard, lake: Lake) -> bool:
    """Whether something has changed since the last release, and the work that is under way is through.

    A burst of arrivals makes one release, not many; but nobody waits for ever behind a stream of them.
    """
    release.settle(lake)
    state = read_state(lake)
    if not any(state.current(submission) for submission in state.arrivals):
        return False
    made = release.current_manifest(lake)
    if made.get("fingerprint") == release_fingerprint(standard, lake):
        return False
    if not pending(standard, lake):
        return True
    since = made["made_at"] if made else ledger.entries(lake)[0]["at"]
    return datetime.now(UTC) - datetime.fromisoformat(since) > PATIENCE


def publish(standard: Standard, lake: Lake) -> dict[str, Any]:
    """Link and make a release if anything changed. Returns {"release": number or None, ...counts}.

    Raises audit.ContractBroken when what was built is not what consumers may expect, and keys.KeyFault.
    """
    lake.prepare()
    secret = keys.load(lake, "protected")
    keys.load(lake, "pseudonym")
    link(standard, lake)
    with ledger.lock(lake, "publish", wait=True), engine.without_values("publishing"):
        release.settle(lake)
        mark = release_fingerprint(standard, lake)
        if release.current_manifest(lake).get("fingerprint") == mark:
            return {"release": None}
        number = release.next_number(lake)
        with lake.workspace() as work:
            built = work / "release"
            facts = _build(standard, lake, built, secret.hex(), number, mark)
            keep = int(standard.settings["publishing"]["keep_releases"])
            release.install_release(lake, built, number, {"fingerprint": mark, "standard": standard.version}, keep)
    return {"release": number, **facts}


def _build(standard: Standard, lake: Lake, built: Path, secret: str, number: int, mark: str) -> dict[str, int]:
    """Build, audit and describe a release in a folder of its own."""
    for area, mode in (("protected", 0o700), ("open", 0o755), ("site", 0o755)):
        (built / area).mkdir(parents=True, mode=mode)
    con = connect(lake, memory="4GB")
    try:
        con.execute(f"attach '{built}/protected/protected.duckdb' as protected (encryption_key '{secret}')")
        con.execute(f"attach '{built}/open/open.duckdb' as open")
        is_held = is_open_held(standard, lake)
        _prepare(con, standard, lake)
        changes.compare(con, standard, lake, secret)
        run_folder(con, HERE / "protected", is_database=True)
        facts = {"people": con.execute("select count(*) from protected.person").fetchone()[0]}
        facts["cells"] = measure(con, standard)
        before = earlier.earlier_cells(con, lake, secret)
        is_held = is_held or (earlier.is_too_close(con) and _is_same_house(standard, lake))
        counts, is_held = disclose_beside(con, standard, is_held=is_held)
        facts |= counts
        told = record(con, standard, before)
        _add_dictionary(con)
        run_folder(con, HERE / "open", is_database=True)
        audit(con, standard)
        changes.keep(con, is_held)
        earlier.keep(con, is_held)
        write_text(built / "open" / "disclosure.json", json.dumps(told, indent=1))
        _describe(con, standard, lake, built, number, mark)
        for table in _tables(con, "open"):
            con.execute(f"copy open.{table} to '{built}/open/{table}.parquet' (format parquet)")
            con.execute(f"copy open.{table} to '{built}/open/{table}.csv' (header)")
        con.execute("checkpoint protected; checkpoint open; detach protected; detach open")
    finally:
        con.close()
    if is_held:
        _keep_open(lake, built)
    else:
        site(
            standard,
            built,
            json.loads((built / "release.json").read_text(encoding="utf-8")),
            _same_pages(standard, lake),
        )
    return facts


def _same_pages(standard: Standard, lake: Lake) -> Path | None:
    """The standard's pages in the current release, where they would say the same now: they are made of nothing else."""
    pages = lake.path("current", "site", "standard")
    return pages if _is_same_house(standard, lake) and pages.is_dir() else None


def _is_same_house(standard: Standard, lake: Lake) -> bool:
    """Whether the current release was made by the standard and the code of today: what differs is the data's doing."""
    made = release.current_manifest(lake)
    return (made.get("standard"), made.get("code")) == (standard.version, fingerprint.code(*CODE))


def is_open_held(standard: Standard, lake: Lake) -> bool:
    """Whether the open area waits for its calendar: two open releases close together would differ by one practice."""
    held_since = release.current_manifest(lake).get("open_made_at", "")
    return standard.settings["disclosure"]["release"] == MONTHLY and held_since[:7] == today()[:7]


def _keep_open(lake: Lake, built: Path) -> None:
    """The open area and the site of the current release, unchanged, in the new one."""
    for area in ("open", "site"):
        shutil.rmtree(built / area)
        shutil.copytree(lake.path("current", area), built / area)
    made, before = (
        json.loads(path.read_text()) for path in (built / "release.json", lake.path("current/release.json"))
    )
    write_text(
        built / "release.json",
        json.dumps(before | {k: made[k] for k in ("release", "made_at", "fingerprint")}, indent=1),
    )


def _prepare(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake) -> None:
    """Everything that the SQL files read: schemas standard, harmonised, results and linked, and variables."""
    add_standard(con, standard)
    add_geography(con, standard, lake)
    add_views(con, lake, standard, "harmonised", "results")
    con.execute("create schema if not exists linked; create schema if not exists measure")
    for name in KEPT:
        con.execute(f"create view linked.{name} as from read_parquet('{lake.path('linked', name)}.parquet')")
    keys.arm(con, lake, "person")
    set_linking_variables(con, standard)
    set_disclosure_variables(con, standard)
    settings = standard.settings["publishing"]
    for name in ("ethnicity", "default_set", "region", "deprivation_index"):
        con.execute(f"set variable {name} = ?", [settings[name]])
    con.execute("set variable weights = ?", [weights(standard)])
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
    hidden = ("layouts", "breakdowns", "places", "__line__")
    metrics = [
        {"metric": name} | {k: str(v) for k, v in metric.items() if k not in hidden}
        for name, metric in standard.metrics.items()
    ]
    add_table(con, "standard.metric", metrics)


def weights(standard: Standard) -> dict[str, int]:
    """What each test of the default method weighs, so that one number holds them all: each more than all after it."""
    resolution = standard.settings["resolution"]
    found, weight = dict.fromkeys(TESTS, 0), 1
    for test in reversed(resolution["methods"][resolution["default"]]):
        found[test] = weight
        weight *= TESTS[test]
    return found


def _add_dictionary(con: duckdb.DuckDBPyConnection) -> None:
    """What codes and fields mean, inside the protected mart too; and nothing that only building it needed."""
    for name in ("code", "classification", "label_set", "field", "provider", "lsoa", "icb"):
        con.execute(f"create table protected.{name} as from standard.{name}")
        con.execute(f"comment on table protected.{name} is 'Dictionary: one row per {name} of the standard'")
    for name in NOT_KEPT:
        con.execute(f"drop table protected.{name}")


def _tables(con: duckdb.DuckDBPyConnection, database: str) -> list[str]:
    query = "select table_name from duckdb_tables() where database_name = ? order by 1"
    return [row[0] for row in con.execute(query, [database]).fetchall()]


def _describe(
    con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake, built: Path, number: int, mark: str
) -> None:
    """release.json for everyone, and one in the protected area with its exact counts."""
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
        "code": fingerprint.code(*CODE),
        "engine": f"duckdb {duckdb.__version__}",
        "fingerprint": mark,
        "disclosure": plain(standard.settings["disclosure"]),
    }
    tables = {f"open.{t}": release.content_hash(con, f"open.{t}") for t in _tables(con, "open")}
    counts = {f"protected.{t}": release.content_hash(con, f"protected.{t}") for t in _tables(con, "protected")}
    add_table(con, "open.about", [{k: str(v) for k, v in facts.items() if k != "disclosure"}])
    facts["changes"] = changes.told(con, standard, lake)
    con.execute("comment on table open.about is 'One row: which release this is and what it was made from.'")
    write_text(built / "release.json", json.dumps(facts | {"tables": tables}, indent=1))
    write_text(built / "protected" / "release.json", json.dumps(facts | {"inputs": inputs, "tables": counts}, indent=1))
    about = {k: str(v) for k, v in facts.items() if k not in ("disclosure", "changes")}
    add_table(con, "protected.about", [about])


def _is_invented(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(con.execute("select getvariable('is_invented')").fetchone()[0])
