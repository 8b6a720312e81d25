"""open area -> site/communities/: a page for each ethnic group and category: what the data can say of it, and what it cannot.

Promise: every number stands in the open tables; a community that is hidden, or that a provider's own codes cannot name, has
its page all the same, and the page says so.
"""

from pathlib import Path
from typing import Any

import duckdb

from transforms.called import Words, period
from transforms.engine import rows_of
from transforms.lake import write_text
from transforms.render import render
from transforms.standard import Standard

Facts = dict[str, Any]
GROUP, CATEGORY = "ethnic_group", "ethnic_category"
TOLD = """
-- One row per metric: its number for one community in the region, beside everyone's, and whether chance may explain the gap.
select v.metric, m.title, m.unit, m.direction, p.grain, v.period, v.cell_status, v.numerator, v.denominator, v.value,
       v.value_low, v.value_high, g.value_of_everyone, g.is_more_than_chance,
       (select count(*) from metric_value as w where w.metric = v.metric and w.period = v.period and w.breakdown = v.breakdown
        and w.category = v.category and w.place_kind <> 'region' and w.cell_status = 'shown') as n_places_shown,
       (select count(*) from metric_value as w where w.metric = v.metric and w.period = v.period and w.breakdown = v.breakdown
        and w.category = v.category and w.place_kind <> 'region') as n_places
from metric_value as v
left join (from gap where kind_of_gap = 'absolute') as g using (metric, period, place_kind, place, breakdown, category)
join metric as m on m.metric = v.metric
join period as p on p.period = v.period and p.grain in ('year', 'day')
where v.place_kind = 'region' and v.breakdown = ? and v.category = ?
qualify row_number() over (partition by v.metric order by p.ends_on desc) = 1
order by m.title
"""
EFFECT = """
-- One row per method: the share of people whom it puts into one group.
select method, cell_status, share from method_effect where ethnic_group = ? order by method
"""
SIGNALS = "from signal where breakdown = ? and category = ? and is_now order by metric, place_kind, place"


def communities(con: duckdb.DuckDBPyConnection, standard: Standard, site: Path, about: Facts) -> int:
    """Write the pages into `site`/communities. `con` has the open tables of one release. Returns how many."""
    words, listed = Words(con, standard), profiles(standard)
    metrics = rows_of(con, "from metric order by title")
    titles = {metric["metric"]: metric["title"] for metric in metrics}
    system = standard.characteristics()[standard.settings["publishing"]["ethnicity"]]
    methods = {"default": "This standard's own order"} | {r["method"]: r["title"] for r in rows_of(con, "from method")}
    apart = {}
    for one in listed:
        told = rows_of(con, TOLD, [one["breakdown"], one["code"]])
        told = [row | {"when": period(row["grain"], row["period"])} for row in told]
        apart[one["page"]] = {
            "n_apart": sum(bool(row["is_more_than_chance"]) for row in told),
            "n_shown": sum(row["cell_status"] == "shown" for row in told),
            "n_metrics": len(told),
        }
        signals = [
            row | {"where": words.place(row["place_kind"], row["place"])}
            for row in rows_of(con, SIGNALS, [one["breakdown"], one["code"]])
        ]
        effect = rows_of(con, EFFECT, [one["code"]]) if one["breakdown"] == GROUP else []
        text = render(
            "community.html",
            **about,
            one=one,
            system=system,
            told=told,
            signals=signals,
            titles=titles,
            absent=[metric for metric in metrics if metric["status"] != "collected"],
            effect=[row | {"title": methods.get(row["method"], row["method"].replace("_", " "))} for row in effect],
        )
        write_text(site / "communities" / one["page"], text)
    write_text(site / "communities" / "index.html", render("communities.html", **about, listed=listed, apart=apart))
    return 1 + len(listed)


def profiles(standard: Standard) -> list[Facts]:
    """One fact per group of the set that releases use, and per category: page, label, definition, parts, details, and of a
    category the group that it stands in. Groups first, each before its categories."""
    settings = standard.settings["publishing"]
    system = standard.characteristics()[settings["ethnicity"]]
    codes = {row["code"]: row for row in standard.codes if row["system"] == system and row["kind"] != "detail"}
    called = {
        row["code"]: row["label"] for row in standard.codes if row["system"] == system and row["kind"] == "detail"
    }
    details: dict[str, set[str]] = {}
    for row in standard.code_maps:
        if row["system"] == system and row.get("detail") in called:
            details.setdefault(row["code"], set()).add(called[row["detail"]])
    groups: dict[str, list[str]] = {}
    labels: dict[str, str] = {}
    for row in standard.classifications:
        if row["system"] == system and row["classification"] == settings["default_set"] and row["group"]:
            labels[row["group"]] = row["group_label"]
            if codes.get(row["code"], {}).get("kind") in ("category", "residual"):
                groups.setdefault(row["group"], []).append(row["code"])
    found = []
    for group, members in groups.items():
        about = {"label": labels[group], "definition": "", "group": ""}
        parts = [{"page": _page(CATEGORY, code), "label": codes[code]["label"]} for code in members]
        found.append(
            {"breakdown": GROUP, "code": group, "page": _page(GROUP, group), "parts": parts, "details": [], **about}
        )
        for code in members:
            about = {"label": codes[code]["label"], "definition": codes[code]["definition"], "group": labels[group]}
            of_group: Facts = {"group_page": _page(GROUP, group), "details": sorted(details.get(code, ())), "parts": []}
            found.append({"breakdown": CATEGORY, "code": code, "page": _page(CATEGORY, code), **of_group, **about})
    return found


def _page(kind: str, code: str) -> str:
    return f"{kind.removeprefix('ethnic_')}-{code}.html"
