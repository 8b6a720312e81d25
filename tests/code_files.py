"""standards/code_systems -> the rows of its files as they stand there, for tests that do not go through the loader."""

import csv
from functools import cache
from pathlib import Path

SYSTEMS = Path(__file__).resolve().parent.parent / "standards" / "code_systems"


@cache
def rows(path: Path) -> list[dict[str, str]]:
    """Rows of one CSV file."""
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def table(system: str, name: str) -> list[dict[str, str]]:
    """Rows of one file of a code system."""
    return rows(SYSTEMS / system / f"{name}.csv")
