"""What trusts hold about invented people -> their waiting lists, cancer pathways and cancer diagnoses.

Promise: who waits is taken from the trust's own index, with what it held in that month, faults and all; a row says what was known
at the end of its month, and the truth what was known at the end of the last.
"""

import numpy as np
import pandas as pd

from transforms.demo_hospitals import drawn_events
from transforms.demo_people import BLANK_DAY, Array, dates, text
from transforms.demo_records import Setting, after_death, one_of

LISTED, WAITS, DIAGNOSES = "waiting_list", "cancer_waits", "cancer_diagnoses"
# What the index fills in each feed.
IDENTITY = ("nhs_number", "nhs_number_status", "birth_date", "sex", "ethnic_category", "local_patient_id")


def pathways(setting: Setting, records: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """(the rows of the three feeds, the truth: key, kind, person_no, provider, happened_on, ended_on, outcome)."""
    rng = np.random.default_rng([setting.seed, 20])
    listed = _waiting(rng, setting, records)
    cancer = _cancer(rng, setting, records)
    found = cancer[cancer["is_cancer"] & (cancer["told"] < setting.end)]
    found = found.assign(key=found["key"].str.replace("-C", "-D"))
    tables = {
        LISTED: _listed(rng, setting, records, listed),
        WAITS: _waits(rng, setting, records, cancer),
        DIAGNOSES: _diagnoses(setting, records, found),
    }
    return tables, pd.concat([_true_waits(setting, listed), *_true_cancer(setting, cancer, found)], ignore_index=True)


def _drawn(rng: np.random.Generator, setting: Setting, records: pd.DataFrame, layout: str, name: str) -> pd.DataFrame:
    """One row per pathway: row of the index, provider, position of its first file, day of referral, who waits."""
    back = setting.source.settings["waiting"]["months_before"]
    held, who, month = drawn_events(rng, setting, records, layout, name, back)
    day = setting.month_end(month - 1) + rng.integers(0, 28, len(month))
    frame = pd.DataFrame(
        {"row": held["row"], "provider": held["provider"], "person_no": who["person_no"], "referred": day}
    )
    frame["starts"] = held["provider"].map({at: first for at, _, _, first in setting.providers(layout)})
    for name in ("quintile", "needs_interpreter", "birth_day"):
        frame[name] = who[name]
    return frame[frame["referred"] > frame["birth_day"]].reset_index(drop=True)


def _days(rng: np.random.Generator, setting: Setting, frame: pd.DataFrame, kind: str) -> Array:
    """How long each person waits for something: longer where the area is more deprived, and where an interpreter is to come."""
    habits = setting.source.settings["waiting"][kind]
    mean = np.array(habits["by_quintile"])[frame["quintile"].to_numpy() - 1]
    mean = mean + frame["needs_interpreter"].to_numpy() * habits["interpreter_needed"]
    return np.asarray(rng.gamma(habits["shape"], mean / habits["shape"])).astype(int) + 1


def _waiting(rng: np.random.Generator, setting: Setting, records: pd.DataFrame) -> pd.DataFrame:
    frame = _drawn(rng, setting, records, LISTED, "referrals_per_patient_and_month")
    frame["key"] = _key(setting, frame, "W", 10_000_019)
    frame["ended"] = frame["referred"] + _days(rng, setting, frame, "for_treatment")
    codes = setting.source.settings["waiting"]["codes"]
    frame["open_code"], frame["ended_code"] = (one_of(rng, text(codes[name]), len(frame)) for name in ("open", "ended"))
    frame["specialty"] = one_of(rng, text(setting.source.settings["specialties"]), len(frame))
    return frame


def _cancer(rng: np.random.Generator, setting: Setting, records: pd.DataFrame) -> pd.DataFrame:
    habits = setting.source.settings["waiting"]
    codes, frame = habits["codes"], _drawn(rng, setting, records, WAITS, "cancer_referrals_per_patient_and_month")
    n = len(frame)
    frame["key"] = _key(setting, frame, "C", 10_000_079)
    frame["is_cancer"] = rng.random(n) < habits["is_cancer"]
    frame["told"] = frame["referred"] + _days(rng, setting, frame, "told")
    frame["treated"] = np.where(frame["is_cancer"], frame["told"] + _days(rng, setting, frame, "treated"), BLANK_DAY)
    frame["reason"] = np.where(
        frame["is_cancer"], one_of(rng, text(codes["is_cancer"]), n), one_of(rng, text(codes["no_cancer"]), n)
    )
    frame["treatment"] = one_of(rng, text(codes["treatment"]), n)
    early = rng.random(n) < np.array(habits["found_early"])[frame["quintile"].to_numpy() - 1]
    staged = np.where(early, one_of(rng, text(codes["early"]), n), one_of(rng, text(codes["late"]), n))
    frame["stage"] = np.where(rng.random(n) < habits["not_staged"], one_of(rng, text(codes["not_known"]), n), staged)
    return frame


def _key(setting: Setting, frame: pd.DataFrame, mark: str, first: int) -> Array:
    prefix = text([one["code"] for one in setting.source.providers])[frame["provider"]]
    return prefix + text([f"-{mark}{number:08d}" for number in (np.arange(len(frame)) * 7919 + first).tolist()])


def _month(setting: Setting, days: Array) -> Array:
    """The position of the period in which each day lies; one after the last for none."""
    ends = setting.month_end(np.arange(-600, setting.last + 1))
    return np.where(np.asarray(days) == BLANK_DAY, setting.last + 1, np.searchsorted(ends, days, side="right") - 600)


def _shown(setting: Setting, frame: pd.DataFrame, months: list[Array]) -> pd.DataFrame:
    """One row per pathway and month of `months` up to the last, the first file's where it is earlier: with `first`, `last`."""
    parts = [frame.assign(first=np.maximum(month, frame["starts"])) for month in months]
    shown = pd.concat(parts).query("first <= @setting.last").drop_duplicates(["key", "first"])
    return shown.assign(last=shown["first"], known=setting.month_end(shown["first"].to_numpy())).reset_index(drop=True)


def _as_held(rng_seed: int, setting: Setting, records: pd.DataFrame, layout: str, shown: pd.DataFrame) -> pd.DataFrame:
    """The rows of a feed as far as the trust's index fills them, as it stood in their month."""
    number, status, birth, sex, category, local = (setting.source.column(layout, field) for field in IDENTITY)
    held = records.loc[shown["row"]].reset_index(drop=True)
    who = setting.people.iloc[held["person"]].reset_index(drop=True)
    frame = shown[["provider", "person_no", "first", "last"]].copy()
    frame["place"] = np.random.default_rng([setting.seed, rng_seed]).random(len(frame))
    frame[local], frame[number], frame[f"fault:{number}"], frame[status] = (
        held["PATIENT_ID"], held["number"], held["number:fault"], held["status"],
    )  # fmt: skip
    frame[birth], frame[f"fault:{birth}"], frame[sex] = (
        dates(held["birth_day"].to_numpy()),
        held["birth:fault"],
        who["sex"],
    )
    after = (shown["first"] >= held["changes"]).to_numpy()
    for mark, ending in (("", ""), ("expected:", ":expected"), ("fault:", ":fault")):
        frame[mark + category] = np.where(after, held[f"after{ending}"], held[f"before{ending}"])
    if layout == DIAGNOSES:
        frame["PostcodeOfUsualAddress"], frame["fault:PostcodeOfUsualAddress"] = (
            held["postcode"],
            held["postcode:fault"],
        )
        frame["OrganisationIdentifierGpPracticeRegistration"] = held["practice"]
    return frame


def _known(shown: pd.DataFrame, name: str) -> Array:
    """A day, where it lies before the end of the row's month."""
    return np.where(shown[name] < shown["known"], shown[name], BLANK_DAY)


def _day_with_fault(frame: pd.DataFrame, setting: Setting, column: str, local: str, days: Array) -> None:
    who = setting.people.set_index("person_no").loc[frame["person_no"]].reset_index()
    frame[column], frame[f"fault:{column}"] = dates(days), after_death(days, who, frame[local])


def _listed(rng: np.random.Generator, setting: Setting, records: pd.DataFrame, listed: pd.DataFrame) -> pd.DataFrame:
    """The list of every month: who waits at its end, and whose wait ended in it."""
    begins, ends = _month(setting, listed["referred"].to_numpy()), _month(setting, listed["ended"].to_numpy())
    parts = [
        listed[(begins <= month) & (ends >= month) & (listed["starts"] <= month)].assign(first=month, last=month)
        for month in range(setting.last + 1)
    ]
    shown = pd.concat(parts, ignore_index=True)
    shown["known"] = setting.month_end(shown["first"].to_numpy())
    frame, ended = _as_held(21, setting, records, LISTED, shown), _known(shown, "ended")
    frame["PATIENT_PATHWAY_IDENTIFIER"] = shown["key"]
    _day_with_fault(
        frame, setting, "REFERRAL_REQUEST_RECEIVED_DATE", "LOCAL_PATIENT_IDENTIFIER", shown["referred"].to_numpy()
    )
    frame["REFERRAL_TO_TREATMENT_PERIOD_END_DATE"] = dates(ended)
    frame["REFERRAL_TO_TREATMENT_PERIOD_STATUS"] = np.where(ended == BLANK_DAY, shown["open_code"], shown["ended_code"])
    frame["ACTIVITY_TREATMENT_FUNCTION_CODE"] = shown["specialty"]
    codes = setting.source.settings["codes_of_systems"]["codes"]
    prefix = text([one["code"] for one in setting.source.providers])[frame["provider"]]
    frame["PRIORITY_TYPE_CODE"] = one_of(rng, text(codes["priority"]), len(frame))
    frame["ORGANISATION_SITE_IDENTIFIER_OF_TREATMENT"] = prefix + text(codes["sites"][:1] * len(frame))
    frame["Last_PAS_Validation_Comments"] = np.where(rng.random(len(frame)) < 0.02, "rang twice", "")
    return frame


def _waits(rng: np.random.Generator, setting: Setting, records: pd.DataFrame, cancer: pd.DataFrame) -> pd.DataFrame:
    """Each pathway in the months in which it began or went on."""
    months = [_month(setting, cancer[name].to_numpy()) for name in ("referred", "told", "treated")]
    shown = _shown(setting, cancer, months)
    frame = _as_held(22, setting, records, WAITS, shown)
    told, treated = _known(shown, "told"), _known(shown, "treated")
    frame["PATIENT PATHWAY IDENTIFIER"] = shown["key"]
    _day_with_fault(
        frame,
        setting,
        "CANCER REFERRAL TO TREATMENT PERIOD START DATE",
        "LOCAL PATIENT IDENTIFIER",
        shown["referred"].to_numpy(),
    )
    frame["CANCER FASTER DIAGNOSIS PATHWAY END DATE"] = dates(told)
    frame["CANCER FASTER DIAGNOSIS PATHWAY END REASON"] = np.where(told == BLANK_DAY, "", shown["reason"])
    frame["TREATMENT START DATE (CANCER)"] = dates(treated)
    frame["CANCER TREATMENT MODALITY"] = np.where(treated == BLANK_DAY, "", shown["treatment"])
    frame["DELAY REASON COMMENT"] = np.where(rng.random(len(frame)) < 0.02, "on holiday", "")
    return frame


def _diagnoses(setting: Setting, records: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Each diagnosis once: in the month in which the person was told, or in the first file."""
    shown = _shown(setting, found, [_month(setting, found["told"].to_numpy())])
    frame = _as_held(23, setting, records, DIAGNOSES, shown)
    frame["Id"] = shown["key"]
    _day_with_fault(
        frame,
        setting,
        "DateOfPrimaryDiagnosisClinicallyAgreed",
        "LocalPatientIdentifierExtended",
        shown["told"].to_numpy(),
    )
    frame["TnmStageGroupingFinalPretreatment"] = shown["stage"]
    return frame


def _truth(setting: Setting, frame: pd.DataFrame, kind: str, began: str, ended: str, outcome: str) -> pd.DataFrame:
    """What is so at the end of the last period."""
    end = setting.end
    happened = frame[frame[began] < end]
    days = {"happened_on": happened[began].to_numpy()}
    over = happened[ended].to_numpy() if ended else np.full(len(happened), BLANK_DAY)
    days["ended_on"] = np.where(over < end, over, BLANK_DAY)
    written = {name: pd.to_datetime(dates(found), format="%Y-%m-%d").date for name, found in days.items()}
    codes = text([one["code"] for one in setting.source.providers])
    return pd.DataFrame({
        "key": happened["key"].to_numpy(), "kind": kind, "person_no": happened["person_no"].to_numpy(),
        "provider": codes[happened["provider"]], **written, "outcome": happened[outcome].to_numpy() if outcome else "",
    })  # fmt: skip


def _true_waits(setting: Setting, listed: pd.DataFrame) -> pd.DataFrame:
    """Who stands in the last list."""
    begins = int(setting.month_end(np.array(setting.last - 1)))
    return _truth(setting, listed[listed["ended"] >= begins], "waiting", "referred", "ended", "")


def _true_cancer(setting: Setting, cancer: pd.DataFrame, found: pd.DataFrame) -> list[pd.DataFrame]:
    treated = cancer[(cancer["treated"] != BLANK_DAY) & (cancer["treated"] < setting.end)]
    return [
        _truth(setting, cancer, "cancer_referral", "referred", "told", ""),
        _truth(setting, treated, "cancer_treatment", "referred", "treated", ""),
        _truth(setting, found, "cancer_diagnosis", "told", "", "stage"),
    ]
