"""measure.quantity, measure.addend -> measure.hidden: what else is hidden so that nothing hidden can be worked out.

Promise: of every hidden count enough whole numbers stay possible, for a reader who adds up and subtracts all that is told in
every release that can be read; the same cells give the same choice, in whatever order they come.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np

from transforms.bounds import Array, Margins, collected, connected, narrow, ranges
from transforms.exact import uncertain

QUANTITIES = """
select q.kind, q.value, q.low, q.high, q.least_but_none, q.price, q.is_hidden, q.is_kept, q.is_free,
       q.is_last, q.is_withdrawn
from measure.quantity as q order by q.quantity_no
"""
CELLS = """
select distinct n.quantity_no as numerator, d.quantity_no as denominator, r.quantity_no as rest
from measure.judged_cell as c
join measure.quantity as n on n.quantity = c.numerator_quantity
join measure.quantity as d on d.quantity = c.denominator_quantity
join measure.quantity as r on r.quantity = c.rest_quantity
where c.suppression <> 'deliveries'
order by all
"""
ADDENDS = """
select (dense_rank() over (order by margin) - 1)::integer as margin_no, quantity_no, sign
from measure.addend join measure.quantity using (quantity)
order by margin_no, quantity_no
"""
BIG = 1 << 23  # more quantities than are ever told; a price times this is still a whole number of the machine


PATIENT_ROUNDS = 2


class NotHidden(Exception):
    """Something that must be hidden can be worked out, and nothing is left to hide: the last good release stays."""


@dataclass
class Told:
    """What a reader is told: one place of each array per quantity, the margins between them, and the cells they are in."""

    kind: Array  # 0 numerator, 1 denominator, 2 rest
    value: Array
    low: Array
    high: Array
    least_but_none: Array
    price: Array
    is_hidden: Array
    is_kept: Array  # it must keep enough possible values
    is_free: Array  # it may be hidden
    is_last: Array  # it may be hidden where there is nothing else
    is_withdrawn: Array  # it is a part of few that are not broken down
    cells: Array  # a row per cell: numerator, denominator, rest
    system: Margins
    n_margins: int  # those after them say that numerator and rest of a cell are its denominator
    no_limit: int

    def __post_init__(self) -> None:
        # What is left over is hidden by hiding the numerator; a denominator only with all that rests on it.
        self.seen_low, self.seen_high = (
            self.value.copy(),
            self.value.copy(),
        )  # by exact.py: what has been found possible
        self.by_hiding = np.arange(len(self.value))
        self.by_hiding[self.cells[:, 2]] = self.cells[:, 0]
        may_go = self.is_free[self.cells[:, 0]] | self.is_hidden[self.cells[:, 0]]
        self.is_free[self.cells[~may_go, 1]] = False


def hide(con: duckdb.DuckDBPyConnection, fewest: int) -> dict[str, int]:
    """Make measure.hidden and measure.not_broken_down (quantity).

    Returns how many margins and quantities there are, and how many are hidden beside the primary ones.
    """
    told = read(con)
    n_primary = int(told.is_hidden.sum())
    protect(told, fewest)
    for name, which in (("hidden", told.is_hidden), ("not_broken_down", told.is_withdrawn)):
        con.register("which", {"quantity_no": np.flatnonzero(which).astype(np.int32)})
        con.execute(f"""create or replace table measure.{name} as
            select quantity from measure.quantity where quantity_no in (select quantity_no from which)""")
        con.unregister("which")
    n_hidden = int(told.is_hidden.sum()) - n_primary
    return {"margins": told.n_margins, "quantities": len(told.value), "hidden_too": n_hidden}


def read(con: duckdb.DuckDBPyConnection) -> Told:
    """What measure.quantity, addend and judged_cell say, as arrays."""
    told = {name: np.asarray(column) for name, column in con.execute(QUANTITIES).fetchnumpy().items()}
    cells = np.stack([np.asarray(c, dtype=np.int64) for c in con.execute(CELLS).fetchnumpy().values()], axis=1)
    added = {name: np.asarray(column) for name, column in con.execute(ADDENDS).fetchnumpy().items()}
    n_margins = int(added["margin_no"].max()) + 1 if len(added["margin_no"]) else 0
    margin = np.concatenate([added["margin_no"], np.repeat(np.arange(len(cells)) + n_margins, 3)])
    quantity = np.concatenate([added["quantity_no"], cells.ravel()])
    sign = np.concatenate([added["sign"], np.tile([1, -1, 1], len(cells))]).astype(np.int8)
    whole = {name: told[name].astype(np.int64) for name in ("value", "low", "high", "least_but_none", "price")}
    flags = {name: told[name].astype(bool) for name in ("is_hidden", "is_kept", "is_free", "is_last", "is_withdrawn")}
    system = collected(margin, quantity, sign, len(told["kind"]))
    return Told(kind=told["kind"], **whole, **flags, cells=cells, system=system, n_margins=n_margins,
                no_limit=int(con.execute("select getvariable('no_limit')").fetchone()[0]))  # fmt: skip


def protect(told: Told, fewest: int) -> None:
    """Hide more, cheapest first, until every kept quantity has `fewest` possible values."""
    low, high = told.low.copy(), told.high.copy()
    of_quantity, of_margin = connected(told.system, len(told.value))
    n_rounds = 0
    is_due = np.ones(max(of_quantity.max(initial=-1), of_margin.max(initial=-1)) + 1, dtype=bool)
    while True:
        _bound(told, low, high, is_due[of_quantity], np.flatnonzero(is_due[of_margin]))
        unsafe = np.flatnonzero(told.is_kept & (high - low + 1 < fewest))
        if not len(unsafe):
            unsafe = uncertain(told, low, high, of_quantity, fewest)
        if not len(unsafe):
            return
        # One at a time hides least, and takes as many rounds as there are to hide: what is unsafe then is dealt with at once.
        chosen, left = complements(told, unsafe, low, high, in_all=n_rounds > PATIENT_ROUNDS)
        n_rounds += 1
        parts = below(told, left)
        if not len(chosen) and not len(parts) and told.is_last.any():
            told.is_free |= told.is_last & ~told.is_hidden
            told.is_last[:] = False
            chosen, left = complements(told, unsafe, low, high)
        if not len(chosen) and not len(parts):
            chosen, _ = complements(told, left, low, high, is_last_resort=True)
        if not len(chosen) and not len(parts):
            raise NotHidden(f"{len(unsafe)} hidden counts can be worked out, and nothing is left to hide beside them")
        told.is_withdrawn[parts] = told.is_withdrawn[told.by_hiding[parts]] = True
        changed = np.union1d(chosen, parts)
        conceal(told, changed)
        # What has nothing to do with what was hidden is known as well as before.
        is_due = np.isin(np.arange(len(is_due)), of_quantity[changed])


def _bound(told: Told, low: Array, high: Array, is_due: Array, margins: Array) -> None:
    """The narrowest bounds that propagation finds, of what is due."""
    low[is_due], high[is_due] = told.low[is_due], told.high[is_due]
    narrow(told.system, low, high, told.least_but_none, margins)
    if ((low > told.value) | (high < told.value)).any():
        raise AssertionError("a margin that does not hold has been read as one")


def families(told: Told, quantities: Array) -> tuple[Array, Array]:
    """(place among `quantities`, a quantity of the same cell): what gives one of them away gives the other."""
    place = np.full(len(told.value), -1)
    place[quantities] = np.arange(len(quantities))
    pairs = [np.stack([np.arange(len(quantities)), quantities])]
    for own in (0, 2):
        found = told.cells[place[told.cells[:, own]] >= 0]
        pairs.append(np.stack([np.repeat(place[found[:, own]], 3), found.ravel()]))
    pair = np.unique(np.concatenate(pairs, axis=1), axis=1)
    return pair[0], pair[1]


def implied(told: Told, quantities: Array, low: Array, high: Array) -> tuple[Array, Array, Array, Array]:
    """(place among `quantities`, margin, smallest and largest value that this margin alone leaves) of each margin of each."""
    system = told.system
    places, begins = ranges(system.first, quantities)
    margin, sign = system.margin_of[places], system.sign_of[places]
    place = np.repeat(np.arange(len(quantities)), np.diff(begins))
    is_margin = margin < told.n_margins
    margin, sign, place = margin[is_margin], sign[is_margin], place[is_margin]
    which, back = np.unique(margin, return_inverse=True)
    entries, begins = ranges(system.start, which)
    who, is_part = system.quantity[entries], system.sign[entries] > 0
    if not len(which):
        return place, margin, place, place
    least = np.add.reduceat(np.where(is_part, low[who], -high[who]), begins[:-1])[back]
    most = np.add.reduceat(np.where(is_part, high[who], -low[who]), begins[:-1])[back]
    own_low, own_high = low[quantities[place]], high[quantities[place]]
    new_low = np.where(sign > 0, own_high - most, own_low + least)
    new_high = np.where(sign > 0, own_low - least, own_high + most)
    return place, margin, new_low, new_high


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
    return np.flatnonzero(is_below & ((told.low > 0) | (told.high < told.no_limit)))


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


def conceal(told: Told, chosen: Array) -> None:
    """Hide these: they can be anything now, and so can what is left over; a denominator takes its numerators along."""
    is_chosen = np.zeros(len(told.value), dtype=bool)
    is_chosen[chosen] = True
    is_chosen[told.by_hiding[chosen]] = True
    taken = told.cells[is_chosen[told.cells[:, 1]], 0]
    is_chosen[taken[~told.is_hidden[taken]]] = True
    told.low[is_chosen], told.high[is_chosen] = 0, told.no_limit
    told.is_hidden |= is_chosen
    told.is_kept |= is_chosen
    told.is_free &= ~is_chosen
    told.least_but_none[told.cells[is_chosen[told.cells[:, 0]], 2]] = 0
