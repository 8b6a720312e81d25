"""What trusts hold about invented people -> their feeds of hospital stays and of emergency attendances.

Promise: who comes is taken from the trust's own index; a stay repeats what the index held then, faults and all, while in an
emergency people are asked anew, in a hurry.
"""

import numpy as np
import pandas as pd

from transforms.demo_people import BLANK_DAY, Array, dates, text
from transforms.demo_records import Categories, Setting, after_death, draw, one_of

DASHES = "%Y-%m-%d"


def drawn_events(
    rng: np.random.Generator, setting: Setting, records: pd.DataFrame, layout: str, name: str, back: int
) -> tuple[pd.DataFrame, pd.DataFrame, Array]:
    """(the record of the index behind each event and its `row`, who it is, the month) for the trusts that send a layout."""
    rate = setting.source.settings["services"][name]
    real = records[~records["is_test"]]
    rows, months = [], []
    for at, _, _, starts in setting.providers(layout):
        here = real.index[real["provider"] == at].to_numpy()
        n = rng.poisson(len(here) * rate, setting.last - starts + back + 1)
        months.append(np.repeat(np.arange(starts - back, setting.last + 1), n))
        rows.append(here[(len(here) * rng.random(n.sum())).astype(int)])
    row = np.concatenate(rows) if rows else np.zeros(0, dtype=int)
    held = records.loc[row].reset_index(names="row")
    who = setting.people.iloc[held["person"]].reset_index(drop=True)
    return held, who, np.concatenate(months) if months else np.zeros(0, dtype=int)


def _days(rng: np.random.Generator, setting: Setting, who: pd.DataFrame, month: Array) -> Array:
    return np.maximum(setting.month_end(month - 1) + rng.integers(0, 28, len(month)), who["birth_day"].to_numpy())


def admissions(setting: Setting, records: pd.DataFrame) -> pd.DataFrame:
    """The rows of every trust's feed of stays: a file holds the financial year so far, so a row shows from its month to March."""
    rng = np.random.default_rng([setting.seed, 16])
    settings, layout = setting.source.settings, "sus_admitted"
    codes, choices = settings["codes_of_systems"]["codes"], settings["services"]["codes"]
    april = (int(setting.periods[0][5:]) - 4) % 12  # months from an April to the first period
    starts = min((first for *_, first in setting.providers(layout)), default=0)
    held, who, month = drawn_events(
        rng, setting, records, layout, "admissions_per_patient_and_month", (starts + april) % 12
    )
    n = len(held)
    frame = pd.DataFrame({"provider": held["provider"], "person_no": who["person_no"]})
    first = frame["provider"].map({at: begins for at, _, _, begins in setting.providers(layout)}).to_numpy()
    frame["first"] = np.maximum(month, first)
    march = month + (11 - (month + april) % 12)
    frame["last"], frame["place"] = np.minimum(march, setting.last), month + rng.random(n) / 2
    prefix = text([one["code"] for one in setting.source.providers])[held["provider"]]
    frame["SPELNUM"] = prefix + text([f"-S{number:08d}" for number in (np.arange(n) * 7919 + 10_000_019).tolist()])
    frame["PROCODE3"], frame["LOPATID"] = prefix, held["PATIENT_ID"]
    frame["NEWNHSNO"], frame["fault:NEWNHSNO"], frame["NHSNOIND"] = held["number"], held["number:fault"], held["status"]
    frame["DOB"] = dates(held["birth_day"].to_numpy(), DASHES)
    frame["fault:DOB"] = held["birth:fault"]
    frame["SEX"], frame["HOMEADD"], frame["fault:HOMEADD"] = who["sex"], held["postcode"], held["postcode:fault"]
    frame["GPPRAC"] = held["practice"]
    after, x = month >= held["changes"].to_numpy(), setting.happens(rng, layout, "x_in_hes", n)
    hes = setting.source.map("ethnic_category", "national_2001_hes")[0]
    frame["ETHNOS"] = np.where(x, hes["value"], np.where(after, held["after"], held["before"]))
    frame["fault:ETHNOS"] = np.where(x, "x_in_hes", np.where(after, held["after:fault"], held["before:fault"]))
    expected = np.where(after, held["after:expected"], held["before:expected"])
    frame["expected:ETHNOS"] = np.where(x, hes["status"], expected)
    frame["CARERSI"] = ""
    on = _days(rng, setting, who, month)
    stays = rng.gamma(1.2, 3.0, n).astype(int)
    left = np.where(on + stays < setting.month_end(month), on + stays, BLANK_DAY)  # still in hospital when it was sent
    frame["ADMIDATE"], frame["DISDATE"] = dates(on, DASHES), dates(left, DASHES)
    frame["fault:ADMIDATE"] = after_death(on, who, held["PATIENT_ID"])
    frame["ADMIMETH"] = one_of(rng, text(choices["admission_method"]), n)
    frame["DISMETH"] = np.where(left == BLANK_DAY, "", one_of(rng, text(choices["discharge_method"]), n))
    frame["TRETSPEF"] = one_of(rng, text(settings["specialties"]), n)
    frame["SITETRET"], frame["WITHHELD_FLAG"] = prefix + one_of(rng, text(codes["sites"]), n), ""
    return frame[on < setting.month_end(month)]  # who was born by then


