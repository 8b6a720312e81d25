"""open/metric_value.sql, open/gap.sql, trend.py: what is made of numbers that are shown, and of those alone."""

import math

import duckdb
import numpy as np
import pytest

from transforms.engine import HERE, add_table
from transforms.periods import periods
from transforms.sqlfolder import run_file
from transforms.trend import trend

DISCLOSED = """"table" varchar, metric varchar, period varchar, place_kind varchar, place varchar, breakdown varchar, category varchar,
    status varchar, numerator bigint, denominator bigint, share double, share_low double, share_high double"""
YEAR = "2025-10 to 2026-09"
EVERYONE = ("everyone", "everyone")


def wilson(n, of, z=1.96):
    """The interval by its textbook form: centre and half width, each shrunk by the square of z."""
    share = n / of
    centre, half = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (centre - half) / (1 + z * z / of), (centre + half) / (1 + z * z / of)


def opened(cells: list[tuple], unit="share", direction="lower is better") -> duckdb.DuckDBPyConnection:
    """Open tables over disclosed cells: (breakdown, category, numerator, denominator[, period]); a numerator of None is suppressed."""
    con = duckdb.connect()
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    con.execute(
        f"create schema measure; create schema open; create schema standard; create table measure.disclosed_cell ({DISCLOSED})"
    )
    con.execute("set variable is_invented = true; set variable alike_from = 0.5")
    add_table(con, "standard.period", periods("2026-09"))
    add_table(
        con, "standard.metric", [{"metric": "m", "unit": unit, "title": "Appointments missed", "direction": direction}]
    )
    con.execute("create table open.metric as from standard.metric")
    for breakdown, category, n, of, *period in cells:
        low, high = wilson(n, of) if n is not None and unit == "share" else (None, None)
        row = ["metric_value", "m", *(period or [YEAR]), "region", "midlands", breakdown, category]
        row += ["suppressed" if n is None else "shown", n, of, None if n is None else min(1, n / of), low, high]
        con.execute(f"insert into measure.disclosed_cell values ({', '.join('?' * 13)})", row)
    for name in ("period", "metric_value", "gap", "impact"):
        run_file(con, HERE / "open" / f"{name}.sql")
    return con


def gaps(con, category, kind):
    query = (
        "select value, value_low, value_high, is_more_than_chance from open.gap where category = ? and kind_of_gap = ?"
    )
    return con.execute(query, [category, kind]).fetchone()


def test_a_group_is_compared_with_everyone_in_that_place():
    con = opened([(*EVERYONE, 100, 1000), ("sex", "female", 60, 400), ("sex", "male", 40, 600)])
    value, low, high, is_more = gaps(con, "female", "absolute")
    assert value == pytest.approx(0.15 - 0.1)
    # By hand: 0.6 of the difference from the rest, whose interval is Newcombe's of 60 of 400 and 40 of 600.
    (l1, u1), (l2, u2) = wilson(60, 400), wilson(40, 600)
    assert low == pytest.approx(0.05 - 0.6 * math.hypot(0.15 - l1, u2 - 40 / 600), abs=1e-5)
    assert high == pytest.approx(0.05 + 0.6 * math.hypot(u1 - 0.15, 40 / 600 - l2), abs=1e-5)
    assert is_more is True
    assert gaps(con, "female", "relative")[0] == pytest.approx(1.5)
    assert gaps(con, "male", "absolute")[0] == pytest.approx(40 / 600 - 0.1, abs=1e-6)


def test_a_group_that_is_everyone_has_no_gap_and_one_of_few_has_a_wide_one():
    con = opened([(*EVERYONE, 100, 1000), ("sex", "female", 100, 1000), ("carer", "carer", 5, 25)])
    assert gaps(con, "female", "absolute") == (0, 0, 0, False)
    value, low, high, is_more = gaps(con, "carer", "absolute")
    assert low < 0 < value < high and is_more is False


