"""measure/linkage_*.sql, open/linkage_quality.sql: what is told of linkage, on records and people in small tables."""

import duckdb
import pytest

from tests.cells import prepared, through_the_door
from tests.pictures import fill, picture, table
from transforms.engine import HERE
from transforms.sqlfolder import run_file

RECORDS = """
    person_no | provider | record_key | linked_by
    1         | ZZ1      | 1          | nhs_number
    1         | ZZ2      | 2          | nhs_number
    1         | ZZ2      | 2          | alone
    1         | ZZ3      | 3          | score
    2         | ZZ1      | 4          | alone
    3         | ZZ2      | 5          | clerical
    3         | ZZ1      | 6          | clerical
"""


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    made.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    made.execute(
        "create schema protected; create schema linked; create schema measure; create schema open; create schema standard"
    )
    made.execute(
        "set variable rolling_to = date '2026-09-30'; set variable latest_period = '2026-09'; set variable is_invented = true"
    )
    fill(
        made,
        "protected.person_record",
        "person_no integer, provider varchar, record_key integer, linked_by varchar",
        RECORDS,
    )
    fill(
        made,
        "protected.person",
        "person_no integer, n_providers integer",
        """
        person_no | n_providers
        1         | 3
        2         | 1
        3         | 2
    """,
    )
    fill(
        made,
        "measure.person_view",
        "person_no integer, ethnic_group varchar, ethnic_category varchar, deprivation_quintile varchar, age_band varchar",
        """
        person_no | ethnic_group | ethnic_category | deprivation_quintile | age_band
        1         | a            | a1              | 1                    | 0 to 17
        2         | b            | b1              | 1                    | 80 and over
        3         | b            | b2              | not_placed           | not_known
    """,
    )
    fill(
        made,
        "linked.conflict",
        "provider varchar, record_key integer, reason varchar",
        """
        provider | record_key | reason
        ZZ1      | 4          | one
        ZZ1      | 4          | another
        ZZ9      | 9          | of somebody who is not published
    """,
    )
    fill(
        made,
        "linked.rehearsal",
        "provider varchar, record_key integer, person_no integer, is_found boolean, is_wrong boolean",
        """
        provider | record_key | person_no | is_found | is_wrong
        ZZ1      | 1          | 1         | true     | false
        ZZ1      | 6          | 3         | false    | true
        ZZ1      | 4          | 2         | false    | false
        ZZ9      | 9          | 9         | false    | true
    """,
    )
    return made


def told(con: duckdb.DuckDBPyConnection, breakdown: str, *measures: str) -> str:
    for name in ("linkage_person", "linkage_quality"):
        run_file(con, HERE / "measure" / f"{name}.sql")
    query = """select category, measure, numerator, denominator from measure.linkage_quality
               where breakdown = ? and list_contains(?, measure) order by all"""
    return table(con.execute(query, [breakdown, list(measures)]).fetchall())


def test_records_and_people_are_counted_once_and_nobody_who_is_not_published(con):
    names = ["known_to_several", "joined_by_number", "joined_by_score", "joined_by_reviewer", "alone", "in_conflict"]
    assert told(con, "everyone", *names, "estimated_recall", "estimated_precision") == picture("""
        everyone | alone               | 1 | 6
        everyone | estimated_precision | 1 | 2
        everyone | estimated_recall    | 1 | 3
        everyone | in_conflict         | 1 | 6
        everyone | joined_by_number    | 2 | 6
        everyone | joined_by_reviewer  | 2 | 6
        everyone | joined_by_score     | 1 | 6
        everyone | known_to_several    | 2 | 3
    """)


def test_each_breakdown_is_of_everybody(con):
    assert told(con, "ethnic_category", "known_to_several", "estimated_precision") == picture("""
        a1 | estimated_precision | 1 | 1
        a1 | known_to_several    | 1 | 1
        b1 | known_to_several    | 0 | 1
        b2 | estimated_precision | 0 | 1
        b2 | known_to_several    | 1 | 1
    """)
    assert told(con, "ethnic_group", "estimated_recall") == "a | estimated_recall | 1 | 1\nb | estimated_recall | 0 | 2"
    assert told(con, "deprivation_quintile", "alone") == "1 | alone | 1 | 4\nnot_placed | alone | 0 | 2"
    assert told(con, "provider", "known_to_several", "joined_by_score") == picture("""
        ZZ1 | joined_by_score  | 0 | 3
        ZZ1 | known_to_several | 2 | 3
        ZZ2 | joined_by_score  | 0 | 2
        ZZ2 | known_to_several | 2 | 2
        ZZ3 | joined_by_score  | 1 | 1
        ZZ3 | known_to_several | 1 | 1
    """)
    assert told(con, "age_band", "known_to_several") == picture("""
        0 to 17     | known_to_several | 1 | 1
        80 and over | known_to_several | 0 | 1
        not_known   | known_to_several | 1 | 1
    """)


SHARES = [("everyone", "everyone", 9_500, 10_000), ("ethnic_group", "a", 900, 1_000), ("ethnic_group", "b", 952, 1_000),
          ("ethnic_group", "c", 20, 25), ("ethnic_group", "d", 994, 1_000)]  # fmt: skip


def test_a_difference_is_flagged_where_the_intervals_do_not_meet_and_never_beside_a_hidden_number(standard):
    con = prepared(standard)
    con.execute("create schema open; set variable is_invented = false")
    for breakdown, category, n, of in SHARES:
        cell = [
            "linkage_quality",
            "estimated_recall",
            "2026-09",
            "everyone",
            "everyone",
            breakdown,
            category,
            n,
            of,
            n,
            of,
            of - n,
        ]
        con.execute(f"insert into measure.cell values ({', '.join('?' * 12)}, 'standard')", cell)
    through_the_door(con, standard)
    run_file(con, HERE / "open" / "linkage_quality.sql")
    found = con.execute(
        "select category, cell_status, numerator, is_different from open.linkage_quality order by 1"
    ).fetchall()
    assert table(found) == picture("""
        a        | shown      | 900  | True
        b        | shown      | 950  | False
        c        | suppressed |      |
        d        | suppressed |      |
        everyone | shown      | 9500 | False
    """)
