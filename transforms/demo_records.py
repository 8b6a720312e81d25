"""Invented people -> what each trust and practice holds about them, with faults: one row per state of a record.

Promise: a row says from which to which period an extract shows it (`first`, `last`: positions in the list of periods), where
in the file it stands (`place`), and, for every value that was made wrong, the fault and what the value should be read as.

A column `fault:X` names the fault in column X; `expected:X` is the code, or the absence, that X should become.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from transforms.demo_people import BLANK_DAY, Array, Source, pick, text


@dataclass(frozen=True)
class Setting:
    """What every table of records is made from."""

    source: Source
    seed: int
    people: pd.DataFrame
    periods: list[str]

    @property
    def last(self) -> int:
        return len(self.periods) - 1

    def providers(self, layout: str) -> list[tuple[int, str, str, int]]:
        """(position, code, board, position of the first period) of the providers that send a layout."""
        found = []
        for at, row in enumerate(self.source.providers):
            if layout in row["layouts"].split():
                starts = sum(period < row["starts_on"][:7] for period in self.periods)
                found.append((at, row["code"], row["icb"], starts))
        return found

    def rates(self, layout: str, field: str, only: list[str] | None = None) -> tuple[list[str], Array]:
        """The faults of a field and, per provider, how often each happens."""
        rows = [row for row in self.source.faults if (row["layout"], row["field"]) == (layout, field) and row["rate"]]
        rows = [row for row in rows if only is None or row["fault"] in only]
        names = list(dict.fromkeys(row["fault"] for row in rows))
        table = np.zeros((len(self.source.providers), len(names)))
        for row in sorted(
            rows, key=lambda row: bool(row["providers"])
        ):  # a named provider's rate replaces the usual one
            chosen = [not row["providers"] or one["code"] in row["providers"].split() for one in self.source.providers]
            table[chosen, names.index(row["fault"])] = float(row["rate"])
        return names, table

    def sent(self, layout: str, fault: str) -> Array:
        """What stands in the cell where a fault always sends the same."""
        found = [row["sent"] for row in self.source.faults if (row["layout"], row["fault"]) == (layout, fault)]
        return text(found[0].split())

    def happens(self, rng: np.random.Generator, layout: str, fault: str, n: int) -> Array:
        """Whether a fault that has one rate for all happens to each of n rows."""
        rate = next(
            float(row["rate"]) for row in self.source.faults if (row["layout"], row["fault"]) == (layout, fault)
        )
        return rng.random(n) < rate

    def is_blank(self, rng: np.random.Generator, layout: str, field: str, provider: Array) -> Array:
        """Whether nobody wrote a field down in each of the rows of these providers."""
        return np.asarray(draw(rng, *self.rates(layout, field, ["missing_value"]), provider) != "")

    @property
    def end(self) -> int:
        """The first day after the last period, as days since 1970."""
        return int(self.month_end(np.array(self.last)))

    def month_end(self, position: Array) -> Array:
        """The first day after each period, as days since 1970; negative positions are months before the first."""
        months = np.datetime64(self.periods[0], "M") + np.asarray(position) + 1
        return months.astype("datetime64[D]").astype(int)


def draw(rng: np.random.Generator, names: list[str], rates: Array, provider: Array) -> Array:
    """The fault of each row, or "" for most."""
    kind = (rng.random(len(provider))[:, None] > np.cumsum(rates, axis=1)[provider]).sum(axis=1)
    return text([*names, ""])[kind]


def one_of(rng: np.random.Generator, choices: Array, n: int) -> Array:
    return choices[rng.integers(len(choices), size=n)]


def guid(prefix: str, numbers: Array, seed: int) -> Array:
    """Identifiers in the form of a GUID: a number turned round by an odd multiplier, so that different stays different."""
    mixed = (numbers.astype(np.uint64) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
    return text(
        [f"{prefix}-{m[:4]}-4{m[4:7]}-A{m[7:10]}-{m[10:]}000000" for m in map("{:016X}".format, mixed.tolist())]
    )


def wrong_number(
    rng: np.random.Generator, fault: Array, number: Array, provider: Array, verified: str, untraced: str, absent: str
) -> tuple[Array, Array]:
    """The NHS number as sent, and its status."""
    other = number.copy()
    for at in np.unique(provider):  # borrowed within one provider: a neighbour on the screen
        rows = np.flatnonzero(provider == at)
        other[rows] = np.roll(number[rows], 1)
    bad = text([value[:-1] + str((int(value[-1]) + 1) % 10) for value in number])
    spaced = text([f"{value[:3]} {value[3:6]} {value[6:]}" for value in number])
    sent = number.copy()
    for name, values in (("malformed_nhs_number", bad), ("borrowed_nhs_number", other), ("spaced_nhs_number", spaced)):
        sent[fault == name] = values[fault == name]
    sent[fault == "missing_nhs_number"] = ""
    sent[fault == "placeholder_nhs_number"] = "9" * 10
    status = np.where(rng.random(len(number)) < 0.93, verified, untraced).astype(object)
    status[np.isin(fault, ["malformed_nhs_number", "placeholder_nhs_number"])] = untraced
    status[sent == ""] = absent
    return sent, status


def after_death(on: Array, who: pd.DataFrame, local_id: pd.Series) -> Array:
    """The fault of each event's day: it comes after a death that the index knows of, and names the person."""
    died = who["death_day"].to_numpy()
    return np.where((died != BLANK_DAY) & (on > died) & (local_id != "").to_numpy(), "after_death", "").astype(object)


