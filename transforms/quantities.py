"""measure.quantity, addend and judged_cell -> what a reader is told, as arrays: one place per count that is told apart.

Promise: counts that are known to be equal, in whichever tables they stand, are one; where one of them is hidden all are.
"""

from dataclasses import dataclass, field

import duckdb
import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from transforms.bounds import Array, Margins, collected, pairs, ranges

QUANTITIES = """
select q.kind, q.value, q.low, q.high, q.low_before, q.high_before, q.least_but_none_before, q.price,
       q.is_hidden, q.was_shown, q.is_untold, q.is_kept, q.is_free,
       q.is_last, q.is_withdrawn, q.is_gone, q.is_known, q.least_of_many
from measure.quantity as q order by q.quantity_no
"""
CELLS = """
select n.quantity_no as numerator, d.quantity_no as denominator, coalesce(r.quantity_no, n.quantity_no) as rest,
       bool_or(c.release > 0 and not c.is_denominator_open and not c.was_left_out)::integer as stands,
       bool_or(c.release = 0 and not c.is_left_out)::integer as is_told,
       coalesce(max(c.smallest_count_shown) filter (c.release = 0 and not c.is_left_out and not c.is_rate), 0) as gap
from measure.judged_cell as c
join measure.quantity as n on n.quantity = c.numerator_quantity
join measure.quantity as d on d.quantity = c.denominator_quantity
left join measure.quantity as r on r.quantity = if(c.is_rate, null, c.rest_quantity)
where c.suppression <> 'deliveries'
group by 1, 2, 3 order by 1, 2, 3
"""
ADDENDS = """
select (dense_rank() over (order by margin) - 1)::integer as margin_no, quantity_no, sign,
       (dense_rank() over (order by alike) - 1)::integer as alike
from measure.addend join measure.quantity using (quantity)
order by margin_no, quantity_no
"""


@dataclass
class Told:
    """What a reader is told: one place of each array per quantity, the margins between them, and the cells they are in."""

    kind: Array  # 0 numerator, 1 denominator, 2 rest
    value: Array
    low: Array
    high: Array
    low_before: Array  # what earlier releases tell of it by themselves
    high_before: Array
    least_but_none_before: Array  # what earlier releases tell is left over: nobody, or so many
    price: Array
    is_hidden: Array
    is_kept: Array  # it must keep enough possible values
    is_free: Array  # it may be hidden
    is_last: Array  # it may be hidden where there is nothing else
    least_of_many: Array  # from so many on it is hidden for the sake of others alone; 0: whatever it is
    is_withdrawn: Array  # it is a part of few that are not broken down
    is_gone: Array  # what it is in has no row
    is_known: Array  # a release that can be read shows it, or has let it go: nobody can be kept from it
    cells: Array  # a row per cell: numerator, denominator, rest
    is_row: Array  # of each cell: a release that can be read has a row of it
    is_told: Array  # of each cell: the release that is made has a row of it, unless it is not broken down
    gap: Array  # of each cell: while it is shown, nobody is left over, or so many
    system: Margins
    was_shown: Array  # a release that can be read shows it
    same: Array  # of each quantity of measure.quantity: its place here, one for all that are known to be equal
    n_margins: int  # of margins.csv; those after them are differences of two of these
    n_sums: int  # with the differences; those after them say that numerator and rest of a cell are its denominator
    no_limit: int
    n_told_nothing: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.seen_low, self.seen_high = self.value.copy(), self.value.copy()  # found possible (exact.py)
        self.least_but_none = self.least_but_none_before.copy()
        # What is left over is hidden by hiding the numerator; a denominator only with all that rests on it.
        self.by_hiding = np.arange(len(self.value))
        self.by_hiding[self.cells[:, 2]] = self.cells[:, 0]
        self.stays_told = self.was_shown | self.was_shown[self.by_hiding]
        in_row = self.is_told | self.is_row
        numerator, denominator = self.cells[in_row, 0], self.cells[in_row, 1]
        # A number that is told again of as many as before stays; one that is known, but of others now, holds nothing up.
        stays = np.zeros(len(self.value), dtype=bool)
        stays[self.cells[self.is_told & self.is_row, 0]] = True
        before: tuple[int, int] | None = None
        while before != (before := (int(self.is_free.sum()), int(self.is_last.sum()))):
            may_go = (self.is_free | self.is_hidden | self.was_shown & ~stays)[numerator]
            later = denominator[~may_go & self.is_last[numerator]]
            self.is_last[later] |= self.is_free[later]
            self.is_free[denominator[~may_go]] = False
            self.is_last[denominator[~may_go & ~self.is_last[numerator]]] = False
        # Where a denominator is hidden since it is equal to what is, so are the numerators that rest on it.
        taken = numerator[self.is_hidden[denominator]]
        conceal(self, taken[~self.is_hidden[taken]])
        remember_gaps(self)


