"""Values period by period -> an XmR chart: what chance explains, and what it does not.

Promise: exact arithmetic, so that a constant series has no signal and equal data always say the same. The scaling
factors are Shewhart's and Wheeler's, 2.66 = 3 / 1.128 and 3.267; the signals are those of NHS England's Making Data Count.
"""

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeGuard

from transforms.render import month

Facts = dict[str, Any]
Points = list[tuple[str, float | None]]
TO_LIMIT, TO_RANGE = Fraction(266, 100), Fraction(3267, 1000)
FEWEST = 12  # with fewer points the limits would move with each of them
RUN, TREND, NEAR, OF = 7, 6, 2, 3
HIGHER, LOWER = "high", "low"


def limits(values: list[Fraction]) -> tuple[Fraction, Fraction]:
    """(mean, mean moving range) of at least one value. A moving range is the step between neighbours, without its sign."""
    steps = [abs(after - before) for before, after in pairwise(values)]
    return sum(values, Fraction()) / len(values), sum(steps, Fraction()) / max(len(steps), 1)


def chart(points: Points, least: float | None = None, most: float | None = None) -> Facts:
    """(period, value) oldest first -> the facts of the chart. Without a value a point is drawn as a gap and breaks nothing:
    the values on its two sides are neighbours.

    `least` and `most`: what a value can be at all; limits beyond are drawn there. Keys: points (period, value, range:
    the step from the value before, signals: names), n_points, n_needed, is_too_few, centre, lower, upper, range_centre,
    range_upper (None when too few), signals (signal, direction high or low, from, to, n).
    """
    known = [(place, Fraction(value)) for place, (_, value) in enumerate(points) if _is_number(value)]
    values = [value for _, value in known]
    told: list[Facts] = [{"period": period, "value": None, "range": None, "signals": []} for period, _ in points]
    for number, (place, value) in enumerate(known):
        told[place]["value"] = points[place][1]
        told[place]["range"] = float(abs(value - values[number - 1])) if number else None
    is_too_few = len(known) < FEWEST
    said: Facts = dict.fromkeys(("centre", "lower", "upper", "range_centre", "range_upper"))
    found: list[tuple[int, int, Facts]] = []
    if not is_too_few:
        centre, step = limits(values)
        reach = TO_LIMIT * step
        lower = centre - reach if least is None else max(centre - reach, Fraction(least))
        upper = centre + reach if most is None else min(centre + reach, Fraction(most))
        lines = {"centre": centre, "lower": lower, "upper": upper, "range_centre": step, "range_upper": TO_RANGE * step}
        said = {name: float(value) for name, value in lines.items()}
        for place, (name, direction, members) in enumerate(_signals([value - centre for value in values], reach)):
            touched = [told[known[number][0]] for number in members]
            for point in touched:
                point["signals"] += [name] if name not in point["signals"] else []
            ends = {"from": touched[0]["period"], "to": touched[-1]["period"], "n": len(touched)}
            found.append((members[-1], -place, {"signal": name, "direction": direction, **ends}))
    counts = {"n_points": len(known), "n_needed": FEWEST, "is_too_few": is_too_few}
    ordered = [one for *_, one in sorted(found, key=lambda one: one[:2])]
    return {"points": told, **said, **counts, "signals": ordered}


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _signals(off: list[Fraction], reach: Fraction) -> Iterable[tuple[str, str, list[int]]]:
    """Each signal of values less their mean: name, direction, and the numbers of the values that make it."""
    third = reach * 2 / 3
    for sign, direction in ((1, HIGHER), (-1, LOWER)):
        away = [sign * value for value in off]
        for run in _runs([value > reach for value in away]):
            yield "beyond_limit", direction, run
        for run in _runs([value > 0 for value in away]):  # a value on the mean is on neither side
            if len(run) >= RUN:
                yield "one_side", direction, run
        for run in _runs([after > before for before, after in pairwise(away)]):
            if len(run) >= TREND - 1:  # five steps are six points
                yield "trend", direction, [*run, run[-1] + 1]
        outer = [value > third for value in away]  # what is beyond the limit is beyond the third too
        near: set[int] = set()
        for start in range(len(outer) - OF + 1):
            members = [number for number in range(start, start + OF) if outer[number]]
            near.update(members if len(members) >= NEAR else [])
        group: list[int] = []
        for number in sorted(near):
            if group and number - group[-1] >= OF:
                yield "outer_third", direction, group
                group = []
            group = [*group, number]
        if group:
            yield "outer_third", direction, group


def _runs(flags: list[bool]) -> list[list[int]]:
    """The numbers of neighbours that are all true, run by run."""
    found: list[list[int]] = []
    for number, flag in enumerate(flags):
        if flag and number and flags[number - 1]:
            found[-1].append(number)
        elif flag:
            found.append([number])
    return found


def _one_decimal(value: float) -> str:
    return f"{value:.1f}"


SAID = {
    "beyond_limit": ("unusually high", "unusually low"),
    "one_side": ("above its usual level of {centre}", "below its usual level of {centre}"),
    "outer_third": ("close to its upper limit", "close to its lower limit"),
}


def sentence(drawn: Facts, what: str, better: str = "", say: Callable[[float], str] = _one_decimal) -> str:
    """What a chart shows, in words: what happened, since when, and whether it is more than chance.

    `what`: "the index"; `better`: high, low, or nothing where neither is; `say` writes a value. The signal that ended last
    is told; of those that end together a point beyond a limit before a run, a trend and a third.
    """
    known = [point for point in drawn["points"] if point["value"] is not None]
    if not known:
        return f"Nothing is known of {what} yet."
    now = f"was {say(known[-1]['value'])} in {month(known[-1]['period'])}"
    newest = f"{what[:1].upper()}{what[1:]} {now}."
    if drawn["is_too_few"]:
        held = "is 1 value" if len(known) == 1 else f"are {len(known)} values"
        return f"{newest} There {held} so far; it takes {drawn['n_needed']} to tell a real change from chance."
    if not drawn["signals"]:
        if drawn["lower"] == drawn["upper"]:
            return f"{newest} It has been the same each time."
        between = f"between {say(drawn['lower'])} and {say(drawn['upper'])}"
        return f"{newest} It moves {between} by chance alone: nothing has really changed."
    told = drawn["signals"][-1]
    first, last, number = month(told["from"]), month(told["to"]), told["n"]
    if told["signal"] == "trend":
        ends = {point["period"]: say(point["value"]) for point in known}
        verb = "rose" if told["direction"] == HIGHER else "fell"
        did = f"{verb} {number - 1} times in a row, from {ends[told['from']]} to {ends[told['to']]}"
    else:
        did = "was " + SAID[told["signal"]][told["direction"] == LOWER].format(centre=say(drawn["centre"]))
        in_a_row = "" if told["signal"] == "outer_third" else " in a row"
        did += f", {number} times{in_a_row}" if number > 1 else ""
    happened = f"{f'In {last}' if first == last else f'From {first} to {last}'} {what} {did}. That is more than chance"
    if better in (HIGHER, LOWER):
        happened += ": it got better" if better == told["direction"] else ": it got worse"
    is_over = told["to"] != known[-1]["period"]
    return f"{happened}.{f' Since then it has moved by chance alone; it {now}.' if is_over else ''}"
