"""Invented people and their registrations -> what GP practices hold and send: registered lists and dated entries.

Promise: a code is used as often as it is really recorded where that is known (the column `people` of the SNOMED CT map).
"""

import numpy as np
import pandas as pd

from transforms.demo_care import care_entries, readings, registers, yearly_checks
from transforms.demo_people import BLANK_DAY, Array, dates, day, text
from transforms.demo_records import Categories, Setting, alive, draw, guid, one_of, wrong_number, wrong_postcode

DASHES = "%Y-%m-%d"


def practice_lists(setting: Setting, registrations: pd.DataFrame) -> pd.DataFrame:
    """The rows of every practice's registered list."""
    rng = np.random.default_rng([setting.seed, 6])
    source, layout = setting.source, "emis_patient"
    codes = source.settings["codes_of_systems"]["codes"]
    tests = registrations.groupby("provider").head(2)
    tests = tests[tests.groupby("provider").cumcount() == 0]
    held = pd.concat(
        [registrations.assign(is_test=False), tests.assign(is_test=True, left=BLANK_DAY, last=setting.last)],
        ignore_index=True,
    )
    who, n = setting.people.iloc[held["person"]].reset_index(drop=True), len(held)
    provider, test = held["provider"].to_numpy(), held["is_test"].to_numpy()
    frame = held[["provider", "first", "last"]].copy()
    frame["person_no"] = who["person_no"].where(~test, 0)
    frame["place"] = np.random.default_rng([setting.seed, 7]).random(len(setting.people))[held["person"]] + test
    frame["PatientGuid"] = patient_guid(setting, provider, np.where(test, 900_000 + provider, who["person_no"]))
    frame["OrganisationGuid"] = guid("00000001", provider, setting.seed)
    fault = draw(rng, *setting.rates(layout, "nhs_number"), provider)
    fault[test] = ""
    kinds = codes["number_verified"], codes["number_verified"], codes["number_absent"]
    number, status = wrong_number(rng, fault, who["nhs_number"].to_numpy(dtype=object), provider, *kinds)
    frame["NhsNumber"], frame["fault:NhsNumber"], frame["NHSNumberStatus"] = (
        np.where(test, "", number),
        np.where(test, "missing_nhs_number", fault),
        np.where(test, kinds[2], status),
    )
    test_name = str(setting.sent(layout, "test_record")[0])
    frame["GivenName"], frame["Surname"] = (
        who["given_name"].where(~test, test_name),
        who["family_name"].where(~test, test_name),
    )
    frame["DateOfBirth"], frame["DateOfDeath"] = (
        dates(who["birth_day"].to_numpy(), DASHES),
        dates(who["death_day"].to_numpy(), DASHES),
    )
    frame["Sex"] = who["sex"].map(codes["emis_sex"])
    fault = draw(rng, *setting.rates(layout, "postcode"), provider)
    frame["Postcode"] = wrong_postcode(fault, who["postcode"].to_numpy(), who["old_postcode"].to_numpy())
    frame["fault:Postcode"] = fault
    future = setting.happens(rng, layout, "future_date", n) & ~test
    frame["DateOfRegistration"] = dates(np.where(future, day("2031-03-03"), held["joined"]), DASHES)
    frame["fault:DateOfRegistration"] = np.where(future, "future_date", "")
    frame["DateOfDeactivation"] = dates(held["left"].to_numpy(), DASHES)
    fault = draw(rng, *setting.rates(layout, "ethnic_category"), provider)
    fault[test] = ""
    sent, expected, fault = spelt(rng, setting, "emis", layout, who["ethnic_category"].to_numpy(dtype=object), fault)
    frame["EthnicCode"], frame["fault:EthnicCode"], frame["expected:EthnicCode"] = sent, fault, expected
    frame["CarerName"], frame["CarerRelation"] = np.where(who["has_carer"], who["given_name"], ""), ""
    flagged = setting.happens(rng, layout, "confidential_record", n) & ~test
    frame["DummyType"], frame["fault:DummyType"] = (
        np.where(test, codes["emis_yes"], codes["emis_no"]),
        np.where(test, "test_record", ""),
    )
    frame["IsConfidential"] = np.where(flagged, codes["emis_yes"], codes["emis_no"])
    frame["fault:IsConfidential"] = np.where(flagged, "confidential_record", "")
    return frame


