"""Invented people -> what services beside hospitals and practices hold about them: mental health and community services,
a council, a charity, and a sender of FHIR resources.

Promise: columns, vocabularies and paths are the layout's; an answer is one that a map of the standard gives for what is true
of the person, or a fault that is named; what nobody wrote down about an invented person is drawn.
"""

from typing import Any

import numpy as np
import pandas as pd

from transforms.demo_people import BLANK_DAY, Array, dates, day, text
from transforms.demo_records import Categories, Setting, draw, one_of, wrong_number

LAYOUTS = ("mhsds_patient", "csds_patient", "social_care", "small_csv", "fhir_patient")
ABSENT = ("", "not_stated", "not_known", "not_recorded")
LETTERS = ("national_2001", "ukcore")  # vocabularies in which an ethnic category is its national letter


def service_patients(setting: Setting, layout: str) -> pd.DataFrame:
    """The rows of every service that sends a layout of people."""
    rng = np.random.default_rng([setting.seed, 13, LAYOUTS.index(layout)])
    held = chosen(rng, setting, layout)
    who = setting.people.iloc[held["person"]].reset_index(drop=True)
    frame = held[["provider", "first", "last"]].assign(person_no=who["person_no"], place=rng.random(len(held)))
    shape = setting.source.layout(layout)
    systems = {
        row["field"]: row["code_system"] for row in setting.source.rows("fields.csv") if row["table"] == shape["table"]
    }
    identity = _identity(rng, setting, layout, held, who, shape)
    answers = Answers(rng, setting, layout, held["provider"].to_numpy(), who)
    for entry in shape["columns"]:
        if systems[entry["field"]] and entry["field"] != "ethnic_category":
            answers.draw(entry["field"], systems[entry["field"]], entry["vocabulary"])
    answers.agree()
    for entry in shape["columns"]:
        column, field = entry["column"], entry["field"]
        if field in identity:
            frame[column] = identity[field]
        elif field == "ethnic_category":
            frame[column], frame[f"expected:{column}"], frame[f"fault:{column}"] = answers.ethnicity(
                entry["vocabulary"]
            )
        elif systems[field]:
            frame[column], frame[f"fault:{column}"] = answers.to(field)
            frame[f"expected:{column}"] = np.where(frame[f"fault:{column}"] != "", "not_recorded", "")
        else:
            frame[column] = ""
    number = next(entry["column"] for entry in shape["columns"] if entry["field"] == "nhs_number")
    frame[f"fault:{number}"] = identity["nhs_number:fault"]
    for column in shape["drop"] or () if shape["format"]["kind"] == "csv" else ():
        frame[column] = np.where(who["has_carer"] & (rng.random(len(who)) < 0.5), who["family_name"], "")
    return frame


