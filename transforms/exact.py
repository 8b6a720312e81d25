"""Bounds that propagation leaves -> the hidden counts that are not proved safe: whole-number programming on blocks of sums.

Promise: what is not returned can be told with as many different values as asked for, each found with whole numbers for
everything around it and every sum kept; where a block cannot show that, more is hidden instead. The solver is HiGHS.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import highspy
import numpy as np
from highspy._core import _Highs as Solver  # highspy.Highs greets on stdout, and calls back
from scipy import sparse

from transforms.bounds import Array, ranges

if TYPE_CHECKING:
    from transforms.quantities import Told

SIZE = 2000  # quantities that may move at once: of what has to do with no more than these everything is solved together
SWAYS = 8  # how often a block is pushed about before the next
# More than that has to do with a count, and blocks of them prove little: the sums nearest to it are solved by themselves, and
# what they leave possible is what a reader of as many sums would find.
NEAR = 300
FEW_LOOKS = 2000  # more are shared out: one process more for each thread that the engine may have
FAR = 50  # nothing needs to move further to be proved safe, and a solver reckons badly with what has no limit
LONGEST = 5.0  # seconds for one solution; what is not found by then is not proved
TINY = 1e-9  # of what a solver reckons
Nearest = Callable[[int], tuple[Array, Array]]  # a quantity -> what may move around it, and the margins of that
FEASIBLE = int(highspy.SolutionStatus.kSolutionStatusFeasible)


def uncertain(
    told: Told, is_there: Array, low: Array, high: Array, of_quantity: Array, fewest: int
) -> tuple[Array, list[Array]]:
    """Of the quantities to be kept that `is_there` has in a row those that are not proved safe, and what stands in the way of
    each; what no row hides the bounds alone protect. `of_quantity`: which have to do with each other."""
    # To hide more makes nothing impossible that was possible: what was found once need not be found again.
    kept = _left(told, np.flatnonzero(told.is_kept & is_there), fewest)
    is_small = np.bincount(of_quantity)[of_quantity[kept]] <= SIZE
    near, small = kept[~is_small], kept[is_small]
    _sway(told, small, low, high, fewest)
    nearest = _nearest(told, low, high)
    _share_out(told, near, nearest, low, high, fewest)
    found = {}
    for one in _left(told, small, fewest).tolist():
        if len(_left(told, np.array([one]), fewest)):  # else it is proved beside another by now
            found[one] = _obstacles(told, one, _block(told, one, low, high), None, low, high, fewest)
    for one in _left(told, near, fewest).tolist():
        found[one] = _obstacles(told, one, *nearest(one), low, high, fewest)
    unsafe = _left(told, kept, fewest)
    return unsafe, [found[one] for one in unsafe.tolist()]


def _left(told: Told, which: Array, fewest: int) -> Array:
    return which[told.seen_high[which] - told.seen_low[which] + 1 < fewest]


def _sway(told: Told, wanted: Array, low: Array, high: Array, fewest: int) -> None:
    """Push all that are wanted of a block up or down at once, each some way that comes by chance (the same in every run): a few
    solutions of a block prove what would take two of each."""
    chance, waiting = np.random.default_rng(1), wanted
    while len(waiting := _left(told, waiting, fewest)):
        free = _block(told, int(waiting[0]), low, high)
        for _ in range(SWAYS):
            inside = _left(told, np.intersect1d(waiting, free), fewest)
            if not len(inside):
                break
            _look(told, inside, free, None, low, high, fewest, chance.choice([-1.0, 1.0], len(inside)))
        waiting = np.setdiff1d(waiting, free)


def _share_out(told: Told, near: Array, nearest: Nearest, low: Array, high: Array, fewest: int) -> None:
    """Look at the sums nearest to each: none says anything of another, so several processes may share them."""
    n = int(os.environ.get("THREADS", "2")) if len(near) > FEW_LOOKS else 1
    # Those of one sum stay together: what proves one of them often proves them all.
    own, *others = np.array_split(near[np.argsort(told.system.margin_of[told.system.first[near]], kind="stable")], n)
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
    _look_near(told, own, nearest, low, high, fewest)
    for process, others_own in zip(apart, others, strict=True):
        assert process.stdout is not None
        told.seen_low[others_own], told.seen_high[others_own] = pickle.load(process.stdout)
        process.stdout.close()
        if process.wait():
            raise AssertionError("the process that proves has failed")


def _look_near(told: Told, near: Array, nearest: Nearest, low: Array, high: Array, fewest: int) -> None:
    """Look at the sums nearest to each: first together with all others of which these are all sums, then at it alone."""
    chance = np.random.default_rng(1)
    is_wanted = np.zeros(len(told.value), dtype=bool)
    is_wanted[near] = True
    for one in near:
        alone = np.array([one])
        if len(_left(told, alone, fewest)):
            free, margins = nearest(int(one))
            inside = _left(told, np.union1d(_within(told, free[is_wanted[free]], margins), alone), fewest)
            _look(told, inside, free, margins, low, high, fewest, chance.choice([-1.0, 1.0], len(inside)))
            if len(_left(told, alone, fewest)):
                _look(told, alone, free, margins, low, high, fewest)


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
    """Note the values of all that is free where what is wanted goes its way as far as it can, and where it goes back.

    Without margins all sums that hold what is free are kept, and what is not free stays what it is; else only these are, and
    what is found is possible as far as they say, and noted of that of which they are all sums.
    """
    noted = free if margins is None else np.union1d(_within(told, free, margins), wanted)
    matrix, value = _sums(told, free, margins), told.value[free]
    right = matrix @ value
    least, most = np.maximum(low[free], value - FAR), np.minimum(high[free], value + FAR)
    # What is left over of a number that is shown is nobody, or not few: a switch for each says which.
    gap = told.least_but_none[free]
    either = np.flatnonzero((gap > 0) & (least < gap) & (most >= gap))
    n, n_either = len(free), len(either)
    posed = (matrix, right, right, least, most)
    if n_either:
        pick = sparse.csr_matrix((np.ones(n_either), (np.arange(n_either), either)), shape=(n_either, n))
        rows = [[matrix, None]] + [[pick, sparse.diags(-ends[either].astype(float))] for ends in (gap, most)]
        off, on, any_number = np.zeros(n_either), np.ones(n_either), np.full(n_either, np.inf)
        below, above = np.concatenate([right, off, -any_number]), np.concatenate([right, any_number, off])
        posed = (sparse.block_array(rows, format="csr"), below, above, np.append(least, off), np.append(most, on))
    model = _posed(*posed)
    goal = np.zeros(n + n_either)
    goal[np.searchsorted(free, wanted)] = ways
    for sign in (1.0, -1.0):
        if len(_left(told, wanted, fewest)) and (found := _whole(model, sign * goal, gap)) is not None:
            values = found.astype(np.int64)[np.searchsorted(free, noted)]
            told.seen_low[noted] = np.minimum(told.seen_low[noted], values)
            told.seen_high[noted] = np.maximum(told.seen_high[noted], values)


def _within(told: Told, free: Array, margins: Array) -> Array:
    """Of what is free that of which all sums are among these margins."""
    places, begins = ranges(told.system.first, free)
    return free[np.logical_and.reduceat(np.isin(told.system.margin_of[places], margins), begins[:-1])]


def _obstacles(told: Told, one: int, free: Array, margins: Array | None, low: Array, high: Array, fewest: int) -> Array:
    """Push one quantity up and down by itself, and where that does not prove it safe, what stands in the way: 2 q where it is
    how few there can be of quantity q, 2 q + 1 where it is how many: the bounds at which more room would be worth something."""
    matrix, value, at = _sums(told, free, margins), told.value[free], np.searchsorted(free, one)
    least, most = np.maximum(low[free], value - FAR), np.minimum(high[free], value + FAR)
    right = matrix @ value
    model = _posed(matrix, right, right, least, most)
    goal = np.zeros(len(free))
    found, ends = [free[:0]], [value[at], value[at]]
    for no, way in enumerate((1.0, -1.0)):
        goal[at] = way
        if (solved := _solved(model, goal)) is not None:
            ends[no] = solved[at]
            priced = np.abs(np.array(model.getSolution().col_dual)) > TINY
            found.append(2 * free[priced & (solved < least + TINY) & (least == low[free])])
            found.append(2 * free[priced & (solved > most - TINY) & (most == high[free])] + 1)
    # Without whole numbers there is at least as much room: only where that is enough they are looked for.
    if margins is None and np.floor(ends[1] + TINY) - np.ceil(ends[0] - TINY) + 1 >= fewest:
        _look(told, np.array([one]), free, None, low, high, fewest)
    return np.unique(np.concatenate(found))


def _sums(told: Told, free: Array, margins: Array | None) -> sparse.csr_matrix:
    """The part that is free of these margins, or of all that hold any of it, a row each."""
    margins = told.system.around(free) if margins is None else margins
    entries, begins = ranges(told.system.start, margins)
    row = np.repeat(np.arange(len(margins)), np.diff(begins))
    column = np.searchsorted(free, told.system.quantity[entries]).clip(0, len(free) - 1)
    is_free = free[column] == told.system.quantity[entries]
    signs = told.system.sign[entries][is_free].astype(float)
    return sparse.csr_matrix((signs, (row[is_free], column[is_free])), shape=(len(margins), len(free)))


def _posed(matrix: sparse.csr_matrix, below: Array, above: Array, least: Array, most: Array) -> Solver:
    """A model of sums between two ends each, of counts between two ends each."""
    model, lp = Solver(), highspy.HighsLp()
    for option, value in (("output_flag", False), ("threads", 1), ("presolve", "on" if len(least) > NEAR else "off")):
        model.setOptionValue(option, value)
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = np.zeros(len(least)), least.astype(float), most.astype(float)
    lp.row_lower_, lp.row_upper_ = below.astype(float), above.astype(float)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    model.passModel(lp)
    return model


def _solved(model: Solver, goal: Array, kind: highspy.HighsVarType = highspy.HighsVarType.kContinuous) -> Array | None:
    """The least of a goal, None where none is found in time. It goes on from what was found before."""
    every = np.arange(len(goal), dtype=np.int32)
    model.changeColsCost(len(goal), every, goal)
    model.changeColsIntegrality(len(goal), every, np.full(len(goal), kind.value, dtype=np.uint8))
    model.setOptionValue("time_limit", model.getRunTime() + LONGEST)
    model.run()
    is_found = model.getInfo().primal_solution_status == FEASIBLE
    return np.array(model.getSolution().col_value) if is_found else None


def _whole(model: Solver, goal: Array, gap: Array) -> Array | None:
    """The least of a goal in whole numbers, without the switches. It is mostly found without that demand as well, in a tenth of
    the time: what comes out whole, and nowhere between nobody and not few, is a solution."""
    for kind in (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger):
        if (found := _solved(model, goal, kind)) is not None:
            values: Array = np.rint(found[: len(gap)])
            is_right = (values == 0) | (values >= gap)
            if is_right.all() and np.abs(found[: len(gap)] - values).max() < 1e-6:
                return values
    return None


def _nearest(told: Told, low: Array, high: Array) -> Nearest:
    """Of one quantity those nearest to it along what can have more than one value, and every margin in which nothing else
    can move. Of margins that are as near, those first that bring least that can."""
    system, is_moving = told.system, high > low
    n_moving = np.add.reduceat(is_moving[system.quantity].astype(np.int64), system.start[:-1])
    rank = np.argsort(np.argsort(n_moving, kind="stable")).tolist()
    may_move, first, margin_of = is_moving.tolist(), system.first.tolist(), system.margin_of.tolist()
    start, quantity = system.start.tolist(), system.quantity.tolist()

    def sums(one: int) -> tuple[Array, Array]:
        inside, seen, edge = {one}, set(), [one]
        while edge and len(inside) < NEAR:
            new = {margin for who in edge for margin in margin_of[first[who] : first[who + 1]]} - seen
            seen |= new
            edge = []
            for margin in sorted(new, key=rank.__getitem__):
                wider = [
                    who for who in quantity[start[margin] : start[margin + 1]] if may_move[who] and who not in inside
                ]
                if len(inside) + len(wider) > NEAR and len(inside) > 1:
                    edge = []
                    break
                inside.update(wider)
                edge += wider
        free = np.array(sorted(inside))
        margins, n = np.unique(system.margin_of[ranges(system.first, free)[0]], return_counts=True)
        return free, margins[n == n_moving[margins]]

    return sums


def _block(told: Told, one: int, low: Array, high: Array) -> Array:
    """The quantity and those nearest to it along margins that can have more than one value, in order; of the outermost
    those that are in fewest margins."""
    inside = np.array([one])
    while len(inside) < SIZE:
        wider = told.system.within(told.system.around(inside))
        new = np.setdiff1d(wider[high[wider] > low[wider]], inside)
        if not len(new):
            break
        n_margins = told.system.first[new + 1] - told.system.first[new]
        inside = np.union1d(inside, new[np.lexsort((new, n_margins))][: SIZE - len(inside)])
    return inside


if __name__ == "__main__":
    told, near, low, high, fewest = pickle.load(sys.stdin.buffer)
    _look_near(told, near, _nearest(told, low, high), low, high, fewest)
    pickle.dump((told.seen_low[near], told.seen_high[near]), sys.stdout.buffer)