def patient_guid(setting: Setting, provider: Array, person_no: Array) -> Array:
    """A practice's own identifier of a person."""
    return guid("A0000000", np.asarray(provider) * 1_000_003 + np.asarray(person_no), setting.seed)


def spelt(
    rng: np.random.Generator, setting: Setting, vocabulary: str, layout: str, category: Array, fault: Array
) -> tuple[Array, Array, Array]:
    """A practice's codes for ethnic categories, as often as each is really recorded where that is known."""
    categories = Categories(setting)
    rows = setting.source.map("ethnic_category", vocabulary)
    said = category.copy()
    at = fault == "different_value"
    said[at] = categories.another(rng, category[at])
    sent, expected = np.full(len(said), "", dtype=object), np.full(len(said), "", dtype=object)
    for code in categories.codes:
        for general in (False, True):
            at = np.flatnonzero((said == code) & ((fault == "general_value") == general))
            wanted = (categories.setting.source.residual[code], setting.source.group[code]) if general else (code,)
            fitting = [row for row in rows if row["code"] in wanted]
            if not len(at) or not fitting:
                continue
            weight = np.array(
                [
                    float(row["people"] or (1 if vocabulary == "snomed_ct" else 20 * ("9i" in row["value"][:2]) + 1))
                    for row in fitting
                ]
            )
            drawn = rng.choice(len(fitting), len(at), p=weight / weight.sum())
            sent[at] = text([row["value"] for row in fitting])[drawn]
            expected[at] = text([row["code"] for row in fitting])[drawn]
    fault = np.where((fault == "general_value") & (expected == category), "", fault).astype(object)
    groups = list(categories.setting.source.group.values())
    fault[(fault == "general_value") & np.isin(expected.astype(str), groups)] = "group_value"
    sent[fault == "missing_value"], expected[fault == "missing_value"] = "", "not_recorded"
    at = fault == "trailing_space"
    sent[at] = sent[at] + " "
    at = fault == "unrecognised_value"
    if at.any():
        sent[at], expected[at] = one_of(rng, setting.sent(layout, "unrecognised_value"), int(at.sum())), "unrecognised"
    return sent, expected, fault


