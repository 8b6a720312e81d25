"""XmR charts: limits against a published example and a second implementation, signals by hand, and what must hold always."""

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms import xmr

# NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.2, individuals control charts: flow rate of ten batches.
# Its limits are 3 / 1.128 moving ranges away, which is 2.6596; ours are 2.66 away.
FLOW = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]
QUIET = [70, 72, 71, 70, 72, 71, 69, 71, 72, 70, 69, 71]  # mean 70.7, limits about 67 and 74
PERIODS = [f"{2024 + n // 12}-{n % 12 + 1:02d}" for n in range(60)]
VALUES = st.lists(st.integers(0, 400).map(lambda n: n / 4), min_size=12, max_size=40)


def drawn(values, **between):
    return xmr.chart(list(zip(PERIODS, values, strict=False)), **between)


def named(chart):
    return [(one["signal"], one["direction"], one["from"], one["to"]) for one in chart["signals"]]


def by_hand(values):
    """The same chart, written down once more and otherwise: floats, and a look at every window."""
    mean = statistics.fmean(values)
    step = statistics.fmean(abs(a - b) for a, b in zip(values[1:], values[:-1], strict=True))
    low, high = mean - 2.66 * step, mean + 2.66 * step
    found = {place: set() for place in range(len(values))}
    close = 1e-9 * (1 + abs(mean))
    for side in (1, -1):
        off = [side * (value - mean) for value in values]
        for place in range(len(values)):
            if off[place] > 2.66 * step + close:
                found[place].add("beyond_limit")
            run = range(place, place + 7)
            if run.stop <= len(values) and all(off[n] > close for n in run):
                for n in run:
                    found[n].add("one_side")
            six = range(place, place + 6)
            if six.stop <= len(values) and all(off[n + 1] > off[n] + close for n in list(six)[:-1]):
                for n in six:
                    found[n].add("trend")
            three = [
                n for n in range(place, place + 3) if place + 3 <= len(values) and off[n] > 2 * 2.66 * step / 3 + close
            ]
            if len(three) >= 2:
                for n in three:
                    found[n].add("outer_third")
    return mean, low, high, 3.267 * step, found


def test_the_published_example_gives_its_published_limits():
    centre, step = xmr.limits([xmr.Fraction(str(value)) for value in FLOW])
    assert float(centre) == pytest.approx(50.81)
    assert float(step) == pytest.approx(1.8778, abs=0.00005)
    assert float(centre + xmr.TO_LIMIT * step) == pytest.approx(55.8041, abs=0.002)
    assert float(centre - xmr.TO_LIMIT * step) == pytest.approx(45.8159, abs=0.002)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_limits_and_signals_are_those_of_a_second_implementation(values):
    chart = drawn(values)
    mean, low, high, range_upper, found = by_hand(values)
    got = (chart["centre"], chart["lower"], chart["upper"], chart["range_upper"])
    assert got == pytest.approx((mean, low, high, range_upper))
    assert [set(point["signals"]) for point in chart["points"]] == list(found.values())
    flagged = {name for names in found.values() for name in names}
    assert {one["signal"] for one in chart["signals"]} == flagged


@given(st.floats(-1e6, 1e6), st.integers(12, 40))
def test_a_constant_series_has_its_limits_on_its_mean_and_no_signal(value, n):
    chart = drawn([value] * n)
    assert chart["lower"] == chart["centre"] == chart["upper"] == value
    assert (chart["range_centre"], chart["range_upper"], chart["signals"]) == (0, 0, [])


@given(VALUES, st.integers(-1000, 1000))
def test_what_is_added_to_every_value_is_added_to_the_limits_and_changes_no_signal(values, by):
    before, after = drawn(values), drawn([value + by for value in values])
    for name in ("centre", "lower", "upper"):
        assert after[name] == pytest.approx(before[name] + by)
    assert after["range_upper"] == before["range_upper"]
    assert after["signals"] == before["signals"]


@given(VALUES)
def test_upside_down_a_chart_says_the_same_of_the_other_side(values):
    turned = {"high": "low", "low": "high"}
    expected = {(name, turned[side], *ends) for name, side, *ends in named(drawn(values))}
    assert set(named(drawn([-value for value in values]))) == expected


@given(VALUES, st.data())
def test_a_period_without_a_value_changes_nothing_but_its_own_gap(values, data):
    place = data.draw(st.integers(0, len(values)))
    points = [(f"{n:03d}", value) for n, value in enumerate(values)]
    whole, holed = xmr.chart(points), xmr.chart([*points[:place], ("gap", None), *points[place:]])
    assert holed["points"].pop(place) == {"period": "gap", "value": None, "range": None, "signals": []}
    assert holed == whole


@pytest.mark.parametrize("n", [0, 1, 11])
def test_under_twelve_points_there_are_no_limits(n):
    chart = drawn([1, 50] * 6)
    assert not chart["is_too_few"]
    chart = drawn(([1, 50] * 6)[:n])
    assert chart["is_too_few"] and chart["n_points"] == n and chart["n_needed"] == 12
    assert chart["signals"] == [] and {chart[name] for name in ("centre", "lower", "upper", "range_upper")} == {None}
    assert [point["value"] for point in chart["points"]] == ([1, 50] * 6)[:n]


def test_what_is_no_number_is_a_gap():
    chart = drawn([float("nan"), None, float("inf"), True, "7", *QUIET])
    assert chart["n_points"] == 12 and [point["value"] for point in chart["points"]][:5] == [None] * 5


def test_a_point_beyond_a_limit():
    for value, direction in ((90, "high"), (50, "low")):
        beyond = [one for one in named(drawn([*QUIET, value, *QUIET])) if one[0] == "beyond_limit"]
        assert beyond == [("beyond_limit", direction, PERIODS[12], PERIODS[12])]


