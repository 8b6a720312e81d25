"""Margins and what is told of each quantity -> the smallest and largest value that each can have: interval propagation.

Promise: every value that is possible lies within the bounds; what lies within may still be impossible (exact.py).
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

Array = np.ndarray


@dataclass(frozen=True)
class Margins:
    """Sums that are nothing: margin m holds quantities `quantity[start[m]:start[m + 1]]` with their `sign`, 1 or -1."""

    start: Array
    quantity: Array
    sign: Array
    first: Array  # of each quantity: its margins are margin_of[first[q]:first[q + 1]], with its sign there beside them
    margin_of: Array
    sign_of: Array

    @property
    def n(self) -> int:
        return len(self.start) - 1

    def around(self, quantities: Array) -> Array:
        """The margins that hold any of these quantities."""
        return np.unique(self.margin_of[ranges(self.first, quantities)[0]])

    def within(self, margins: Array) -> Array:
        """The quantities that any of these margins holds."""
        return np.unique(self.quantity[ranges(self.start, margins)[0]])


def collected(margin: Array, quantity: Array, sign: Array, n_quantities: int) -> Margins:
    """From one row per margin and quantity, ordered by margin; margins are numbered from 0 without gaps."""
    counts = np.bincount(margin) if len(margin) else np.zeros(0, dtype=np.int64)
    order = np.argsort(quantity, kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(quantity, minlength=n_quantities))])
    start = np.concatenate([[0], np.cumsum(counts)])
    return Margins(start, quantity, sign, first, margin[order], sign[order])


def ranges(start: Array, which: Array) -> tuple[Array, Array]:
    """The numbers from start[w] up to start[w + 1] for each w, one after another, and where each run begins."""
    lengths = start[which + 1] - start[which]
    begins = np.concatenate([[0], np.cumsum(lengths)])
    return np.repeat(start[which] - begins[:-1], lengths) + np.arange(begins[-1]), begins


def connected(system: Margins, n_quantities: int) -> tuple[Array, Array]:
    """Which quantities have to do with each other, by the number of what they are in; and the same of each margin."""
    margin = np.repeat(np.arange(system.n), np.diff(system.start))
    shape = (n_quantities + system.n,) * 2
    pairs = sparse.coo_matrix(
        (np.ones(len(margin), dtype=np.int8), (system.quantity, margin + n_quantities)), shape=shape
    )
    labels = connected_components(pairs, directed=False)[1]
    return labels[:n_quantities], labels[n_quantities:]


def pairs(alike: Array) -> tuple[Array, Array]:
    """Every two places with equal numbers, the earlier one first."""
    order = np.argsort(alike, kind="stable")
    one, other, apart = [order[:0]], [order[:0]], 1
    while (is_pair := alike[order[:-apart]] == alike[order[apart:]]).any():
        one.append(order[:-apart][is_pair])
        other.append(order[apart:][is_pair])
        apart += 1
    return np.concatenate(one), np.concatenate(other)


def narrow(
    system: Margins, low: Array, high: Array, least_but_none: Array, active: Array, *, most_rounds: int = 200
) -> int:
    """Narrow the bounds in place, beginning with the active margins, until none says more. Returns the rounds it took.

    Bounds are whole numbers. `least_but_none`: what cannot be from 1 to one less than that; 0 says nothing.
    """
    for done in range(most_rounds):
        if not len(active):
            return done
        places, begins = ranges(system.start, active)
        who, is_whole = system.quantity[places], np.flatnonzero(system.sign[places] < 0)
        # Each term of the sum lies between least and most; all others together say what is left for it.
        least, most = low[who], high[who]
        least[is_whole], most[is_whole] = -most[is_whole], -least[is_whole]
        in_all_least, in_all_most = np.add.reduceat(least, begins[:-1]), np.add.reduceat(most, begins[:-1])
        # Only a term that may vary by more than the sum leaves open can be narrowed.
        varies = np.maximum.reduceat(most - least, begins[:-1]) > np.minimum(-in_all_least, in_all_most)
        lengths = np.diff(begins)
        at = np.flatnonzero(np.repeat(varies, lengths))
        left_least = least[at] - np.repeat(in_all_least[varies], lengths[varies])
        left_most = most[at] - np.repeat(in_all_most[varies], lengths[varies])
        who, is_part = who[at], system.sign[places[at]] > 0
        new_low, new_high = np.where(is_part, left_most, -left_least), np.where(is_part, left_least, -left_most)
        higher, lower = new_low > low[who], new_high < high[who]
        np.maximum.at(low, who[higher], new_low[higher])
        np.minimum.at(high, who[lower], new_high[lower])
        changed = np.unique(np.concatenate([who[higher], who[lower]]))
        gap = least_but_none[changed]
        high[changed[high[changed] < gap]] = 0
        above = (low[changed] > 0) & (low[changed] < gap)
        low[changed[above]] = gap[above]
        active = system.around(changed)
    return most_rounds