def observations(setting: Setting, registrations: pd.DataFrame) -> pd.DataFrame:
    """The dated entries of every practice, each sent once: with the first extract, or in the month in which it was made."""
    rng = np.random.default_rng([setting.seed, 8])
    source, settings, layout = setting.source, setting.source.settings["observations"], "emis_observation"
    held = registrations[registrations["left"] == BLANK_DAY].reset_index(drop=True)
    who, n = setting.people.iloc[held["person"]].reset_index(drop=True), len(held)
    names, rates = setting.rates(layout, "code", ["different_value", "general_value", "spreadsheet_code"])
    many = rng.choice(len(settings["ethnicity"]), n, p=settings["ethnicity"])
    row = np.repeat(np.arange(n), many)
    fault = draw(rng, names, rates, held["provider"].to_numpy()[row])
    code, expected, fault = spelt(
        rng, setting, "snomed_ct", layout, who["ethnic_category"].to_numpy(dtype=object)[row], fault
    )
    at = fault == "spreadsheet_code"
    code[at] = text([f"{int(value):.5G}" for value in code[at]])  # what a spreadsheet makes of twelve figures or more
    fault[at & np.array([value.isdigit() for value in code])] = ""
    expected[fault == "spreadsheet_code"] = "nothing"
    parts = [(row, code, fault, expected)]
    refuses = np.flatnonzero((many > 0) & setting.happens(rng, layout, "later_refusal", n))
    refusal = [one["value"] for one in source.map("ethnic_category", "snomed_ct") if one["status"] == "not_stated"]
    parts.append(
        (
            refuses,
            one_of(rng, text(refusal), len(refuses)),
            _full(refuses, "later_refusal"),
            _full(refuses, "not_stated"),
        )
    )
    parts += [(*one, _full(one[0], ""), _full(one[0], "")) for one in _other_facts(rng, setting, who)]
    parts += [
        (*one, _full(one[0], ""), _full(one[0], "")) for one in [*care_entries(setting, who), *registers(setting, who)]
    ]
    high = {
        one["value"]
        for one in source.map("long_term_condition", "snomed_ct")
        if one["code"] == settings["high_pressure"]["codes"]
    }
    ill = np.concatenate([part[0][np.isin(part[1].astype(str), list(high))] for part in parts])
    measured = readings(setting, who, ill)
    yearly = yearly_checks(setting, who)
    measured += yearly
    parts += [(at, concept, _full(at, ""), _full(at, "")) for at, concept, _ in measured]
    row = np.concatenate([part[0] for part in parts])
    frame = pd.DataFrame({"provider": held["provider"].to_numpy()[row], "person_no": who["person_no"].to_numpy()[row]})
    frame["SnomedCTConceptId"], frame["fault:SnomedCTConceptId"], frame["expected:SnomedCTConceptId"] = (
        np.concatenate([part[k] for part in parts]) for k in (1, 2, 3)
    )
    frame["Value"] = np.full(len(frame), "", dtype=object)
    frame.loc[len(frame) - sum(len(at) for at, *_ in measured) :, "Value"] = np.concatenate(
        [number for *_, number in measured]
    )
    n_yearly = sum(len(at) for at, *_ in yearly)
    frame["one_day"] = np.concatenate([np.arange(len(frame) - n_yearly), -1 - row[len(frame) - n_yearly :]])
    return _entered(rng, setting, frame, held, row)


def _full(like: Array, value: str) -> Array:
    return np.full(len(like), value, dtype=object)


def _other_facts(rng: np.random.Generator, setting: Setting, who: pd.DataFrame) -> list[tuple[Array, Array]]:
    """Language, interpreter and carer concepts, and concepts that say nothing about any of them: (row, concept)."""
    source, settings, n = setting.source, setting.source.settings["observations"], len(who)
    found = []

    def state(system: str, code: str, at: Array) -> None:
        rows = source.map(system, "snomed_ct")
        values = [
            row["value"]
            for row in rows
            if row["code"] == code and (system != "language" or "interpreter" not in row["term"])
        ]
        if values and len(at):
            found.append((at, one_of(rng, text(values[:6]), len(at))))

    usual = who["main_language"].mode()[0]
    asked = rng.random(n) < np.where(
        who["main_language"] == usual, settings["language"]["english"], settings["language"]["other"]
    )
    for language in sorted(who["main_language"].unique()):
        state("language", language, np.flatnonzero(asked & (who["main_language"] == language)))
    facts = source.settings["facts"]["codes"]
    (needs, _), (cares, cares_not), (has, _) = facts["interpreter_required"], facts["is_carer"], facts["has_carer"]
    needing = np.flatnonzero(who["needs_interpreter"] & (rng.random(n) < settings["interpreter"]))
    says = {row["value"]: row["code"] for row in source.map("language", "snomed_ct")}
    asks = [row["value"] for row in source.map("interpreter_required", "snomed_ct") if row["code"] == needs]
    for language in sorted(who["main_language"].unique()):  # a concept names the language, or none
        fitting = [value for value in asks if says.get(value) == language] or [v for v in asks if v not in says]
        at = needing[(who["main_language"] == language).to_numpy()[needing]]
        found.append((at, one_of(rng, text(fitting[:3]), len(at))))
    state("is_carer", cares, np.flatnonzero(who["is_carer"] & (rng.random(n) < settings["carer"])))
    state("is_carer", cares_not, np.flatnonzero(~who["is_carer"] & (rng.random(n) < settings["not_a_carer"])))
    state("has_carer", has, np.flatnonzero(who["has_carer"] & (rng.random(n) < settings["has_carer"])))
    other = np.repeat(np.arange(n), rng.poisson(settings["other_entries"], n))
    found.append((other, one_of(rng, text(settings["other_concepts"]), len(other))))
    return found