def chosen(rng: np.random.Generator, setting: Setting, layout: str) -> pd.DataFrame:
    """Whom each service knows: mostly people of its board, and since which period."""
    settings, people = setting.source.settings, setting.people
    services, scale = settings["services"], min(1, len(people) / settings["sizes"]["people"])
    frames = []
    for at, code, board, first in setting.providers(layout):
        away = services["from_another_board"]
        weight = np.where(people["icb_code"] == board, 1 - away, away / 2)
        weight = np.where(people["is_carer"], 2, 1) * weight
        n = min(max(int(services["people"][code] * scale), 40), len(people) // 4)
        person = rng.choice(len(people), n, replace=False, p=weight / weight.sum())
        frame = pd.DataFrame({"provider": at, "person": person, "first": first, "last": setting.last})
        later = rng.random(n) < services["joins_later"]
        frame.loc[later, "first"] = setting.last - rng.integers(0, 2, int(later.sum()))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _identity(
    rng: np.random.Generator,
    setting: Setting,
    layout: str,
    held: pd.DataFrame,
    who: pd.DataFrame,
    shape: dict[str, Any],
) -> dict[str, Any]:
    """Numbers, names, dates and places, by field."""
    codes, n = setting.source.settings["codes_of_systems"]["codes"], len(who)
    pattern = shape["dates"][0]
    fault = draw(rng, *setting.rates(layout, "nhs_number"), held["provider"].to_numpy())
    verified, untraced, absent = codes["number_verified"], codes["number_untraced"], codes["number_absent"]
    number, status = wrong_number(
        rng, fault, who["nhs_number"].to_numpy(dtype=object), held["provider"].to_numpy(), verified, untraced, absent
    )
    opening = setting.month_end(held["first"].to_numpy() - 1)
    asked = np.maximum(opening - rng.integers(1, 700, n), who["birth_day"].to_numpy())
    local = (rng.permutation(n) + 1) * 7919 % 999_983
    return {
        "local_patient_id": text([f"{number:06d}" for number in local.tolist()]),
        "nhs_number": number,
        "nhs_number:fault": fault,
        "nhs_number_status": status,
        "given_name": who["given_name"],
        "family_name": who["family_name"],
        "birth_date": dates(who["birth_day"].to_numpy(), pattern),
        "death_date": dates(who["death_day"].to_numpy(), pattern),
        "postcode": who["postcode"],
        "gp_practice_code": codes["no_practice"],
        "characteristics_recorded_on": dates(np.where(rng.random(n) < 0.1, BLANK_DAY, asked), pattern),
        "language_review_on": dates(np.where(rng.random(n) < 0.1, day("2027-06-01"), BLANK_DAY), pattern),
        "chosen_name": np.where(rng.random(n) < 0.05, who["given_name"], ""),
        "is_test_record": "",
    }


class Answers:
    """What the people of some services are recorded as having answered."""

    def __init__(self, rng: np.random.Generator, setting: Setting, layout: str, provider: Array, who: pd.DataFrame):
        self.rng, self.setting, self.layout, self.provider, self.who = rng, setting, layout, provider, who
        self.habits = setting.source.settings["services"]
        facts = setting.source.settings["facts"]["codes"]
        self.age = (day(setting.source.settings["today"]) - who["birth_day"].to_numpy()) / 365.25
        self.value: dict[str, dict[str, str]] = {}  # field -> code, or absence -> what states it
        # Field -> code, absence, or "" where nobody wrote anything down; and where the person lives, when it is no address.
        self.said: dict[str, Array] = {"place": who["place"].to_numpy(dtype=object)}
        sexes = {row["value"]: row["code"] for row in setting.source.map("sex", "person_stated_gender")}
        self.true: dict[str, Any] = {
            "main_language": who["main_language"],
            "written_language": who["main_language"],
            "interpreter_required": np.where(who["needs_interpreter"], *facts["interpreter_required"]),
            "is_carer": np.where(who["is_carer"], *facts["is_carer"]),
            "has_carer": np.where(who["has_carer"], *facts["has_carer"]),
            "is_young_carer": np.where(who["is_carer"].to_numpy() & (self.age < 18), *facts["is_young_carer"]),
            "sex": who["sex"].map(sexes),
        }

    def rows(self, system: str, vocabularies: list[str]) -> list[dict[str, str]]:
        """What the vocabularies know, in their order, but for what they know only at some dates."""
        found = [row for name in vocabularies for row in self.setting.source.map(system, name)]
        return [row for row in found if not row.get("valid_from") and not row.get("valid_to")]

    def draw(self, field: str, system: str, vocabularies: list[str]) -> None:
        """A coded field: the truth where it is known, else the usual answer or another; some refuse, some were not asked."""
        rng, n, habits = self.rng, len(self.who), self.habits
        rows = self.rows(system, vocabularies)
        value: dict[str, str] = {}
        for row in rows:
            value.setdefault(row["code"] or row["status"], row["value"])
        codes = list(dict.fromkeys(row["code"] for row in rows if row["code"]))
        if field in self.true:
            said = text([code if code in value else "not_known" for code in self.true[field]])
        else:
            usual = habits["usual"]["codes"].get(field, "")
            others = one_of(rng, text(codes), n)
            said = np.where(rng.random(n) < habits["usual_answer"], usual if usual in value else codes[0], others)
        said = said.astype(object)
        chance = rng.random(n)
        if field not in habits["always_answered"]:
            for is_absent, word in (
                (chance < habits["refuses"], "not_stated"),
                (chance > 1 - habits["not_asked"], "not_known"),
            ):
                said[is_absent & (word in value)] = word
        asked = habits["recorded"].get(field, habits["recorded"]["other"])
        if self.setting.rates(self.layout, field)[0]:  # then how often it is blank is one of the faults
            asked = 1.0
        said[rng.random(n) > asked] = ""
        said[self.age < habits["asked_from_age"].get(field, 0)] = ""
        self.value[field], self.said[field] = value, said

    def agree(self) -> None:
        """What one answer leaves of another, in the order in which demo.yml says it: nobody contradicts themselves."""
        for row in self.habits["agree"]["codes"]:
            if row["given"] not in self.said or row["then"] not in self.value.get(row["field"], {}):
                continue
            given = self.said[row["given"]]
            is_so = np.isin(given, row["is"]) if "is" in row else ~np.isin(given, ABSENT)
            is_so &= ~np.isin(given, row.get("is_not", []))
            if "only" in row:  # where the other answer is this one, or blank
                is_so &= self.said[row["field"]] == row["only"].replace("blank", "")
            self.said[row["field"]][is_so] = row["then"]

    def to(self, field: str) -> tuple[Array, Array]:
        """(what stands there, the fault)."""
        value, said = self.value[field], self.said[field]
        answer = text([value.get(code, "") for code in said])
        rates = self.setting.rates(self.layout, field)
        if not rates[0]:
            return answer, np.full(len(answer), "", dtype=object)
        answer[draw(self.rng, *rates, self.provider) != ""] = ""
        return answer, np.where(answer == "", rates[0][0], "").astype(object)

    def ethnicity(self, vocabularies: list[str]) -> tuple[Array, Array, Array]:
        """(what stands there, what it should be read as, the fault)."""
        rng, setting = self.rng, self.setting
        fault = draw(rng, *setting.rates(self.layout, "ethnic_category"), self.provider)
        category, detail = (self.who[name].to_numpy(dtype=object) for name in ("ethnic_category", "detail"))
        if vocabularies[0] in LETTERS:
            return Categories(setting).national(rng, category, detail, fault, self.layout)
        rows = self.rows("ethnic_category", vocabularies)
        absent = {row["status"]: row["value"] for row in reversed(rows) if not row["code"]}
        sent, expected = np.full(len(fault), "", dtype=object), np.full(len(fault), "", dtype=object)
        for at in range(len(fault)):
            meant = [row for row in rows if row["code"] == category[at]]
            plain = [row for row in meant if not row["detail"]] or meant
            if fault[at] == "own_words":  # another spelling, as exact as the person likes
                plain = [row for row in meant if row["detail"] in ("", detail[at])] or plain
            row = plain[rng.integers(len(plain))] if fault[at] == "own_words" else plain[0]
            sent[at], expected[at] = row["value"], row["code"]
        for name, status in (("refusal", "not_stated"), ("not_asked", "not_known")):
            sent[fault == name], expected[fault == name] = absent.get(status, ""), status
        sent[fault == "missing_value"], expected[fault == "missing_value"] = "", "not_recorded"
        at = fault == "unrecognised_value"
        if at.any():
            sent[at] = one_of(rng, setting.sent(self.layout, "unrecognised_value"), int(at.sum()))
            expected[at] = "unrecognised"
        return sent, expected, fault