def read(con: duckdb.DuckDBPyConnection) -> Told:
    """What measure.quantity, addend and judged_cell say, as arrays; what is known to be equal is one."""
    told = {name: np.asarray(column) for name, column in con.execute(QUANTITIES).fetchnumpy().items()}
    cells = np.stack([np.asarray(c, dtype=np.int64) for c in con.execute(CELLS).fetchnumpy().values()], axis=1)
    stands, told_now, of_row = cells[:, 3] == 1, cells[:, 4] == 1, cells[:, 5]
    added = {name: np.asarray(column) for name, column in con.execute(ADDENDS).fetchnumpy().items()}
    margin, quantity, sign = added["margin_no"], added["quantity_no"].astype(np.int64), added["sign"].astype(np.int8)
    n_margins = int(margin.max()) + 1 if len(margin) else 0
    system = collected(margin, quantity, sign, len(told["kind"]))
    same, one = merged({name: column.astype(np.int64) for name, column in told.items()}, system)
    alike = np.zeros(n_margins, dtype=np.int64)
    alike[margin] = added["alike"]
    margin, quantity, sign, kept = renamed(margin, same[quantity], sign)
    alike = alike[kept]
    cells, of_cell = np.unique(same[cells[:, :3]], axis=0, return_inverse=True)
    is_row = np.zeros(len(cells), dtype=bool)
    np.logical_or.at(is_row, of_cell.ravel(), stands)
    is_told = np.zeros(len(cells), dtype=bool)
    np.logical_or.at(is_told, of_cell.ravel(), told_now)
    gap = np.zeros(len(cells), dtype=np.int64)
    np.maximum.at(gap, of_cell.ravel(), of_row)
    n_margins = int(margin.max(initial=-1)) + 1
    of_rests = differences(margin, equals(margin, quantity, len(one["kind"])), sign, np.asarray(alike))
    n_sums = n_margins + int(of_rests[0].max(initial=-1)) + 1
    whole = cells[cells[:, 2] != cells[:, 0]]  # of a rate nothing is left over
    of_cells = renamed(
        np.repeat(np.arange(len(whole)), 3), whole.ravel(), np.tile(np.array([1, -1, 1], np.int8), len(whole))
    )
    margin = np.concatenate([margin, of_rests[0] + n_margins, of_cells[0] + n_sums])
    quantity, sign = (
        np.concatenate([quantity, of_rests[1], of_cells[1]]),
        np.concatenate([sign, of_rests[2], of_cells[2]]),
    )
    system = collected(margin, quantity, sign, len(one["kind"]))
    check(system, one["value"])
    return Told(**one, cells=cells, is_row=is_row, is_told=is_told, gap=gap, system=system, same=same, n_margins=n_margins, n_sums=n_sums,
                no_limit=int(con.execute("select getvariable('no_limit')").fetchone()[0]))  # fmt: skip


