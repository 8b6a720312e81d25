"""open.metric_value by month -> open.trend and open.signal: what chance explains in each series, and what it does not.

Promise: only numbers that are shown are read; a series says too few rather than guess, and a month without a value breaks
nothing and is never a zero.
"""

from itertools import groupby
from typing import Any

import duckdb

from transforms.engine import add_table
from transforms.periods import MONTH
from transforms.xmr import HIGHER, LOWER, chart, sentence

Facts = dict[str, Any]
SERIES = ("metric", "place_kind", "place", "breakdown", "category")
BETTER = {"lower is better": LOWER, "higher is better": HIGHER}
TREND = """create or replace table open.trend (metric varchar, place_kind varchar, place varchar, breakdown varchar,
    category varchar, period varchar, cell_status varchar, value double, step double, centre double, lower_limit double,
    upper_limit double, verdict varchar, signals varchar, is_invented boolean)"""
SIGNAL = """create or replace table open.signal (metric varchar, place_kind varchar, place varchar, breakdown varchar,
    category varchar, signal varchar, direction varchar, is_worse boolean, since varchar, until varchar, is_now boolean,
    words varchar, is_invented boolean)"""
GRAIN = {
    "trend": "One row per metric, place, breakdown, category and month: the value, and the limits within which it moves by chance alone (XmR).",
    "signal": "One row per metric, place, breakdown, category and signal: what changed more than chance explains, for whom, where, and since when.",
}


def trend(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Make both tables of what open.metric_value holds by month. Returns how many series and signals there are."""
    found = con.execute(f"""
        select {", ".join(f"v.{name}" for name in SERIES)}, m.title, m.direction, v.unit, p.period, v.cell_status, v.value
        from open.metric_value as v
        join open.period as p on p.grain = '{MONTH}' and p.period = v.period
        join open.metric as m using (metric)
        where v.cell_status <> 'left_out'
        order by {", ".join(f"v.{name}" for name in SERIES)}, p.starts_on""")
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    points: list[Facts] = []
    signals: list[Facts] = []
    n_series = 0
    for _, listed in groupby(rows, key=lambda row: [row[name] for name in SERIES]):
        n_series += 1
        _draw(list(listed), points, signals)
    for name, columns, facts in (("trend", TREND, points), ("signal", SIGNAL, signals)):
        con.execute(columns)
        _fill(con, name, facts)
        con.execute(f"comment on table open.{name} is '{GRAIN[name]}'")
    return {"series": n_series, "signals": len(signals)}


def _draw(listed: list[Facts], points: list[Facts], signals: list[Facts]) -> None:
    """Add the points and the signals of one series, oldest month first."""
    series = {name: listed[0][name] for name in SERIES}
    is_share = listed[0]["unit"] == "share"
    drawn = chart([(row["period"], row["value"]) for row in listed], least=0, most=1 if is_share else None)
    verdict = "too few" if drawn["is_too_few"] else "more than chance" if drawn["signals"] else "chance alone"
    limits = {"centre": drawn["centre"], "lower_limit": drawn["lower"], "upper_limit": drawn["upper"]}
    for row, point in zip(listed, drawn["points"], strict=True):
        told = {
            "period": row["period"],
            "cell_status": row["cell_status"],
            "value": row["value"],
            "step": point["range"],
        }
        points.append({**series, **told, **limits, "verdict": verdict, "signals": ", ".join(point["signals"])})
    better = BETTER.get(listed[0]["direction"], "")
    last = max((row["period"] for row in listed if row["value"] is not None), default="")
    for one in drawn["signals"]:
        what = {"signal": one["signal"], "direction": one["direction"], "since": one["from"], "until": one["to"]}
        is_worse = one["direction"] != better if better else None
        words = sentence(
            {**drawn, "signals": [one]}, _amid(listed[0]["title"]), better, _percent if is_share else _number
        )
        signals.append({**series, **what, "is_worse": is_worse, "is_now": one["to"] == last, "words": words})


def _amid(title: str) -> str:
    """A title in the middle of a sentence: "Interpreter needed" -> "interpreter needed", and "NHS Health Check" as it is."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _number(value: float) -> str:
    return f"{value:.1f}"


def _fill(con: duckdb.DuckDBPyConnection, name: str, facts: list[Facts]) -> None:
    if not facts:
        return
    add_table(con, "incoming_facts", facts)
    con.execute(f"""insert into open.{name} by name
        select *, getvariable('is_invented') as is_invented from incoming_facts order by all""")
    con.execute("drop table incoming_facts")
