"""Told quantities and what their margins leave -> what a bound rests on, and the cheapest of it that may be hidden.

Promise: what is not named here cannot make the bound wider by these sums.
"""

import numpy as np

from transforms.bounds import Array, ranges
from transforms.quantities import Told

BIG = 1 << 23  # more quantities than are ever told; a price times this is still a whole number of the machine


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
    is_margin = margin < told.n_sums
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


def rests_on(told: Told, owner: Array, node: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """(owner, quantity) of all that is told and that the bounds of each owner rest on, followed back from sum to sum: node
    2 q is how few there can be of quantity q, 2 q + 1 how many. Without any of these it is known less well, by these sums."""
    system, seen, found = told.system, owner[:0], []
    while len(node):
        pair = np.unique(owner * (2 * BIG) + node)
        pair = pair[~np.isin(pair, seen)]
        seen = np.union1d(seen, pair)
        owner, node = pair // (2 * BIG), pair % (2 * BIG)
        quantity, is_high = node // 2, node % 2 == 1
        bound = np.where(is_high, high[quantity], low[quantity])
        is_told = bound == np.where(is_high, told.high[quantity], told.low[quantity])
        is_new = is_told & (bound != np.where(is_high, told.high_before[quantity], told.low_before[quantity]))
        found.append(np.stack([owner[is_new], quantity[is_new]]))
        owner, quantity, is_high, bound = owner[~is_told], quantity[~is_told], is_high[~is_told], bound[~is_told]
        place, margin, new_low, new_high = implied(told, quantity, low, high)
        reached, gap = bound[place], told.least_but_none[quantity][place]
        # Where nobody is left over, or not few, a bound between says as much.
        says = np.where(
            is_high[place],
            (new_high == reached) | (reached == 0) & (new_high < gap),
            (new_low == reached) | (reached == gap) & (new_low > 0),
        )
        # One sum of those that say it: the others are found when this one says it no more.
        place, margin = place[says], margin[says]
        order = np.lexsort((margin, system.start[margin + 1] - system.start[margin], place))
        first = order[np.flatnonzero(np.diff(place[order], prepend=-1))]
        place, margin = place[first], margin[first]
        entries, begins = ranges(system.start, margin)
        place = np.repeat(place, np.diff(begins))
        member, sign = system.quantity[entries], system.sign[entries]
        is_own = member == quantity[place]
        own_sign = np.repeat(sign[is_own], np.diff(begins))
        # The more there is of a part, the less is left for the others, and the more is the whole.
        to_high = (own_sign != sign) == is_high[place]
        owner, node = owner[place][~is_own], (2 * member + to_high)[~is_own]
    pair = np.unique(np.concatenate([np.zeros((2, 0), dtype=np.int64), *found], axis=1), axis=1)
    return pair[0], pair[1]


def cheapest_of(
    told: Told, unsafe: Array, owner: Array, quantity: Array, *, is_last_resort: bool
) -> tuple[Array, Array]:
    """For each unsafe quantity of what it rests on the cheapest that may be hidden; and all that is hidden of those without
    one, but told of why."""
    kind = told.kind[quantity]
    is_usable = told.is_free[quantity] & (is_last_resort | (kind != 1) | (told.kind[unsafe][owner] == 1))
    order = np.lexsort((quantity, told.price[quantity], kind == 1, owner))
    order = order[is_usable[order]]
    ends, first = np.unique(owner[order], return_index=True)
    is_left = (
        ~np.isin(owner, ends) & told.is_hidden[quantity] & ~told.is_withdrawn[quantity] & ~told.stays_told[quantity]
    )
    return np.unique(quantity[order[first]]), np.unique(quantity[is_left])


def obstructed(
    told: Told, unsafe: Array, obstacles: list[Array], low: Array, high: Array, many: Array
) -> tuple[Array, Array]:
    """What is hidden next beside what has room by its bounds, and yet is not proved safe; and what is not broken down. `many`
    need nothing beside them."""
    obstacles = [
        found[: 0 if is_many else None] for found, is_many in zip(obstacles, np.isin(unsafe, many), strict=False)
    ]
    owner = np.repeat(np.arange(len(obstacles)), [len(one) for one in obstacles])
    node = np.concatenate([*obstacles, unsafe[:0]])
    return cheapest_of(told, unsafe, *rests_on(told, owner, node, low, high), is_last_resort=True)
