"""Described code systems and guidance -> what a reader can find: a list from A to Z, and the entries of the search.

Promise: every code, detail and outside value is found, and each entry leads to where it is explained.
"""

from collections import defaultdict
from typing import Any

Facts = dict[str, Any]
EXAMPLE, OURS, THEIRS = 0, 1, 2  # ranks: worked examples first, the words of somebody else last


def a_to_z(systems: list[Facts]) -> list[tuple[str, list[Facts]]]:
    """Every code by the first letter of its label: what the search finds, for readers without a script."""
    found = [
        {"label": row["label"], "title": facts["title"], "href": f"{facts['system']}.html#{row['code']}"}
        for facts in systems
        for row in facts["codes"]
        if row["kind"] != "absence"
    ]
    found.sort(key=lambda entry: (entry["label"].casefold(), entry["title"]))
    letters: dict[str, list[Facts]] = defaultdict(list)
    for entry in found:
        letters[entry["label"][:1].upper() if entry["label"][:1].isalpha() else "0–9"].append(entry)
    return sorted(letters.items())


def search_entries(systems: list[Facts], guidance: list[Facts], layouts: list[Facts]) -> list[list[Any]]:
    """What can be found, as [words, where, address, rank, further words]; the lower ranks come first."""
    found: dict[tuple[str, str], list[Any]] = {}

    def add(words: str, where: str, href: str, rank: int = OURS, further: str = "") -> None:
        if words:
            found.setdefault((words.casefold(), href), [words, where, href, rank, *([further] if further else [])])

    for topic in guidance:
        add(topic["title"], "how to ask and how to record", f"record.html#{topic['topic']}")
        for example in topic["examples"]:
            words = example.get("keywords", "")
            add(example["who"], "worked example", f"record.html#{example['id']}", EXAMPLE, words)
    for facts in layouts:
        about = f"{facts['care_setting'].replace('_', ' ')} {facts['kind']} layout columns"
        add(facts["title"], "shape of file", f"layouts/{facts['layout']}.html", OURS, about)
        if facts["blank_file"]:
            words = f"Blank file to fill in: {facts['title']}"
            further = f"{about} template spreadsheet"
            add(words, "template, with how to open it", f"layouts/{facts['layout']}.html#blank-file", OURS, further)
    for facts in systems:
        page, title = f"{facts['system']}.html", facts["title"]
        add(title, "code system", page)
        for row in facts["codes"]:
            add(row["label"], f"{title}, {row['kind']}", f"{page}#{row['code']}")
            add(row["code"], f"{title}, code", f"{page}#{row['code']}")
        for row in facts["details"]:
            add(row["label"], f"{title}, detail", f"{page}#detail-{row['code']}")
        mapped = [(row, f"#{code['code']}", code["label"]) for code in facts["codes"] for row in code["maps"]]
        mapped += [
            (row, f"#without-{status}", status.replace("_", " "))
            for status, rows in facts["absent"].items()
            for row in rows
        ]
        for row, anchor, label in mapped:
            is_said_twice = row["value"].casefold() == row["term"].casefold()
            words = row["value"] if is_said_twice else f"{row['value']} {row['term']}".strip()
            add(words, f"{row['title']} → {label}", page + anchor, THEIRS)
    return list(found.values())
