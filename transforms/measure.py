"""protected -> measure.cell: every number that might be shown, exact, in one long table.

Promise: a metric is its YAML file and nothing else; whoever has no value for a breakdown stands in it as absent.
"""

from typing import Any

import duckdb

from transforms.engine import HERE
from transforms.metrics import PLACES
from transforms.sqlfolder import run_file, run_folder
from transforms.sqltext import text
from transforms.standard import Standard

EMPTY = """create or replace table measure.metric_cell ("table" varchar, metric varchar, period varchar,
    place_kind varchar, place varchar, breakdown varchar, category varchar, numerator bigint, denominator bigint,
    n_people_numerator bigint, n_people_denominator bigint, n_people_difference bigint)"""


def measure(con: duckdb.DuckDBPyConnection, standard: Standard) -> int:
    """Fill measure.cell. Needs protected.* and measure.arrival_in_force. Returns the number of cells."""
    run_folder(con, HERE / "measure", leave=("cell", "disclosed_cell"))
    con.execute(EMPTY)
    collected = {row[0] for row in con.execute("select distinct layout from linked.in_force").fetchall()}
    for name, metric in standard.metrics.items():
        if not set(metric["layouts"]).isdisjoint(collected):  # else not collected: no cell, and never a zero
            for breakdown in metric["breakdowns"]:
                for place in metric["places"]:
                    con.execute(f"insert into measure.metric_cell by name {cells(name, metric, breakdown, place)}")
    run_file(con, HERE / "measure" / "cell.sql")
    return con.execute("select count(*) from measure.cell").fetchone()[0]


def cells(name: str, metric: dict[str, Any], breakdown: str, place: str) -> str:
    """A query for one metric, breakdown and kind of place."""
    category = "'everyone'" if breakdown == "everyone" else f"v.{breakdown}"
    within = f"s.{metric['date']} between getvariable('rolling_from') and getvariable('rolling_to')"
    return f"""
        with counted as (
            select {text(place)} as place_kind, {PLACES[place]} as place, {text(breakdown)} as breakdown,
                   {category} as category, s.person_no, coalesce({metric["numerator"]}, false) as is_in
            from protected.{metric["subject"]} as s join measure.person_view as v using (person_no)
            where ({metric["denominator"]}) and {within}
        )
        select 'metric_value' as "table", {text(name)} as metric, getvariable('rolling_period') as period, place_kind,
               place, breakdown, category, count(*) filter (is_in) as numerator, count(*) as denominator,
               count(distinct person_no) filter (is_in) as n_people_numerator,
               count(distinct person_no) as n_people_denominator,
               count(distinct person_no) filter (not is_in) as n_people_difference
        from counted where place is not null group by all"""
