"""measure.quantity, measure.addend -> measure.hidden: what else is hidden so that nothing hidden can be worked out.

Promise: of every hidden count enough whole numbers stay possible, for a reader who adds up and subtracts all that is told in
every release that can be read; the same cells give the same choice, in whatever order they come, with as many threads.
"""

from collections.abc import Iterator

import duckdb
import numpy as np

from transforms.bounds import Array, connected, narrow, ranges
from transforms.exact import uncertain
from transforms.grounds import BIG, cheapest_of, families, implied, obstructed, rests_on
from transforms.quantities import Told, conceal, read

PATIENT_ROUNDS = 6
MOST_SOUGHT = 500  # for so many at once it is looked for further away


class NothingLeft(Exception):
    """Whatever is hidden now, with what earlier releases tell something could be worked out that they keep."""


def hide(con: duckdb.DuckDBPyConnection, fewest: int) -> dict[str, int]:
    """Make measure.hidden, measure.not_broken_down, measure.without_row and measure.unprotected (quantity).

    Returns how many margins and quantities there are, and how many are hidden beside the primary ones.
    """
    told = read(con)
    was_hidden = told.is_hidden.copy()
    protect(told, fewest)
    in_row = told.cells[told.is_told | told.is_row]
    if (told.is_hidden[in_row[:, 1]] & ~told.is_hidden[in_row[:, 0]]).any():
        raise AssertionError("a number would be told of a denominator that is hidden")
    for name, which in (
        ("hidden", told.is_hidden),
        ("not_broken_down", told.is_withdrawn),
        ("without_row", told.is_gone),
        ("unprotected", (told.is_hidden | told.is_withdrawn | told.is_gone) & ~told.is_kept),
    ):
        con.register("which", {"quantity_no": np.flatnonzero(which[told.same]).astype(np.int32)})
        con.execute(f"""create or replace table measure.{name} as
            select quantity from measure.quantity where quantity_no in (select quantity_no from which)""")
        con.unregister("which")
    n_hidden = int((told.is_hidden & ~was_hidden).sum())
    return {
        "margins": told.n_margins,
        "quantities": len(told.value),
        "hidden_too": n_hidden,
        "told_nothing_of": told.n_told_nothing,
    }


def protect(told: Told, fewest: int) -> None:
    """Hide more, cheapest first, until every kept quantity has `fewest` possible values. Raises NothingLeft where that is
    not to be had beside what earlier releases tell."""
    nothing = np.zeros(0, dtype=np.int64)
    _hide(told, nothing, nothing)  # beyond what is hidden by itself: rows of nobody that an earlier release had not
    low, high = told.low.copy(), told.high.copy()
    of_quantity, of_margin = connected(told.system, len(told.value))
    n_rounds = 0
    is_due = np.ones(max(of_quantity.max(initial=-1), of_margin.max(initial=-1)) + 1, dtype=bool)
    while True:
        _bound(told, low, high, is_due[of_quantity], np.flatnonzero(is_due[of_margin]))
        forget_nobody(told)
        unsafe = np.flatnonzero(told.is_kept & (high - low + 1 < fewest))
        obstacles: list[Array] = []
        if not len(unsafe):
            unsafe, obstacles = uncertain(told, in_rows(told), low, high, of_quantity, fewest)
        if not len(unsafe):
            return
        many = let_go(told, unsafe)
        left = np.setdiff1d(unsafe, many)
        chosen, parts = obstructed(told, unsafe, obstacles, low, high, many)
        if not len(chosen) and not len(parts):
            chosen, parts = _next(told, left, low, high, n_rounds)
        parts = np.union1d(parts, many)
        n_rounds += 1
        if not len(chosen) and not len(parts):
            parts = all_around(told, unsafe)
        changed = _hide(told, chosen, parts)
        # What has nothing to do with what was hidden is known as well as before.
        is_due = np.isin(np.arange(len(is_due)), of_quantity[changed])


def _hide(told: Told, chosen: Array, parts: Array) -> Array:
    """Hide what is chosen, and tell nothing of the parts. Returns all that changed: where an earlier release had no row nobody
    was kept, and a hidden row would say no more than that there is something."""
    told.is_withdrawn[parts] = told.is_withdrawn[told.by_hiding[parts]] = True
    told.is_withdrawn &= ~told.was_shown
    changed = np.union1d(chosen, parts)
    conceal(told, changed)
    nobody = told.is_hidden & told.is_known & ~told.was_shown & (told.value == 0) & (told.kind != 2)
    more = rows_of_none(told, np.flatnonzero(nobody))
    return np.union1d(changed, _hide(told, more[:0], more)) if len(more) else changed


