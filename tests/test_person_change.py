"""protected/person_change.sql: what became of each person's identifier since the release before."""

from functools import cache

import duckdb
import pytest

from tests.pictures import fill, picture, table
from transforms.engine import HERE
from transforms.sqlfolder import run_file


@cache
def database() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("create schema standard; create schema protected; create schema objected")
    return con


def changes(before: str, now: str, objecting: str = "", is_compared: bool = True) -> str:
    """The picture of what changed: letters stand for persons, numbers for record keys."""
    con = database()
    con.execute("set variable is_compared = ?", [is_compared])
    for name, text in (("then", before), ("now", now)):
        rows = "person_id | record_key\n" + "\n".join(
            f"{who} | {key}" for who, _, keys in (x.partition(":") for x in text.split()) for key in keys.split(",")
        )
        fill(con, name + "_said", "person_id varchar, record_key varchar", rows)
    con.execute("create or replace table standard.person_before as from then_said")
    con.execute(
        "create or replace table protected.person as select person_id, ascii(person_id) as person_no from now_said group by all"
    )
    con.execute(
        "create or replace table protected.person_key as select ascii(person_id) as person_no, record_key, true as is_key_stable from now_said"
    )
    con.execute(
        "create or replace table objected.record as select unnest(string_split(?, ',')) as record_key", [objecting]
    )
    run_file(con, HERE / "protected" / "person_change.sql")
    return table(
        con.execute(
            "select kind, person_id_before, person_id_after, n_records from protected.person_change order by all"
        ).fetchall()
    )


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ("A:1,2 B:3", "A:1,2 B:3", ""),
        ("A:1 B:2,3", "A:1,2,3", "merged | B | A | 2"),
        ("A:1 B:2", "C:1,2", "merged | A | C | 1\nmerged | B | C | 1"),
        ("A:1,2,3", "A:1 B:2,3", "split | A | B | 2"),
        ("A:1,2", "B:1 C:2", "split | A | B | 1\nsplit | A | C | 1"),
        ("A:1,2", "B:1,2", "renamed | A | B | 2"),
        ("A:1", "A:1 B:2,3", "appeared |  | B | 2"),
        ("A:1 B:2", "A:1", "gone | B |  | 1"),
        ("A:1,2 B:3", "A:1 B:2,3", "split and merged | A | B | 1"),
        # Who gains or loses a record is who they were; also when none of the old ones is left.
        ("A:1,2", "A:1,3", ""),
        ("A:1", "A:2", ""),
        ("A:1,2 B:9", "B:1,9", "merged | A | B | 1"),
        # A local id that two people share says nothing of them.
        ("A:1,2 B:1,3", "A:1,2 B:1,3", ""),
        ("A:1 B:1", "A:1 B:1", ""),
    ],
)  # fmt: skip
def test_what_became_of_each_identifier(before, now, found):
    assert changes(before, now) == (picture(found) if found else "")


def test_who_objects_is_not_gone_and_nobody_learns_who_they_had_been_one_with(capsys):
    assert changes("A:1 B:2", "A:1", objecting="2") == ""
    assert changes("A:1,2", "B:1", objecting="2") == "appeared |  | B | 1"
    assert changes("A:1,2 C:3", "C:1,3", objecting="2") == ""


def test_the_first_release_and_the_first_after_a_new_key_are_compared_with_nothing():
    assert changes("", "A:1", is_compared=False) == ""