def test_seven_on_one_side_and_not_six():
    for n, expected in ((6, []), (7, [("one_side", "high", PERIODS[7], PERIODS[13])])):
        values = [3, 1, 3, 1, 3, 1, 1, *([2.6, 2.9] * 4)[:n], 1, 3, 1, 3, 1, 3, 1, 1]
        assert 1 < drawn(values)["centre"] < 2.6
        assert [one for one in named(drawn(values)) if one[0] == "one_side"] == expected


def test_a_value_on_the_mean_is_on_neither_side():
    values = [3, 3, 3, 2, 3, 3, 3, 1, 1, 1, 2, 1, 1, 1]
    assert drawn(values)["centre"] == 2 and not [one for one in named(drawn(values)) if one[0] == "one_side"]


def test_six_points_rising_or_falling_and_not_five():
    wave = [5, 6, 5, 6, 5, 6]
    assert not [one for one in named(drawn([*wave, 3, 4, 5, 6, 7, *wave[::-1][1:]])) if one[0] == "trend"]
    rising = named(drawn([*wave, 3, 4, 5, 6, 7, 8, *wave]))
    assert [one for one in rising if one[0] == "trend"] == [("trend", "high", PERIODS[6], PERIODS[11])]
    falling = named(drawn([*wave, 8, 7, 6, 5, 4, 3, *wave]))
    assert [one for one in falling if one[0] == "trend"] == [("trend", "low", PERIODS[6], PERIODS[11])]
    level = named(drawn([*wave, 3, 4, 5, 5, 6, 7, 8, *wave]))  # two equal points are no step
    assert not [one for one in level if one[0] == "trend"]


def outer_third(high, between, other):
    """A chart of a level series with two values near a limit, and its signals about that."""
    chart = drawn([10, 11] * 8 + [10, high, *between, other] + [10, 11] * 4)
    third = (chart["upper"] - chart["centre"]) * 2 / 3
    assert third < abs(high - chart["centre"]) < third * 3 / 2 and third < abs(other - chart["centre"]) < third * 3 / 2
    return chart, [one for one in named(chart) if one[0] == "outer_third"]


def test_two_of_three_in_the_outer_third_of_one_side():
    chart, found = outer_third(13, [11], 13)
    assert found == [("outer_third", "high", PERIODS[17], PERIODS[19])]
    assert chart["points"][18]["signals"] == []  # the point between is not in the third
    assert outer_third(13, [], 13)[1] == [("outer_third", "high", PERIODS[17], PERIODS[18])]
    assert outer_third(13, [11, 11], 13)[1] == []


def test_one_in_each_outer_third_is_no_signal():
    assert outer_third(13.2, [], 7.8)[1] == outer_third(13, [10.5], 8)[1] == []


def test_limits_are_drawn_where_a_value_can_be():
    free, cut = drawn([98, 100] * 7), drawn([98, 100] * 7, least=0, most=100)
    assert (free["upper"], cut["upper"]) == (pytest.approx(104.32), 100)
    assert cut["lower"] == free["lower"] and cut["signals"] == free["signals"]


# What stands beside a chart.


def said(values, better="high"):
    return xmr.sentence(drawn(values), "the index", better)


def test_before_anything_is_known_the_sentence_says_so():
    assert said([]) == said([None] * 15) == "Nothing is known of the index yet."


def test_too_few_points_are_not_interpreted():
    text = said([70, 75, 80])
    assert (
        text
        == "The index was 80.0 in March 2024. There are 3 values so far; it takes 12 to tell a real change from chance."
    )
    assert "There is 1 value so far" in said([70])


def test_chance_is_called_chance():
    assert said([70] * 12) == "The index was 70.0 in December 2024. It has been the same each time."
    text = said(QUIET)
    assert text.startswith("The index was 71.0 in December 2024. It moves between 66.") and "by chance alone" in text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([*QUIET, 50], "In January 2025 the index was unusually low. That is more than chance: it got worse."),
        (
            [10, 11] * 6 + [13, 14] * 4,
            "From January 2025 to August 2025 the index was above its usual level of 11.7, 8 times in a row. "
            "That is more than chance: it got better.",
        ),
        (
            [5, 6] * 6 + [3, 4, 5, 6, 7, 8],
            "From January 2025 to June 2025 the index rose 5 times in a row, from 3.0 to 8.0. "
            "That is more than chance: it got better.",
        ),
        (
            [10, 11] * 9 + [10, 13, 11, 13],
            "From August 2025 to October 2025 the index was close to its upper limit, 2 times. "
            "That is more than chance: it got better.",
        ),
    ],
)  # fmt: skip
def test_each_signal_has_its_sentence(values, expected):
    assert said(values) == expected
    opposite = expected.replace("worse", "?").replace("better", "worse").replace("?", "better")
    assert said(values, better="low") == opposite
    assert "it got" not in said(values, better="")


def test_a_signal_that_is_over_is_told_with_what_came_after():
    text = said([5, 7] * 6 + [-3] + [5, 7] * 3)
    assert text.startswith("In January 2025 the index was unusually low.")
    assert text.endswith("Since then it has moved by chance alone; it was 7.0 in July 2025.")


def test_shares_are_written_as_the_caller_likes():
    text = xmr.sentence(drawn([0.7] * 12), "the share", say=lambda share: f"{share:.0%}")
    assert text.startswith("The share was 70% in December 2024.")


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_a_sentence_never_says_more_than_the_chart(values):
    chart = drawn(values)
    assert ("more than chance" in xmr.sentence(chart, "the index")) == bool(chart["signals"])
