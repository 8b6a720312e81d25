"""standards/metrics -> checked: keys, predicates, breakdowns and places of every metric, before anything runs.

Promise: a metric that loads can be computed, or says why nobody collects it; one that cannot is named by file and line.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from transforms.faults import LINE, Reader, Row, one_of

if TYPE_CHECKING:
    from transforms.standard import Standard

HERE = Path(__file__).resolve().parent
WORDS = ("title", "definition", "why_it_matters", "caveats", "direction", "source")
COMPUTED = ("subject", "denominator", "numerator", "period", "breakdowns", "places")
OPTIONAL = (
    "layouts",
    "fields",
    "kinds",
    "codes",
    "counts",
    "date",
    "series",
    "indicator",
    "evidence",
    "status",
    "topic",
)
NEVER = ("status", "needs", "indicator", "evidence", "topic")  # of a metric that nobody collects
EVENTS, PEOPLE, RATE = "events", "people", "events_per_person"
COUNTS = {EVENTS: "share", PEOPLE: "share", RATE: "rate"}  # what is counted -> the unit of the value
COLLECTED, NOT_COLLECTED = "collected", "not_collected"
DIRECTIONS = ("lower is better", "higher is better", "neither")
AT_END = "at_end"  # what is known, or open, on the last day
PERIODS = ("rolling_12_months", AT_END)
SERIES = ("quarter", "month")
CROSS = " x "
NO_BREAKDOWN = ("person_no", "lsoa21_code", "age")  # too fine for any table but the protected ones
PLACES = ("region", "icb_of_residence", "icb_of_registration", "local_authority")


def check_metrics(reader: Reader, standard: Standard) -> None:
    """Note everything that is wrong in a metric's file."""
    from transforms.engine import fixed_shapes
    from transforms.facts import person_columns

    shapes = {table: columns for stage, table, columns in fixed_shapes() if stage == "harmonised"}
    of_people = ", ".join(f"{name} {kind}" for name, kind in person_columns(standard).items())
    subjects = {"activity": shapes["activity"], "person": of_people}
    breakdowns = _breakdowns(shapes["activity"])
    _check_measurements(reader, standard)
    _check_series(reader, standard, breakdowns)
    with duckdb.connect() as con:
        con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
        for name, columns in subjects.items():
            con.execute(f"create table {name} ({columns})")
        con.execute("alter table activity add column n_events bigint; set variable rolling_to = date '2026-09-30'")
        for name, metric in standard.metrics.items():
            path = standard.folder / "metrics" / f"{name}.yml"
            before = len(reader.found)
            if metric.get("status") == NOT_COLLECTED:
                reader.keys(path, metric, (*WORDS, *NEVER), (*WORDS, "needs"))
            else:
                reader.keys(path, metric, (*WORDS, *COMPUTED, *OPTIONAL), (*WORDS, *COMPUTED))
            _check_words(reader, path, metric)
            if len(reader.found) > before or metric.get("status") == NOT_COLLECTED:
                continue
            _check_lists(reader, standard, path, metric, breakdowns)
            _check_predicates(reader, con, path, metric, subjects)


def _breakdowns(events: str) -> dict[str, bool]:
    """Every column that a breakdown can be made of, and whether it is the event's own."""
    view = (HERE / "measure" / "person_view.sql").read_text(encoding="utf-8")
    last = view[
        view.rindex("\nselect ") : view.rindex("\nfrom ")
    ]  # each of its columns is named, or taken over from a table
    named = re.findall(r"\bas (\w+)(?=,|\s*$)|(?<!\()\b\w\.(\w+)(?=,)", last, re.MULTILINE)
    found = [a or b for a, b in named if (a or b) not in NO_BREAKDOWN]
    own = {word for word in re.findall(r"(\w+) varchar", events) if word not in ("layout", "period")}
    return {"everyone": False} | dict.fromkeys(sorted(own), True) | dict.fromkeys(found, False)


