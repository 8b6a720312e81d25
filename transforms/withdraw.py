"""releases/<n>/protected/protected.duckdb -> withdrawn/<n>/: what holds somebody who is left out now can no longer be opened.

Promise: withdrawn before anything newer is built; only the next comparison reads it again, and it is deleted on schedule.
"""

import contextlib
from datetime import date, timedelta
from pathlib import Path

import duckdb

from transforms import keys, ledger, objections, release
from transforms.arrivals import read_state as read_arrivals
from transforms.engine import connect, without_values
from transforms.lake import Lake, discard, fsync, install, remove, write_text
from transforms.objecting import add_linked, add_objecting, objecting_fingerprint
from transforms.objection_state import read_state
from transforms.objections import answer_file, drop_id
from transforms.receive import today
from transforms.standard import Standard

MART = "protected.duckdb"
NOTICE = "WITHDRAWN.txt"
WORDS = """This release held somebody who objects to the use of their data, or whom the national opt-out no longer lets us use.
Its protected mart was withdrawn. The current release is without them: python -m transforms publish makes it.
"""

# Of a mart that is attached as `asked`, who is left out now: by the records that the lake holds, and by the names of a list
# that say all, since a birth date is not in a mart to be compared.
LEAVING = """
with named as (select stands_for from objected.kept where birth_marks is null),
record as (select record_key from objected.record where not is_key_shared or not getvariable('is_without')),
keyed as (
    select person_no from asked.person_key semi join record using (record_key)
    union all
    select person_no from asked.person_key semi join named on stands_for = record_key::text
)
select person_no, person_id from asked.person
where person_no in (select person_no from keyed) or person_id in (select stands_for from named)"""


def mart(lake: Lake, number: int) -> Path | None:
    """Where the protected mart of a release lies now; None when it was deleted."""
    found = (lake.path("releases", number, "protected", MART), lake.path("withdrawn", number, MART))
    return next((path for path in found if path.exists()), None)


def numbers(lake: Lake) -> list[int]:
    """The releases whose protected mart can be opened by those who may."""
    return [n for n in release.kept(lake) if lake.path("releases", n, "protected", MART).exists()]


def withdraw(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake) -> list[int]:
    """Withdraw every release that holds a record of objected.record. Returns their numbers. The caller holds the lock
    `publish`."""
    is_anybody = bool(
        con.execute("select (select count(*) from objected.record) + (select count(*) from objected.kept)").fetchone()[
            0
        ]
    )
    mark = objecting_fingerprint(standard, lake)
    found = [number for number in numbers(lake) if is_anybody and _holds(con, lake, number, mark)]
    for number in found:
        _withdraw_one(lake, number)
    told = read_state(lake).withdrawn
    for folder in lake.path("withdrawn").iterdir():  # also after a crash between the file and its line
        if int(folder.name) not in told:
            ledger.append(lake, "objection", what="release withdrawn", release=int(folder.name))
    return found


def _holds(con: duckdb.DuckDBPyConnection, lake: Lake, number: int, mark: str) -> bool:
    """Whether a release holds anybody who is left out. One that cannot be asked is taken to.

    `mark`: who objects now. A release that was made without the same people holds whoever else has a key of theirs.
    """
    made = next((e for e in reversed(read_arrivals(lake).releases) if e["release"] == number), {})
    con.execute("set variable is_without = ?", [made.get("objecting") == mark])
    path = lake.path("releases", number, "protected", MART)
    try:
        secret = keys.held(lake, "protected", release.key_of(lake, number)).hex()
        con.execute(f"attach '{path}' as asked (read_only, encryption_key '{secret}')")
    except (keys.KeyFault, duckdb.Error):
        return True
    try:
        return bool(con.execute(f"select exists ({LEAVING})").fetchone()[0])
    except duckdb.CatalogException:
        return True
    finally:
        con.execute("detach asked")