def test_nothing_is_said_of_a_side_that_is_not_shown():
    con = opened([(*EVERYONE, None, 1000), ("sex", "female", 60, 400)])
    assert gaps(con, "female", "absolute") == (None, None, None, None)
    con = opened([(*EVERYONE, 100, 1000), ("sex", "female", None, 400)])
    assert gaps(con, "female", "relative") == (None, None, None, None)
    assert con.execute("select distinct cell_status from open.gap").fetchall() == [("suppressed",)]


BEFORE = "2024-10 to 2025-09"


def changes(con, category):
    query = "select baseline_value, value, change, change_low, change_high, is_more_than_chance, cell_status from open.impact where category = ?"
    return con.execute(query, [category]).fetchone()


def test_twelve_months_are_set_beside_the_twelve_before():
    con = opened([(*EVERYONE, 60, 400, YEAR), (*EVERYONE, 40, 600, BEFORE), ("sex", "female", 20, 200, YEAR)])
    before, now, change, low, high, is_more, status = changes(con, "everyone")
    assert (before, now, status) == (pytest.approx(40 / 600, abs=1e-6), 0.15, "shown")
    (l1, u1), (l2, u2) = wilson(60, 400), wilson(40, 600)
    assert change == pytest.approx(0.15 - 40 / 600, abs=1e-6)
    assert low == pytest.approx(change - math.hypot(0.15 - l1, u2 - 40 / 600), abs=1e-5)
    assert high == pytest.approx(change + math.hypot(u1 - 0.15, 40 / 600 - l2), abs=1e-5)
    assert is_more is True
    assert changes(con, "female") is None  # nothing before to be set beside
    assert con.execute("select distinct baseline_period, period from open.impact").fetchall() == [(BEFORE, YEAR)]


def test_a_change_that_chance_may_explain_is_said_to_be_so_and_one_of_a_hidden_side_is_not_told():
    con = opened(
        [
            (*EVERYONE, 60, 400, YEAR),
            (*EVERYONE, 55, 400, BEFORE),
            ("sex", "male", None, 400, YEAR),
            ("sex", "male", 40, 400, BEFORE),
        ]
    )
    assert changes(con, "everyone")[5] is False
    assert changes(con, "male") == (0.1, None, None, None, None, None, "suppressed")


def test_a_feed_that_began_in_between_is_no_change():
    """Of a share those who could have been counted are looked at, of a rate the events."""
    con = opened(
        [
            (*EVERYONE, 60, 400, YEAR),
            (*EVERYONE, 20, 199, BEFORE),
            ("sex", "male", 20, 200, YEAR),
            ("sex", "male", 10, 150, BEFORE),
        ]
    )
    for category in ("everyone", "male"):
        baseline, value, *change, status = changes(con, category)
        assert (baseline, change, status) == (None, [None] * 4, "not_comparable") and value is not None
    con = opened([(*EVERYONE, 60, 1000, YEAR), (*EVERYONE, 0, 1000, BEFORE)], unit="rate")
    assert changes(con, "everyone")[-1] == "not_comparable"
    con = opened([(*EVERYONE, 60, 1000, YEAR), (*EVERYONE, 30, 900, BEFORE)], unit="rate")
    assert changes(con, "everyone")[-1] == "shown"


QUINTILES = [("deprivation_quintile", str(n), 10 * (7 - n), 100 + 10 * n) for n in range(1, 6)]


def test_the_slope_across_deprivation_is_the_weighted_line_through_the_quintiles():
    con = opened([(*EVERYONE, 200, 650), *QUINTILES])
    value, low, high, is_more = gaps(con, "all quintiles", "slope_index")
    n, of = (np.array([row[place] for row in QUINTILES], dtype=float) for place in (2, 3))
    stands = (np.cumsum(of) - of / 2) / of.sum()
    slope = np.polyfit(stands, n / of, 1, w=np.sqrt(of))[0]
    assert value == pytest.approx(-slope, abs=1e-6)
    assert low < value < high and is_more is True
    assert gaps(con, "all quintiles", "relative_index")[0] == pytest.approx(-slope / (200 / 650), abs=1e-5)


