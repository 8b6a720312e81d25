"""What trusts hold about invented people -> their outpatient feeds.

Promise: each row is taken from what the trust's own index held in that month, faults and all; who attended is in the truth.
"""

import numpy as np
import pandas as pd

from transforms.demo_people import Array, dates, text
from transforms.demo_records import Setting, after_death, one_of

DASHES, COMPACT = "%Y-%m-%d", "%Y%m%d"


def outpatients(setting: Setting, records: pd.DataFrame) -> pd.DataFrame:
    """The rows of every trust's outpatient feed. A file holds the financial year so far, so a row shows from its month to March."""
    rng = np.random.default_rng([setting.seed, 5])
    settings, layout = setting.source.settings, "sus_outpatient"
    codes = settings["codes_of_systems"]["codes"]
    per_month = settings["sizes"]["appointments_per_patient_and_month"]
    first = {at: starts for at, _, _, starts in setting.providers(layout)}
    real = records[~records["is_test"]]
    rows, months = [], []
    to_april = (int(setting.periods[0][5:]) - 4) % 12
    april = [
        12 * year - to_april for year in range(len(setting.periods) // 12 + 3)
    ]  # positions of the Aprils around the periods
    for at, starts in first.items():
        begin = max(month for month in april if month <= starts)
        here = real.index[real["provider"] == at].to_numpy()
        n = rng.poisson(len(here) * per_month, setting.last - begin + 1)
        months.append(np.repeat(np.arange(begin, setting.last + 1), n))
        rows.append(here[(len(here) * rng.random(n.sum()) ** 1.6).astype(int)])  # some come often
    row, month = np.concatenate(rows), np.concatenate(months)
    held = records.loc[row].reset_index(drop=True)
    who = setting.people.iloc[held["person"]].reset_index(drop=True)
    n = len(held)
    after = month >= held["changes"].to_numpy()
    starts_at = held["provider"].map(first).to_numpy()
    frame = pd.DataFrame(
        {"provider": held["provider"], "person_no": who["person_no"], "first": np.maximum(month, starts_at)}
    )
    march = np.array([min(m for m in [a + 11 for a in april] if m >= position) for position in month])
    frame["last"] = np.minimum(march, setting.last)
    frame["place"] = month + rng.random(n) / 2
    prefix = text([one["code"] for one in setting.source.providers])[held["provider"]]
    frame["ATTENDKEY"] = prefix + text([f"-{number:09d}" for number in (np.arange(n) * 7919 + 100_000_007).tolist()])
    frame["fault:ATTENDKEY"] = ""
    frame["PROCODE3"] = prefix
    lost = setting.happens(rng, layout, "missing_local_id", n)
    frame["LOPATID"], frame["fault:LOPATID"] = (
        np.where(lost, "", held["PATIENT_ID"]),
        np.where(lost, "missing_local_id", ""),
    )
    frame["NEWNHSNO"], frame["fault:NEWNHSNO"], frame["NHSNOIND"] = held["number"], held["number:fault"], held["status"]
    frame["SEX"], frame["HOMEADD"], frame["fault:HOMEADD"] = who["sex"], held["postcode"], held["postcode:fault"]
    frame["GPPRAC"] = held["practice"]
    value, hes = np.where(after, held["after"], held["before"]), str(setting.sent(layout, "x_in_hes")[0])
    x = setting.happens(rng, layout, "x_in_hes", n)
    frame["ETHNOS"] = np.where(x, hes, value)
    frame["fault:ETHNOS"] = np.where(x, "x_in_hes", np.where(after, held["after:fault"], held["before:fault"]))
    read_x = next(row["status"] for row in setting.source.map("ethnic_category", "national_2001_hes"))
    frame["expected:ETHNOS"] = np.where(x, read_x, np.where(after, held["after:expected"], held["before:expected"]))
    frame["CARERSI"] = ""
    on = setting.month_end(month - 1) + rng.integers(0, 28, n)
    future = setting.happens(rng, layout, "future_date", n)
    on = np.maximum(on, who["birth_day"].to_numpy())
    referred = np.maximum(on - (rng.gamma(2.0, 45.0, n)).astype(int) - 1, who["birth_day"].to_numpy())
    compact = np.isin(prefix, settings["files"]["compact_dates"])
    for column, days in (
        ("DOB", held["birth_day"].to_numpy()),
        ("APPTDATE", np.where(future, on + 1500, on)),
        ("REQDATE", referred),
    ):
        frame[column] = np.where(compact, dates(days, COMPACT), dates(days, DASHES))
    frame["fault:DOB"] = held["birth:fault"]
    late = after_death(on, who, held["PATIENT_ID"].where(~lost, ""))
    frame["fault:APPTDATE"] = np.where(future, "future_date", late)
    frame["day"], frame["is_final"] = on, False
    frame["ATTENDED"] = _attendance(rng, setting, who)
    frame["TRETSPEF"] = one_of(rng, text(settings["specialties"]), n)
    frame["MAINSPEF"] = frame["TRETSPEF"]
    for column, choice in (("FIRSTATT", "first_attendance"), ("PRIORITY", "priority"), ("OUTCOME", "outcome")):
        frame[column] = one_of(rng, text(codes[choice]), n)
    frame["SITETRET"] = prefix + one_of(rng, text(codes["sites"]), n)
    withheld = setting.happens(rng, layout, "confidential_record", n)
    frame["WITHHELD_FLAG"], frame["fault:WITHHELD_FLAG"] = (
        np.where(withheld, codes["withheld"], ""),
        np.where(withheld, "confidential_record", ""),
    )
    return _restated(rng, setting, frame[on < setting.month_end(month)].reset_index(drop=True))  # who was born by then


def _attendance(rng: np.random.Generator, setting: Setting, who: pd.DataFrame) -> Array:
    """Whether people came: less often where the area is more deprived, and where the words were not understood."""
    kinds, n = setting.source.settings["attendance"], len(who)
    missed = np.array(kinds["not_attended"]["by_quintile"])[who["quintile"].to_numpy() - 1]
    missed = missed + who["needs_interpreter"].to_numpy() * kinds["not_attended"]["interpreter_needed"]
    came, away, off = (one_of(rng, text(kinds[kind]["codes"]), n) for kind in ("attended", "not_attended", "cancelled"))
    return np.where(
        rng.random(n) < kinds["cancelled"]["share"], off, np.where(rng.random(n) < missed, away, came)
    ).astype(object)


def _restated(rng: np.random.Generator, setting: Setting, frame: pd.DataFrame) -> pd.DataFrame:
    """Next month's file corrects a few outcomes and withdraws a few rows; a few keys stand twice."""
    kinds, layout, chance = setting.source.settings["attendance"], "sus_outpatient", rng.random(len(frame))
    stays = (frame["first"] < frame["last"]).to_numpy()  # there is a next month's file of this year
    withdrawn, changed = stays & (chance < kinds["withdrawn_later"]), stays & (chance > 1 - kinds["changed_later"])
    later = frame[changed].copy()
    frame.loc[withdrawn | changed, "last"] = frame["first"]
    later["first"] += 1
    later["ATTENDED"] = one_of(rng, text(kinds["attended"]["codes"]), len(later))
    frame["is_final"] = ~withdrawn & ~frame.index.isin(later.index)  # what the trust says in the end
    later["is_final"] = True
    again = frame[setting.happens(rng, layout, "duplicate_key", len(frame))].copy()
    again["fault:ATTENDKEY"], again["place"], again["is_final"] = "duplicate_key", again["place"] + 1e-9, False
    return pd.concat([frame, later, again], ignore_index=True)
