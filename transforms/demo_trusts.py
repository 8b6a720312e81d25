"""Invented people -> what hospital trusts hold: their patient indexes.

Promise: what a system holds stays wrong from month to month, as in real extracts, until somebody asks again.
"""

import numpy as np
import pandas as pd

from transforms.demo_people import BLANK_DAY, Array, dates, day, text
from transforms.demo_records import Categories, Setting, draw, one_of, wrong_number, wrong_postcode

SLASHES = "%d/%m/%Y"
MONTHS = 12
ASKED_AGAIN = 10  # months after which a carer is asked again


def pas_records(setting: Setting, practice_of: Array) -> pd.DataFrame:
    """One row per patient number of a trust, with what its index holds: before and after the last time the patient was asked."""
    rng = np.random.default_rng([setting.seed, 3])
    people, settings, layout = setting.people, setting.source.settings, "pas_patient"
    sizes = settings["sizes"]
    scale = min(1, len(people) / sizes["people"])
    frames = []
    for at, code, board, first in setting.providers(layout):
        away = sizes["from_another_board"]
        weight = np.where(people["icb_code"] == board, 1 - away, away / 2)
        weight = weight * np.where(people["birth_day"] < day("1965-01-01"), 2.0, 1.0) * (1.2 - people["quintile"] / 20)
        n = min(max(int(sizes["trust_patients"][code] * scale), 10), len(people) // 2)
        person = rng.choice(len(people), n, replace=False, p=weight / weight.sum())
        person = np.concatenate([person, person[setting.happens(rng, layout, "duplicate_registration", n)]])
        tests = max(round(n * 0.001), 1)
        person = np.concatenate([person, person[:tests]])
        frame = pd.DataFrame({"provider": at, "person": person, "first": first})
        frame["fault:PATIENT_ID"] = ["" if row < n else "duplicate_registration" for row in range(len(frame))]
        frame["is_test"] = np.arange(len(frame)) >= len(frame) - tests
        frame["PATIENT_ID"] = text(
            [f"{number:07d}" for number in (1_000_003 * (rng.permutation(len(frame)) + 1)) % 9_999_991]
        )
        newer = settings["pas"]["from_second_to_last"]
        if code in sizes["send_every_period"]:
            later = rng.random(len(frame)) < 0.3
            frame.loc[later, "first"] = rng.integers(1, setting.last + 1, int(later.sum()))
        else:
            frame["first"] += rng.choice(3, len(frame), p=[1 - 2 * newer, newer, newer])
        frame["first"] = frame["first"].clip(upper=setting.last)
        frames.append(frame)
    frame = pd.concat(frames, ignore_index=True)
    frame.loc[frame["is_test"], "fault:PATIENT_ID"] = ""
    asked = np.floor(np.log(rng.random(len(frame))) / np.log(1 - settings["pas"]["changes_in_a_month"])).astype(int) + 1
    frame["changes"] = np.minimum(frame["first"] + asked, setting.last + 1)
    frame["practice"] = practice_of[frame["person"]]
    categories = Categories(setting)
    who = people.iloc[frame["person"]]
    names, rates = setting.rates(layout, "ethnic_category")
    small = np.isin(
        frame["provider"], [at for at, code, *_ in setting.providers(layout) if code in sizes["send_every_period"]]
    )
    category, detail = who["ethnic_category"].to_numpy(dtype=object), who["detail"].to_numpy(dtype=object)
    for state in ("before", "after"):
        fault = draw(rng, names, rates, frame["provider"].to_numpy())
        if state == "before":  # those that send every month have been getting better
            fault[small & (rng.random(len(frame)) < settings["pas"]["blank_at_first"])] = "missing_value"
        sent, expected, fault = categories.national(rng, category, detail, fault, layout)
        frame[f"{state}"], frame[f"{state}:expected"], frame[f"{state}:fault"] = sent, expected, fault
    for column, field in (("number", "nhs_number"), ("postcode", "postcode")):
        frame[f"{column}:fault"] = draw(rng, *setting.rates(layout, field), frame["provider"].to_numpy())
    codes = settings["codes_of_systems"]["codes"]
    kinds = codes["number_verified"], codes["number_untraced"], codes["number_absent"]
    number = who["nhs_number"].to_numpy(dtype=object)
    frame["number"], frame["status"] = wrong_number(
        rng, frame["number:fault"].to_numpy(dtype=object), number, frame["provider"].to_numpy(), *kinds
    )
    frame["postcode"] = wrong_postcode(
        frame["postcode:fault"].to_numpy(dtype=object), who["postcode"].to_numpy(), who["old_postcode"].to_numpy()
    )
    future = setting.happens(rng, layout, "future_birth_date", len(frame))
    frame["birth_day"] = who["birth_day"].to_numpy() + 36_525 * future
    frame["birth:fault"] = np.where(future, "future_birth_date", "")
    frame.loc[frame["is_test"], ["number", "status", "number:fault"]] = ["", kinds[2], "missing_nhs_number"]
    return frame


def pas_patients(setting: Setting, records: pd.DataFrame) -> pd.DataFrame:
    """The rows of every trust's patient index."""
    rng = np.random.default_rng([setting.seed, 4])
    source, settings, layout, n = setting.source, setting.source.settings, "pas_patient", len(records)
    codes, facts = settings["codes_of_systems"]["codes"], settings["facts"]["codes"]
    who = setting.people.iloc[records["person"]].reset_index(drop=True)
    frame = records[["provider", "first", "PATIENT_ID", "fault:PATIENT_ID"]].copy()
    frame["person_no"], frame["place"] = who["person_no"].where(~records["is_test"], 0), rng.random(n)
    frame["NHS_NUMBER"], frame["fault:NHS_NUMBER"] = records["number"], records["number:fault"]
    frame["NHS_NUMBER_STATUS"] = records["status"]
    frame["TITLE"] = ""
    test_name = str(setting.sent(layout, "test_record")[0])
    frame["GIVEN_NAME"] = who["given_name"].where(~records["is_test"], test_name)
    frame["FAMILY_NAME"] = who["family_name"].where(~records["is_test"], test_name)
    frame["DATE_OF_BIRTH"], frame["fault:DATE_OF_BIRTH"] = (
        dates(records["birth_day"].to_numpy(), SLASHES),
        records["birth:fault"],
    )
    frame["DATE_OF_DEATH"] = dates(who["death_day"].to_numpy(), SLASHES)
    frame["SEX"] = who["sex"]
    frame["POSTCODE"], frame["fault:POSTCODE"] = records["postcode"], records["postcode:fault"]
    frame["GP_PRACTICE"] = records["practice"]
    written = rng.integers(
        day("2009-01-01"), day("2024-06-01"), n
    )  # when the patient was asked, before the first extract
    written = np.maximum(written, who["birth_day"].to_numpy())
    provider = frame["provider"].to_numpy()
    language = ~setting.is_blank(rng, layout, "main_language", provider)
    frame["ETHNIC_CATEGORY"], frame["ETHNIC_CATEGORY_DATE"] = "", ""
    frame["fault:ETHNIC_CATEGORY"], frame["expected:ETHNIC_CATEGORY"], frame["fault:ETHNIC_CATEGORY_DATE"] = "", "", ""
    frame["LANGUAGE_CODE_PREFERRED"] = np.where(language, who["nhs_language"], "")
    odd = language & setting.happens(rng, layout, "unrecognised_language", n)
    frame.loc[odd, "LANGUAGE_CODE_PREFERRED"] = one_of(
        rng, setting.sent(layout, "unrecognised_language"), int(odd.sum())
    )
    frame["fault:LANGUAGE_CODE_PREFERRED"] = np.where(odd, "unrecognised_language", "")
    frame["expected:LANGUAGE_CODE_PREFERRED"] = np.where(odd, "unrecognised", "")
    _blank(frame, "LANGUAGE_CODE_PREFERRED", ~language)
    frame["LANGUAGE_CODE_WRITTEN"] = np.where(language & (rng.random(n) < 0.6), who["nhs_language"], "")
    need = [source.value("interpreter_required", "yes_no", code) for code in facts["interpreter_required"]]
    said = ~setting.is_blank(rng, layout, "interpreter_required", provider)
    frame["INTERPRETER_REQUIRED"] = np.where(said, np.where(who["needs_interpreter"], *need), "")
    _blank(frame, "INTERPRETER_REQUIRED", ~said)
    # Of the same day as the ethnic category, or as early in the last eight years as that is in all the years before.
    lately = day("2016-12-01") + (written - day("2009-01-01")) // 2
    lately = np.maximum(np.where(rng.random(n) < 0.4, written, lately), who["birth_day"].to_numpy())
    frame["LANGUAGE_DATE"] = np.where(language | said, dates(lately, SLASHES), "")
    carer = [source.value("is_carer", "yes_no", code) for code in facts["is_carer"]]
    refused, unknown = (source.value("is_carer", "yes_no", status) for status in ("not_stated", "not_known"))
    answered, chance = ~setting.is_blank(rng, layout, "is_carer", provider), rng.random(n)
    frame["IS_CARER"] = np.select(
        [~answered, chance < 0.03, chance < 0.08],
        ["", refused, unknown],
        np.where(who["is_carer"], *carer).astype(object),
    )
    _blank(frame, "IS_CARER", ~answered)
    support = [source.value("has_carer", "carer_support_indicator", code) for code in facts["has_carer"]]
    frame["CARER_SUPPORT_INDICATOR"] = np.where(
        answered & (rng.random(n) < 0.5), np.where(who["has_carer"], *support), ""
    )
    asked_on = np.maximum(rng.integers(day("2019-01-01"), day("2023-10-01"), n), who["birth_day"].to_numpy())
    frame["CARER_DATE"] = np.where(answered, dates(asked_on, SLASHES), "")
    forgotten = draw(rng, *setting.rates(layout, "carer_recorded_on"), provider)
    frame["fault:CARER_DATE"] = np.where(frame["IS_CARER"] == carer[0], forgotten, "")
    frame["CARER_NAME"] = np.where(who["has_carer"], who["family_name"], "")
    frame["CARER_PHONE"], frame["NOTES"] = "", np.where(rng.random(n) < 0.05, "rings in the morning", "")
    flagged = setting.happens(rng, layout, "confidential_record", n) & ~records["is_test"].to_numpy()
    frame["TEST_PATIENT"] = np.where(records["is_test"], codes["pas_yes"], codes["pas_no"])
    frame["fault:TEST_PATIENT"] = np.where(records["is_test"], "test_record", "")
    frame["CONFIDENTIAL"] = np.where(flagged, codes["pas_yes"], codes["pas_no"])
    frame["fault:CONFIDENTIAL"] = np.where(flagged, "confidential_record", "")
    frame["PAS_UPDATED"] = ""
    return _two_states(rng, setting, records, frame, written)


def _blank(frame: pd.DataFrame, column: str, is_blank: Array) -> None:
    """Name the cells of a column in which nothing stands."""
    for mark, word in (("fault", "missing_value"), ("expected", "not_recorded")):
        frame[f"{mark}:{column}"] = np.where(is_blank, word, frame.get(f"{mark}:{column}", ""))


def _two_states(
    rng: np.random.Generator, setting: Setting, records: pd.DataFrame, frame: pd.DataFrame, written: Array
) -> pd.DataFrame:
    """A row until the patient is asked again, one from then on; then the trust that changed its date order, and double keys."""
    layout, settings = "pas_patient", setting.source.settings
    old = rng.integers(day("2003-01-01"), day("2011-01-01"), len(frame))
    asked = setting.month_end(records["changes"].to_numpy()) - rng.integers(2, 27, len(frame))
    born = setting.people["birth_day"].to_numpy()[records["person"].to_numpy()]
    states = []
    for state in ("before", "after"):
        part = frame.copy()
        part["first"] = records["first"] if state == "before" else records["changes"]
        part["last"] = records["changes"] - 1 if state == "before" else setting.last
        part["ETHNIC_CATEGORY"], part["fault:ETHNIC_CATEGORY"] = records[state], records[f"{state}:fault"]
        part["expected:ETHNIC_CATEGORY"] = records[f"{state}:expected"]
        stale = (records[f"{state}:fault"] == "different_value") & (rng.random(len(frame)) < 0.7)
        on = np.where(stale, old, written) if state == "before" else asked
        future = setting.happens(rng, layout, "future_date", len(frame))
        undated = (rng.random(len(frame)) < settings["pas"]["undated"]) | (records[state] == "")
        on = np.maximum(on, born)
        on = np.where(undated, BLANK_DAY, np.where(future, day("2031-03-03"), on))
        part["ETHNIC_CATEGORY_DATE"] = dates(on, SLASHES)
        part["fault:ETHNIC_CATEGORY_DATE"] = np.where(future & ~undated, "future_date", "")
        if state == "after":  # who is asked again is asked for everything
            for column in ("LANGUAGE_DATE", "CARER_DATE"):
                part[column] = np.where(part[column] == "", "", dates(np.maximum(asked, born), SLASHES))
            part["fault:CARER_DATE"] = ""
        states.append(part)
    joined = pd.concat(states, ignore_index=True)
    joined = joined[joined["first"] <= joined["last"]].reset_index(drop=True)
    joined = _confirmed_again(rng, setting, joined)
    rows = joined.index[setting.happens(rng, layout, "duplicate_key", len(joined))]
    again = joined.loc[
        rows
    ].copy()  # the same number once more, with what the index held before: a double that was never merged
    again["fault:PATIENT_ID"], again["place"] = "duplicate_key", again["place"] + 1e-9
    again["POSTCODE"], again["fault:POSTCODE"] = "", "missing_postcode"
    return _date_order(setting, pd.concat([joined, again], ignore_index=True))


def _confirmed_again(rng: np.random.Generator, setting: Setting, frame: pd.DataFrame) -> pd.DataFrame:
    """Carers are asked within the year whether they still care for somebody, but for those whom a trust forgets: a row for
    each time."""
    yes = setting.source.value("is_carer", "yes_no", setting.source.settings["facts"]["codes"]["is_carer"][0])
    is_asked = (frame["IS_CARER"] == yes) & (frame["CARER_DATE"] != "") & (frame["fault:CARER_DATE"] == "")
    asked, pieces = frame[is_asked], [frame[~is_asked]]
    while len(asked):
        piece = asked.assign(last=np.minimum(asked["last"], asked["first"] + ASKED_AGAIN - 1))
        on = setting.month_end(piece["first"].to_numpy()) - rng.integers(2, 27, len(piece))
        born = pd.to_datetime(piece["DATE_OF_BIRTH"], format=SLASHES).to_numpy().astype("datetime64[D]").astype(int)
        pieces.append(piece.assign(CARER_DATE=dates(np.maximum(on, born), SLASHES)))
        asked = asked.assign(first=asked["first"] + ASKED_AGAIN)
        asked = asked[asked["first"] <= asked["last"]]
    return pd.concat(pieces).sort_index(kind="stable").reset_index(drop=True)


def _date_order(setting: Setting, frame: pd.DataFrame) -> pd.DataFrame:
    """One trust changed its system: what was typed again since then has the month before the day."""
    names, rates = setting.rates("pas_patient", "birth_date", ["wrong_date_order"])
    since = sum(period < setting.source.settings["wrong_date_order_since"] for period in setting.periods)
    rng = np.random.default_rng([setting.seed, 10])
    hit = (draw(rng, names, rates, frame["provider"].to_numpy()) != "") & (frame["last"] >= since)
    later = frame[hit].copy()
    frame.loc[hit, "last"] = since - 1
    later["first"] = np.maximum(later["first"], since)
    typed = later["DATE_OF_BIRTH"].str
    to_come = typed[6:] + "-" + typed[:2] + "-" + typed[3:5] > str(setting.source.settings["today"])
    turned = typed.replace(r"^(..)/(..)", r"\2/\1", regex=True).mask(to_come, later["DATE_OF_BIRTH"])  # that is noticed
    kind = np.where(typed[:2].astype(int) > MONTHS, "unreadable_date_order", "wrong_date_order")
    later["fault:DATE_OF_BIRTH"] = later["fault:DATE_OF_BIRTH"].where(turned == later["DATE_OF_BIRTH"], kind)
    later["DATE_OF_BIRTH"] = turned
    return pd.concat([frame[frame["first"] <= frame["last"]], later], ignore_index=True)