def attendances(setting: Setting, records: pd.DataFrame) -> pd.DataFrame:
    """The rows of every trust's emergency department: each month's file holds that month."""
    rng = np.random.default_rng([setting.seed, 17])
    source, layout = setting.source, "ecds"
    settings, choices = source.settings["services"], source.settings["services"]["codes"]
    held, who, month = drawn_events(rng, setting, records, layout, "attendances_per_patient_and_month", 0)
    n, provider = len(held), held["provider"].to_numpy()
    prefix = text([one["code"] for one in source.providers])[provider]
    frame = pd.DataFrame({"provider": provider, "person_no": who["person_no"], "first": month, "last": month})
    frame["place"] = rng.random(n)
    frame["EC_Attendance_Identifier"] = prefix + text(
        [f"-E{k:08d}" for k in (np.arange(n) * 7907 + 10_000_079).tolist()]
    )
    frame["Local_Patient_Identifier"] = held["PATIENT_ID"]
    frame["NHS_Number"], frame["fault:NHS_Number"] = held["number"], held["number:fault"]
    frame["NHS_Number_Status_Indicator"] = held["status"]
    frame["Person_Birth_Date"] = dates(held["birth_day"].to_numpy(), DASHES)
    frame["fault:Person_Birth_Date"] = held["birth:fault"]
    frame["Stated_Gender"] = who["sex"]
    frame["Postcode"], frame["fault:Postcode"] = held["postcode"], held["postcode:fault"]
    frame["General_Practice_Code"] = held["practice"]
    fault = draw(rng, *setting.rates(layout, "ethnic_category"), provider)
    category, detail = (who[name].to_numpy(dtype=object) for name in ("ethnic_category", "detail"))
    sent, expected, fault = Categories(setting).national(rng, category, detail, fault, layout)
    frame["Ethnic_Category"], frame["expected:Ethnic_Category"], frame["fault:Ethnic_Category"] = sent, expected, fault
    frame["Ethnic_Category_2021"] = ""
    on = _days(rng, setting, who, month)
    frame["Arrival_Date"], frame["fault:Arrival_Date"] = dates(on, DASHES), after_death(on, who, held["PATIENT_ID"])
    speaks = first_values(source.map("language", "snomed_ct"), without="interpreter")
    asked = rng.random(n) < settings["recorded"]["main_language"]
    language = text([speaks.get(code, "") for code in who["main_language"]])
    frame["Preferred_Spoken_Language_SNOMED_CT"] = np.where(asked, language, "")
    interpreters = source.map("interpreter_required", "ecds_interpreter_language")
    named = {row["code"]: row["label"] for row in source.rows("code_systems/language/codes.csv")}
    concept = {}
    for code in who["main_language"].unique():  # a concept names the language that the interpreter speaks
        fitting = [row["value"] for row in interpreters if row["term"].startswith(named[code].split()[0])]
        concept[code] = (fitting or [interpreters[0]["value"]])[0]
    wanted = who["main_language"].map(concept)
    frame["Interpreter_Language_SNOMED_CT"] = np.where(who["needs_interpreter"] & asked, wanted, "")
    professionals = text([row["value"] for row in source.map("communication_professional", "snomed_ct") if row["code"]])
    column = "Accessible_Information_Professional_Required_SNOMED_CT"
    frame[column] = np.where(rng.random(n) < 0.03, one_of(rng, professionals, n), "")
    frame["Acuity_SNOMED_CT"] = one_of(rng, text(choices["acuity"]), n)
    frame["Discharge_Status_SNOMED_CT"] = one_of(rng, text(choices["discharge_status"]), n)
    frame["Site_Code_of_Treatment"] = prefix + one_of(
        rng, text(source.settings["codes_of_systems"]["codes"]["sites"]), n
    )
    frame["Withheld_Identity_Flag"] = ""
    frame["Companion_Name"] = np.where(rng.random(n) < 0.3, who["family_name"], "")
    return frame[on < setting.month_end(month)]  # who was born by then


def first_values(rows: list[dict[str, str]], without: str) -> dict[str, str]:
    """Code -> the first value that states it, of the rows whose term lacks a word."""
    found: dict[str, str] = {}
    for row in rows:
        if row["code"] and without not in row["term"].lower():
            found.setdefault(row["code"], row["value"])
    return found
