"""Bounds that propagation leaves -> the hidden counts that are not proved safe: whole-number programming on small blocks.

Promise: what is not returned can be told with as many different values as asked for, each with whole numbers for everything
around it; where a block cannot show that, more is hidden instead. The solver is HiGHS, through SciPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from transforms.bounds import Array, ranges

if TYPE_CHECKING:
    from transforms.quantities import Told

ROOM = 24  # with so much room in each of its margins a count has never been found to be unsafe (tests)
SIZES = (60, 400, 2000)  # quantities that may move at once
SWAYED, SWAYS = 2000, 6  # quantities of a block of which many are looked at at once, and how often
# More than that has to do with a count, and no block of them proves anything: the sums nearest to it are solved by
# themselves, and what they leave possible is what a reader of as many sums would find.
NEAR = 300
FAR = 50  # nothing needs to move further to be proved safe, and a solver reckons badly with what has no limit


def uncertain(told: Told, low: Array, high: Array, of_quantity: Array, fewest: int) -> Array:
    """Of the quantities to be kept those that are not proved safe. `of_quantity`: which have to do with each other."""

    def left(which: Array) -> Array:
        return which[told.seen_high[which] - told.seen_low[which] + 1 < fewest]

    # To hide more makes nothing impossible that was possible: what was found once need not be found again.
    risky = _risky(told, low, high)
    is_small = np.bincount(of_quantity)[of_quantity[risky]] <= SIZES[-1]
    near, risky = left(risky[~is_small]), left(risky[is_small])
    _sway(told, np.concatenate([risky, near]), low, high, fewest)
    for size in SIZES:
        for one in left(risky):
            _look(told, np.array([one]), _block(told, one, size, low, high), None, low, high, fewest)
    for one in left(near):
        _look(told, np.array([one]), *_sums(told, one, low, high), low, high, fewest)
    return np.concatenate([left(risky), left(near)])


def _risky(told: Told, low: Array, high: Array) -> Array:
    """The kept quantities with little room in some margin of their cell."""
    from transforms.secondary import families, implied

    kept = np.flatnonzero(told.is_kept)
    owner, member = families(told, kept)
    place, _, new_low, new_high = implied(told, member, low, high)
    room = np.full(len(kept), told.no_limit)
    np.minimum.at(room, owner[place], new_high - new_low)
    return kept[room < ROOM]


def _sway(told: Told, wanted: Array, low: Array, high: Array, fewest: int) -> None:
    """Push all that are wanted of a block up or down at once, each some way that comes by chance (the same in every run): two
    solutions of a large block prove what would take two of each."""
    chance, waiting = np.random.default_rng(1), wanted
    while len(waiting):
        waiting = waiting[told.seen_high[waiting] - told.seen_low[waiting] + 1 < fewest]
        if not len(waiting):
            return
        free = _block(told, waiting[0], SWAYED, low, high)
        for _ in range(SWAYS):
            inside = np.intersect1d(waiting, free)
            inside = inside[told.seen_high[inside] - told.seen_low[inside] + 1 < fewest]
            if len(inside) < SWAYS:
                break
            _look(told, inside, free, None, low, high, fewest, chance.choice([-1.0, 1.0], len(inside)))
        waiting = np.setdiff1d(waiting, free)


def _look(
    told: Told,
    wanted: Array,
    free: Array,
    margins: Array | None,
    low: Array,
    high: Array,
    fewest: int,
    ways: Array | float = 1.0,
) -> None:
    """Note the smallest and largest values of what is wanted, each its way, and those of all that move with it.

    Without margins all that hold what is free are kept, and what is not free stays what it is; else only these are, and what
    is found is possible as far as they say.
    """
    system, is_part = told.system, margins is None
    margins = system.around(free) if margins is None else margins
    entries, begins = ranges(system.start, margins)
    row = np.repeat(np.arange(len(margins)), np.diff(begins))
    column = np.searchsorted(free, system.quantity[entries]).clip(0, len(free) - 1)
    is_free = free[column] == system.quantity[entries]
    shape, value = (len(margins), len(free)), told.value[free]
    signs = system.sign[entries][is_free].astype(float)
    matrix = sparse.csr_matrix((signs, (row[is_free], column[is_free])), shape=shape)
    right = matrix @ value
    least, most = np.maximum(low[free], value - FAR), np.minimum(high[free], value + FAR)
    # What is left over of a number that is shown is nobody, or not few: a switch for each says which.
    gap = told.least_but_none[free]
    either = np.flatnonzero((gap > 0) & (least < gap) & (most >= gap))
    n, n_either = len(free), len(either)
    held = [LinearConstraint(sparse.hstack([matrix, sparse.csr_matrix((len(margins), n_either))]), right, right)]
    if n_either:
        pick = sparse.csr_matrix((np.ones(n_either), (np.arange(n_either), either)), shape=(n_either, n))
        held.append(LinearConstraint(sparse.hstack([pick, sparse.diags(-gap[either].astype(float))]), 0, np.inf))
        held.append(LinearConstraint(sparse.hstack([pick, sparse.diags(-most[either].astype(float))]), -np.inf, 0))
    limits = Bounds(np.concatenate([least, np.zeros(n_either)]), np.concatenate([most, np.ones(n_either)]))
    goal = np.zeros(n + n_either)
    goal[np.searchsorted(free, wanted)] = ways
    whole, noted = np.ones(n + n_either), free if is_part else wanted
    for sign in (1.0, -1.0):
        if (told.seen_high[wanted] - told.seen_low[wanted] + 1 < fewest).any():
            found = milp(sign * goal, constraints=held, bounds=limits, integrality=whole, options={"time_limit": 5.0})
            if found.x is not None:
                values = np.rint(found.x[:n]).astype(np.int64)[np.searchsorted(free, noted)]
                told.seen_low[noted] = np.minimum(told.seen_low[noted], values)
                told.seen_high[noted] = np.maximum(told.seen_high[noted], values)


def _sums(told: Told, one: int, low: Array, high: Array) -> tuple[Array, Array]:
    """The quantities and the margins nearest to one, along what can have more than one value: all that is in these margins
    may move. Of margins that are as near, those that hold least."""
    system, inside, chosen = told.system, np.array([one]), np.zeros(0, dtype=np.int64)
    edge = inside
    while len(edge):
        new = np.setdiff1d(system.around(edge), chosen)
        new = new[np.argsort(system.start[new + 1] - system.start[new], kind="stable")]
        before = inside
        for margin in new:
            wider = np.union1d(inside, system.quantity[system.start[margin] : system.start[margin + 1]])
            if len(wider) > NEAR and len(chosen):
                return inside, np.sort(chosen)
            inside, chosen = wider, np.append(chosen, margin)
        edge = np.setdiff1d(inside, before)
        edge = edge[high[edge] > low[edge]]
    return inside, np.sort(chosen)


def _block(told: Told, one: int, size: int, low: Array, high: Array) -> Array:
    """The quantity and those nearest to it along margins that can have more than one value, in order; of the outermost
    those that are in fewest margins."""
    inside = np.array([one])
    while len(inside) < size:
        wider = told.system.within(told.system.around(inside))
        new = np.setdiff1d(wider[high[wider] > low[wider]], inside)
        if not len(new):
            break
        n_margins = told.system.first[new + 1] - told.system.first[new]
        inside = np.union1d(inside, new[np.lexsort((new, n_margins))][: size - len(inside)])
    return inside