def alive(on: Array, people: pd.DataFrame, person: Array) -> Array:
    """Days no later than the person's last."""
    died = people["death_day"].to_numpy()[person]
    return np.where(died == BLANK_DAY, on, np.minimum(on, died))


def wrong_postcode(fault: Array, postcode: Array, old: Array) -> Array:
    sent = np.where(fault == "old_address", old, postcode).astype(object)
    sent[fault == "missing_postcode"] = ""
    spelt = text([value.lower() if len(value) % 2 else value.replace(" ", "") for value in sent])
    return np.where(fault == "postcode_spelling", spelt, sent).astype(object)


class Categories:
    """Ethnic categories as a vocabulary spells them, rightly and wrongly."""

    def __init__(self, setting: Setting):
        source = setting.source
        self.setting = setting
        self.codes = text(source.categories)
        self.share = np.array([(setting.people["ethnic_category"] == code).mean() for code in self.codes])
        self.letter = text([source.national()[code] for code in self.codes])
        self.residual = text([source.residual[code] for code in self.codes])
        self.read = {
            row["value"]: row["code"] or row["status"] for row in source.map("ethnic_category", "national_2001")
        }

    def at(self, codes: Array) -> Array:
        return pd.Index(self.codes).get_indexer(codes)

    def another(self, rng: np.random.Generator, category: Array) -> Array:
        """A category of another letter than theirs, drawn as common as it is among people."""
        weights = self.share * (self.letter[:, None] != self.letter)
        return self.codes[pick(rng, weights, self.at(category))]

    def national(
        self, rng: np.random.Generator, category: Array, detail: Array, fault: Array, layout: str
    ) -> tuple[Array, Array, Array]:
        """(what is sent, what it should be read as, the fault: "" where it could not happen)."""
        said = category.copy()
        swap = fault == "different_value"
        said[swap] = self.another(rng, category[swap])
        general = fault == "general_value"
        said[general] = self.residual[self.at(category[general])]
        sent = self.letter[self.at(said)].copy()
        fault = np.where(general & (sent == self.letter[self.at(category)]), "", fault).astype(object)
        expected = text([self.read[value] for value in sent])
        for name in ("misused_99", "misused_z", "lone_9"):
            if (fault == name).any():
                value = str(self.setting.sent(layout, name)[0])
                sent[fault == name], expected[fault == name] = value, self.read[value]
        at = fault == "unrecognised_value"
        if at.any():
            sent[at], expected[at] = (
                one_of(rng, self.setting.sent(layout, "unrecognised_value"), at.sum()),
                "unrecognised",
            )
        sent[fault == "missing_value"], expected[fault == "missing_value"] = "", "not_recorded"
        at = fault == "local_second_character"
        if at.any():
            sent[at] = sent[at] + one_of(rng, self.setting.sent(layout, "local_second_character"), at.sum())
        at = fault == "lower_case_code"
        sent[at] = text([value.lower() for value in sent[at]])
        at = np.flatnonzero(fault == "trailing_space")
        few = at[rng.random(len(at)) < 0.15]  # "99 " is counted nowhere by those who forget to trim
        if len(few):
            value = str(self.setting.sent(layout, "misused_99")[0])
            sent[few], expected[few] = value, self.read[value]
        sent[at] = sent[at] + " "
        fault[few] = "spaced_99"
        self._local(rng, sent, expected, fault, category, detail)
        return sent, expected, fault

    def _local(
        self, rng: np.random.Generator, sent: Array, expected: Array, fault: Array, category: Array, detail: Array
    ) -> None:
        """The second characters of the list that a trust declares; where the list has none for a letter, nothing happens."""
        rows = self.setting.source.map("ethnic_category", "ukcore_2001")
        for at in np.flatnonzero(fault == "local_list_code"):
            listed = [
                row for row in rows if row["value"][0] == sent[at] and row["code"] in (category[at], expected[at])
            ]
            fitting = [row for row in listed if row["detail"] == detail[at]] or [
                row for row in listed if not row["detail"]
            ]
            if not fitting:
                fault[at] = ""
                continue
            row = fitting[rng.integers(len(fitting))]
            sent[at], expected[at] = row["value"], row["code"]


