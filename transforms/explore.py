"""open area -> site/metrics/: a page for each metric, on which a reader picks a place and a breakdown; and the list of all.

Promise: every number on a page stands in the open tables; a page opens from disk, loads nothing from elsewhere, and says
what it can without a script too.
"""

import json
import shutil
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from transforms.called import Words, breakdown, period
from transforms.engine import rows_of
from transforms.lake import write_text
from transforms.periods import DAY, YEAR
from transforms.render import HERE, render
from transforms.standard import Standard

Facts = dict[str, Any]
SCRIPTS = ("vendor/d3.min.js", "vendor/plot.min.js", "explore.js")
KINDS = {
    "region": "Region",
    "icb_of_residence": "Integrated care board, by residence",
    "icb_of_registration": "Integrated care board, by GP practice",
    "local_authority": "Local authority",
}
NEITHER = "neither"
VALUES = """
-- One row per place, breakdown and category of one metric in its main period, with whether it differs from everyone there, and
-- with the twelve months before.
select v.place_kind, v.place, v.breakdown, v.category, v.numerator, v.denominator, v.value, v.value_low, v.value_high,
       g.is_more_than_chance, i.baseline_value, i.change, i.is_more_than_chance
from metric_value as v
left join (from gap where kind_of_gap = 'absolute') as g using (metric, period, place_kind, place, breakdown, category)
left join impact as i using (metric, period, place_kind, place, breakdown, category)
where v.metric = ? and v.period = ?
order by v.place_kind, v.place, v.breakdown, v.category
"""
SERIES = """
-- One row per month of each series of one metric.
select place_kind, place, breakdown, category, period, value, centre, lower_limit, upper_limit, verdict
from trend where metric = ? order by place_kind, place, breakdown, category, period
"""


def explore(con: duckdb.DuckDBPyConnection, standard: Standard, site: Path, about: Facts) -> int:
    """Write the pages of all metrics into `site`/metrics. `con` has the open tables of one release. Returns how many."""
    words = Words(con, standard)
    tiles = standard.tables["icb_tiles"]
    told = []
    for metric in rows_of(con, "from metric order by topic, title"):
        facts = _facts(con, metric, words, tiles) if metric["status"] == "collected" else None
        told.append(metric | {"facts": facts, "head": _headline(facts)})
        if facts is not None:
            text = render(
                "explore.html", **about, metric=metric, facts=facts, plain=_plain(facts), json=_embedded(facts)
            )
            write_text(site / "metrics" / f"{metric['metric']}.html", text)
    signals = rows_of(
        con,
        "from signal where is_now order by is_worse desc nulls last, since desc, metric, place_kind, place limit 60",
    )
    warnings = [row | {"who": words.who(row["breakdown"], row["category"]), "where": words.place(row["place_kind"], row["place"])}
                for row in signals]  # fmt: skip
    titles = {metric["metric"]: metric["title"] for metric in told}
    write_text(
        site / "metrics" / "index.html", render("metrics.html", **about, metrics=told, warnings=warnings, titles=titles)
    )
    for name in SCRIPTS:
        target = site / "assets" / Path(name).name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(HERE / name, target)
    return 1 + sum(metric["facts"] is not None for metric in told)


