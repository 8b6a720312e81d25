"""Invented people -> contacts with a few practices, the referrals these make, and what a charity hears of access refused.

Promise: each event is of somebody whom the sender knows in its month, and sent once, with the file of that month.
"""

import numpy as np
import pandas as pd

from transforms.demo_people import BLANK_DAY, Array, dates, text
from transforms.demo_practices import patient_guid
from transforms.demo_records import Setting, alive, guid, one_of

SLASHES = "%d/%m/%Y"


def _events(
    rng: np.random.Generator, setting: Setting, known: pd.DataFrame, layout: str, name: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(provider, person_no, first, last, place, day of each event; the rows of `known` behind them) of the layout's senders."""
    rate, parts = setting.source.settings["services"][name], []
    for at, _, _, starts in setting.providers(layout):
        here = known[known["provider"] == at]
        for month in range(starts, setting.last + 1):
            there = here[(here["first"] <= month) & (here["last"] >= month)]
            n = rng.poisson(len(there) * rate)
            parts.append(there.iloc[rng.integers(0, max(len(there), 1), n if len(there) else 0)].assign(month=month))
    behind = pd.concat(parts, ignore_index=True) if parts else known.head(0).assign(month=0)
    month, person = behind["month"].to_numpy(), behind["person"].to_numpy()
    born = setting.people["birth_day"].to_numpy()[person]
    on = setting.month_end(month - 1) + rng.integers(0, 28, len(behind))
    is_here = (on >= born) & (alive(on, setting.people, person) == on)
    behind, on, month = behind[is_here].reset_index(drop=True), on[is_here], month[is_here]
    frame = pd.DataFrame({
        "provider": behind["provider"], "person_no": setting.people["person_no"].to_numpy()[behind["person"]],
        "first": month, "last": month, "place": on + rng.random(len(on)), "day": on,
    })  # fmt: skip
    return frame, behind


def slots(setting: Setting, registrations: pd.DataFrame) -> pd.DataFrame:
    """Appointments and calls."""
    rng = np.random.default_rng([setting.seed, 24])
    held = registrations[registrations["left"] == BLANK_DAY]
    frame, _ = _events(rng, setting, held, "emis_slot", "contacts_per_person_and_month")
    missed = rng.random(len(frame)) < setting.source.settings["services"]["contact_missed"]
    codes = setting.source.settings["codes_of_systems"]["codes"]
    frame["SlotGuid"], frame["fault:SlotGuid"] = guid("C0000000", np.arange(len(frame)), setting.seed), ""
    frame["PatientGuid"] = patient_guid(setting, frame["provider"].to_numpy(), frame["person_no"].to_numpy())
    frame["AppointmentDate"] = dates(frame["day"].to_numpy())
    frame["DidNotAttend"] = np.where(missed, codes["emis_yes"], codes["emis_no"])
    return frame


def referrals(setting: Setting, registrations: pd.DataFrame) -> pd.DataFrame:
    """Referrals, some of which have ended when they are sent."""
    rng = np.random.default_rng([setting.seed, 25])
    held = registrations[registrations["left"] == BLANK_DAY]
    frame, _ = _events(rng, setting, held, "emis_referral", "general_referrals_per_person_and_month")
    on, ends = frame["day"].to_numpy(), setting.month_end(frame["first"].to_numpy())
    ended = on + rng.integers(1, 60, len(frame))
    frame["ObservationGuid"], frame["fault:ObservationGuid"] = guid("D0000000", np.arange(len(frame)), setting.seed), ""
    frame["PatientGuid"] = patient_guid(setting, frame["provider"].to_numpy(), frame["person_no"].to_numpy())
    frame["ReferralReceivedDate"] = dates(on)
    frame["ReferralEndDate"] = dates(np.where(ended < ends, ended, BLANK_DAY))
    urgency = text(setting.source.settings["services"]["codes"]["urgency"])
    frame["ReferralUrgency"] = one_of(rng, urgency, len(frame))
    return frame


def refusals(setting: Setting, helped: pd.DataFrame) -> pd.DataFrame:
    """What the people whom a charity helps (rows of its own list, `helped`) tell it of access refused."""
    rng = np.random.default_rng([setting.seed, 26])
    known = helped.assign(person=_positions(setting, helped["person_no"].to_numpy()))
    frame, behind = _events(rng, setting, known, "access_event", "refusals_per_person_and_month")
    frame["Event reference"] = text([f"R-{number:05d}" for number in range(1, len(frame) + 1)])
    for column in ("Your reference", "NHS number", "Date of birth", "Ethnicity"):
        frame[column] = behind[column]
        for mark in ("fault:", "expected:"):
            if mark + column in behind:
                frame[mark + column] = behind[mark + column]
    frame["Date of the event"] = dates(frame["day"].to_numpy(), SLASHES)
    what = text(setting.source.settings["services"]["codes"]["refusal"])
    frame["What happened"], frame["Notes"] = one_of(rng, what, len(frame)), ""
    return frame


def _positions(setting: Setting, person_no: Array) -> Array:
    """Where each person stands in the list of people."""
    return pd.Index(setting.people["person_no"]).get_indexer(person_no)