def registered(setting: Setting) -> pd.DataFrame:
    """One row per registration with a practice: person (position in people), provider, when it began and ended, in which period it shows."""
    rng = np.random.default_rng([setting.seed, 2])
    sizes, chances = setting.source.settings["sizes"], setting.source.settings["people"]
    people, scale = setting.people, len(setting.people) / sizes["people"]
    practices = setting.providers("emis_patient")
    board = people["icb_code"].to_numpy(dtype=object).copy()
    stray = ~np.isin(board, sorted({row[2] for row in practices}))
    board[stray] = one_of(rng, text(sorted({row[2] for row in practices})), stray.sum())
    provider = np.full(len(people), -1)
    home = people["lsoa21_code"].to_numpy(dtype=object)
    for icb in sorted({row[2] for row in practices}):
        here = np.flatnonzero((board == icb) & (rng.random(len(people)) >= chances["not_registered"]))
        here = here[np.argsort(home[here].astype(str), kind="stable")]  # neighbours share a practice
        small = [at for at, code, of, _ in practices if of == icb and code in sizes["send_every_period"]]
        large = [at for at, code, of, _ in practices if of == icb and code not in sizes["send_every_period"]]
        n_small = max(int(sizes["small_practice"] * scale), 5)
        for number, at in enumerate(small):
            provider[here[number::4][:n_small]] = at
        rest = here[provider[here] < 0]
        for at, some in zip(large, np.array_split(rest, len(large))):
            provider[some] = at
    person = np.flatnonzero(provider >= 0)
    frame = pd.DataFrame({"person": person, "provider": provider[person]})
    starts = {at: first for at, _, _, first in practices}
    frame["first"] = frame["provider"].map(starts)
    frame["last"] = setting.last
    born = people["birth_day"].to_numpy()[person]
    opening = setting.month_end(frame["first"].to_numpy() - 1)
    frame["joined"] = np.maximum(born, opening - (rng.random(len(frame)) ** 1.5 * 40 * 365).astype(int) - 1)
    late = np.flatnonzero((born < opening) & (rng.random(len(frame)) < 0.01))  # joined since the first extract
    frame.loc[late, "first"] = rng.integers(frame["first"].to_numpy()[late], setting.last + 1)
    frame.loc[late, "joined"] = setting.month_end(frame["first"].to_numpy()[late]) - rng.integers(1, 25, len(late))
    frame["left"] = BLANK_DAY
    return _movers(rng, setting, frame, practices)


def _movers(
    rng: np.random.Generator, setting: Setting, frame: pd.DataFrame, practices: list[tuple[int, str, str, int]]
) -> pd.DataFrame:
    """Some people move to another practice of their board: they stay in the old list, marked as gone, and appear in the new one."""
    chance = setting.source.settings["people"]["moved_practice"]
    moves = np.flatnonzero(rng.random(len(frame)) < chance)
    old = frame.iloc[moves].copy()
    when = rng.integers(setting.last - 1, setting.last + 1, len(moves))
    left = setting.month_end(when) - rng.integers(2, 27, len(moves))
    board = {at: icb for at, _, icb, _ in practices}
    every = setting.source.settings["sizes"]["send_every_period"]
    others = {
        icb: text([at for at, code, of, _ in practices if of == icb and code not in every])
        for icb in set(board.values())
    }
    new_home = [int(others[board[at]][n % len(others[board[at]])]) for n, at in enumerate(old["provider"])]
    frame.loc[frame.index[moves], "last"] = np.maximum(when - 1, frame["first"].to_numpy()[moves])
    gone = old.assign(first=np.maximum(when, old["first"] + 1), left=left)
    new = old.assign(provider=new_home, first=when, joined=left, last=setting.last)
    joined = pd.concat(
        [frame, gone[gone["first"] <= setting.last], new[new["provider"] != old["provider"]]], ignore_index=True
    )
    return joined[joined["first"] <= joined["last"]].reset_index(drop=True)
