"""disclosure.yml and margins.csv -> checked: numbers that can be used, and sums over what there is to add up.

Promise: a margin that names a table, a place or a breakdown that nothing is counted by is named by file and line: it would
protect nothing, and nobody would notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transforms.faults import LINE, Reader, one_of
from transforms.metrics import PLACES

if TYPE_CHECKING:
    from transforms.standard import Standard

TABLES = (
    *("metric_value", "coverage", "provider_measure", "agreement_margin", "rule_score"),
    *("method_effect", "linkage_quality"),
)
ALONG = (
    *("breakdown", "nested", "cross", "place", "period", "denominator", "category", "first_word", "claim"),
    *("equal", "measures", "status", "people", "everybody", "known"),
)
COUNTS = ("numerator", "denominator", "rest")
# Kinds of places that cells are counted by, whatever the metrics name.
KINDS = (
    "everyone",
    "region",
    "icb_of_residence",
    "icb_of_registration",
    "local_authority",
    "provider",
    "provider_kind",
)
NUMBERS = ("smallest_count_shown", "rounding_base", "fewest_values", "months_of_a_day")


def check_disclosure(reader: Reader, standard: Standard) -> None:
    """Note everything that is wrong in what is to be disclosed."""
    path, settings = standard.folder / "disclosure.yml", standard.settings["disclosure"]
    for key in NUMBERS:
        if not isinstance(settings.get(key), int) or settings[key] < 2:
            reader.fault(
                path,
                reader.line_of(path, key),
                f"{key} '{settings.get(key)}' is no whole number from 2",
                "write it like 5",
            )
    few, fewest = settings.get("smallest_count_shown"), settings.get("fewest_values")
    if isinstance(few, int) and isinstance(fewest, int) and few - 1 < fewest:
        what = f"of the counts from 1 to {few - 1} none can keep {fewest} possible values"
        reader.fault(path, reader.line_of(path, "fewest_values"), what, "it is at most smallest_count_shown less 1")
    for key in ("smallest_share_of_a_cross", "smallest_share_of_a_breakdown"):
        share = settings.get(key)
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            reader.fault(path, reader.line_of(path, key), f"{key} '{share}' is no share", "a number from 0 to 1")
    for row in settings.get("grain") or [{}]:
        places = {key: months for key, months in (row.get("shortest") or {}).items() if key != LINE}
        if not row.get("breakdown") or not places:
            reader.fault(
                path, reader.line_of(path, "grain"), "a row of the grain lacks breakdown or shortest", "give both"
            )
        for place, months in places.items():
            if place not in (*PLACES, *KINDS):
                reader.fault(
                    path,
                    reader.line_of(path, "grain"),
                    f"place '{place}' of the grain is not known",
                    one_of(place, KINDS),
                )
            if not isinstance(months, int) or months < 1:
                hint = "the fewest months that a period may have there, like 12"
                reader.fault(
                    path, reader.line_of(path, "grain"), f"months '{months}' of the grain is no whole number", hint
                )
    _check_margins(reader, standard)


def _check_margins(reader: Reader, standard: Standard) -> None:
    path = standard.folder / "margins.csv"
    measures = {row["measure"] for row in standard.tables["measures"]}
    for row in standard.tables["margins"]:
        for column, listed in (("table", TABLES), ("along", ALONG)):
            if row[column] not in listed:
                reader.fault(path, row[LINE], f"{column} '{row[column]}' is not known", one_of(row[column], listed))
        known: tuple[str, ...] = ()
        named = [row["whole"], *row["part"].split()]
        if row["along"] == "place":
            known = (*PLACES, *KINDS)
        elif row["table"] == "provider_measure":
            known = tuple(measures)
        if row["along"] in ("equal", "known", "everybody"):
            for said in [row["whole"], *([row["part"]] if row["along"] == "equal" else [])]:
                if said.split()[0] not in COUNTS:
                    reader.fault(path, row[LINE], f"count '{said.split()[0]}' is not known", one_of(said, COUNTS))
        if row["table"] == "metric_value" and row["along"] in ("equal", "people"):
            known = (*standard.metrics, *COUNTS)
            named = row["whole"].split() + (row["part"].split() if row["along"] == "equal" else [])
        if row["along"] == "known":
            known, named = (*standard.metrics, *COUNTS, *standard.characteristics()), row["whole"].split()
            named.append(row["breakdown"])
        if row["along"] == "status":
            known, named = tuple(standard.characteristics()), [row["whole"]]
        for name in named:
            if known and name not in ("", "*") and name not in known:
                reader.fault(path, row[LINE], f"'{name}' is not known", one_of(name, known))
        if not row["why"]:
            reader.fault(path, row[LINE], "nothing says why this adds up", "say it in a sentence")
