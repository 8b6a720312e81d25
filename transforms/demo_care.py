"""Invented people -> what general practice codes of their care: smoking, registers, and health checks done.

Promise: each entry states one code of our standard, spelt as its map spells it; who is asked differs by deprivation.
"""

from typing import Any

import numpy as np
import pandas as pd

from transforms.demo_people import Array, Source, day, text
from transforms.demo_records import Setting, one_of

DAYS = 365.25


def care_entries(setting: Setting, who: pd.DataFrame) -> list[tuple[Array, Array]]:
    """(row of `who`, concept) of every entry: a smoking status of some, a health check of some who could be offered one."""
    rng = np.random.default_rng([setting.seed, 18])
    source, care, n = setting.source, setting.source.settings["care"], len(who)
    age = (day(source.settings["today"]) - who["birth_day"].to_numpy()) / DAYS
    asked = np.flatnonzero((rng.random(n) < care["smoking"]["recorded"]) & (age >= 15))
    found = [(asked, _smoking(rng, source, len(asked)))]
    checked = care["checked"]
    could = (age >= checked["from"]) & (age < checked["to"] + 1)
    chance = np.array(checked["by_quintile"])[who["quintile"].to_numpy() - 1]
    done = np.flatnonzero(could & (rng.random(n) < chance))
    found.append(
        (done, _spelt(rng, source.map("health_check", "snomed_ct"), np.full(len(done), checked["codes"], dtype=object)))
    )
    return found


def readings(setting: Setting, who: pd.DataFrame, ill: Array) -> list[tuple[Array, Array, Array]]:
    """(row of `who`, concept, number) of blood pressure: of some people, both of its numbers. `ill`: rows with high blood pressure."""
    rng = np.random.default_rng([setting.seed, 19])
    source, habits, n = setting.source, setting.source.settings["care"]["pressure"], len(who)
    age = (day(source.settings["today"]) - who["birth_day"].to_numpy()) / DAYS
    has = np.isin(np.arange(n), ill)
    at = np.flatnonzero((age >= habits["from"]) & (rng.random(n) < np.where(has, 0.9, habits["measured"])))
    return [(at, *both) for both in _pressure(rng, source, len(at), has[at] * habits["with_hypertension"])]


def registers(setting: Setting, who: pd.DataFrame) -> list[tuple[Array, Array]]:
    """(row of `who`, concept) of the people on the registers of a learning disability and of a severe mental illness."""
    rng = np.random.default_rng([setting.seed, 27])
    conditions = setting.source.map("long_term_condition", "snomed_ct")
    return [
        (at, _spelt(rng, conditions, np.full(len(at), name, dtype=object)))
        for name, at in _on_register(setting, who).items()
    ]


def yearly_checks(setting: Setting, who: pd.DataFrame) -> list[tuple[Array, Array, Array]]:
    """(row of `who`, concept, number or "") of their yearly checks: all of one person's on one day."""
    rng = np.random.default_rng([setting.seed, 28])
    source, care = setting.source, setting.source.settings["care"]
    found, on = [], _on_register(setting, who)
    for name, habits in care["registers"].items():
        chance = np.array(habits["came"])[who["quintile"].to_numpy()[on[name]] - 1]
        came = on[name][rng.random(len(on[name])) < chance]
        if "check" in habits:
            concepts = _spelt(
                rng, _in_any(source, "health_check"), np.full(len(came), habits["check"]["codes"], dtype=object)
            )
            found.append((came, concepts, np.full(len(came), "", dtype=object)))
            continue
        for part, number in habits["parts"]["codes"].items():
            done = came[rng.random(len(came)) < habits["part_done"]]
            concepts = _spelt(rng, _in_any(source, "health_check"), np.full(len(done), part, dtype=object))
            found.append((done, concepts, _drawn(rng, number, len(done))))
        found += [(came, *both) for both in _pressure(rng, source, len(came))]
        asked = came[rng.random(len(came)) < habits["part_done"]]
        found.append((asked, _smoking(rng, source, len(asked)), np.full(len(asked), "", dtype=object)))
    return found


def _on_register(setting: Setting, who: pd.DataFrame) -> dict[str, Array]:
    """The rows of the people on each register."""
    rng = np.random.default_rng([setting.seed, 29])
    age = (day(setting.source.settings["today"]) - who["birth_day"].to_numpy()) / DAYS
    habits = setting.source.settings["care"]["registers"]
    return {
        name: np.flatnonzero((rng.random(len(who)) < said["share"]) & (age >= said["from"]))
        for name, said in habits.items()
    }


def _in_any(source: Source, system: str) -> list[dict[str, str]]:
    """What states a code of a system among GP entries: a concept, or a Read code where there is no concept."""
    return [row for vocabulary in ("snomed_ct", "read_2") for row in source.map(system, vocabulary)]


def _smoking(rng: np.random.Generator, source: Source, n: int) -> Array:
    """The concepts of some people's smoking status, as common as each is."""
    shares = {code: float(share) for code, share in source.settings["care"]["smoking"]["codes"].items()}
    status = text(list(shares))[rng.choice(len(shares), n, p=np.array(list(shares.values())))]
    return _spelt(rng, source.map("smoking_status", "snomed_ct"), status)


def _pressure(rng: np.random.Generator, source: Source, n: int, raised: Array | int = 0) -> list[tuple[Array, Array]]:
    """(concept, number) of some people's blood pressure, of each of its two numbers: the higher one may be `raised`."""
    habits = source.settings["care"]["pressure"]
    codes = {row["kind"]: row["code"] for row in source.rows("measurements.csv")}
    return [
        (np.full(n, codes[f"{name}_blood_pressure"], dtype=object), _drawn(rng, habits[name], n, more))
        for name, more in (("systolic", raised), ("diastolic", 0))
    ]


def _drawn(rng: np.random.Generator, about: list[Any], n: int, more: Array | int = 0) -> Array:
    """Numbers as they are written down, drawn from [mean, spread], and so many more."""
    mean, spread = map(float, about)
    return text([str(value) for value in np.maximum(np.rint(rng.normal(mean, spread, n) + more), 1).astype(int)])


def _spelt(rng: np.random.Generator, rows: list[dict[str, str]], codes: Array) -> Array:
    """A concept that states each code."""
    sent = np.full(len(codes), "", dtype=object)
    for code in np.unique(codes.astype(str)):
        at = np.flatnonzero(codes == code)
        sent[at] = one_of(rng, text([row["value"] for row in rows if row["code"] == code]), len(at))
    return sent
