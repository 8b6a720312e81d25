"""Releases: numbered, immutable folders, and the one pointer that says which is read.

Promise: `current` points to a whole release that passed its audit, or to the one before; the ledger knows every number.
The pointer that moves is releases/current, and `current` is a fixed link to it: who may see the releases, and nothing
else of the lake, follows it too.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from transforms import keys, ledger
from transforms.arrivals import read_state
from transforms.lake import Lake, UsageError, discard, fsync, point, rename

AREAS = ("open", "protected", "site")


def content_hash(con: duckdb.DuckDBPyConnection, table: str) -> str:
    """A hash of a table's content: the same for the same rows in any order, whenever and however they were made.

    `_at` columns are left out; a person's number stands for the person, so their identifier takes its place. It is the
    engine's own hash, a twentieth of the price of any other: another version of the engine may hash otherwise.
    """
    names = [row[0] for row in con.execute(f"describe {table}").fetchall()]
    kept = [f't."{name}"' for name in sorted(names) if not name.endswith(("_at", "_no"))]
    join = ""
    if "person_no" in names and "person_id" not in names:
        join = " join protected.person as who on who.person_no = t.person_no"
        kept.append("who.person_id")
    query = f"select count(*), coalesce(sum(hash({', '.join(kept)})::hugeint), 0) from {table} as t{join}"
    n, total = con.execute(query).fetchone()
    return f"{n}-{total % (1 << 64):016x}"


def current_number(lake: Lake) -> int | None:
    """The release that is read now."""
    link = lake.path("current")
    return int(link.resolve().name) if link.is_symlink() else None


def current_manifest(lake: Lake) -> dict[str, Any]:
    """release.json of the release that is read now, {} before the first."""
    path = lake.path("current", "release.json")
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def protected_manifest(lake: Lake) -> dict[str, Any]:
    """The exact counts and inputs of the release that is read now; for the protected area only."""
    return json.loads(lake.path("current", "protected", "release.json").read_text(encoding="utf-8"))


def key_of(lake: Lake, number: int, name: str = "protected") -> str:
    """The id of the key that a release was made with: the one in use when the ledger recorded the release."""
    published = [entry["no"] for entry in read_state(lake).releases if entry["release"] == number]
    return keys.known_ids(lake, published[-1] if published else None).get(name, "")


def next_number(lake: Lake) -> int:
    return max([entry["release"] for entry in read_state(lake).releases], default=0) + 1


def settle(lake: Lake) -> None:
    """After a crash between the ledger's line and the pointer, or between the links: they follow the ledger."""
    releases = read_state(lake).releases
    last = releases[-1]["release"] if releases else None
    if last is not None and lake.path("releases", last).is_dir():
        _point(lake, last)


def install_release(
    lake: Lake, built: Path, number: int, facts: dict[str, Any], keep: int, event: str = "published"
) -> None:
    """Move a built release to its number, write the ledger, move the pointer, remove the oldest that nobody pinned."""
    for path in sorted(built.rglob("*")):
        fsync(path)
    target = lake.path("releases", number)
    if target.exists():  # a crash before the ledger's line left it: nobody has read it
        discard(lake, target)
    rename(built, target)
    fsync(target.parent)
    ledger.append(lake, event, release=number, **facts)
    _point(lake, number)
    pins = pinned(lake)
    for old in kept(lake)[:-keep]:
        if old not in pins:
            discard(lake, lake.path("releases", old))


def kept(lake: Lake) -> list[int]:
    """The numbers of the releases that are there."""
    return sorted(int(path.name) for path in lake.path("releases").glob("*") if path.name.isdigit())


def pinned(lake: Lake) -> set[int]:
    """The releases that are kept however old they become."""
    told = {e["release"]: e["event"] for e in ledger.entries(lake) if e["event"] in ("pinned", "unpinned")}
    return {number for number, event in told.items() if event == "pinned"}


def pin(lake: Lake, number: int, is_pinned: bool = True) -> None:
    """Keep a release however old it becomes, or no longer: then it goes with the next one. Raises UsageError when it is not
    there."""
    with ledger.lock(lake, "publish", wait=True):
        if number not in kept(lake):
            raise UsageError(f"release {number} is not kept: there are {', '.join(map(str, kept(lake))) or 'none yet'}")
        if (number in pinned(lake)) != is_pinned:
            ledger.append(lake, "pinned" if is_pinned else "unpinned", release=number)


def report(lake: Lake) -> str:
    """A line for each release that is kept: what it is, and whether its protected mart can be opened."""
    lines, pins, now_read = [], pinned(lake), current_number(lake)
    for number in kept(lake):
        folder = lake.path("releases", number)
        made = json.loads((folder / "release.json").read_text(encoding="utf-8"))
        said = [f"made {made['made_at'][:16].replace('T', ' ')}", f"up to {made['latest_period']}"]
        said += [f"is release {made['rolled_back_to']} again"] if "rolled_back_to" in made else []
        said += ["open area kept as it was"] if made.get("open_kept_because") else []
        is_there = (folder / "protected" / "protected.duckdb").exists()
        said += [] if is_there else ["its protected mart was withdrawn for an objection"]
        said += ["pinned"] if number in pins else []
        said += ["read now"] if number == now_read else []
        lines.append(f"release {number}: {', '.join(said)}")
    return "\n".join(lines) or "no release yet"


def _point(lake: Lake, number: int) -> None:
    """Links that point there already are left alone."""
    areas = ((area, f"current/{area}") for area in AREAS)
    for link, target in (("releases/current", str(number)), ("current", "releases/current"), *areas):
        if not lake.path(link).is_symlink() or str(lake.path(link).readlink()) != target:
            point(lake, lake.path(link), target)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
