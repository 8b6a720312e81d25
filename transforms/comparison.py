"""What is contested, beside what published lists say of it, and what we read otherwise than they do.

Promise: every difference is counted from the rows as they are now, with the people that it touches.
"""

import csv
from collections import defaultdict
from typing import Any

from transforms.standard import Standard

Facts = dict[str, Any]


def disagreements(standard: Standard, about: Facts, systems: dict[str, Facts]) -> tuple[list[Facts], list[Facts]]:
    """Every contested row with what published lists say of it, and each list with the values that ours reads otherwise."""
    path = standard.folder / "guidance" / "comparisons.csv"
    with open(path, encoding="utf-8", newline="") as handle:
        published = list(csv.DictReader(handle))
    said: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for row in published:
        said[row["system"], row["vocabulary"], row["value"]][row["list"]] = row["published"]
    contested = [
        {
            **row,
            "named": facts["named"],
            "system_title": facts["title"],
            "said": said[name, row["vocabulary"], row["value"]],
        }
        for name, facts in systems.items()
        for row in facts["contested"]
    ]
    contested.sort(key=lambda row: -(row["people"] or 0))
    lists = []
    for name, entry in about["comparisons"].items():
        reading = {
            (row["system"], row["value"]): row["code"] or row["status"]
            for row in standard.code_maps
            if row["vocabulary"] == entry.get("vocabulary")
        }
        if not reading:
            continue
        ours = [
            {
                **row,
                "theirs": reading.get((row["system"], listed), ""),
                "letter": listed,
                "named": systems[row["system"]]["named"],
            }
            for facts in systems.values()
            for row in (
                *(row for code in facts["codes"] for row in code["maps"]),
                *(row for rows in facts["absent"].values() for row in rows),
            )
            if (listed := said[row["system"], row["vocabulary"], row["value"]].get(name))
        ]
        differ = [row for row in ours if row["theirs"] != (row["code"] or row["status"])]
        differ.sort(key=lambda row: -(row["people"] or 0))
        lists.append({**entry, "n": len(ours), "people": sum(row["people"] or 0 for row in ours), "rows": differ,
                      "people_differ": sum(row["people"] or 0 for row in differ)})  # fmt: skip
    return contested, lists
