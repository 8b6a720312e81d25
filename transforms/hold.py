"""The open area of the current release -> the same in the next one, where nothing newer may be told yet.

Promise: whoever reads release.json is told why.
"""

import json
import shutil
from pathlib import Path

import duckdb

from transforms import release
from transforms.disclose import disclose
from transforms.lake import Lake, write_text
from transforms.receive import today
from transforms.secondary import NothingLeft
from transforms.standard import Standard

# Why the open area stays as it was in a release, for whoever reads release.json.
CALENDAR = "The open area changes once a month."
TOO_CLOSE = "So few people differ from what is open that a newer one beside it would tell of them."
NOTHING_LEFT = "Beside what is open already nothing newer could be told from which nobody can be worked out."
MONTHLY = "monthly"  # disclosure.yml, release: the open area changes once a month; on_arrival: with every release


def is_open_held(standard: Standard, lake: Lake) -> bool:
    """Whether the open area waits for its calendar: two open releases close together would differ by one practice."""
    held_since = release.current_manifest(lake).get("open_made_at", "")
    return standard.settings["disclosure"]["release"] == MONTHLY and held_since[:7] == today()[:7]


def disclose_beside(con: duckdb.DuckDBPyConnection, standard: Standard) -> tuple[dict[str, int], str]:
    """Disclose, and say why the open area keeps what it told where nothing new can be told beside it."""
    try:
        return disclose(con, standard), ""
    except NothingLeft:
        if not con.execute("select count(*) from measure.earlier_cell").fetchone()[0]:
            raise
        return {}, NOTHING_LEFT


def keep_open(lake: Lake, built: Path, why: str) -> None:
    """The open area and the site of the current release, unchanged, in the new one, which says why."""
    for area in ("open", "site"):
        shutil.rmtree(built / area)
        shutil.copytree(lake.path("current", area), built / area)
    made, before = (
        json.loads(path.read_text()) for path in (built / "release.json", lake.path("current/release.json"))
    )
    own = {k: made[k] for k in ("release", "made_at", "fingerprint")} | {"open_kept_because": why}
    write_text(built / "release.json", json.dumps(before | own, indent=1))