def forget_nobody(told: Told) -> None:
    """Of a row that is not there a zero is nothing that was hidden, unless another row tells of it; few still are."""
    told.is_kept[(told.value == 0) & ~in_rows(told)] = False


def in_rows(told: Told) -> Array:
    """Of each quantity whether any release that can be read has a row that tells or hides it."""
    numerator, denominator = told.cells[:, 0], told.cells[:, 1]
    has_none = told.is_withdrawn[denominator] | told.is_gone[numerator] | told.is_gone[denominator]
    is_there = np.zeros(len(told.value), dtype=bool)
    is_there[told.cells[told.is_row | told.is_told & ~has_none]] = True
    return is_there


def _next(told: Told, unsafe: Array, low: Array, high: Array, n_rounds: int) -> tuple[Array, Array]:
    """What is hidden next beside the unsafe, and what is not broken down any more. Each way is gone where those before it
    find nothing at all: beside them, above them, where what they are known by is known from; with zeros that the standard
    tells, and with denominators. Nothing where all that is gone."""
    # One at a time hides least, and takes as many rounds as there are to hide: what is unsafe then is dealt with at once.
    in_all = n_rounds > PATIENT_ROUNDS
    for way in ("first", "zeros", "anything"):
        if way == "zeros":
            told.is_free |= told.is_last & ~told.is_hidden
            told.is_last[:] = False
        is_last = way == "anything"
        chosen, left = complements(told, unsafe, low, high, in_all=in_all, is_last_resort=is_last)
        parts = np.union1d(below(told, left), rows_of_none(told, left))
        if n_rounds > 2 * PATIENT_ROUNDS or (not len(chosen) and not len(parts)):
            parts = np.union1d(parts, by_itself(told, unsafe))
        if not len(chosen) and not len(parts):
            few = unsafe[:MOST_SOUGHT]
            ends = np.repeat(2 * few, 2) + np.tile([0, 1], len(few))
            found = rests_on(told, np.repeat(np.arange(len(few)), 2), ends, low, high)
            chosen, parts = cheapest_of(told, few, *found, is_last_resort=is_last)
        if len(chosen) or len(parts):
            return chosen, parts
    return unsafe[:0], unsafe[:0]


def all_around(told: Told, unsafe: Array) -> Array:
    """All that is nearest to what is unsafe by sums and is still told of, but for what releases that can be read show: of this
    nothing is told then, and sums of which nothing is told say nothing of each other."""
    near, n_before = unsafe, 0
    while len(near) > n_before:
        n_before, near = len(near), np.union1d(near, told.system.within(told.system.around(near)))
        goes = near[~told.stays_told[near] & ~told.is_withdrawn[near]]
        if len(goes):
            told.n_told_nothing += len(goes)
            return goes
    raise NothingLeft("beside what is told already something hidden can be worked out")


def _bound(told: Told, low: Array, high: Array, is_due: Array, margins: Array) -> None:
    """The narrowest bounds that propagation finds, of what is due."""
    low[is_due], high[is_due] = told.low[is_due], told.high[is_due]
    narrow(told.system, low, high, told.least_but_none, margins)
    if ((low > told.value) | (high < told.value)).any():
        raise AssertionError("a margin that does not hold has been read as one")


def complements(
    told: Told, unsafe: Array, low: Array, high: Array, *, in_all: bool = False, is_last_resort: bool = False
) -> tuple[Array, Array]:
    """For each unsafe quantity the cheapest that may be hidden, in the margin that says most of it; and those without one.

    `in_all`: in every margin that says something.

    The last resort is a denominator, or what is in a margin that by itself says nothing.
    """
    owner, member = families(told, unsafe)
    place, margin, new_low, new_high = implied(told, member, low, high)
    owner, member = owner[place], member[place]
    of_which = np.unique(margin)
    cheapest = _cheapest(told, of_which)[np.searchsorted(of_which, margin)]
    left = np.minimum(new_high, told.high[member]) - np.maximum(new_low, told.low[member])
    says_something = (new_high < told.high[member]) | (new_low > told.low[member])
    is_usable = (cheapest >= 0) & (
        is_last_resort | says_something & ((told.kind[member] != 1) | (told.kind[unsafe][owner] == 1))
    )
    order = np.lexsort((cheapest, left, told.kind[member] == 1, ~says_something, owner))
    order = order[is_usable[order]]
    found, best = np.unique(owner[order], return_index=True)
    return np.unique(cheapest[order if in_all else order[best]]), np.delete(unsafe, found)


