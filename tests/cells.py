"""Exact cells -> disclosed ones, without a lake: for tests of what passes the one door to the open area."""

from pathlib import Path

import duckdb

from tests.adversary import Cell
from transforms import engine, measure
from transforms.disclose import disclose, judge
from transforms.engine import HERE
from transforms.geography import add_geography
from transforms.lake import Lake
from transforms.standard import Standard

CELL = """"table" varchar, metric varchar, period varchar, place_kind varchar, place varchar, breakdown varchar, category varchar,
    numerator bigint, denominator bigint, n_people_numerator bigint, n_people_denominator bigint, n_people_difference bigint,
    suppression varchar"""
YEAR = "2025-10 to 2026-09"
BOARDS, AREAS = ("QHL", "QK1", "QUA"), ("E08000025", "E08000029", "E06000016", "E07000135")
CATEGORIES = ("african", "caribbean", "any_other_p", "indian", "pakistani", "not_stated")

# One count under two names (0 numerator, 1 denominator, 2 rest), as whoever reads the catalogue sees.
EQUAL = (
    (("ethnicity_usable", 0), ("ethnicity_over_general", 1)), (("ethnicity_usable", 0), ("ethnicity_self_stated", 1)),
    (("ethnicity_usable", 1), ("ethnicity_answered", 1)), (("cancer_staged", 0), ("cancer_stage_1_or_2", 1)),
    (("carers_identified", 0), ("carers_confirmed", 1)), (("outpatient_rate", 0), ("outpatient_non_attendance", 2)),
)  # fmt: skip
# A characteristic, and the breakdowns of metrics in which who has no value stands by the status.
SAID_BY = {"sex": ["sex"], "is_carer": ["carer"], "interpreter_required": ["language_need"],
           "ethnic_category": ["ethnic_group", "ethnic_category"]}  # fmt: skip


def through_the_door(con: duckdb.DuckDBPyConnection, standard: Standard) -> dict[str, int]:
    """Disclose the cells, as publishing does where nothing is held."""
    judge(con, standard)
    return disclose(con, standard)


def known(standard: Standard) -> dict:
    """What everybody can read in the standard, as the adversary takes it."""
    con = duckdb.connect()
    folder = standard.folder / "geography"
    areas = con.execute(f"select distinct local_authority_code, icb_code from '{folder}/lsoa.csv'").fetchall()
    split = {a for a, _ in areas if sum(a == other for other, _ in areas) > 1}
    claims = {letter: {row["field"]: row[letter].split() for row in standard.tables["index_items"] if row[letter]}
              for letter in ("missing", "invalid")}  # fmt: skip
    groups = [
        row
        for row in standard.classifications
        if row["system"] == "ethnic_category" and row["classification"] == "heritage"
    ]
    return {
        "group_of": {row["code"]: row["group"] for row in groups if row["group"]},
        "boards": {board for _, board in areas},
        "board_of": dict(areas),
        "whole_boards": {board for _, board in areas} - {board for a, board in areas if a in split},
        "claims": claims,
        "rates": [name for name, metric in standard.metrics.items() if metric.get("counts") == "events_per_person"],
        "equal": EQUAL,
        "said_by": SAID_BY,
        "table_of": {name: layout.table for name, layout in standard.layouts.items()},
    }


def prepared(standard: Standard) -> duckdb.DuckDBPyConnection:
    """A connection in which measure.cell is empty, and everything that disclosing reads is there."""
    con = duckdb.connect()
    con.execute("set threads = 1")
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    engine.add_standard(con, standard)
    add_geography(con, standard, Lake(Path("/nowhere"), Path("/nowhere")))
    con.execute("create schema measure")
    measure.add_measures(con, standard)
    settings = standard.settings["publishing"]
    for name in ("ethnicity", "default_set", "region"):
        con.execute(f"set variable {name} = ?", [settings[name]])
    con.execute("set variable rolling_to = date '2026-09-30'; set variable latest_period = '2026-09'")
    con.execute(f"create table measure.cell ({CELL})")
    return con


# What the adversary is told beside what is published: which hidden counts are few, as the standard supposes. Where a few
# are not broken down, all of their parts are hidden, and so it is not known of them.
FEW = """list_filter([
    if(is_small and not (of_few or numerator_quantity in (from measure.not_broken_down)), 'numerator', ''),
    if(is_few and denominator_quantity not in (from measure.not_broken_down), 'denominator', ''),
    if(is_few_left and not (of_few or rest_quantity in (from measure.not_broken_down)), 'rest', '')
], lambda w: w <> '')"""


IN_ORDER = '"table", metric, period, place_kind, place, breakdown, category'


def published(con: duckdb.DuckDBPyConnection) -> list[Cell]:
    """The disclosed cells as the adversary reads them; which are few is known where the regime hides them for it alone."""
    query = f"""
        select "table", metric, period, place_kind, place, breakdown, category, d.numerator, d.denominator,
               smallest_count_shown, rounding_base, {FEW}, d.status is null
        from (select *, denominator between 1 and smallest_count_shown - 1 as of_few, of_few as is_few,
                     rest between 1 and smallest_count_shown - 1 as is_few_left from measure.judged_cell) as c
        left join measure.disclosed_cell as d using ("table", metric, period, place_kind, place, breakdown, category)
        where suppression <> 'deliveries' and release = 0 order by {IN_ORDER}"""
    return [Cell(0, *row[:-2], frozenset(row[-2]), row[-1]) for row in con.execute(query).fetchall()]
