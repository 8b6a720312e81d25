"""objections.yml and the way of the national opt-out in agreements.csv: whatever is left open is a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transforms.faults import LINE, Reader, one_of

if TYPE_CHECKING:
    from transforms.standard import Standard

KEYS = (
    "senders",
    "columns",
    "delimiter",
    "dates",
    "keep_list_days",
    "keep_withdrawn_days",
    "national",
    "ways",
    "answers",
)
COLUMNS = ("nhs_number", "provider", "local_id", "birth_date")
WAYS = ("declared", "checked")  # that ask something of a delivery; objections.yml may name others
NUMBERLESS = ("kept", "left_out")


def check_objections(reader: Reader, standard: Standard) -> None:
    """Note what is wrong with who may send lists, how they are read, and how the national opt-out is applied."""
    path, settings = standard.folder / "objections.yml", standard.settings["objections"]
    reader.keys(path, settings, KEYS, KEYS)
    for name, known in (
        ("columns", COLUMNS),
        ("national", ("longest_days", "longest_days_source", "without_number")),
    ):
        reader.keys(path, settings.get(name) or {}, known, known)
    for sender, about in (settings.get("senders") or {}).items():
        if sender in standard.providers:
            hint = "a provider may send a list of its own without a row here"
            reader.fault(path, about[LINE], f"sender '{sender}' is a provider", hint)
    for name, holder in (
        ("keep_list_days", settings),
        ("keep_withdrawn_days", settings),
        ("longest_days", settings.get("national") or {}),
    ):
        if name in holder and not (isinstance(holder[name], int) and holder[name] >= 0):
            reader.fault(
                path,
                reader.line_of(path, name),
                f"{name} '{holder[name]}' is no whole number of days",
                "write it like 7",
            )
    without = (settings.get("national") or {}).get("without_number")
    if without is not None and without not in NUMBERLESS:
        reader.fault(
            path,
            reader.line_of(path, "without_number"),
            f"without_number '{without}' is not known",
            one_of(without, NUMBERLESS),
        )
    ways = [name for name in settings.get("ways") or {} if name != LINE]
    for way in WAYS:
        if way not in ways:
            reader.fault(path, reader.line_of(path, "ways"), f"way '{way}' is missing", "say what it means")
    for row in standard.tables["agreements"]:
        if row["national_opt_out"] not in ways:
            said = f"'{row['national_opt_out']}'" if row["national_opt_out"] else "nothing"
            what = f"national_opt_out of provider '{row['provider']}' says {said}"
            reader.fault(standard.folder / "agreements.csv", row[LINE], what, one_of(row["national_opt_out"], ways))
