"""Names of the marts -> what a reader calls them: places, breakdowns, categories, periods.

Promise: words come from the standard and from the open tables themselves; a name that nobody gave words stays as it is.
"""

import duckdb

from transforms.metrics import CROSS
from transforms.render import day, month
from transforms.standard import Standard

# Which characteristic says what a breakdown of people is about, where it is not called by its name.
SAID_BY = {"sex": "sex", "language_need": "interpreter_required", "carer": "is_carer"}
FIFTHS = {"1": "1, most deprived fifth", "2": "2", "3": "3", "4": "4", "5": "5, least deprived fifth"}
NO_ANSWER = {
    "not_placed",
    "not_known",
    "not_recorded",
    "conflicting",
    "not_collected",
}  # beside the absences that codes have


def breakdown(name: str) -> str:
    """ "ethnic_group x sex" -> "Ethnic group and sex"."""
    return _plain(name.replace(CROSS, " and "))


def period(grain: str, name: str) -> str:
    """How a period is said in a sentence."""
    if grain == "day":
        return f"on {day(name)}"
    return " to ".join(month(part) for part in name.split(" to "))


class Words:
    """What categories and places are called, in one release."""

    def __init__(self, con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
        ethnicity = standard.settings["publishing"]["ethnicity"]
        labels: dict[str, dict[str, str]] = {}
        for row in standard.codes:
            if row["kind"] != "detail":
                labels.setdefault(row["system"], {})[row["code"]] = row["label"]
        systems = standard.characteristics()
        named = {"ethnic_category": ethnicity, **SAID_BY}
        self.labels = {name: labels.get(systems.get(field, ""), {}) for name, field in named.items()}
        groups = con.execute(
            'select distinct "group", group_label from label where system = ? and label_set = ?',
            [systems[ethnicity], standard.settings["publishing"]["default_set"]],
        ).fetchall()
        self.labels["ethnic_group"] = dict(groups)
        self.labels["deprivation_quintile"] = FIFTHS
        self.labels["age_band"] = {row["band"]: row["band"] for row in standard.tables["age_bands"]}
        self.absent = {row["code"] for row in standard.codes if row["kind"] == "absence"} | NO_ANSWER
        self.places = {
            (kind, code): name
            for kind, code, name in con.execute("select place_kind, place, name from place").fetchall()
        }
        self.labels["provider"] = {code: name for (kind, code), name in self.places.items() if kind == "provider"}

    def category(self, by: str, code: str) -> str:
        """What a category of a breakdown is called; of a crossed one both parts."""
        parts = list(zip(by.split(CROSS), code.split(CROSS), strict=False))
        said = [self.labels.get(name, {}).get(value) or _plain(value) for name, value in parts]
        return "; ".join(said)

    def order(self, by: str, code: str) -> tuple:
        """Where a category stands in a table: as the standard lists them, what is no answer last."""
        known = [list(self.labels.get(name, {})) for name in by.split(CROSS)]
        parts = list(zip(known, code.split(CROSS), strict=False))
        return (
            any(value in self.absent for _, value in parts),
            *(listed.index(value) if value in listed else len(listed) for listed, value in parts),
            code,
        )

    def who(self, by: str, code: str) -> str:
        """A category with what it is a category of."""
        return self.category(by, code) if by == code else f"{breakdown(by)}: {self.category(by, code)}"

    def place(self, kind: str, code: str) -> str:
        name = self.places.get((kind, code), code)
        short = name.removeprefix("NHS ").removesuffix(" Integrated Care Board")
        return f"the {code.capitalize()}" if kind == "region" else short


def _plain(code: str) -> str:
    """ "not_stated" -> "Not stated"."""
    said = code.replace("_", " ")
    return said[:1].upper() + said[1:]
