"""standards/demo, standards/geography -> invented people, and the invented postcodes where they live.

Promise: the same seed gives the same people; nobody in it is real, and no number was ever issued (the 999 range).
Ethnic group follows the census by small area; everything that varies by it (language, names, age) follows standards/demo.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

LETTERS = "ABDEFGHJLNPQRSTUWXYZ"  # a postcode's last two letters are never C, I, K, M, O or V
EPOCH = date(1970, 1, 1)
Array = np.ndarray


@dataclass(frozen=True)
class Source:
    """The files of standards/ that the demonstration is made from."""

    folder: Path

    def rows(self, name: str) -> list[dict[str, str]]:
        """One CSV file as rows of text."""
        with open(self.folder / name, encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """demo.yml; dates stay text."""
        loaded: dict[str, Any] = yaml.load(
            (self.folder / "demo" / "demo.yml").read_text(encoding="utf-8"), yaml.BaseLoader
        )
        return _numbers(loaded)

    @cached_property
    def providers(self) -> list[dict[str, str]]:
        return [row for row in self.rows("providers.csv") if row["demo"] == "true"]

    @cached_property
    def faults(self) -> list[dict[str, str]]:
        return self.rows("demo/faults.csv")

    def map(self, system: str, vocabulary: str) -> list[dict[str, str]]:
        """The rows of one `from_` map."""
        return self.rows(f"code_systems/{system}/from_{vocabulary}.csv")

    def layout(self, name: str) -> dict[str, Any]:
        """One layout: its columns, dates and format."""
        path = self.folder / "layouts" / f"{name}.yml"
        read: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
        return read

    def column(self, layout: str, field: str) -> str:
        """The column of a layout that holds a field; "" when none does."""
        return next((entry["column"] for entry in self.layout(layout)["columns"] if entry["field"] == field), "")

    def value(self, system: str, vocabulary: str, code: str) -> str:
        """The first value that states a code, or an absence."""
        for row in self.map(system, vocabulary):
            if code in (row["code"], row["status"]):
                return row["value"]
        raise KeyError(f"{system}/from_{vocabulary}.csv: nothing states {code}")

    def national(self) -> dict[str, str]:
        """Ethnic category -> national letter."""
        rows = self.rows("code_systems/ethnic_category/to_national_2001.csv")
        return {row["code"]: row["value"] for row in rows if row["value"]}

    @cached_property
    def categories(self) -> list[str]:
        """The ethnic categories that people are drawn from, in the order of codes.csv."""
        drawn = {row["ethnic_category"] for row in self.rows("demo/communities.csv")}
        return [row["code"] for row in self.rows("code_systems/ethnic_category/codes.csv") if row["code"] in drawn]

    @cached_property
    def residual(self) -> dict[str, str]:
        """Category -> the "any other" code of its group (of the last group where it has none)."""
        rows = self.rows("code_systems/ethnic_category/codes.csv")
        by_group = {row["parent"]: row["code"] for row in rows if row["kind"] == "residual"}
        return {row["code"]: by_group.get(row["parent"], list(by_group.values())[-1]) for row in rows if row["parent"]}

    @cached_property
    def group(self) -> dict[str, str]:
        """Category -> the code of its group."""
        return {
            row["code"]: row["parent"] for row in self.rows("code_systems/ethnic_category/codes.csv") if row["parent"]
        }


def _numbers(value: Any) -> Any:
    """BaseLoader keeps everything as text; figures become numbers unless they stand in quotation marks as codes do (see `codes`)."""
    if isinstance(value, dict):
        keep = ("codes", "specialties", "other_concepts")
        return {key: item if key in keep else _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def text(values: Any) -> Array:
    """An array of text that NumPy can index fast."""
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def dates(days: Array, pattern: str = "%Y-%m-%d") -> Array:
    """Days since 1970 as text; every different day is formatted once. Negative infinity (day -99999) is blank."""
    unique, inverse = np.unique(days, return_inverse=True)
    spelt = text(
        [
            "" if day == BLANK_DAY else (date.fromordinal(EPOCH.toordinal() + int(day))).strftime(pattern)
            for day in unique
        ]
    )
    return spelt[inverse]


BLANK_DAY = -99_999


def day(iso: str) -> int:
    """2026-10-31 -> days since 1970."""
    return date.fromisoformat(iso).toordinal() - EPOCH.toordinal()


def pick(rng: np.random.Generator, weights: Array, of: Array) -> Array:
    """For each row number in `of`, one column of `weights`, drawn by that row's weights."""
    cumulative = np.cumsum(weights, axis=1)
    cumulative /= cumulative[:, -1:]
    return (rng.random(len(of))[:, None] > cumulative[of]).sum(axis=1)