def check(system: Margins, value: Array) -> None:
    """Every sum that bounds are taken from holds in the exact counts; else what is hidden would be thought safe by mistake."""
    sums = np.add.reduceat(system.sign * value[system.quantity], system.start[:-1]) if system.n else np.zeros(0)
    if sums.any():
        raise AssertionError(f"{np.count_nonzero(sums)} sums of counts do not hold in the exact ones")


def equals(margin: Array, quantity: Array, n: int) -> Array:
    """Of each row of margins one quantity for all that are known to be equal, also by what is left over of others."""
    order = np.argsort(margin, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(margin))])
    ends = quantity[order][start[np.flatnonzero(np.diff(start) == 2)][:, None] + [0, 1]]
    link = sparse.coo_matrix((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(n, n))
    same = connected_components(link, directed=False)[1]
    first = np.full(n, n)
    np.minimum.at(first, same, np.arange(n))
    return first[same[quantity]]


def alikes(margin: Array, quantity: Array, sign: Array, alike: Array) -> tuple[Array, Array]:
    """Every two margins that may hold much in common: the same sum in two releases, and two sums of one whole."""
    own, whole = margin[sign < 0], quantity[sign < 0]
    one, other = pairs(whole)
    pair = np.concatenate([np.stack(pairs(alike)), np.sort(np.stack([own[one], own[other]]), axis=0)], axis=1)
    first, second = np.unique(pair[:, pair[0] != pair[1]], axis=1)
    return first, second


def differences(margin: Array, quantity: Array, sign: Array, alike: Array) -> tuple[Array, Array, Array]:
    """What each of two sums says without what both hold: what is left of one is what is left of the other, whatever the
    shared counts are. No bounds of these say as much. And what is left of a sum whose part is known to be the whole."""
    start = np.concatenate([[0], np.cumsum(np.bincount(margin))])
    one, other = alikes(margin, quantity, sign, alike)
    entries, begins = ranges(start, np.stack([one, other], axis=1).ravel())
    side = np.repeat(np.tile(np.array([1, -1], np.int8), len(one)), np.diff(begins))
    pair = np.repeat(np.repeat(np.arange(len(one)), 2), np.diff(begins))
    pair = np.concatenate([pair, margin + len(one)])
    who, sides = np.concatenate([quantity[entries], quantity]), np.concatenate([side * sign[entries], sign])
    n_before = np.bincount(pair)
    left, who, sides, kept = renamed(pair, who, sides)
    # With one count in common its bounds say the same.
    n_gone = n_before[kept] - np.bincount(left)
    says = (n_gone >= np.where(kept < len(one), 4, 2))[left]
    return np.unique(left[says], return_inverse=True)[1], who[says], sides[says]


def renamed(margin: Array, quantity: Array, sign: Array) -> tuple[Array, Array, Array, Array]:
    """The rows of margins without what is in one of them as part and as whole, and those numbered anew that are left, and
    what their numbers were."""
    order = np.lexsort((quantity, margin))
    margin, quantity, sign = margin[order], quantity[order], sign[order]
    begins = np.flatnonzero(np.diff(margin, prepend=-1) | np.diff(quantity, prepend=-1))
    in_all = np.add.reduceat(sign.astype(np.int64), begins) if len(begins) else begins
    keep = np.repeat(in_all != 0, np.diff(np.append(begins, len(margin))))
    kept, margin = np.unique(margin[keep], return_inverse=True)
    return margin, quantity[keep], sign[keep], kept


def merged(told: dict[str, Array], system: Margins) -> tuple[Array, dict[str, Array]]:
    """The place of each quantity among those that are told apart, and what is told of these. A sum with one part is it."""
    pair = np.flatnonzero(np.diff(system.start) == 2)
    ends = system.quantity[system.start[pair][:, None] + [0, 1]] if len(pair) else np.zeros((0, 2), dtype=np.int64)
    ends = ends[
        (told["kind"][ends] == 2).sum(axis=1) != 1
    ]  # what is left over is hidden with another count than itself
    n = len(told["kind"])
    link = sparse.coo_matrix((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(n, n))
    n_left, same = connected_components(link, directed=False)

    def together(of_all: np.ufunc, values: Array, start: int) -> Array:
        found = np.full(n_left, start, dtype=np.int64)
        of_all.at(found, same, values)
        return found

    is_hidden = together(np.maximum, told["is_hidden"], 0) == 1
    # Where one of them is hidden all are, and what the others would have told is told no more.
    is_told = (told["is_hidden"] == 1) | ~is_hidden[same]
    low, high = np.where(is_told, told["low"], told["low_before"]), np.where(is_told, told["high"], told["high_before"])
    was_shown = together(np.maximum, told["was_shown"], 0) == 1
    is_known = together(np.maximum, told["is_known"], 0) == 1
    may_go = told["is_free"] | told["is_hidden"] | told["is_untold"] | (told["kind"] == 2)
    far = np.iinfo(np.int64).max
    is_withdrawn = together(np.maximum, told["is_withdrawn"], 0) == 1
    low_before, high_before = (
        together(np.maximum, told["low_before"], 0),
        together(np.minimum, told["high_before"], far),
    )
    return same.astype(np.int64), {
        "kind": together(np.maximum, told["kind"], 0),
        "value": together(np.maximum, told["value"], np.iinfo(np.int64).min),
        "low": np.where(is_withdrawn, low_before, together(np.maximum, low, 0)),
        "high": np.where(is_withdrawn, high_before, together(np.minimum, high, far)),
        "low_before": low_before,
        "high_before": high_before,
        "least_but_none_before": together(np.maximum, told["least_but_none_before"], 0),
        "price": together(np.add, told["price"], 0),
        "is_hidden": is_hidden,
        "is_kept": (is_hidden & (together(np.maximum, told["is_kept"], 0) == 1)) & ~is_known,
        "is_free": ~is_hidden
        & (together(np.minimum, may_go, 1) == 1)
        & (together(np.maximum, told["is_free"], 0) == 1),
        "is_last": ~is_hidden
        & (together(np.minimum, may_go | told["is_last"], 1) == 1)
        & (together(np.maximum, told["is_last"], 0) == 1),
        "is_withdrawn": is_withdrawn,
        "is_gone": together(np.maximum, told["is_gone"], 0) == 1,
        "is_known": is_known,
        "least_of_many": np.where(
            together(np.minimum, told["least_of_many"], far) == 0, 0, together(np.maximum, told["least_of_many"], 0)
        ),
        "was_shown": was_shown,
    }


def conceal(told: Told, chosen: Array) -> None:
    """Hide these: they can be anything now, and so can what is left over; a denominator takes its numerators along."""
    is_chosen = np.zeros(len(told.value), dtype=bool)
    is_chosen[chosen] = True
    is_chosen[told.by_hiding[chosen]] = True
    # A numerator that is taken along may be what other numbers are of.
    while len(taken := np.flatnonzero(is_chosen[told.cells[:, 1]] & ~(is_chosen | told.is_hidden)[told.cells[:, 0]])):
        is_chosen[told.cells[taken, 0]] = True
    told.low[is_chosen], told.high[is_chosen] = told.low_before[is_chosen], told.high_before[is_chosen]
    told.is_hidden |= is_chosen
    # What is left over is kept where it is few, and then it is hidden already.
    told.is_kept |= is_chosen & ~told.is_known & (told.kind != 2)
    told.is_free &= ~is_chosen
    remember_gaps(told)


def remember_gaps(told: Told) -> None:
    """Of what is left over of a number that is shown, now or before, is known that it is nobody, or not few; also where the
    same is left over of another number, which is hidden."""
    numerator, denominator, rest = told.cells.T
    is_shown = ~(told.is_hidden[numerator] | told.is_hidden[denominator])
    told.least_but_none = told.least_but_none_before.copy()
    np.maximum.at(told.least_but_none, rest[is_shown], told.gap[is_shown])