def _check_measurements(reader: Reader, standard: Standard) -> None:
    """What is measured is a kind of event, within two numbers."""
    path = standard.folder / "measurements.csv"
    known = [row["kind"] for row in standard.tables["activity_kinds"]]
    for row in standard.tables["measurements"]:
        if row["kind"] not in known:
            reader.fault(
                path, row[LINE], f"kind '{row['kind']}' is not in activity_kinds.csv", one_of(row["kind"], known)
            )
        for key in ("lowest", "highest"):
            if not re.fullmatch(r"-?\d+(\.\d+)?", row[key]):
                reader.fault(path, row[LINE], f"{key} '{row[key]}' is not a number", "write figures, with a point")


def _check_series(reader: Reader, standard: Standard, breakdowns: dict[str, bool]) -> None:
    """What publishing.yml counts in quarters and months is a breakdown."""
    path, said = standard.folder / "publishing.yml", standard.settings["publishing"].get("series") or {}
    start = reader.line_of(path, "series")
    for grain in SERIES:
        for item in said.get(grain) or []:
            if item not in breakdowns:
                line = reader.line_of(path, grain, start + 1)
                reader.fault(path, line, f"series: '{item}' is not known", one_of(item, breakdowns))


def _check_words(reader: Reader, path: Path, metric: Row) -> None:
    for key, known in (("direction", DIRECTIONS), ("status", (COLLECTED, NOT_COLLECTED)), ("counts", tuple(COUNTS)),
                       ("period", PERIODS)):  # fmt: skip
        if key in metric and metric[key] not in known:
            what = f"{key} '{metric[key]}' is not known"
            reader.fault(path, reader.line_of(path, key), what, one_of(metric[key], known))


def _check_lists(reader: Reader, standard: Standard, path: Path, metric: Row, breakdowns: dict[str, bool]) -> None:
    """Breakdowns, places, layouts, fields and series are known, and fit what is counted."""
    known: dict[str, Collection[str]] = {
        "places": PLACES,
        "layouts": standard.layouts,
        "fields": standard.characteristics(),
        "series": SERIES,
    }
    known["kinds"] = [row["kind"] for row in standard.tables["activity_kinds"]]
    for key, names in known.items():
        for item in metric.get(key) or []:
            if item not in names:
                reader.fault(path, reader.line_of(path, key), f"{key}: '{item}' is not known", one_of(item, names))
    for field, codes in _codes(metric):
        of_system = [row["code"] for row in standard.codes if row["system"] == standard.characteristics().get(field)]
        for item in (
            [field] if field not in standard.characteristics() else [code for code in codes if code not in of_system]
        ):
            reader.fault(
                path,
                reader.line_of(path, "codes"),
                f"codes: '{item}' is not known",
                one_of(item, of_system or known["fields"]),
            )
    is_about_events = metric["subject"] != "person" and metric.get("counts", EVENTS) == EVENTS
    for item in metric["breakdowns"]:
        for part in str(item).split(CROSS):
            if part not in breakdowns:
                what = f"breakdowns: '{part}' is not known"
                reader.fault(path, reader.line_of(path, "breakdowns"), what, one_of(part, breakdowns))
            elif breakdowns[part] and (not is_about_events or part != item):
                what = f"breakdowns: '{part}' is about an event"
                hint = "only shares of events can be broken down by it, and only by it alone"
                reader.fault(path, reader.line_of(path, "breakdowns"), what, hint)
    if not any(metric.get(key) for key in ("layouts", "fields", "kinds")):
        what = "nothing says which feeds this needs"
        where = reader.line_of(path, "layouts")
        reader.fault(path, where, what, "name layouts, or fields or kinds of event that any layout may bring")
    if metric["subject"] == "person" and metric["period"] != AT_END:
        what = f"period '{metric['period']}' does not fit subject '{metric['subject']}'"
        reader.fault(
            path,
            reader.line_of(path, "period"),
            what,
            "what is known of people is known on the last day: at_end",
        )


