"""Invented people -> what general practice codes of their care: smoking, and health checks done.

Promise: each entry states one code of our standard, spelt as its map spells it; who is asked differs by deprivation.
"""

import numpy as np
import pandas as pd

from transforms.demo_people import Array, day, text
from transforms.demo_records import Setting, one_of

DAYS = 365.25


def care_entries(setting: Setting, who: pd.DataFrame) -> list[tuple[Array, Array]]:
    """(row of `who`, concept) of every entry: a smoking status of some, a health check of some who could be offered one."""
    rng = np.random.default_rng([setting.seed, 18])
    source, care, n = setting.source, setting.source.settings["care"], len(who)
    age = (day(source.settings["today"]) - who["birth_day"].to_numpy()) / DAYS
    smoking = care["smoking"]
    shares = {code: float(share) for code, share in smoking["codes"].items()}
    asked = np.flatnonzero((rng.random(n) < smoking["recorded"]) & (age >= 15))
    status = text(list(shares))[rng.choice(len(shares), len(asked), p=np.array(list(shares.values())))]
    found = [(asked, _spelt(rng, source.map("smoking_status", "snomed_ct"), status))]
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
    codes = {row["kind"]: row["code"] for row in source.rows("measurements.csv")}
    found = []
    for kind, name in (("systolic_blood_pressure", "systolic"), ("diastolic_blood_pressure", "diastolic")):
        mean, spread = habits[name]
        raised = has[at] * (habits["with_hypertension"] if name == "systolic" else 0)
        number = np.rint(rng.normal(mean, spread, len(at)) + raised).astype(int)
        found.append((at, np.full(len(at), codes[kind], dtype=object), text([str(value) for value in number])))
    return found


def _spelt(rng: np.random.Generator, rows: list[dict[str, str]], codes: Array) -> Array:
    """A concept that states each code."""
    sent = np.full(len(codes), "", dtype=object)
    for code in np.unique(codes.astype(str)):
        at = np.flatnonzero(codes == code)
        sent[at] = one_of(rng, text([row["value"] for row in rows if row["code"] == code]), len(at))
    return sent