def nhs_numbers(rng: np.random.Generator, n: int) -> Array:
    """Different numbers of the 999 range, each with its modulus-11 digit."""
    stems = np.arange(1_000_000)
    total = 9 * (10 + 9 + 8) + sum((stems // 10**place % 10) * (place + 2) for place in range(6))
    check = (11 - total % 11) % 11
    valid = np.flatnonzero((check < 10) & (stems < 999_999))
    if n > len(valid):
        raise ValueError(f"at most {len(valid)} people can be invented")
    chosen = rng.permutation(valid)[:n]
    return text([f"999{stem:06d}{digit}" for stem, digit in zip(chosen.tolist(), check[chosen].tolist())])


def places(source: Source) -> tuple[pd.DataFrame, Array, pd.DataFrame]:
    """Small areas with board, quintile and area of postcodes; the weight of each ethnic category in each; the postcodes."""
    settings = source.settings["postcodes"]
    lsoa = pd.DataFrame(source.rows("geography/lsoa.csv")).sort_values("lsoa21_code", ignore_index=True)
    deciles = {row["lsoa21_code"]: int(row["decile"]) for row in source.rows("geography/deprivation_2025.csv")}
    lsoa["quintile"] = [(deciles.get(code, 6) + 1) // 2 for code in lsoa["lsoa21_code"]]
    groups: dict[str, dict[str, int]] = {}
    for row in source.rows("demo/ethnic_group_by_lsoa.csv"):
        groups[row["lsoa21_code"]] = {name: int(n) for name, n in row.items() if name != "lsoa21_code"}
    within: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in source.rows("demo/ethnic_category_by_local_authority.csv"):
        within[row["local_authority_code"], row["group"]][row["ethnic_category"]] = int(row["people"])
    weights = np.zeros((len(lsoa), len(source.categories)))
    column = {code: i for i, code in enumerate(source.categories)}
    for at, (code, authority) in enumerate(zip(lsoa["lsoa21_code"], lsoa["local_authority_code"])):
        for group, n in groups.get(code, {}).items():
            share = within[authority, group]
            for category, people in share.items():
                weights[at, column[category]] = n * people / max(sum(share.values()), 1)
    lsoa["residents"] = weights.sum(axis=1)
    weights[lsoa["residents"] == 0] = weights.sum(axis=0)  # elsewhere: as in the three boards together
    area = [settings["boards"].get(icb, settings["elsewhere_in_the_region"]) for icb in lsoa["icb_code"]]
    many = [settings["per_small_area"] if icb in settings["boards"] else 1 for icb in lsoa["icb_code"]]
    directory = pd.DataFrame({"lsoa21_code": np.repeat(lsoa["lsoa21_code"], many), "area": np.repeat(area, many)})
    extra = [(code, settings["outside"]) for code in settings["outside_small_areas"] for _ in range(4)]
    extra += [("", settings["unmatched"])] * 40  # postcodes that the directory will not hold
    directory = pd.concat([directory, pd.DataFrame(extra, columns=["lsoa21_code", "area"])], ignore_index=True)
    directory["postcode"] = _postcodes(directory["area"])
    return lsoa, weights, directory


def _postcodes(areas: pd.Series) -> list[str]:
    """Invented postcodes that look like postcodes: the nth of each area, spread so that neighbours share their first half."""
    made = []
    for area, n in zip(areas, areas.groupby(areas).cumcount()):
        letters = LETTERS[n // 20 % 20] + LETTERS[n % 20]
        made.append(f"{area}{n // 3600 + 1} {n // 400 % 9 + 1}{letters}")
    return made


def make_people(source: Source, seed: int, n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """n people, and the postcode directory."""
    rng = np.random.default_rng([seed, 1])
    settings = source.settings["people"]
    lsoa, weights, directory = places(source)
    boards, board = settings["boards"], lsoa["icb_code"].to_numpy()
    chance = np.zeros(len(lsoa))
    for icb, share in boards.items():
        here = board == icb
        chance[here] = share * lsoa["residents"][here] / lsoa["residents"][here].sum()
    elsewhere = ~np.isin(board, list(boards))
    left = 1 - sum(boards.values())
    chance[elsewhere] = left / elsewhere.sum()
    home = rng.choice(len(lsoa), n, p=chance / chance.sum())
    people = pd.DataFrame({
        "person_no": np.arange(1, n + 1),
        "lsoa21_code": lsoa["lsoa21_code"].to_numpy()[home],
        "icb_code": board[home],
        "quintile": lsoa["quintile"].to_numpy()[home],
    })  # fmt: skip
    people["nhs_number"] = nhs_numbers(rng, n)
    ethnic = pick(rng, weights, home)
    people["ethnic_category"] = text(source.categories)[ethnic]
    people["postcode"] = _addresses(rng, directory, people["lsoa21_code"].to_numpy())
    people["old_postcode"] = _addresses(rng, directory, people["lsoa21_code"].to_numpy()[rng.permutation(n)])
    _move_out(rng, source, people, directory, elsewhere[home])
    _communities(rng, source, people)
    _ages(rng, source, people)
    return people, directory[directory["lsoa21_code"] != ""][["postcode", "lsoa21_code"]]


def _addresses(rng: np.random.Generator, directory: pd.DataFrame, lsoa: Array) -> Array:
    """A postcode of each small area."""
    first = directory.reset_index().groupby("lsoa21_code")["index"].agg(["min", "size"])
    found = first.reindex(lsoa)
    at = found["min"].to_numpy() + (rng.random(len(lsoa)) * found["size"].to_numpy()).astype(int)
    return directory["postcode"].to_numpy(dtype=object)[at.astype(int)]


def _move_out(
    rng: np.random.Generator, source: Source, people: pd.DataFrame, directory: pd.DataFrame, elsewhere: Array
) -> None:
    """Of those who live elsewhere, some live outside the region, some nowhere in particular, some at a postcode nobody knows."""
    settings, areas = source.settings["people"], source.settings["postcodes"]
    kinds = ["outside", "pseudo_postcode", "unmatched_postcode"]
    shares = np.array([settings["elsewhere_in_the_region"], *(settings[kind] for kind in kinds)], dtype=float)
    kind = rng.choice(4, len(people), p=shares / shares.sum()) * elsewhere
    pseudo = [f"{row['postcode'][:-3]} {row['postcode'][-3:]}" for row in source.rows("geography/pseudo_postcodes.csv")]
    choices = {
        1: directory.loc[directory["area"] == areas["outside"], "postcode"].tolist(),
        2: [pseudo[0]] * 6 + pseudo[:4],  # the first is no fixed abode, and much the most common
        3: directory.loc[directory["area"] == areas["unmatched"], "postcode"].tolist(),
    }
    lsoa_of = dict(zip(directory["postcode"], directory["lsoa21_code"]))
    for number, postcodes in choices.items():
        at = np.flatnonzero(kind == number)
        chosen = text(postcodes)[rng.integers(len(postcodes), size=len(at))]
        people.loc[at, "postcode"] = chosen
        people.loc[at, "lsoa21_code"] = [lsoa_of.get(postcode, "") for postcode in chosen]
        people.loc[at, "icb_code"] = ""
    people["place"] = text(["", *kinds])[kind]


def _communities(rng: np.random.Generator, source: Source, people: pd.DataFrame) -> None:
    """Language, need of an interpreter, detail and names, by ethnic category."""
    table = pd.DataFrame(source.rows("demo/communities.csv"))
    category = text(source.categories)
    weights = np.zeros((len(category), len(table)))
    for number, code in enumerate(category):
        weights[number] = np.where(table["ethnic_category"] == code, table["share"].astype(float), 0)
    of = pd.Index(category).get_indexer(people["ethnic_category"])
    row = pick(rng, weights, of)
    for column in ("main_language", "nhs_language", "detail", "community"):
        people[column] = table[column].to_numpy(dtype=object)[row]
    people["needs_interpreter"] = rng.random(len(people)) < table["needs_interpreter"].astype(float).to_numpy()[row]
    people["sex"] = text(["1", "2"])[rng.integers(2, size=len(people))]
    names = pd.DataFrame(source.rows("demo/names.csv")).groupby(["community", "kind"])["name"].agg(list)
    given, family = np.empty(len(people), dtype=object), np.empty(len(people), dtype=object)
    for community in table["community"].unique():
        for sex, kind in (("1", "given_male"), ("2", "given_female")):
            chosen = np.flatnonzero((people["community"] == community) & (people["sex"] == sex))
            given[chosen] = text(names[community, kind])[rng.integers(len(names[community, kind]), size=len(chosen))]
            family[chosen] = text(names[community, "family"])[
                rng.integers(len(names[community, "family"]), size=len(chosen))
            ]
    people["given_name"], people["family_name"] = given, family


def _ages(rng: np.random.Generator, source: Source, people: pd.DataFrame) -> None:
    """Birth and death, and who cares for whom."""
    settings, n = source.settings, len(people)
    today = day(settings["today"])
    older = people["community"].isin(settings["people"]["older_communities"]).to_numpy()  # as in the census of 2021
    age = np.where(older, 97 * rng.beta(1.15, 1.35, n), 92 * rng.beta(1.1, 1.95, n))
    people["birth_day"] = (today - age * 365.25).astype(int)
    dies = settings["people"]["died"]
    died = rng.random(n) < np.where(age > 70, dies["over_70"], dies["others"])
    people["death_day"] = np.where(died, today - rng.integers(0, 150, n), BLANK_DAY)
    cares, cared = settings["people"]["is_carer"], settings["people"]["has_carer"]
    people["is_carer"] = (rng.random(n) < np.where(age >= 18, cares["adult"], cares["child"])) & (age >= 8)
    people["has_carer"] = rng.random(n) < np.where(age >= 75, cared["from_75"], cared["under_75"])