def _check_predicates(
    reader: Reader, con: duckdb.DuckDBPyConnection, path: Path, metric: Row, subjects: dict[str, str]
) -> None:
    """Both predicates are claims about the subject's columns, and an event has a date."""
    subject = metric["subject"]
    if subject not in subjects:
        what = f"subject '{subject}' is not known"
        reader.fault(path, reader.line_of(path, "subject"), what, one_of(subject, subjects))
        return
    wanted = [("denominator", "BOOLEAN"), ("numerator", "BOOLEAN")]
    wanted += [("date", "DATE")] if subject != "person" else []
    hint = f"it is SQL over the columns of {subject} (transforms/{'facts.py' if subject == 'person' else 'stages.sql'})"
    for key, kind in wanted:
        if key not in metric:
            reader.fault(path, metric.get("__line__"), f"key '{key}' is missing", "add it")
        elif problem := _problem(con, f"select ({metric[key]}) as verdict from {subject}", kind):
            reader.fault(path, reader.line_of(path, key), f"{key} does not compile: {problem}", hint)


def _problem(con: duckdb.DuckDBPyConnection, query: str, wanted: str) -> str:
    """What DuckDB has against a query, in its first line; "" when it gives the wanted type."""
    try:
        kind = con.execute(f"describe {query}").fetchone()[1]
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return "" if kind == wanted else f"it gives {kind}, not {wanted.lower()}"


def feeds(standard: Standard, metric: Row) -> set[str]:
    """The layouts from any of which a metric can be computed; none of one that nobody collects. Where it is about certain codes,
    those that can say each of them: a code that no row of a map states yet is not collected."""
    fields = set(metric.get("fields") or [])
    by_field = {name for name, layout in standard.layouts.items() if fields & layout.characteristics}
    by_kind = {name for kind in metric.get("kinds") or [] for name in standard.bringing(kind)}
    found = set(metric.get("layouts") or []) | by_field | by_kind
    for field, codes in _codes(metric):
        found = {name for name in found if _can_say(standard, name, field, codes)}
    return found


def _codes(metric: Row) -> list[tuple[str, list[str]]]:
    """The codes that a metric needs somebody to state, by characteristic."""
    return [(field, codes) for field, codes in (metric.get("codes") or {}).items() if isinstance(codes, list)]


def _can_say(standard: Standard, layout: str, field: str, codes: list[str]) -> bool:
    from transforms.resolve import declared

    system = standard.characteristics()[field]
    spoken = {row["vocabulary"] for row in declared(standard, standard.layouts[layout], "") if row["field"] == field}
    said = {row["code"] for row in standard.code_maps if row["system"] == system and row["vocabulary"] in spoken}
    return set(codes) <= said


def collected(con: duckdb.DuckDBPyConnection, standard: Standard) -> dict[str, Row]:
    """The metrics of which at least one feed is in force, with what their files leave unsaid. The others have no cell, and
    never a zero."""
    here = {row[0] for row in con.execute("select distinct layout from linked.in_force").fetchall()}
    said = {"counts": EVENTS, "date": "", "series": (), "series_breakdowns": standard.settings["publishing"]["series"]}
    found = {name: said | metric for name, metric in standard.metrics.items()}
    return {name: metric for name, metric in found.items() if not feeds(standard, metric).isdisjoint(here)}


def described(con: duckdb.DuckDBPyConnection, standard: Standard) -> list[Row]:
    """One row per metric of the catalogue, for readers: its words, and whether anybody sends what it needs."""
    here, rows = collected(con, standard), []
    for name, metric in standard.metrics.items():
        status = COLLECTED if name in here else NOT_COLLECTED
        needs = metric.get("needs") or ", ".join(sorted(feeds(standard, metric)) or metric.get("kinds", []))
        words = {
            key: str(metric.get(key) or "")
            for key in (*WORDS, "indicator", "topic", "denominator", "numerator", "period")
        }
        evidence = " ".join(metric.get("evidence") or [])
        unit = COUNTS[metric.get("counts", EVENTS)] if "subject" in metric else ""
        rows.append(
            {"metric": name, "status": status, "unit": unit, "needs": str(needs), "evidence": evidence, **words}
        )
    return rows
