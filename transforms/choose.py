"""resolution.yml -> tables of schema standard that SQL chooses by: each test as a weight, more than all tests after it.

Promise: one number holds all tests of a method in its order, the smallest wins, and it says again which test decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from transforms.standard import Standard

# The tests that can choose between records, and how many different values each can have. Days are counted since 1800.
DAYS = 200_001
RECORD_TESTS = {
    "known_before_absent": 2,
    "stated_before_derived": 2,
    "specific_before_general": 10,
    "latest": DAYS,
    "need_first": 2,
    "self_stated_first": 100,
    "care_setting": 100,
}
# Those that can choose between the values that a published method sees of a person.
VALUE_TESTS = {"held_back_last": 2, "most_records": 100_000, "latest": DAYS, "source": 100, "letter": 100}
CODES = "codes"  # published: says; anything else is a published classification
TEXTS, WHOLE = "varchar[]", "bigint[]"


def weights(tests: list[str], sizes: dict[str, int]) -> dict[str, int]:
    """What each test weighs; 0 where a method has it not."""
    found, weight = dict.fromkeys(sizes, 0), 1
    for test in reversed(tests):
        found[test] = weight
        weight *= sizes[test]
    return found


def choose(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """Make standard.choosing (one row per characteristic), need, fresh, method, method_source and method_letter.

    Needs schema standard.
    """
    said = standard.settings["resolution"]
    chosen = [_choosing(standard, name) for name in standard.characteristics()]
    tests = [f"{name} bigint" for name in RECORD_TESTS]
    _fill(
        con, "choosing", ["characteristic varchar", "method varchar", "keeps_specific boolean", *tests, *LISTS], chosen
    )
    needs = [{"characteristic": name, "code": code} for name, codes in _named(said.get("needs")) for code in codes]
    _fill(con, "need", ["characteristic varchar", "code varchar"], needs)
    fresh = [
        {"characteristic": row["field"], "months": int(row["months"]) if row["months"] else None}
        for row in standard.tables["staleness"]
    ]
    _fill(con, "fresh", ["characteristic varchar", "months integer"], fresh)
    _add_published(con, standard, dict(_named(said["published"])))


LISTS = [f"tests {TEXTS}", f"weights {WHOLE}"]


def _choosing(standard: Standard, characteristic: str) -> dict[str, Any]:
    """The method of one characteristic and what its tests weigh."""
    said = standard.settings["resolution"]
    method = (said.get("method_of") or {}).get(characteristic, said["default"])
    tests = said["methods"][method]
    found = weights(tests, RECORD_TESTS)
    keeps = characteristic in (said.get("keeps_specific") or ())
    listed = {"tests": tests, "weights": [found[test] for test in tests]}
    return {"characteristic": characteristic, "method": method, "keeps_specific": keeps} | found | listed


def _add_published(con: duckdb.DuckDBPyConnection, standard: Standard, methods: dict[str, Any]) -> None:
    settings, told, sources, letters = standard.settings["resolution"], [], [], []
    for method, said in methods.items():
        found, years = weights(said["tests"], VALUE_TESTS), said.get("years") or {}
        left_out = said.get("leaves_out") or {}
        told.append(
            {"method": method, "title": said["title"], "source": said["source"], "says": said["says"]}
            | {"says_codes": said["says"] == CODES, "start_in": years.get("start_in"), "n_years": years.get("n")}
            | {"leaves_out_dead": bool(left_out.get("has_died")), "lives_in": left_out.get("elsewhere_than")}
            | {f"by_{test}": weight for test, weight in found.items()}
            | {"tests": said["tests"], "weights": [found[test] for test in said["tests"]]}
        )
        for place, seen in enumerate(said.get("sees") or settings["care_settings"], start=1):
            setting, _, content = str(seen).partition(" ")
            is_limited = setting in (years.get("of") or ())
            source = {"method": method, "care_setting": setting, "content": content or None}
            sources.append(source | {"place": place, "is_limited": is_limited})
        order = said.get("letters") or []
        held = said.get("held_back") or []
        letters += [
            {"method": method, "letter": letter, "place": place, "is_held_back": letter in held}
            for place, letter in enumerate(order, start=1)
        ]
    columns = [
        "method varchar",
        "title varchar",
        "source varchar",
        "says varchar",
        "says_codes boolean",
        "start_in integer",
    ]
    columns += [
        "n_years integer",
        "leaves_out_dead boolean",
        "lives_in varchar",
        *(f"by_{t} bigint" for t in VALUE_TESTS),
    ]
    _fill(con, "method", [*columns, *LISTS], told)
    columns = ["method varchar", "care_setting varchar", "content varchar", "place integer", "is_limited boolean"]
    _fill(con, "method_source", columns, sources)
    columns = ["method varchar", "letter varchar", "place integer", "is_held_back boolean"]
    _fill(con, "method_letter", columns, letters)


def _named(mapping: dict[str, Any] | None) -> list[tuple[str, Any]]:
    """What a mapping of the standard holds, without the number of its line."""
    return [(name, value) for name, value in (mapping or {}).items() if name != "__line__"]


def _fill(con: duckdb.DuckDBPyConnection, name: str, columns: list[str], rows: list[dict[str, Any]]) -> None:
    """A typed table of schema standard, also where it has no rows."""
    con.execute(f"create or replace table standard.{name} ({', '.join(columns)})")
    names = [column.split()[0] for column in columns]
    if rows:
        marks = ", ".join("?" for _ in names)
        con.executemany(f"insert into standard.{name} values ({marks})", [[row.get(n) for n in names] for row in rows])