def test_there_is_no_slope_without_all_five_quintiles():
    con = opened([(*EVERYONE, 200, 650), *QUINTILES[:4], ("deprivation_quintile", "5", None, 150)])
    assert gaps(con, "all quintiles", "slope_index") is None


def test_a_rate_may_be_more_than_one_and_has_the_interval_of_a_count():
    con = opened([(*EVERYONE, 1500, 1000), ("sex", "female", 900, 500)], unit="rate")
    value, low, high = con.execute(
        "select value, value_low, value_high from open.metric_value where category = 'female'"
    ).fetchone()
    assert value == 1800
    assert (low, high) == (
        pytest.approx(1684.3, abs=1),
        pytest.approx(1921.6, abs=1),
    )  # exact Poisson: 1684.3 to 1921.5
    assert gaps(con, "female", "absolute")[0] == 300


MONTHS = [row["period"] for row in periods("2026-09") if row["grain"] == "month"]


def by_month(values, of=1000):
    """Cells of everyone, a numerator a month."""
    return [(*EVERYONE, n, of, month) for month, n in zip(MONTHS[-len(values):], values, strict=True)]  # fmt: skip


STEADY = [100, 110, 95, 105, 100, 110, 90, 105, 100, 95, 110, 100]


def test_fewer_than_twelve_months_say_too_few():
    con = opened(by_month(STEADY[:11]))
    assert trend(con) == {"series": 1, "signals": 0}
    assert con.execute("select distinct verdict, centre, signals from open.trend").fetchall() == [("too few", None, "")]


def test_a_suppressed_month_is_a_gap_and_counts_for_nothing():
    con = opened(by_month([*STEADY[:11], None]))
    trend(con)
    assert con.execute("select count(*), count(value), any_value(verdict) from open.trend").fetchone() == (
        12,
        11,
        "too few",
    )


def test_what_chance_explains_is_no_signal():
    con = opened(by_month(STEADY * 2))
    assert trend(con) == {"series": 1, "signals": 0}
    assert con.execute("select distinct verdict from open.trend").fetchall() == [("chance alone",)]


def test_the_early_warning_says_for_whom_where_and_since_when():
    cells = by_month([*STEADY, *STEADY[:5], 160, 165, 160, 170, 165, 160, 165])
    cells += [("ethnic_group", "some", n, of, month) for (_, _, n, of, month) in by_month(STEADY * 2)]
    con = opened(cells)
    trend(con)
    found = con.execute(
        "select place, category, signal, direction, is_worse, since, until, is_now from open.signal where signal = 'one_side' and is_now"
    ).fetchall()
    assert found == [("midlands", "everyone", "one_side", "high", True, "2026-03", "2026-09", True)]
    words = con.execute("select words from open.signal where signal = 'one_side' and is_now").fetchone()[0]
    assert "appointments missed was above its usual level" in words and words.endswith("it got worse.")
    assert con.execute("select count(*) from open.signal where category = 'some'").fetchone() == (0,)


def test_the_same_change_is_better_where_more_is_better():
    con = opened(by_month([*STEADY, *STEADY[:5], 160, 165, 160, 170, 165, 160, 165]), direction="higher is better")
    trend(con)
    assert set(con.execute("select is_worse from open.signal where direction = 'high'").fetchall()) == {(False,)}


def test_years_and_quarters_are_no_points_of_a_trend():
    con = opened([*by_month(STEADY), (*EVERYONE, 900, 1000), (*EVERYONE, 500, 1000, "2026-07 to 2026-09")])
    trend(con)
    assert con.execute("select count(*), max(value) from open.trend").fetchone() == (12, 0.11)
