"""protected -> measure.metric_cell: every number of every metric, exact, in few passes over the data.

Promise: an event is read once to be counted for each person and month, and from then on one row a person and period is
added up for all breakdowns and places at once; nothing is counted twice, and a metric without a feed has no cell.
"""

import re
from itertools import count

import duckdb

from transforms.facts import add_person_fact
from transforms.faults import Row
from transforms.metrics import AT_END, CROSS, PEOPLE, PLACES, RATE, collected
from transforms.periods import DAY, MONTH, QUARTER, YEAR
from transforms.sqltext import text
from transforms.standard import Standard

EMPTY = """create or replace table measure.metric_cell ("table" varchar, metric varchar, period varchar,
    place_kind varchar, place varchar, breakdown varchar, category varchar, numerator bigint, denominator bigint,
    n_people_numerator bigint, n_people_denominator bigint, n_people_difference bigint)"""
SMALL = "lsoa21_code"  # counted too, for the protected area only
WIDE = ("icb_of_residence", "region")  # of less than a year only these places: what could be shown of so little time
Metrics = dict[str, Row]


def fill_metric_cells(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """Make measure.metric_cell, and measure.small_area_cell of the same columns. Needs measure.person_view and standard.period."""
    con.execute(EMPTY)
    con.execute(EMPTY.replace("metric_cell", "small_area_cell"))
    wanted = collected(con, standard)
    breakdowns = {one for metric in wanted.values() for one in metric["breakdowns"]}
    people = {
        "n": {"counts": PEOPLE, "breakdowns": sorted(breakdowns & _of_people(con, breakdowns)), "places": list(PLACES)}
    }
    con.execute(
        "create or replace table measure.counted as select person_no, '' as period, 1 as of_n, 1 as n_n from measure.person_view"
    )
    _add_up(con, people, "measure.people_summed", "")
    of_people = {name: metric for name, metric in wanted.items() if metric["subject"] == "person"}
    if of_people:
        add_person_fact(con, standard, of_people)
        _count_people(con, of_people)
        _add_up(con, of_people, "measure.summed", "")
        _insert(con, of_people, DAY, "")
    events = {name: metric for name, metric in wanted.items() if metric["subject"] != "person"}
    for key in dict.fromkeys(map(_read_alike, events.values())):
        _count_events(con, {name: m for name, m in events.items() if _read_alike(m) == key}, *key)
    for name in ("counted", "counted_month", "summed", "people_summed", "person_fact"):
        con.execute(f"drop table if exists measure.{name}")


def _read_alike(metric: Row) -> tuple[str, str, bool]:
    """Metrics with the same subject, date and kind of period are counted in one pass."""
    return metric["subject"], metric["date"], metric["period"] == AT_END


def _of_people(con: duckdb.DuckDBPyConnection, breakdowns: set[str]) -> set[str]:
    """The breakdowns that are about the person, not about the event."""
    known = {"everyone", *(row[0] for row in con.execute("describe measure.person_view").fetchall())}
    return {one for one in breakdowns if set(one.split(CROSS)) <= known}


def _count_people(con: duckdb.DuckDBPyConnection, metrics: Metrics) -> None:
    """measure.counted: one row a person, with 1 or 0 for each metric's denominator and numerator."""
    columns = [
        f"coalesce(({m['denominator']}), false)::utinyint as of_{name}, "
        f"coalesce(({m['denominator']}) and ({m['numerator']}), false)::utinyint as n_{name}"
        for name, m in metrics.items()
    ]
    con.execute(f"""create or replace table measure.counted as
        select person_no, p.period, {", ".join(columns)}
        from measure.person_fact cross join (select period from standard.period where grain = {text(DAY)}) as p""")


def _count_events(con: duckdb.DuckDBPyConnection, metrics: Metrics, subject: str, date: str, is_at_end: bool) -> None:
    """The cells of metrics about events: by month, and from the months by quarter and by year; or all that is open at the end."""
    named = {one for m in metrics.values() for one in m["breakdowns"]}
    own = named - _of_people(con, named)
    spans = ((DAY, PLACES),) if is_at_end else ((YEAR, PLACES), (QUARTER, WIDE), (MONTH, WIDE))
    for column in ("", *sorted(own)):
        these = {name: m for name, m in metrics.items() if not column or column in m["breakdowns"]}
        _count_months(con, these, subject, date, is_at_end, column)
        for grain, places in spans:
            some = {
                name: m
                | {"places": [p for p in m["places"] if p in places]}
                | {"breakdowns": _in_grain(m, grain, column, own)}
                for name, m in these.items()
                if grain in (YEAR, DAY) or (grain in m["series"] and not column)
            }
            if some:
                _count_periods(con, some, grain, column)
                _add_up(con, some, "measure.summed", column)
                _insert(con, some, grain, column)


def _in_grain(metric: Row, grain: str, column: str, own: set[str]) -> list[str]:
    """The breakdowns that are counted in a period of this length: the shorter it is, the fewer people each would rest on."""
    if column:
        return [column]
    of_people = [one for one in metric["breakdowns"] if one not in own]
    return [one for one in of_people if grain in (YEAR, DAY) or one in metric["series_breakdowns"][grain]]


def _count_months(
    con: duckdb.DuckDBPyConnection, metrics: Metrics, subject: str, date: str, is_at_end: bool, column: str
) -> None:
    """measure.counted_month: one row a person and month in which anything fits: events that fit, of each metric. With a column
    of the event's own, which is asked for by years alone, one a person, year (by its first month) and value of it."""
    columns = [
        f"count(*) filter (({m['denominator']}))::uinteger as of_{name}, "
        f"count(*) filter (({m['denominator']}) and ({_numerator(m)}))::uinteger as n_{name}"
        for name, m in metrics.items()
    ]
    fits = " or ".join(f"({m['denominator']})" for m in metrics.values())
    extra = f"coalesce({column}, 'not_known') as {column}, " if column else ""
    month = f"year({date}) * 12 + month({date}) - 1"
    since = "(select min(starts_on) from standard.period)"
    if is_at_end:  # everything up to the last day is looked at on it
        month, since = f"(select first_month from standard.period where grain = {text(DAY)})", date
    elif column:
        first = f"(select min(first_month) from standard.period where grain = {text(YEAR)})"
        month = f"({month} - {first}) // 12 * 12 + {first}"
    con.execute(f"""create or replace table measure.counted_month as
        select person_no, {extra}({month})::integer as month_no, {", ".join(columns)}
        from protected.{subject} where {date} between {since} and getvariable('rolling_to') and ({fits}) group by all""")


def _numerator(metric: Row) -> str:
    """What is counted of each event; whether a person counts is only known of all their events together."""
    return "true" if metric["counts"] in (PEOPLE, RATE) else metric["numerator"]


def _count_periods(con: duckdb.DuckDBPyConnection, metrics: Metrics, grain: str, column: str) -> None:
    """measure.counted: one row a person and period of one length (and value of the event's own column)."""
    extra = f"{column}, " if column else ""
    if grain == MONTH:  # they are one already
        sums, grouped = ", ".join(f"of_{n}, n_{n}" for n in metrics), ""
    else:
        sums = ", ".join(f"sum(of_{n})::uinteger as of_{n}, sum(n_{n})::uinteger as n_{n}" for n in metrics)
        grouped = "group by all"
    last = []
    for name, m in metrics.items():
        if m["counts"] == PEOPLE:
            is_in = re.sub(r"\bn_events\b", f"of_{name}", m["numerator"])
            last.append(
                f"(of_{name} > 0)::utinyint as of_{name}, (of_{name} > 0 and coalesce({is_in}, false))::utinyint as n_{name}"
            )
        else:
            last.append(f"of_{name}, n_{name}")
    con.execute(f"""create or replace table measure.counted as
        with summed as (
            select c.person_no, p.period, {extra}{sums}
            from measure.counted_month as c
            join standard.period as p on p.grain = {text(grain)} and c.month_no between p.first_month and p.last_month
            {grouped}
        )
        select person_no, period, {extra}{", ".join(last)} from summed""")


def _sets(metrics: Metrics) -> list[tuple[str, ...]]:
    """The columns of each breakdown that any of the metrics has."""
    found = dict.fromkeys(one for metric in metrics.values() for one in metric["breakdowns"])
    return [tuple(one.split(CROSS)) for one in found]


def _add_up(con: duckdb.DuckDBPyConnection, metrics: Metrics, table: str, column: str) -> None:
    """A table with one row for each period, combination of places and category of each breakdown (`breakdown`, `category`), and
    one for each small area. Of each metric: n, of, and people in the numerator, in the denominator, and not only in it."""
    sets = _sets(metrics)
    columns = list(dict.fromkeys(one for listed in sets for one in listed if one != "everyone"))
    places = [name for name in PLACES if any(name in m["places"] for m in metrics.values())]
    keys = [*columns, SMALL]
    grouping = [f"({', '.join(['period', *places, *(c for c in listed if c != 'everyone')])})" for listed in sets]
    grouping.append(f"(period, {SMALL})")
    masks = [_mask(keys, listed) for listed in sets]
    named = " ".join(f"when {mask} then {text(CROSS.join(listed))}" for mask, listed in zip(masks, sets, strict=True))
    said = " ".join(f"when {mask} then {_category(listed)}" for mask, listed in zip(masks, sets, strict=True))
    sums = []
    for name, m in metrics.items():
        sums.append(f"sum(n_{name})::bigint as n_{name}, sum(of_{name})::bigint as of_{name}")
        if m["counts"] != PEOPLE:
            sums.append(
                f"count(*) filter (n_{name} > 0) as who_{name}, count(*) filter (of_{name} > 0) as all_{name}, "
                f"count(*) filter (of_{name} > n_{name}) as rest_{name}"
            )
    own = {column} if column else set()
    view = ", ".join(f"v.{name}" for name in dict.fromkeys((*places, *keys)) if name not in own)
    con.execute(f"""create or replace table {table} as
        with seen as (
            select c.* exclude (person_no), {view} from measure.counted as c join measure.person_view as v using (person_no)
        ),
        grouped as (
            select grouping_id({", ".join(keys)}) as mask, period, {", ".join((*places, *keys))}, {", ".join(sums)}
            from seen group by grouping sets ({", ".join(grouping)})
        )
        select case mask {named} else {text(SMALL)} end as breakdown, case mask {said} else {SMALL} end as category,
               * exclude (mask, {", ".join(keys)})
        from grouped""")


def _mask(keys: list[str], listed: tuple[str, ...]) -> int:
    """What grouping_id says of a set of columns: a bit for each that is not in it, the first weighing most."""
    return sum(1 << place for place, key in zip(count(), reversed(keys)) if key not in listed)


def _category(listed: tuple[str, ...]) -> str:
    return "'everyone'" if listed == ("everyone",) else f" || {text(CROSS)} || ".join(listed)


def _insert(con: duckdb.DuckDBPyConnection, metrics: Metrics, grain: str, column: str) -> None:
    """Of the sums of each metric, those of its own breakdowns and kinds of place."""
    for name, m in metrics.items():
        kinds = [p for p in PLACES if p in m["places"]]
        listed = ", ".join(text(one) for one in m["breakdowns"])
        placed = (
            f"unnest([{', '.join(text(kind) for kind in kinds)}]) as place_kind, unnest([{', '.join(kinds)}]) as place"
        )
        of = f"select breakdown, category, {placed}, * exclude (breakdown, category) from {{table}} where breakdown in ({listed})"
        _insert_cells(con, "metric_cell", name, m, grain, of)
        if grain in (YEAR, DAY) and not column:
            of = f"""select 'everyone' as breakdown, 'everyone' as category, {text(SMALL)} as place_kind, category as place,
                     * exclude (breakdown, category) from {{table}} where breakdown = {text(SMALL)}"""
            _insert_cells(con, "small_area_cell", name, m, grain, of)


def _insert_cells(con: duckdb.DuckDBPyConnection, table: str, name: str, m: Row, grain: str, of: str) -> None:
    """`of`: a query over the table of sums that names the place of each."""
    who, every, rest = (f"who_{name}", f"all_{name}", f"rest_{name}")
    if m["counts"] == PEOPLE:
        who, every, rest = (f"n_{name}", f"of_{name}", f"of_{name} - n_{name}")
    cell = "period, place_kind, place, breakdown, category"
    query = f"""
        select {cell}, sum(n_{name})::bigint as n, sum(of_{name})::bigint as of, sum({who})::bigint as who,
               sum({every})::bigint as every, sum({rest})::bigint as rest
        from ({of.format(table="measure.summed")}) where place is not null group by all"""
    if m["counts"] == RATE:  # of everybody who lives there, whether or not anything happened to them
        query = f"""
            with here as (
                select place_kind, place, breakdown, category, sum(n_n)::bigint as people
                from ({of.format(table="measure.people_summed")}) where place is not null group by all
            ),
            -- A period in which nobody at all had an event is one before the feed began: not collected, and no rate of nothing.
            span as (
                select period from standard.period
                where grain = {text(grain)} and period in (select period from measure.summed where n_{name} > 0)
            )
            select {cell}, coalesce(e.n, 0) as n, people as of, coalesce(e.who, 0) as who, people as every,
                   people - coalesce(e.who, 0) as rest
            from here cross join span left join ({query}) as e using ({cell})"""
    con.execute(f"""insert into measure.{table}
        select 'metric_value', {text(name)}, {cell}, n, of, who, every, rest from ({query}) where of > 0""")
