"""Invented people -> what GP practices with SystmOne hold and send: registered lists and dated entries in CTV3.

Promise: their patients are registered nowhere else; ethnicity and language stand in dated entries only, as in that system.
"""

import numpy as np
import pandas as pd

from transforms.demo_people import BLANK_DAY, Array, dates, text
from transforms.demo_practices import spelt
from transforms.demo_records import Setting, alive, draw, one_of, wrong_number

STAMP = "%d %b %Y %H:%M:%S"  # 05 Apr 2026 00:00:00


def registered_systmone(setting: Setting, elsewhere: pd.DataFrame) -> pd.DataFrame:
    """One row per registration, as demo_records.registered makes them: of people who are in no other practice's list."""
    rng = np.random.default_rng([setting.seed, 12])
    settings, people = setting.source.settings, setting.people
    scale = min(1, len(people) / settings["sizes"]["people"])
    free = np.setdiff1d(np.arange(len(people)), elsewhere["person"].unique())
    frames = []
    for at, code, board, first in setting.providers("tpp_patient"):
        here = free[(people["icb_code"].to_numpy()[free] == board)]
        person = rng.permutation(here)[: max(int(settings["services"]["people"][code] * scale), 20)]
        free = np.setdiff1d(free, person)
        joined = setting.month_end(np.array(first - 1)) - (rng.random(len(person)) ** 1.5 * 30 * 365).astype(int) - 1
        joined = np.maximum(people["birth_day"].to_numpy()[person], joined)
        part = pd.DataFrame({"person": person, "provider": at, "first": first, "last": setting.last, "joined": joined})
        later = rng.random(len(part)) < settings["services"]["joins_later"]
        part.loc[later, "first"] = setting.last - rng.integers(0, 2, int(later.sum()))
        frames.append(part.assign(left=BLANK_DAY))
    empty = pd.DataFrame(
        {name: pd.Series(dtype=int) for name in ("person", "provider", "first", "last", "joined", "left")}
    )
    return pd.concat(frames, ignore_index=True) if frames else empty


def row_identifier(setting: Setting, provider: Array, person_no: Array) -> Array:
    """SystmOne's own number of a patient: as good as random, and the same in every file of a practice."""
    numbers = (np.asarray(provider) * 1_000_003 + np.asarray(person_no)) * 48_271 + setting.seed
    return text([f"{number % 2_147_483_647:d}" for number in numbers.tolist()])


def systmone_lists(setting: Setting, registrations: pd.DataFrame) -> pd.DataFrame:
    """The rows of every practice's registered list."""
    rng = np.random.default_rng([setting.seed, 14])
    layout, codes = "tpp_patient", setting.source.settings["codes_of_systems"]["codes"]
    who, n = setting.people.iloc[registrations["person"]].reset_index(drop=True), len(registrations)
    frame = registrations[["provider", "first", "last"]].reset_index(drop=True).assign(person_no=who["person_no"])
    provider = frame["provider"].to_numpy()
    frame["place"] = rng.random(n)
    frame["RowIdentifier"] = row_identifier(setting, provider, who["person_no"].to_numpy())
    frame["IDOrganisationVisibleTo"], frame["Title"] = text([str(700 + at) for at in provider]), ""
    frame["FirstName"], frame["Surname"], frame["EmailAddress"] = who["given_name"], who["family_name"], ""
    fault = draw(rng, *setting.rates(layout, "nhs_number"), provider)
    kinds = codes["number_verified"], codes["number_verified"], codes["number_absent"]
    frame["NHSNumber"], _ = wrong_number(rng, fault, who["nhs_number"].to_numpy(dtype=object), provider, *kinds)
    frame["fault:NHSNumber"] = fault
    frame["DateBirth"] = dates(who["birth_day"].to_numpy(), STAMP)
    frame["DateDeath"] = dates(who["death_day"].to_numpy(), STAMP)
    frame["Gender"] = who["sex"].map(codes["emis_sex"])
    frame["SpeaksEnglish"] = np.where(who["needs_interpreter"], codes["emis_no"], codes["emis_yes"])
    frame["FullPostCode"] = who["postcode"]
    frame["DateRegistration"] = dates(registrations["joined"].to_numpy(), STAMP)
    frame["DateDeRegistration"] = dates(registrations["left"].to_numpy(), STAMP)
    frame["SpineMatched"], frame["TestPatient"] = codes["emis_yes"], codes["emis_no"]
    return frame


