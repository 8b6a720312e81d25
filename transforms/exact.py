"""Bounds that propagation leaves -> the hidden counts that are not proved safe: whole-number programming on small blocks.

Promise: what is not returned can be told with as many different values as asked for, each with whole numbers for everything
around it; where a block cannot show that, more is hidden instead. The solver is HiGHS, through SciPy.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from transforms.bounds import Array, ranges

if TYPE_CHECKING:
    from transforms.quantities import Told

SIZES = (60, 400, 2000)  # quantities that may move at once
SWAYED, SWAYS = 2000, 6  # quantities of a block of which many are looked at at once, and how often
# More than that has to do with a count, and no block of them proves anything: the sums nearest to it are solved by
# themselves, and what they leave possible is what a reader of as many sums would find.
NEAR = 300
FEW_LOOKS = 2000  # more are shared out: one process more for each thread that the engine may have
FAR = 50  # nothing needs to move further to be proved safe, and a solver reckons badly with what has no limit


def uncertain(told: Told, is_there: Array, low: Array, high: Array, of_quantity: Array, fewest: int) -> Array:
    """Of the quantities to be kept that `is_there` has in a row those that are not proved safe; what no row hides the bounds
    alone protect. `of_quantity`: which have to do with each other."""

    def left(which: Array) -> Array:
        return which[told.seen_high[which] - told.seen_low[which] + 1 < fewest]

    # To hide more makes nothing impossible that was possible: what was found once need not be found again.
    kept = left(np.flatnonzero(told.is_kept & is_there))
    is_small = np.bincount(of_quantity)[of_quantity[kept]] <= SIZES[-1]
    near, small = kept[~is_small], kept[is_small]
    _sway(told, small, low, high, fewest)
    for size in SIZES:
        for one in left(small):
            _look(told, np.array([one]), _block(told, one, size, low, high), None, low, high, fewest)
    _share_out(told, near, low, high, fewest)
    return np.concatenate([left(small), left(near)])


def _share_out(told: Told, near: Array, low: Array, high: Array, fewest: int) -> None:
    """Look at the sums nearest to each: none says anything of another, so several processes may share them."""
    n = int(os.environ.get("THREADS", "2")) if len(near) > FEW_LOOKS else 1
    own, *others = [near[part::n] for part in range(n)]
    command = [sys.executable, "-m", "transforms.exact"]
    apart = []
    for others_own in others:
        # Through pipes alone: exact counts are in no file.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
        )
        assert process.stdin is not None
        pickle.dump((told, others_own, low, high, fewest), process.stdin)
        process.stdin.close()
        apart.append(process)
    _look_near(told, own, low, high, fewest)
    for process, others_own in zip(apart, others, strict=True):
        assert process.stdout is not None
        told.seen_low[others_own], told.seen_high[others_own] = pickle.load(process.stdout)
        process.stdout.close()
        if process.wait():
            raise AssertionError("the process that proves has failed")


def _look_near(told: Told, near: Array, low: Array, high: Array, fewest: int) -> None:
    nearest = _nearest(told, low, high)
    for one in near:
        _look(told, np.array([one]), *nearest(int(one)), low, high, fewest)


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
    noted = free if is_part else wanted
    for sign in (1.0, -1.0):
        if (told.seen_high[wanted] - told.seen_low[wanted] + 1 < fewest).any():
            found = _whole(sign * goal, held, limits)
            if found is not None:
                values = np.rint(found[:n]).astype(np.int64)[np.searchsorted(free, noted)]
                told.seen_low[noted] = np.minimum(told.seen_low[noted], values)
                told.seen_high[noted] = np.maximum(told.seen_high[noted], values)


def _whole(goal: Array, held: list[LinearConstraint], limits: Bounds) -> Array | None:
    """The least of a goal in whole numbers. Without that demand it is mostly found in whole numbers as well, in half the time."""
    for whole in (0, 1):
        found = milp(
            goal, constraints=held, bounds=limits, integrality=np.full(len(goal), whole), options={"time_limit": 5.0}
        )
        if found.x is not None and np.abs(found.x - np.rint(found.x)).max() < 1e-6:
            break
    x: Array | None = found.x
    return x


def _nearest(told: Told, low: Array, high: Array) -> Callable[[int], tuple[Array, Array]]:
    """Of one quantity those nearest to it, and the margins that hold them, along what can have more than one value: all that
    is in these margins may move. Of margins that are as near, those that hold least."""
    system, may_move = told.system, (high > low).tolist()
    first, margin_of = system.first.tolist(), system.margin_of.tolist()
    start, quantity = system.start.tolist(), system.quantity.tolist()

    def sums(one: int) -> tuple[Array, Array]:
        inside, chosen, seen, edge = {one}, [], set(), [one]
        while edge:
            new = {margin for who in edge for margin in margin_of[first[who] : first[who + 1]]} - seen
            seen |= new
            edge = []
            for margin in sorted(new, key=lambda m: (start[m + 1] - start[m], m)):
                wider = [who for who in quantity[start[margin] : start[margin + 1]] if who not in inside]
                if len(inside) + len(wider) > NEAR and chosen:
                    return np.array(sorted(inside)), np.array(sorted(chosen))
                inside.update(wider)
                chosen.append(margin)
                edge += [who for who in wider if may_move[who]]
        return np.array(sorted(inside)), np.array(sorted(chosen), dtype=np.int64)

    return sums


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


if __name__ == "__main__":
    said = pickle.load(sys.stdin.buffer)
    _look_near(*said)
    pickle.dump((said[0].seen_low[said[1]], said[0].seen_high[said[1]]), sys.stdout.buffer)