def _withdraw_one(lake: Lake, number: int) -> None:
    path = lake.path("releases", number, "protected", MART)
    target = lake.path("withdrawn", number, MART)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_text(path.with_name(NOTICE), WORDS)
    install(path, target)
    fsync(path.parent)


def withdraw_now(standard: Standard, lake: Lake, wait: bool = True) -> list[int]:
    """Ask every release for those who object as of now, without waiting for the next release. Returns what was withdrawn.
    Raises ledger.Busy while a release is made, unless it may `wait`."""
    with ledger.lock(lake, "publish", wait=wait), without_values("looking for who objects"):
        if not numbers(lake) or not lake.path("linked", "person_record.parquet").exists():
            return []
        con = connect(lake)
        try:
            add_linked(con, standard, lake)
            add_objecting(con, standard, lake)
            return withdraw(con, standard, lake)
        finally:
            con.close()


def sweep(standard: Standard, lake: Lake, confirmed: str = "", wait: bool = True) -> dict[str, int]:
    """Everything that objections ask for beside a release: take lists in, withdraw what holds who objects, delete what has
    had its time. `confirmed` is the sender whose empty list is meant. Returns counts.

    While a release is made, who may not `wait` leaves the rest to it, since it withdraws before it builds, and to the next
    sweep: scorecards do not wait for releases.
    """
    counts = objections.receive(standard, lake, confirmed)
    counts |= {"withdrawn": 0, "lists_deleted": 0, "marts_deleted": 0}
    with contextlib.suppress(*(() if wait else (ledger.Busy,))):
        if counts["lists"] or _is_behind(standard, lake):
            counts["withdrawn"] = len(withdraw_now(standard, lake, wait))
        counts |= tidy(standard, lake, wait)
    return counts


def _is_behind(standard: Standard, lake: Lake) -> bool:
    """Whether the newest release was made with other people left out than would be now."""
    releases = read_arrivals(lake).releases
    return bool(releases) and releases[-1].get("objecting") != objecting_fingerprint(standard, lake)


def tidy(standard: Standard, lake: Lake, wait: bool = True) -> dict[str, int]:
    """Delete what has had its time: lists that were read, what is kept of former ones, marts that were withdrawn. Raises
    ledger.Busy while a release is made, unless it may `wait`."""
    settings, state = standard.settings["objections"], read_state(lake)
    counts = {"lists_deleted": 0, "marts_deleted": 0}
    with ledger.lock(lake, "objections", wait=True):
        for folder in [path for path in lake.path("objections").glob("*/*") if path.is_dir()]:
            entry = state.drops.get(drop_id(folder))
            if entry and _is_over(entry["at"], settings["keep_list_days"]):
                if entry["drop_id"] not in state.deleted:  # said first: of what is gone nobody could say it any more
                    ledger.append(
                        lake, "objection", what="list deleted", sender=entry["sender"], drop_id=entry["drop_id"]
                    )
                remove(answer_file(folder))
                discard(lake, folder)
                counts["lists_deleted"] += 1
        kept = {f"{sender}-{entry['list_no']}.parquet" for sender, entry in state.lists.items()}
        for path in lake.path("objected", "list").glob("*.parquet"):
            if path.name not in kept:
                remove(path)
        for path in lake.path("objected", "permitted").glob("*.parquet"):
            if path.name != f"{state.permitted.get('list_no')}.parquet":
                remove(path)
    with ledger.lock(lake, "publish", wait=wait):
        current = release.current_number(lake) or 0
        for number, entry in state.withdrawn.items():
            path = lake.path("withdrawn", number, MART)
            # The newest is what the next release is compared with: it goes when there is a newer one.
            if path.parent.exists() and number < current and _is_over(entry["at"], settings["keep_withdrawn_days"]):
                if number not in state.deleted_marts:
                    ledger.append(lake, "objection", what="release deleted", release=number)
                remove(path)
                remove(path.parent)
                counts["marts_deleted"] += 1
    return counts


def _is_over(at: str, days: int) -> bool:
    return date.fromisoformat(at[:10]) + timedelta(days=int(days)) <= date.fromisoformat(today())
