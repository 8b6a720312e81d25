"""A release's open area -> what the regional page says: providers side by side, and who sent nothing.

Promise: every figure stands in the open area already, disclosed; no count is on the page, only shares and points; who is
silent is told as plainly as who is best.
"""

from typing import Any

import duckdb

from transforms.quality import ALL
from transforms.standard import Standard

Facts = dict[str, Any]
TABLE = "provider_measure"
# What a provider is to be told by: the month's own figure first, then the last one that was shown.
SAID = """
select place, layout, measure, unit, cell_status, value, period
from provider_measure where place_kind = ? and period <= ? and (field = ? or field = '')
order by period desc, denominator desc nulls last, layout
"""


def regional(con: duckdb.DuckDBPyConnection, standard: Standard, latest: str) -> Facts:
    """{"kinds": [{"kind", "rows", "all"}], "region", "n_kinds"} of the latest period, from the tables of an open area.

    A row is {"provider", "name", "status", "last_sent", "index", "usable", "layout", "sent_share"}: shares from 0 to 1,
    index from 0 to 100, None where nothing is shown. `status`: sent, silent, withheld or without_agreement.
    """
    agreed = {row["provider"] for row in standard.tables["agreements"]}
    told = _figures(con, "provider", latest, standard)
    kinds: dict[str, list[Facts]] = {}
    for row in standard.tables["providers"]:
        found = told.get(row["code"], {})
        status = _status(found, row["code"] in agreed, latest)
        shown = found if status == "sent" else {}
        about = {"provider": row["code"], "name": row.get("name") or row["code"], "status": status}
        about |= {key: shown.get(key) for key in ("index", "usable", "layout")}
        about |= {key: found.get(key) for key in ("last_sent", "sent_share")}
        kinds.setdefault(row["kind"], []).append(about)
    of_kinds = _figures(con, "provider_kind", latest, standard)
    region = _figures(con, "region", latest, standard).get(standard.settings["publishing"]["region"], {})
    listed = [{"kind": kind, "rows": rows, "all": of_kinds.get(kind, {})} for kind, rows in kinds.items()]
    return {"kinds": listed, "region": region, "latest_period": latest}


def _status(found: Facts, has_agreement: bool, latest: str) -> str:
    if not has_agreement:
        return "without_agreement"
    if found.get("last_sent") != latest:
        return "silent"
    return "sent" if any(found.get(key) is not None for key in ("index", "usable", "sent_share")) else "withheld"


def _figures(con: duckdb.DuckDBPyConnection, place_kind: str, latest: str, standard: Standard) -> dict[str, Facts]:
    """Place -> its figures of the latest period; of the share of ethnicity that of the file with most records."""
    if not con.execute("select 1 from duckdb_tables() where table_name = ?", [TABLE]).fetchone():
        return {}
    ethnicity = standard.settings["publishing"]["ethnicity"]
    found: dict[str, Facts] = {}
    for place, layout, measure, unit, status, value, period in con.execute(
        SAID, [place_kind, latest, ethnicity]
    ).fetchall():
        one = found.setdefault(place, {})
        # Coverage, and how far the same people agree elsewhere, are told of every month, also of one in which nothing came.
        if measure != "coverage" and layout != ALL:
            one.setdefault("last_sent", period)
        if period != latest or status != "shown" or value is None:
            continue
        if unit == "points":
            one.setdefault("index", value)
        elif measure == "usable":
            one.setdefault("usable", value)
            one.setdefault("layout", layout)
        elif measure == "coverage":
            one.setdefault("sent", []).append(value)
    for one in found.values():
        if shares := one.pop("sent", []):
            one["sent_share"] = sum(shares) / len(shares)
    return found
