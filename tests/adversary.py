"""Published cells -> what somebody who adds up and subtracts can work out: written apart from the service, to attack it.

Promise: it reads only what is published, what the standard tells everybody, and (as the standard supposes) which hidden cells
are small by themselves. It makes its own margins, narrows by its own propagation, and asks HiGHS for exact bounds.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

ANYTHING = 10**7
LETTERS = ("valid", "other", "default", "invalid", "missing")


@dataclass(frozen=True)
class Cell:
    """One published number: where it stands, and what is said of it. `few`: 'numerator' or 'rest' where that is known to be few."""

    release: int
    table: str
    metric: str
    period: str
    place_kind: str
    place: str
    breakdown: str
    category: str
    numerator: int | None
    denominator: int | None
    smallest: int
    base: int
    few: frozenset[str] = frozenset()
    is_out: bool = (
        False  # there is no row: nothing is known of it, and what few are in it must not be found all the same
    )
    same_as: tuple = ()  # what the reader knows to be equal: a name for the value of each of the three counts


@cache
def behind(shown: int, smallest: int, base: int) -> tuple[int, int]:
    """Every number that rounds to what is shown, and would be shown."""
    fits = [n for n in range(max(0, shown - base), shown + base + 1)
            if int(n / base + 0.5) * base == shown and not 0 < n < smallest]  # fmt: skip
    return min(fits), max(fits)


@dataclass
class Sheet:
    """Unknown whole numbers between bounds, and sums of them that are nothing."""

    low: list[int] = field(default_factory=list)
    high: list[int] = field(default_factory=list)
    gap: list[int] = field(default_factory=list)
    hidden: list[bool] = field(default_factory=list)
    named: dict[tuple, int] = field(default_factory=dict)
    sums: list[dict[int, int]] = field(default_factory=list)
    seen: set[frozenset] = field(default_factory=set)
    no_row: set[int] = field(default_factory=set)
    read: set[tuple] = field(default_factory=set)

    def unknown(self, name: tuple, low: int = 0, high: int = ANYTHING, gap: int = 0, *, hidden: bool = False) -> int:
        """The number of an unknown; told twice, both are true."""
        no = self.named.setdefault(name, len(self.low))
        if no == len(self.low):
            self.low.append(0)
            self.high.append(ANYTHING)
            self.gap.append(0)
            self.hidden.append(False)
        self.low[no], self.high[no] = max(self.low[no], low), min(self.high[no], high)
        self.gap[no] = max(self.gap[no], gap)
        self.hidden[no] = self.hidden[no] or hidden
        return no

    def adds_up(self, parts: Iterable[int], whole: int) -> None:
        """These are, together, the whole. Where some of them have no row there may be others without one: nobody is in these,
        or few, and which it is cannot be read."""
        terms: dict[int, int] = defaultdict(int)
        for part in parts:
            terms[part] += 1
        terms[whole] -= 1
        terms = {no: sign for no, sign in terms.items() if sign}
        if len(terms) > 1 and (key := frozenset(terms.items())) not in self.seen:
            self.seen.add(key)
            if sum(terms.values()) > 0 and any(no in self.no_row for no, sign in terms.items() if sign > 0):
                terms[self.unknown(("others", len(self.sums)))] = 1
            self.sums.append(terms)

    def divides(self, n: int, rest: int, d: int) -> None:
        """The count and what is left over are, together, what it is of: a sum in which nothing is missing."""
        self.sums.append({n: 1, rest: 1, d: -1})

    def narrowed(self) -> tuple[list[int], list[int]]:
        """Bounds after propagation; an impossible one is a fault of the attack."""
        low, high = self.low.copy(), self.high.copy()
        of = defaultdict(list)
        for at, terms in enumerate(self.sums):
            for no in terms:
                of[no].append(at)
        waiting, queued = list(range(len(self.sums))), set(range(len(self.sums)))
        for _ in range(200 * max(1, len(self.sums))):
            if not waiting:
                break
            at = waiting.pop()
            queued.discard(at)
            terms = self.sums[at]
            least = sum(sign * (low[no] if sign > 0 else high[no]) for no, sign in terms.items())
            most = sum(sign * (high[no] if sign > 0 else low[no]) for no, sign in terms.items())
            for no, sign in terms.items():
                if sign > 0:
                    new = (max(low[no], high[no] - most), min(high[no], low[no] - least))
                else:
                    new = (max(low[no], high[no] + least), min(high[no], low[no] + most))
                new = (self.gap[no] if 0 < new[0] < self.gap[no] else new[0], 0 if new[1] < self.gap[no] else new[1])
                assert new[0] <= new[1], "what is published contradicts itself"
                if new != (low[no], high[no]):
                    low[no], high[no] = new
                    for other in of[no]:
                        if other not in queued:
                            queued.add(other)
                            waiting.append(other)
        return low, high

    def blocks(self, low: list[int], high: list[int]) -> list[tuple[list[int], list[int]]]:
        """(unknowns, sums) of each set of hidden unknowns that sums tie together, with what is shown in these sums."""
        of, kin = defaultdict(list), list(range(len(low)))

        def root(no: int) -> int:
            while kin[no] != no:
                kin[no] = kin[kin[no]]
                no = kin[no]
            return no

        for at, terms in enumerate(self.sums):
            open_ones = [no for no in terms if self.hidden[no] and low[no] < high[no]]
            for no in open_ones:
                kin[root(no)] = root(open_ones[0])
            if open_ones:
                of[at] = open_ones
        grouped = defaultdict(list)
        for at, open_ones in of.items():
            grouped[root(open_ones[0])].append(at)
        return [(sorted({no for at in sums for no in self.sums[at]}), sums) for sums in grouped.values()]

    def near(self, one: int, most: int) -> tuple[list[int], list[int]]:
        """The unknowns nearest to one along sums, and all sums that hold nothing else."""
        of = defaultdict(list)
        for at, terms in enumerate(self.sums):
            for no in terms:
                of[no].append(at)
        inside, edge, sums = {one}, [one], []
        known = set()
        while edge and len(inside) < most:
            following = []
            for no in edge:
                for at in of[no]:
                    if at not in known and len(inside) < most:
                        known.add(at)
                        sums.append(at)
                        new = set(self.sums[at]) - inside
                        inside |= new
                        following += new
            edge = following
        return sorted(inside), sums

    def exact(
        self, who: list[int], sums: list[int], wanted: list[int], low: list[int], high: list[int], fewest: int
    ) -> dict:
        """(smallest, largest) value of each wanted unknown that has fewer than `fewest`, by whole-number programming."""
        place = {no: at for at, no in enumerate(who)}
        entries = [(row, place[no], sign) for row, at in enumerate(sums) for no, sign in self.sums[at].items()]
        rows, columns, signs = zip(*entries)
        matrix = csr_matrix((np.array(signs, float), (rows, columns)), shape=(len(sums), len(who)))
        held = LinearConstraint(matrix, 0, 0)
        limits = Bounds([low[no] for no in who], [high[no] for no in who])
        seen: dict[int, list[int]] = {no: [ANYTHING, -1] for no in wanted}
        found = {}
        for no in wanted:
            for sign in (1, -1):
                if seen[no][1] - seen[no][0] + 1 >= fewest:
                    break
                goal = np.zeros(len(who))
                goal[place[no]] = sign
                solved = milp(goal, constraints=held, bounds=limits, integrality=np.ones(len(who)))
                assert solved.x is not None, solved.message
                for other, value in zip(who, np.rint(solved.x).astype(int), strict=True):
                    if other in seen:
                        seen[other] = [min(seen[other][0], value), max(seen[other][1], value)]
            if seen[no][1] - seen[no][0] + 1 < fewest:
                found[no] = tuple(seen[no])
        return found


def sheet(cells: Iterable[Cell], standard: dict) -> Sheet:
    """What the cells say, and every sum that a reader of the standard knows. `standard`: see tests/test_adversary.py."""
    made, listed = Sheet(), list(cells)
    numbers = {}
    rates = set(standard.get("rates", ()))
    for cell in listed:
        n, d, r = _counts(made, cell)
        if cell.metric in rates:  # nothing is left over: more may happen than there are people
            r = made.unknown(("nothing",), high=0)
        else:
            made.divides(n, r, d)
        numbers[cell] = n, d, r
        made.no_row |= {n, d, r} if cell.is_out else set()
    grouped = defaultdict(dict)
    for cell in listed:
        grouped[cell.release, cell.table, cell.metric, cell.period][
            cell.place_kind, cell.place, cell.breakdown, cell.category
        ] = numbers[cell]
    for (release, table, metric, period), told in grouped.items():
        _sums_of_table(made, table, told, standard)
        if table == "rule_score":
            _claims(made, grouped, (release, metric, period), told, standard)
        if table == "provider_scorecard":
            for (kind, place, breakdown, letter), counts in told.items():
                other = grouped[release, "provider_measure", metric, period].get(
                    (kind, place, breakdown.split()[0], letter)
                )
                for one, same in zip(counts, other or (), strict=bool(other)):
                    made.adds_up([one], same)
    _periods(made, grouped)
    _across(made, grouped, standard)
    return made


def _across(made: Sheet, grouped: dict, standard: dict) -> None:
    """What one metric counts and another, or the coverage, counts too."""
    everybody: dict = defaultdict(dict)
    for (release, table, metric, period), told in grouped.items():
        if table != "metric_value":
            continue
        for (a, one), (b, other) in standard.get("equal", ()):
            if metric == a and (release, table, b, period) in grouped:
                for where, counts in grouped[release, table, b, period].items():
                    if where in told:
                        made.adds_up([told[where][one]], counts[other])
        if metric in standard.get("rates", ()):
            for where, counts in told.items():
                made.adds_up([counts[1]], everybody[release].setdefault(where, counts[1]))
    for (release, table, metric, _), told in grouped.items():
        if table == "coverage":
            for (kind, place, breakdown, status), counts in told.items():
                people = everybody[release].get((kind, place, "everyone", "everyone"))
                if people is not None and breakdown == "status":
                    made.adds_up([people], counts[1])
                for by in standard.get("said_by", {}).get(metric, ()) if breakdown == "status" else ():
                    here = {w[3]: no for w, no in everybody[release].items() if w[:3] == (kind, place, by)}
                    if status in here:
                        made.adds_up([here[status]], counts[0])


def _counts(made: Sheet, cell: Cell) -> tuple[int, int, int]:
    where = (cell.table, cell.metric, cell.period, cell.place_kind, cell.place, cell.breakdown, cell.category)
    name = [(cell.release, kind, *where) for kind in "ndr"]
    if cell.same_as:
        name = [("same", kind, *where, value) for kind, value in zip("ndr", cell.same_as)]

    def read(shown: int | None, which: str) -> tuple[int, int]:
        if shown is not None:
            return behind(shown, cell.smallest, cell.base)
        return (1, cell.smallest - 1) if which in cell.few and not cell.is_out else (0, ANYTHING)

    is_shown = cell.numerator is not None
    # What one release shows no other keeps from anybody.
    made.read |= {name[0]} if is_shown else set()
    n = made.unknown(
        name[0], *read(cell.numerator, "numerator"), hidden="numerator" in cell.few if cell.is_out else not is_shown
    )
    d = made.unknown(
        name[1],
        *read(cell.denominator, "denominator"),
        hidden="denominator" in cell.few if cell.is_out else cell.denominator is None,
    )
    gap = cell.smallest if is_shown else 0
    r = made.unknown(name[2], *read(None, "rest"), gap=gap, hidden="rest" in cell.few)
    return n, d, r


def _sums_of_table(made: Sheet, table: str, told: dict, standard: dict) -> None:
    """Sums within one table, metric and period."""
    places, slices = defaultdict(dict), defaultdict(dict)
    for (kind, place, breakdown, category), counts in told.items():
        places[kind, place, breakdown][category] = counts
        slices[breakdown, category][kind, place] = counts
    for (kind, place, breakdown), categories in list(places.items()):
        if table == "coverage" and breakdown == "status":
            made.adds_up([c[0] for c in categories.values()], next(iter(categories.values()))[1])
        if table == "coverage" and breakdown == "status and reason":
            for status, counts in places[kind, place, "status"].items():
                parts = [c[0] for name, c in categories.items() if name.split(":")[0] == status]
                made.adds_up(parts, counts[0]) if parts else None
        if table == "coverage" or table.startswith("provider"):
            first = next(iter(categories.values()))
            for counts in categories.values():  # one denominator
                if breakdown != "every layout" or table == "coverage":
                    made.adds_up([counts[1]], first[1])
        if table.startswith("provider") and set(LETTERS) <= set(categories):
            made.adds_up([categories[letter][0] for letter in LETTERS], categories["valid"][1])
            if "answered" in categories:
                made.adds_up([categories["valid"][0], categories["other"][0]], categories["answered"][0])
            if "usable" in categories:
                made.adds_up([categories["valid"][0]], categories["usable"][0])
        if table == "metric_value" and breakdown != "everyone":
            for which in range(3):
                whole = places[kind, place, "everyone"].get("everyone")
                if whole:
                    made.adds_up([c[which] for c in categories.values()], whole[which])
                if breakdown == "ethnic_category":
                    groups = defaultdict(list)
                    for category, counts in categories.items():
                        groups[standard["group_of"].get(category, category)].append(counts[which])
                    for group, parts in groups.items():
                        if group in places[kind, place, "ethnic_group"]:
                            made.adds_up(parts, places[kind, place, "ethnic_group"][group][which])
                if " x " in breakdown:
                    for side, name in enumerate(breakdown.split(" x ")):
                        crossed = defaultdict(list)
                        for category, counts in categories.items():
                            crossed[category.split(" x ")[side]].append(counts[which])
                        for category, parts in crossed.items():
                            if category in places[kind, place, name]:
                                made.adds_up(parts, places[kind, place, name][category][which])
    if table in ("metric_value", "coverage"):
        everywhere = set(slices.get(("everyone", "everyone"), {}))
        for (breakdown, _), at in slices.items():
            has = {(kind, place) for kind, place, name in list(places) if name == breakdown}
            if " x " in breakdown and not everywhere <= has:
                continue  # of some places the cross is left out, and so it adds up to nothing
            boards = {place: counts for (kind, place), counts in at.items() if kind == "icb_of_residence"}
            areas = {place: counts for (kind, place), counts in at.items() if kind == "local_authority"}
            # A reason that nobody in a place has is no row there, and then the denominators do not add up.
            for which in range(1 if breakdown == "status and reason" else 3):
                for (kind, place), counts in at.items():
                    if kind == "region":
                        made.adds_up([c[which] for p, c in boards.items() if p in standard["boards"]], counts[which])
                        if areas:
                            made.adds_up([c[which] for c in areas.values()], counts[which])
                    if kind == "everyone" and boards:
                        made.adds_up([c[which] for c in boards.values()], counts[which])
                    if kind == "icb_of_residence" and place in standard["whole_boards"]:
                        parts = [c[which] for p, c in areas.items() if standard["board_of"].get(p) == place]
                        made.adds_up(parts, counts[which]) if parts else None


def _claims(made: Sheet, grouped: dict, key: tuple, told: dict, standard: dict) -> None:
    """Where one rule alone says that an item is blank or wrong, those that break it are those of the letter."""
    release, metric, period = key
    for letter, rules in standard["claims"].items():
        for field_name, claims in rules.items():
            if len(claims) == 1 and metric.endswith(f".{field_name}.{claims[0]}"):
                for (kind, place, _, layout), counts in told.items():
                    other = grouped[release, "provider_measure", field_name, period].get((kind, place, layout, letter))
                    if other and standard["table_of"].get(layout) == metric.split(".")[0]:
                        made.adds_up([counts[0]], other[0])


def _periods(made: Sheet, grouped: dict) -> None:
    """Quarters add up to the year, where both are published of what is counted as events."""
    months = defaultdict(list)
    for key in list(grouped):
        release, table, metric, period = key
        if table == "metric_value":
            months[release, metric].append(period)
    for (release, metric), periods in months.items():
        for whole in periods:
            spans = defaultdict(list)
            for period in periods:
                if period != whole and set(span(period)) < set(span(whole)):
                    spans[len(span(period))].append(period)
            for length, parts in spans.items():
                if length * len(parts) != len(span(whole)):
                    continue
                for where, counts in grouped[release, "metric_value", metric, whole].items():
                    told = [grouped[release, "metric_value", metric, part].get(where) for part in parts]
                    for which in range(3):
                        made.adds_up([c[which] for c in told if c], counts[which])


@cache
def span(period: str) -> tuple[int, ...]:
    """The months of a period, counted from the year nought."""
    if "Q" in period:
        first = int(period[:4]) * 12 + 3 * int(period[-1]) - 3
        return tuple(range(first, first + 3))
    ends = [int(part[:4]) * 12 + int(part[5:7]) - 1 for part in period.split(" to ")]
    return tuple(range(ends[0], ends[-1] + 1))


def breaches(
    made: Sheet, fewest: int, *, most: int = 300, sample: int = 0, seed: int = 1
) -> dict[tuple, tuple[int, int]]:
    """Every hidden unknown that has fewer possible values: by propagation, exactly in each block under `most` cells, and
    exactly near each of `sample` others."""
    low, high = made.narrowed()
    for name in made.read:
        made.hidden[made.named[name]] = False
    names = {no: name for name, no in made.named.items()}
    found = {no: (low[no], high[no]) for no in range(len(low)) if made.hidden[no] and high[no] - low[no] + 1 < fewest}
    left = []
    for who, sums in made.blocks(low, high):
        wanted = [no for no in who if made.hidden[no] and no not in found]
        if sum(made.hidden[no] for no in who) < most:
            found |= made.exact(who, sums, wanted, low, high, fewest)
        else:
            left += wanted
    chosen = np.random.default_rng(seed).permutation(len(left))[:sample]
    for at in chosen:
        if left[at] not in found:
            who, sums = made.near(left[at], 250)
            found |= made.exact(who, sums, [left[at]], low, high, fewest)
    return {names[no]: bounds for no, bounds in found.items()}