def _entered(
    rng: np.random.Generator, setting: Setting, frame: pd.DataFrame, held: pd.DataFrame, row: Array
) -> pd.DataFrame:
    """When each entry was made, and so which extract brings it; a few keys twice, a few dates to come."""
    layout, recent, n = "emis_observation", setting.source.settings["observations"]["in_each_recent_month"], len(frame)
    of_one_day = frame.pop("one_day").to_numpy()
    _, begins, visits = np.unique(of_one_day, return_index=True, return_inverse=True)
    together, is_yearly = begins[visits], of_one_day < 0  # what is done in one visit happens on one day
    opens = held["first"].to_numpy()[row]
    share = np.minimum(
        recent, 0.5 / np.maximum(setting.last - opens, 1)
    )  # at least half were made before the first extract
    shown = opens + 1 + np.floor(rng.random(n)[together] / share).astype(int)
    past = shown > setting.last
    fault = frame["fault:SnomedCTConceptId"].to_numpy(dtype=object)
    old = past & (fault == "different_value") & (rng.random(n) < 0.7)
    before = setting.month_end(opens - 1) - 1 - (rng.random(n) ** 1.3 * 19 * 365).astype(int)
    before = np.where(fault == "later_refusal", setting.month_end(opens - 1) - rng.integers(1, 60, n), before)
    lately = (rng.integers(1, 600, n)[together] * np.where(is_yearly, 0.7, 1)).astype(int)
    before = np.where((frame["Value"] != "") | is_yearly, setting.month_end(opens - 1) - 1 - lately, before)
    before = np.where(old, day("2003-01-01") + rng.integers(0, 900, n), before)
    born = setting.people["birth_day"].to_numpy()[held["person"].to_numpy()[row]]
    within = setting.month_end(shown - 1) + rng.integers(0, 27, n)[together]
    on = alive(np.maximum(np.where(past, before, within), born), setting.people, held["person"].to_numpy()[row])
    frame["first"] = frame["last"] = np.where(past, opens, shown)
    future = setting.happens(rng, layout, "future_date", n)
    frame["EffectiveDate"], frame["EnteredDate"] = dates(np.where(future, on + 9000, on), DASHES), dates(on, DASHES)
    frame["fault:EffectiveDate"] = np.where(future, "future_date", "")
    frame["ObservationGuid"], frame["fault:ObservationGuid"] = guid("B0000000", np.arange(n), setting.seed), ""
    frame["PatientGuid"] = patient_guid(setting, frame["provider"].to_numpy(), frame["person_no"].to_numpy())
    frame["AssociatedText"], frame["place"] = (
        np.where(rng.random(n) < 0.02, "said so at reception", ""),
        on + rng.random(n),
    )
    again = frame[setting.happens(rng, layout, "duplicate_key", n)].copy()
    again["fault:ObservationGuid"], again["place"] = "duplicate_key", again["place"] + 1e-9
    columns = [
        "ObservationGuid",
        "PatientGuid",
        "SnomedCTConceptId",
        "EffectiveDate",
        "EnteredDate",
        "Value",
        "AssociatedText",
    ]
    rest = [column for column in frame.columns if column not in columns]
    return pd.concat([frame, again], ignore_index=True)[[*rest, *columns]]