def systmone_codes(setting: Setting, registrations: pd.DataFrame) -> pd.DataFrame:
    """The dated entries of every practice, each sent once: with the first extract, or in the month in which it was made."""
    rng = np.random.default_rng([setting.seed, 15])
    source, layout = setting.source, "tpp_code"
    settings, habits, n = source.settings["observations"], source.settings["services"], len(registrations)
    who = setting.people.iloc[registrations["person"]].reset_index(drop=True)
    provider = registrations["provider"].to_numpy()
    row = np.flatnonzero(rng.random(n) < habits["recorded"]["ethnic_category"])
    fault = draw(rng, *setting.rates(layout, "code"), provider[row])
    code, expected, fault = spelt(
        rng, setting, "tpp", layout, who["ethnic_category"].to_numpy(dtype=object)[row], fault
    )
    parts = [(row, code, fault, expected)]
    blank = np.full(n, "", dtype=object)
    refused = np.flatnonzero(rng.random(n) < habits["refuses"])
    refusals = text([one["value"] for one in source.map("ethnic_category", "tpp") if one["status"] == "not_stated"])
    if len(refusals):
        some = np.full(len(refused), "not_stated", dtype=object)
        parts.append((refused, one_of(rng, refusals, len(refused)), np.where(some != "", "later_refusal", ""), some))
    stated = {
        "language": ("main_language", habits["recorded"]["main_language"]),
        "is_carer": ("is_carer", settings["carer"]),
    }
    carer = np.where(who["is_carer"], source.settings["facts"]["codes"]["is_carer"][0], "")
    for system, (name, share) in stated.items():
        true = carer if name == "is_carer" else who[name].to_numpy(dtype=object)
        known: dict[str, list[str]] = {}
        for one in source.map(system, "ctv3"):
            known.setdefault(one["code"], []).append(one["value"])
        at = np.flatnonzero(
            (rng.random(n) < share) & np.array([bool(value) and value in known for value in true], dtype=bool)
        )
        parts.append((at, text([known[value][0] for value in true[at]]), blank[at], blank[at]))
    other = rng.integers(0, n, n // 2)
    parts.append((other, one_of(rng, text(habits["other_ctv3"]["codes"]), len(other)), blank[other], blank[other]))
    row, code, fault, expected = (np.concatenate([part[k] for part in parts]) for k in range(4))
    frame = pd.DataFrame({"provider": provider[row], "person_no": who["person_no"].to_numpy()[row]})
    frame["CTV3Code"], frame["fault:CTV3Code"], frame["expected:CTV3Code"] = code, fault, expected
    kept = frame["CTV3Code"] != ""
    return _entered(rng, setting, frame[kept].reset_index(drop=True), registrations, row[kept.to_numpy()])


def _entered(
    rng: np.random.Generator, setting: Setting, frame: pd.DataFrame, registrations: pd.DataFrame, row: Array
) -> pd.DataFrame:
    """When each entry was made, and so which extract brings it. A refusal comes after what was said before."""
    n, opens = len(frame), registrations["first"].to_numpy()[row]
    recent = rng.random(n) < 0.2
    shown = np.where(recent, np.minimum(opens + 1 + rng.integers(0, 2, n), setting.last), opens)
    is_refusal = (frame["fault:CTV3Code"] == "later_refusal").to_numpy()
    shown = np.where(is_refusal, setting.last, shown)
    before = setting.month_end(opens - 1) - 1 - (rng.random(n) ** 1.3 * 15 * 365).astype(int)
    within = setting.month_end(shown - 1) + rng.integers(0, 20, n) + 7 * is_refusal
    born = setting.people["birth_day"].to_numpy()[registrations["person"].to_numpy()[row]]
    on = np.maximum(np.where(shown > opens, within, before), born)
    on = alive(on, setting.people, registrations["person"].to_numpy()[row])
    frame["first"] = frame["last"] = shown
    frame["place"] = on + rng.random(n)
    frame["RowIdentifier"] = text([f"{number}" for number in ((np.arange(n) + 1) * 16_807 % 2_147_483_647).tolist()])
    frame["IDPatient"] = row_identifier(setting, frame["provider"].to_numpy(), frame["person_no"].to_numpy())
    frame["DateEvent"], frame["DateEventRecorded"] = dates(on, STAMP), dates(on, STAMP)
    frame["FreeText"] = np.where(rng.random(n) < 0.02, "said so at reception", "")
    columns = ["RowIdentifier", "IDPatient", "CTV3Code", "DateEvent", "DateEventRecorded", "FreeText"]
    return frame[[*(name for name in frame.columns if name not in columns), *columns]]
