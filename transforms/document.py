"""standards/ -> one plain page per code system and an index, for people who own, collect or read a code.

Promise: the pages say what the files say and nothing else. Words that are not ours stand in quotation marks; what is
contested says why. Writing them twice changes nothing.
"""

from itertools import groupby
from pathlib import Path
from typing import Any

from transforms.lake import write_text
from transforms.render import render
from transforms.standard import Standard

Facts = dict[str, Any]
CONTESTED = "contested"


def document(standard: Standard, folder: Path) -> int:
    """Write the pages into a folder. Returns how many there are."""
    systems = [describe(standard, name) for name in dict.fromkeys(row["system"] for row in standard.codes)]
    pages = {f"{facts['system']}.html": render("system.html", **facts) for facts in systems}
    pages["index.html"] = render("standard.html", systems=systems, standard_version=standard.version)
    for name, text in pages.items():
        target = Path(folder) / name
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            write_text(target, text)
    return len(pages)


def describe(standard: Standard, system: str) -> Facts:
    """Everything that the files say about one code system."""
    rows = [row for row in standard.codes if row["system"] == system]
    maps = [_mapped(standard, row) for row in standard.code_maps if row["system"] == system]
    sets = [row for row in standard.sets if row["system"] == system]
    labels = [row for row in standard.classifications if row["system"] == system]
    codes = [row for row in rows if row["kind"] != "detail"]
    by_code = _grouped([row for row in maps if row["code"]], "code")
    named = {row["code"]: row["label"] for row in codes}
    for_code = _grouped([_labelled(row, sets) for row in labels], "code")
    absent = [row for row in maps if not row["code"]]
    return {
        "system": system,
        "title": system.replace("_", " "),
        "fields": [row for row in standard.tables["fields"] if row["code_system"] == system],
        "sets": sets,
        "vocabularies": _vocabularies(standard, maps),
        "codes": [
            {**row, "parent_label": named.get(row["parent"], ""), "maps": by_code.get(row["code"], []),
             "labels": for_code.get(row["code"], []), "n_values": len(by_code.get(row["code"], []))}
            for row in codes
        ],
        "absent": sorted(absent, key=lambda row: (row["status"], row["reason"], row["vocabulary"])),
        "contested": sorted((row for row in maps if row["why"]), key=lambda row: -(row["people"] or 0)),
        "details": [row for row in rows if row["kind"] == "detail"],
        "named": named,
        "sources": sorted({part.strip() for row in (*rows, *maps, *sets) for part in row["source"].split(";") if part.strip()}),
        "n_values": len(maps),
        "n_proposed": sum(row["status"] == "proposed" for row in codes),
        "standard_version": standard.version,
    }  # fmt: skip


def _grouped(rows: list[Facts], key: str) -> dict[str, list[Facts]]:
    return {
        value: list(found) for value, found in groupby(sorted(rows, key=lambda row: row[key]), lambda row: row[key])
    }


def _mapped(standard: Standard, row: Facts) -> Facts:
    """A row of a `from_` file with the name of its vocabulary and, where it is contested, the words that say why."""
    titles = {item["vocabulary"]: item["title"] for item in standard.tables["vocabularies"]}
    why = row["reason"].partition(":")[2].strip() if row["reason"].startswith(CONTESTED) else ""
    people = int(row["people"]) if row["people"].isdigit() else None
    title = titles.get(row["vocabulary"], row["vocabulary"])
    return {**row, "title": title, "why": why, "people": people}


def _labelled(row: Facts, sets: list[Facts]) -> Facts:
    """A row of a `to_` file with its set, so that the page knows whose words they are."""
    named = next((item for item in sets if item["classification"] == row["classification"]), {})
    return {
        "group_label": "",
        **row,
        "set": named.get("title", row["classification"]),
        "is_quoted": named.get("wording") == "third_party",
    }


def _vocabularies(standard: Standard, maps: list[Facts]) -> list[Facts]:
    """The vocabularies that are mapped in, with how many values each has and how many of them have no code."""
    found = _grouped(maps, "vocabulary")
    return [
        {"vocabulary": name, "title": rows[0]["title"], "n": len(rows), "n_without": sum(not r["code"] for r in rows)}
        for name, rows in found.items()
    ]