def _facts(con: duckdb.DuckDBPyConnection, metric: Facts, words: Words, tiles: list[Facts]) -> Facts | None:
    """What a metric's page draws: names once, and rows that point at them by number. None where nothing is published."""
    main = con.execute(
        "select p.grain, p.period from metric_value as v join period as p using (period) "
        "where v.metric = ? and p.grain in (?, ?) order by p.ends_on desc, p.grain = ? desc limit 1",
        [metric["metric"], YEAR, DAY, YEAR],
    ).fetchone()
    if main is None:
        return None
    places: dict[tuple[str, str], int] = {}
    breakdowns: dict[str, int] = {"everyone": 0}
    categories: dict[tuple[str, str], int] = {}
    for kind in KINDS:  # in this order, and by name
        listed = con.execute(
            "select distinct place from metric_value where metric = ? and place_kind = ?", [metric["metric"], kind]
        )
        for (code,) in sorted(listed.fetchall(), key=lambda row: words.place(kind, row[0])):
            places[kind, code] = len(places)

    def no(names: dict, key: Any) -> int:
        return names.setdefault(key, len(names))

    found = con.execute(VALUES, [metric["metric"], main[1]]).fetchall()
    order = {key: words.order(*key) for key in {(row[2], row[3]) for row in found}}
    rows = [
        [places[kind, place], no(breakdowns, by), no(categories, (by, category)), *numbers]
        for kind, place, by, category, *numbers in sorted(found, key=lambda row: (row[2], order[row[2], row[3]]))
        if (kind, place) in places
    ]
    series = [
        [places[key[0], key[1]], no(breakdowns, key[2]), no(categories, (key[2], key[3])), *_course(list(listed))]
        for key, listed in groupby(con.execute(SERIES, [metric["metric"]]).fetchall(), key=lambda row: row[:4])
        if key[:2] in places
    ]
    is_share = metric["unit"] == "share"
    return {
        "metric": metric["metric"],
        "title": metric["title"],
        "unit": metric["unit"],
        "axis": "Share" if is_share else "Per 1,000 people",
        "per": "" if is_share else " per 1,000 people",
        "base": "counted" if is_share else "people",
        "counted": "Counted" if is_share else "Events, of people",
        "direction": metric["direction"] or NEITHER,
        "period": period(*main),
        "period_code": main[1],
        "places": [[KINDS[kind], code, words.place(kind, code)] for kind, code in places],
        "breakdowns": [breakdown(name) for name in breakdowns],
        "categories": [words.category(*key) for key in categories],
        "start": breakdowns.get("ethnic_group", 0),
        "has_before": any(row[10] is not None for row in rows),
        "rows": rows,
        "series": series,
        "tiles": [
            [places["icb_of_residence", tile["icb_code"]], int(tile["row"]), int(tile["column"]), tile["name"]]
            for tile in tiles
            if ("icb_of_residence", tile["icb_code"]) in places
        ],
    }


def _course(listed: list[tuple]) -> list[Any]:
    """A series: [[month, value], ...], [centre, lower limit, upper limit], and what is said of it."""
    *_, centre, low, high, verdict = listed[-1]
    said = {
        "too few": "Too few months to tell chance from change: twelve are needed.",
        "chance alone": "What moves here, chance alone explains: every month lies between the dashed limits and no run is long.",
        "more than chance": "Something changed here that chance alone does not explain: look where the line leaves its limits, or stays on one side.",
    }
    return [[[row[4], row[5]] for row in listed], [centre, low, high], said.get(verdict, "")]


def _headline(facts: Facts | None) -> Facts | None:
    """The first place's number for everyone, and how many ethnic groups there are told apart from everyone."""
    if facts is None:
        return None
    first = [row for row in facts["rows"] if row[0] == 0]
    whole = next((row for row in first if row[1] == 0), None)
    groups = [row for row in first if row[1] == facts["start"] != 0]
    return {
        "value": whole[5] if whole else None,
        "n_apart": sum(bool(row[8]) for row in groups),
        "n_shown": sum(row[5] is not None for row in groups),
        "n_groups": len(groups),
    }


def _plain(facts: Facts) -> list[Facts]:
    """The table that stands on the page before a script has run: the first place by its first breakdown."""
    wanted = [row for row in facts["rows"] if row[0] == 0 and row[1] in (0, facts["start"])]
    names = ("n", "of", "value", "low", "high", "is_apart", "before", "change", "is_changed")
    return [{"label": facts["categories"][row[2]], **dict(zip(names, row[3:], strict=True))} for row in wanted]


def _embedded(facts: Facts) -> Any:
    """Facts as JSON inside a page: nothing in them can end the element that they stand in."""
    from markupsafe import Markup

    text = json.dumps(facts, separators=(",", ":"), ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