def by_itself(told: Told, unsafe: Array) -> Array:
    """Those of the unsafe, with what is left over beside them, of which it is still told why they are hidden: where that is told
    no more they can be as many as what is around them leaves. What other numbers are of only where it is unsafe itself."""
    own = families(told, unsafe)[1]
    own = np.unique(np.concatenate([own[told.kind[own] != 1], unsafe]))
    says = (told.low > told.low_before) | (told.high < told.high_before)
    return own[told.is_hidden[own] & ~told.is_withdrawn[own] & ~told.stays_told[own] & says[own]]


def let_go(told: Told, unsafe: Array) -> Array:
    """Those of the unsafe that are many, and hidden for the sake of others alone: they have no row at all. To know nearly how
    many they are tells of nobody; as a number that is shown they would be known as well."""
    many = unsafe[
        (told.least_of_many[unsafe] > 0)
        & (told.value[unsafe] >= told.least_of_many[unsafe])
        & ~told.was_shown[unsafe]
        & ~told.is_gone[unsafe]
    ]
    told.is_gone[many] = told.is_known[many] = True
    told.is_kept[many] = False
    return many


def rows_of_none(told: Told, stuck: Array) -> Array:
    """Of the cells in which nobody is, or nobody is left over, and for which nothing can be hidden, who is in them. Who reads
    that a metric has no row at all for somebody knows as much; then there is no row here either."""
    nobody = stuck[told.value[stuck] == 0]
    rows = told.cells[np.isin(told.cells[:, 0], nobody) | np.isin(told.cells[:, 2], nobody), 0]
    rows = np.unique(rows[~told.is_gone[rows] & ~told.was_shown[rows]])
    told.is_gone[rows] = True
    return rows


def below(told: Told, stuck: Array) -> Array:
    """What few people are in is not broken down where its parts would tell too much: all parts of the few that these are
    in, whatever they are, so that being hidden says nothing of any of them. Only those that are not yet."""
    system, n = told.system, told.n_margins
    if not len(stuck):
        return stuck
    who, margin = system.quantity[: system.start[n]], np.repeat(np.arange(n), np.diff(system.start[: n + 1]))
    is_part = system.sign[: system.start[n]] > 0
    whole = np.zeros(n, dtype=np.int64)
    whole[margin[~is_part]] = who[~is_part]
    part_of, part = margin[is_part], who[is_part]
    is_few = told.is_kept & (told.low > 0) & (told.high < told.no_limit)
    is_top = np.zeros(len(told.value), dtype=bool)
    is_top[families(told, stuck)[1]] = True
    for reached in _spread(is_top, part, whole[part_of], is_few):
        is_top = reached
    is_top &= is_few
    is_below = np.zeros(len(told.value), dtype=bool)
    is_below[part[is_top[whole[part_of]]]] = True
    for reached in _spread(is_below, whole[part_of], part, np.ones(len(told.value), dtype=bool)):
        is_below = reached
    return np.flatnonzero(is_below & ~told.stays_told & ((told.low > told.low_before) | (told.high < told.high_before)))


def _spread(is_in: Array, source: Array, target: Array, allowed: Array) -> Iterator[Array]:
    """From those that are in, along pairs of source and target, to all that are allowed: after each step who is in."""
    n_before = -1
    while n_before < (n_before := int(is_in.sum())):
        is_in = is_in.copy()
        reached = target[is_in[source]]
        is_in[reached[allowed[reached]]] = True
        yield is_in


def _cheapest(told: Told, margins: Array) -> Array:
    """Of each margin what is cheapest to hide, -1 where nothing is: of equals the first by its key."""
    if not len(margins):
        return margins
    entries, begins = ranges(told.system.start, margins)
    who = told.by_hiding[told.system.quantity[entries]]
    rank = np.where(told.is_free[who], told.price[who] * BIG + who, np.iinfo(np.int64).max)
    best = np.minimum.reduceat(rank, begins[:-1])
    return np.where(best == np.iinfo(np.int64).max, -1, best % BIG)
