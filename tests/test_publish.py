"""publish.py, protected/*.sql, measure/*.sql, open/*.sql: what is published, exact in one area and disclosed in the other."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import lakes
from tests.abrupt import PowerCut
from tests.cells import prepared, through_the_door
from tests.lakes import PERIOD, events, replace
from tests.pictures import picture, table
from tests.records import chosen, resolved, with_records
from tests.synthetic import deliver, write_postcodes
from transforms import audit, duckdb_expectations, engine, keys, ledger, publish, release, site, withdraw
from transforms.disclose import set_variables
from transforms.document import document
from transforms.engine import HERE
from transforms.geography import import_postcodes
from transforms.lake import Lake, point
from transforms.sqlfolder import run_file
from transforms.standard import Standard, load
from transforms.verify import verify


@dataclass
class Published:
    """A lake with its first release."""

    lake: Lake
    standard: Standard
    counts: dict
    con: duckdb.DuckDBPyConnection

    def ask(self, query: str) -> list[tuple]:
        return self.con.execute(query).fetchall()


def opened(lake: Lake) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    current, secret = lake.path("current"), keys.load(lake, "protected").hex()
    con.execute(f"attach '{current}/open/open.duckdb' as open (read_only)")
    con.execute(f"attach '{current}/protected/protected.duckdb' as protected (read_only, encryption_key '{secret}')")
    return con


def new_lake(folder: Path) -> Lake:
    lake = lakes.new_lake(folder)
    import_postcodes(write_postcodes(folder / "postcodes.csv"), lake)
    return lake


GREAT_EXPECTATIONS = duckdb_expectations.judge


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    lakes.hasten(monkeypatch)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Published:
    """Two trusts that know the same people, a practice that knows some of them, and one provider without an agreement."""
    folder = tmp_path_factory.mktemp("published")
    lake, standard = new_lake(folder), load()
    landing = lake.path("landing")
    without = next(c for c in standard.providers if c not in {r["provider"] for r in standard.tables["agreements"]})
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch, is_proved=True)
        deliver(landing, "ZZ1", "2026-08", {"pas_patient": 300})
        deliver(landing, "ZZ1", PERIOD, {"pas_patient": 300, "sus_outpatient": 300}, {"unrecognised": 20, "blank": 9})
        deliver(landing, "ZZ2", PERIOD, {"sus_outpatient": 200}, {"not_stated": 12}, first_person=200)
        deliver(landing, "ZP001", PERIOD, {"emis_patient": 100, "emis_observation": 100}, first_person=50)
        deliver(landing, without, PERIOD, {"emis_patient": 50}, first_person=5000)
        lakes.run(standard, lake)
        counts = publish.publish(standard, lake)
    return Published(lake, standard, counts, opened(lake))


def published_again(made: Published, folder: Path) -> Lake:
    """A copy of the lake that a test may change."""
    shutil.copytree(made.lake.root, folder / "lake", symlinks=True)
    return Lake(folder / "lake", made.lake.keys)


# The protected mart.


def test_the_protected_mart_holds_its_four_tables_encrypted(published):
    found = published.ask("select table_name from duckdb_tables() where database_name = 'protected'")
    assert {"person", "person_characteristic", "activity", "code_map_gap"} <= {name for (name,) in found}
    path = published.lake.path("current", "protected", "protected.duckdb")
    with pytest.raises(duckdb.Error), duckdb.connect() as con:
        con.execute(f"attach '{path}' as p (read_only)")
    with pytest.raises(duckdb.Error), duckdb.connect() as con:
        con.execute(f"attach '{path}' as p (read_only, encryption_key '{'00' * 32}')")


def test_people_known_to_several_providers_are_one(published):
    # 0..299 at ZZ1, 200..399 at ZZ2, 50..149 at ZP001, all with verified numbers and their own birth dates.
    assert published.ask("select count(*) from protected.person") == [(400,)]
    found = dict(published.ask("select n_providers, count(*) from protected.person group by 1"))
    assert found == {1: 200, 2: 200}
    assert published.counts["people"] == 400


def test_what_linking_made_of_records_is_told_by_group_and_adds_up(published):
    """Of 400 people 200 are known to two; their 400 records were joined by number, the other 200 stand alone."""
    told = """select measure, numerator, denominator from protected.linkage_quality where breakdown = 'everyone'
              and measure in ('known_to_several', 'joined_by_number', 'joined_by_score', 'alone') order by 1"""
    assert published.ask(told) == [
        ("alone", 200, 600),
        ("joined_by_number", 400, 600),
        ("joined_by_score", 0, 600),
        ("known_to_several", 200, 400),
    ]
    whole = "select sum(numerator) from protected.linkage_quality where measure = 'joined_by_number' group by breakdown"
    assert published.ask(whole) == [(400,)] * 6  # everyone, two of ethnicity, age, deprivation and provider
    rehearsed = published.ask(
        "select denominator from protected.linkage_quality where breakdown = 'everyone' and measure = 'estimated_recall'"
    )
    assert 5 < rehearsed[0][0] < 100  # a tenth of their records
    assert published.ask("select count(*) from open.linkage_quality where breakdown = 'ethnic_category'") == [(0,)]
    assert {row[0] for row in published.ask("select distinct breakdown from open.linkage_quality")} == {
        "everyone", "ethnic_group", "age_band", "deprivation_quintile", "provider"}  # fmt: skip


def test_every_person_has_one_value_for_every_characteristic(published):
    n = len(published.standard.characteristics())
    assert published.ask(
        "select count(*), count(distinct (person_no, characteristic)) from protected.person_characteristic"
    ) == [(400 * n, 400 * n)]


def test_an_event_is_counted_once(published):
    assert published.ask("select count(*), count(distinct record_key) from protected.activity") == [(500, 500)]


def test_a_provider_without_an_agreement_is_scored_and_never_published(published):
    without = next(
        c
        for c in published.standard.providers
        if c not in {r["provider"] for r in published.standard.tables["agreements"]}
    )
    assert lakes.ask(
        (published.standard, published.lake),
        f"select count(*) > 0 from results.rule_result where provider = '{without}'",
    ) == [(True,)]
    assert published.ask(f"select count(*) from protected.characteristic_record where provider = '{without}'") == [(0,)]
    assert published.ask(f"select count(*) from open.rule_score where provider = '{without}'") == [(0,)]
    assert published.ask(f"select count(*) from open.provider_scorecard where provider = '{without}'") == [(0,)]


@pytest.mark.parametrize(("field", "n", "is_shown"), [("main_language", 8, True), ("main_language", 7, False),
                                                       ("religion", 9, False), ("religion", 10, True)])  # fmt: skip
def test_an_unknown_value_is_shown_when_enough_people_have_it_more_where_it_is_sensitive(field, n, is_shown):
    con = duckdb.connect()
    standard = load()
    engine.add_standard(con, standard)
    set_variables(con, standard)
    con.execute("create schema harmonised; create schema protected")
    con.execute(f"""create table protected.person_link as select 1 as submission_no, 'l' as layout, i as patient_no, i as person_no
        from range({n}) as r(i)""")
    con.execute(f"""create table harmonised.characteristic as select submission_no, layout, patient_no, 'ZZ1' as provider,
        '{field}' as characteristic, 'v' as vocabulary, 'Q' as source_value, 1 as n_records, 'not_in_map' as reason
        from protected.person_link""")
    run_file(con, HERE / "protected" / "code_map_gap.sql")
    found = con.execute("select value, is_shown, n_people from protected.code_map_gap").fetchall()
    assert found == [("Q" if is_shown else None, is_shown, n)]


def test_a_value_that_no_map_knows_is_a_gap_to_close(published):
    found = published.ask(
        "select value, is_shown, n_records from protected.code_map_gap where provider = 'ZZ1' and n_people > 8"
    )
    assert ("X7", True) in [row[:2] for row in found]


def test_where_people_live_is_a_small_area_and_no_postcode(published):
    statuses = dict(published.ask("select place_status, count(*) from protected.person group by 1"))
    assert statuses == {"placed": 400}
    columns = {
        name for (name,) in published.ask("select column_name from duckdb_columns() where database_name = 'protected'")
    }
    assert not columns & {
        "postcode",
        "nhs_number",
        "given_name",
        "family_name",
        "birth_date",
        "line",
        "local_patient_id",
    }
    assert published.ask(
        "select count(*) from protected.person where icb_of_residence is null or deprivation_quintile is null"
    ) == [(0,)]


# One value for a person.


def test_what_was_said_beats_what_another_answer_implies_and_that_beats_an_absence_but_no_refusal():
    assert chosen("""
        person_no | characteristic | code    | status     | recorded_on | derived_from
        1         | religion       | muslim  | known      | 2020-01-01  |
        1         | religion       | sikh    | known      | 2026-01-01  | ethnic_category
        2         | religion       |         | not_known  | 2026-01-01  |
        2         | religion       | sikh    | known      | 2020-01-01  | ethnic_category
        3         | religion       |         | not_stated | 2020-01-01  |
        3         | religion       | sikh    | known      | 2026-01-01  | ethnic_category
    """, "religion") == picture("1 | muslim | known\n2 | sikh | known\n3 |  | not_stated")  # fmt: skip


# Two needs of one person: both stand, until a list that is sent whole says otherwise; a blank in it says nothing.
MANY = """
    person_no | characteristic     | code        | status | layout      | provider | record_key                           | last_period
    1         | information_format | braille     | known  | pas_patient | ZZ1      | 00000000-0000-0000-0000-000000000001 | 2026-09
    1         | information_format | large_print | known  | pas_patient | ZZ2      | 00000000-0000-0000-0000-000000000002 | 2026-09
    2         | information_format | braille     | known  | pas_patient | ZZ1      | 00000000-0000-0000-0000-000000000003 | 2026-08
    2         | information_format | large_print | known  | pas_patient | ZZ1      | 00000000-0000-0000-0000-000000000003 | 2026-09
    3         | information_format | braille     | known  | emis_observation | ZP1 | 00000000-0000-0000-0000-000000000004 | 2026-08
    3         | information_format | large_print | known  | emis_observation | ZP1 | 00000000-0000-0000-0000-000000000004 | 2026-09
    4         | information_format | braille     | known  | pas_patient | ZZ1      | 00000000-0000-0000-0000-000000000005 | 2026-08
    4         | information_format |             | not_recorded | pas_patient | ZZ1 | 00000000-0000-0000-0000-000000000005 | 2026-09
"""


def test_a_characteristic_with_many_answers_keeps_all_that_stand_and_never_conflicts():
    assert {line.split(" | ")[2] for line in chosen(MANY, "information_format").splitlines()} == {"known"}
    con, _ = with_records(MANY)
    run_file(con, HERE / "protected" / "person_characteristic_value.sql")
    query = "select person_no, string_agg(code, ' + ' order by code) from protected.person_characteristic_value group by 1 order by 1"
    assert table(con.execute(query).fetchall()) == picture("""
        1 | braille + large_print
        2 | large_print
        3 | braille + large_print
        4 | braille
    """)


def test_what_a_practice_could_have_coded_and_did_not_is_not_recorded_and_what_nobody_collects_is_not_collected():
    con, _ = with_records("""
        person_no | code    | provider
        1         | african | ZP001
        2         | african | ZZ1
    """)
    con.execute(
        "insert into linked.in_force values ('ZP001', 'emis_observation', true), ('ZZ1', 'sus_outpatient', true)"
    )
    resolved(con)
    query = "select person_no, status from protected.person_characteristic where characteristic = 'is_carer' order by 1"
    assert con.execute(query).fetchall() == [(1, "not_recorded"), (2, "not_collected")]


CHOICES = {
    "known beats a later refusal": ("""
        person_no | code    | status     | recorded_on
        1         | african | known      | 2020-01-01
        1         |         | not_stated | 2026-01-01
    """, "1 | african | known"),
    "a later refusal beats an earlier not known": ("""
        person_no | code | status     | recorded_on
        1         |      | not_known  | 2020-01-01
        1         |      | not_stated | 2026-01-01
    """, "1 |  | not_stated"),
    "with nothing known the latest absence shows": ("""
        person_no | code | status     | recorded_on
        1         |      | not_stated | 2020-01-01
        1         |      | not_known  | 2026-01-01
    """, "1 |  | not_known"),
    "a category beats a later general one": ("""
        person_no | code        | recorded_on
        1         | african     | 2020-01-01
        1         | any_other_p | 2026-01-01
    """, "1 | african | known"),
    "the later of two general ones": ("""
        person_no | code        | recorded_on
        1         | mixed_other | 2020-01-01
        1         | any_other_p | 2026-01-01
    """, "1 | any_other_p | known"),
    "the later of two categories": ("""
        person_no | code    | recorded_on
        1         | african | 2020-01-01
        1         | indian  | 2026-01-01
    """, "1 | indian | known"),
    "an undated record is older than any dated one": ("""
        person_no | code    | recorded_on
        1         | african |
        1         | indian  | 1950-01-01
    """, "1 | indian | known"),
    "of one day, what the person said": ("""
        person_no | code    | stated_by
        1         | african | self
        1         | indian  | inherited
    """, "1 | african | known"),
    "of one day, the practice before the clinic": ("""
        person_no | code    | care_setting
        1         | african | outpatient
        1         | indian  | gp
    """, "1 | indian | known"),
    "a tie that remains is a conflict": ("""
        person_no | code    | provider
        1         | african | ZZ1
        1         | indian  | ZZ2
        2         | african | ZZ1
        2         | african | ZZ2
    """, "1 |  | conflicting\n2 | african | known"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHOICES)
def test_one_value_for_a_person(what):
    text, expected = CHOICES[what]
    assert chosen(text) == picture(expected)


def test_an_ancestor_of_the_winner_is_no_conflict():
    standard = load()
    child = next(
        r for r in standard.codes if r["system"] == "ethnic_category" and r["kind"] == "residual" and r["parent"]
    )
    assert chosen(f"""
        person_no | code
        1         | {child["code"]}
        1         | {child["parent"]}
    """) in (f"1 | {child['code']} | known", f"1 | {child['parent']} | known")


def test_a_group_is_the_one_that_is_valid_when_the_release_ends():
    con, _ = with_records("""
        person_no | code
        1         | african
        2         | irish
    """, is_shared=False)  # fmt: skip
    resolved(con)
    con.execute("""
        update standard.classification set valid_to = '2024-12-31' where classification = 'heritage' and code = 'african';
        insert into standard.classification by name
            select * replace ('renamed' as "group", '2025-01-01' as valid_from, '' as valid_to)
            from standard.classification where classification = 'heritage' and code = 'african';
        create schema measure; set variable ethnicity = 'ethnic_category'; set variable default_set = 'heritage';
        create or replace table protected.person as select unnest([1, 2]) as person_no, null::varchar as icb_of_residence,
            'not_matched' as place_status, null::integer as deprivation_quintile, null::varchar as local_authority_code,
            null::varchar as icb_of_registration, null::varchar as lsoa21_code, null::date as birth_month;
        create table standard.age_band (band varchar, from_age integer, to_age integer);
        set variable region = 'midlands'""")
    for day, group in (("2024-06-30", "group_caribbean_african"), ("2026-09-30", "renamed")):
        con.execute(f"set variable rolling_to = date '{day}'")
        run_file(con, HERE / "measure" / "person_view.sql")
        found = con.execute("select person_no, ethnic_group from measure.person_view order by 1").fetchall()
        assert found == [(1, group), (2, "group_european")]


# Disclosure.


@cache
def with_cells() -> tuple[duckdb.DuckDBPyConnection, Standard]:
    standard = load()
    return prepared(standard), standard


def disclosed(*cells: tuple[int, int, int, int, int], suppression: str = "standard") -> list[tuple]:
    """(numerator, denominator, and how many people are in the numerator, the denominator and the rest) -> what is shown."""
    con, standard = with_cells()
    con.execute("delete from measure.cell")
    for place, cell in enumerate(cells):
        con.execute(
            "insert into measure.cell values ('t', 'm', 'p', 'k', ?, 'b', 'c', ?, ?, ?, ?, ?, ?)",
            [str(place), *cell, suppression],
        )
    through_the_door(con, standard)
    query = "select status, numerator, denominator, share, share_low, share_high from measure.disclosed_cell order by place::integer"
    return con.execute(query).fetchall()


def people(n: int, of: int) -> tuple[int, int, int, int, int]:
    return n, of, n, of, of - n


def test_few_people_are_not_shown_and_the_rest_is_rounded():
    found = [
        row[:3]
        for row in disclosed(
            people(0, 100), people(7, 100), people(8, 103), people(52, 100), people(96, 103), people(100, 100)
        )
    ]
    assert table(found) == picture("""
        shown      | 0   | 100
        suppressed |     | 100
        shown      | 10  | 105
        shown      | 50  | 100
        suppressed |     | 105
        shown      | 100 | 100
    """)


def test_days_below_zero_are_no_share_and_stop_nothing():
    """A file that came before its month was over: its days are told, and everybody else's numbers too."""
    found = disclosed((-10, 1, 0, 0, 0), people(50, 100), suppression="deliveries")
    assert found[0] == ("shown", -10, 1, None, None, None)
    assert found[1][3] == 0.5


def test_many_events_of_few_people_are_not_shown():
    assert [row[0] for row in disclosed((90, 200, 3, 60, 57), (90, 200, 50, 60, 3), (90, 200, 30, 60, 30), (5, 200, 5, 60, 55))] == [
        "suppressed", "suppressed", "shown", "suppressed",
    ]  # fmt: skip


def test_a_sensitive_item_needs_more_people_and_never_says_none_or_all():
    cells = [people(9, 200), people(10, 204), people(0, 200), people(200, 200), people(193, 200), people(0, 9)]
    found = [row[:3] for row in disclosed(*cells, suppression="sensitive")]
    assert table(found) == picture("""
        suppressed |    | 200
        shown      | 10 | 200
        suppressed |    | 200
        suppressed |    | 200
        suppressed |    | 200
        suppressed |    |
    """)


def test_a_small_base_shows_nothing_at_all():
    assert disclosed(people(0, 5))[0] == ("suppressed", None, None, None, None, None)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=30))
@example([(7, 0), (0, 7), (8, 8), (1, 1), (0, 0)])
def test_no_published_number_rests_on_few_or_is_exact_by_design(pairs):
    cells = [people(n, n + rest) for n, rest in pairs]
    for (n, of, *_), (status, numerator, denominator, share, low, high) in zip(cells, disclosed(*cells), strict=True):
        is_few = 1 <= n <= 7 or 1 <= of - n <= 7 or 1 <= of <= 7
        assert (status == "suppressed") == is_few
        if status == "suppressed":
            assert (numerator, share, low, high) == (None,) * 4
        else:
            assert numerator % 5 == 0 and abs(numerator - n) <= 2
        if denominator is not None:
            assert denominator % 5 == 0 and abs(denominator - of) <= 2 and not 1 <= of <= 7
        if share is not None:
            assert 0 <= low <= share <= high <= 1


NUMBERS = {"coverage": ("n_people", "n_people_in_place"), "rule_score": ("n_failed", "n_checked"), "moved": ("n_records", "n_records_in_all"),
           "provider_scorecard": ("n_records", "n_records_in_all"), "metric_value": ("numerator", "denominator"),
           "method_effect": ("n_people", "n_people_in_all"), "method_agreement": ("n_agree", "n_known_by_both"),
           "linkage_quality": ("numerator", "denominator")}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_every_published_count_is_suppressed_or_rounded(published, name):
    numerator, denominator = NUMBERS[name]
    found = published.ask(f"select cell_status, {numerator}, {denominator} from open.{name}")
    assert {status for status, *_ in found} <= {"shown", "suppressed", "left_out"}
    assert name == "metric_value" or "left_out" not in {
        status for status, *_ in found
    }  # only of metrics are there crosses
    assert len([row for row in found if row[0] == "shown"]) > 0 or name == "moved"  # nothing moves in a first release
    for status, *numbers in found:
        assert status == "shown" or numbers[0] is None
        assert status != "left_out" or numbers == [None, None]
        assert all(number is None or number % 5 == 0 for number in numbers)


def test_every_number_in_the_open_area_is_a_disclosed_one(published):
    """No column of whole numbers stands in an open table that this test does not know."""
    query = """select table_name, column_name from duckdb_columns()
               where database_name = 'open' and data_type in ('BIGINT', 'INTEGER', 'HUGEINT', 'UBIGINT')"""
    known = {(name, column) for name, columns in NUMBERS.items() for column in columns}
    known |= {("provider_measure", "numerator"), ("provider_measure", "denominator")}  # tests/test_quality.py
    assert set(published.ask(query)) <= known


def test_no_open_table_holds_a_person(published):
    columns = {
        name for (name,) in published.ask("select column_name from duckdb_columns() where database_name = 'open'")
    }
    assert not {name for name in columns if name.endswith("_id") or "key" in name or name == "lsoa21_code"}


def test_everything_made_from_demonstration_data_says_invented(published):
    for name in NUMBERS.keys() - {"moved"}:
        assert published.ask(f"select distinct is_invented from open.{name}") == [(True,)]
    facts = json.loads(published.lake.path("current", "release.json").read_text())
    assert facts["is_invented"] is True
    assert "invented" in facts["notice"]
    assert "invented" in published.lake.path("site", "index.html").read_text().lower()


def test_every_table_says_its_grain(published):
    for database in ("open", "protected"):
        query = f"select table_name, comment from duckdb_tables() where database_name = '{database}'"
        for name, comment in published.ask(query):
            assert comment or name == "about", name


DESCRIBED = {"open": ("metric_value", "gap", "trend", "signal", "period"),
             "protected": ("person", "person_characteristic", "person_condition", "activity", "activity_kind", "metric_value")}  # fmt: skip


def test_whoever_opens_a_mart_reads_what_its_columns_mean(published):
    for database, tables in DESCRIBED.items():
        query = f"select table_name, column_name, comment from duckdb_columns() where database_name = '{database}'"
        found = [row for row in published.ask(query) if row[0] in tables]
        assert {row[0] for row in found} == set(tables)
        assert not [row for row in found if not row[2]]


def test_the_protected_mart_has_exact_values_by_small_area_and_the_open_one_has_none(published):
    exact = published.ask("""select sum(numerator), sum(denominator) from protected.metric_value
        where metric = 'outpatient_non_attendance' and place_kind = 'lsoa21_code' and period = '2025-10 to 2026-09'""")
    assert exact == [(50, 500)]
    assert published.ask("select count(*) from open.metric_value where place_kind = 'lsoa21_code'") == [(0,)]


def test_vodim_adds_up_to_all_records(published):
    """Before rounding; afterwards each of five letters is at most two off."""
    found = published.ask("""select any_value(n_records_in_all), sum(n_records), bool_or(n_records is null) from open.provider_scorecard
                             group by period, provider, layout, field""")  # fmt: skip
    for in_all, total, has_hidden in found:
        assert total <= in_all + 12
        assert has_hidden or abs(total - in_all) <= 12


def test_non_attendance_is_what_was_sent(published):
    """Persons 0, 10, 20 … did not come: 30 of 300 at one trust and 20 of 200 at the other."""
    [(numerator, denominator, value)] = published.ask(
        "select sum(numerator), sum(denominator), any_value(value) from open.metric_value "
        "where metric = 'outpatient_non_attendance' and breakdown = 'everyone' and place_kind = 'region' and period = '2025-10 to 2026-09'"
    )
    assert (numerator, denominator) == (50, 500)
    assert value == pytest.approx(0.1)


def test_a_plain_prompt_reads_open_tables_while_nothing_of_ours_runs(published):
    with duckdb.connect(str(published.lake.path("open", "open.duckdb")), read_only=True) as con:
        assert con.execute("select count(*) > 0 from coverage").fetchone() == (True,)


def test_parquet_and_csv_beside_it_say_the_same(published):
    folder = published.lake.path("open")
    for (name,) in published.ask("select table_name from duckdb_tables() where database_name = 'open'"):
        n = published.ask(f"select count(*) from open.{name}")[0][0]
        assert duckdb.sql(f"select count(*) from read_parquet('{folder}/{name}.parquet')").fetchone()[0] == n
        assert (
            duckdb.sql(
                f"select count(*) from read_csv('{folder}/{name}.csv', header = true, all_varchar = true)"
            ).fetchone()[0]
            == n
        )


# Releases.


def test_publishing_what_has_not_changed_makes_nothing(published):
    before = lakes.listing(published.lake.path("releases"))
    assert publish.publish(published.standard, published.lake) == {"release": None}
    assert not publish.is_due(published.standard, published.lake)
    assert lakes.listing(published.lake.path("releases")) == before


def test_the_same_inputs_give_equal_content(published, tmp_path, monkeypatch):
    lake = published_again(published, tmp_path)
    shutil.rmtree(lake.path("releases"))
    lake.path("current").unlink()
    lake.prepare()
    lakes.leave_audit_out(monkeypatch)
    lakes.hasten(monkeypatch, is_proved=True)
    publish.publish(published.standard, lake)
    tables = [release.current_manifest(made)["tables"] for made in (published.lake, lake)]
    for made in tables:
        made.pop("open.about", None)
    assert tables[0] == tables[1]
    protected = [release.protected_manifest(made)["tables"] for made in (published.lake, lake)]
    assert protected[0] == protected[1]


def test_the_release_is_what_the_manifest_says_and_a_changed_table_is_found(published, tmp_path):
    assert "tables are what was published" in verify(published.lake)
    lake = published_again(published, tmp_path)
    with duckdb.connect(str(lake.path("current", "open", "open.duckdb"))) as con:
        con.execute("update coverage set n_people = n_people + 5")
    with pytest.raises(Exception, match=r"open\.coverage"):
        verify(lake)


UNIQUE = [
    rule for rule in load().contracts if "having count(*) > 1" in rule.predicate or "partition by" in rule.predicate
]


def activity_of(sent: str) -> list[str | None]:
    """protected.activity's outcomes of events: submission_no, patient_no, key, provider, kind, period, line, outcome."""
    con = duckdb.connect()
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    con.execute("attach ':memory:' as protected; create schema harmonised")
    con.execute("""create table protected.person_link as
        select unnest([1, 2]) as submission_no, 'ecds' as layout, 7 as patient_no, 70 as person_no""")
    con.execute(f"""create table harmonised.activity as
        select submission_no, 'ecds' as layout, patient_no, md5(key)::uuid as record_key, true as is_key_stable, provider, kind,
               date '2026-08-01' as event_date, null::date as ended_on, null::double as value, outcome as outcome_code,
               '' as specialty_code, '' as site_code, period, line
        from (values {sent}) as t(submission_no, patient_no, key, provider, kind, period, line, outcome)""")
    run_file(con, HERE / "protected" / "activity.sql")
    return [row[0] for row in con.execute("select outcome_code from protected.activity order by 1").fetchall()]


def test_of_an_event_sent_more_than_once_the_latest_periods_last_row_counts():
    found = activity_of("""
        (1, 7, 'once', 'ZZ1', 'visit', '2026-08', 1, 'A'),
        (1, 7, 'again', 'ZZ1', 'visit', '2026-08', 9, 'B'), (2, 7, 'again', 'ZZ1', 'visit', '2026-09', 1, 'C'),
        (2, 7, 'twice', 'ZZ1', 'visit', '2026-09', 2, 'D'), (2, 7, 'twice', 'ZZ1', 'visit', '2026-09', 3, 'E'),
        (2, 7, 'once', 'ZZ2', 'visit', '2026-09', 4, 'F'), (2, 7, 'once', 'ZZ1', 'stay', '2026-09', 5, 'G'),
        (1, 7, 'moved', 'ZZ1', 'visit', '2026-08', 6, 'H'), (2, 8, 'moved', 'ZZ1', 'visit', '2026-09', 6, 'I')""")
    # Of what was moved to somebody who is in no mart, what was sent before stays.
    assert found == ["A", "C", "E", "F", "G", "H"]


def test_a_stage_of_three_characters_is_kept_and_a_short_name_in_its_place_is_not():
    sent = ", ".join(
        f"(1, 7, '{n}', 'ZZ1', 'visit', '2026-08', {n}, '{word}')" for n, word in enumerate((" 1A1", "4", "Lee", "X"))
    )
    assert activity_of(sent) == ["1A1", "4", "X", None]


UNIQUE = [rule for rule in load().contracts if rule.dimension == "uniqueness"]


@pytest.mark.parametrize("rule", UNIQUE, ids=lambda rule: rule.id)
def test_a_row_that_is_there_twice_breaks_its_contract(published, rule):
    area = rule.table.split(".")[0]
    broken = f"select count(*) from (select ({rule.predicate}) as is_met from {rule.table}) where is_met is not true"
    rows = published.con.execute(f"from {rule.table}").to_arrow_table()
    with duckdb.connect() as con:
        con.execute(f"attach ':memory:' as {area}; create table {rule.table} as from rows")
        assert con.execute(broken).fetchone() == (0,)
        con.execute(f"insert into {rule.table} from {rule.table} limit 1")
        assert con.execute(broken).fetchone() == (min(len(rows), 1) * 2,)


def test_a_broken_contract_leaves_the_last_good_release(published, tmp_path, monkeypatch):
    lake = published_again(published, tmp_path)
    folder = lakes.copied_standard(tmp_path / "standard")
    replace(
        folder / "expectations" / "contracts.yml", "n_people % getvariable('rounding_base') = 0", "n_people % 7 = 0"
    )
    before = lakes.listing(lake.path("releases"))
    monkeypatch.setattr("transforms.duckdb_expectations.judge", GREAT_EXPECTATIONS)
    with pytest.raises(audit.ContractBroken, match=r"coverage\.n_people\.rounded"):
        publish.publish(load(folder), lake)
    assert lakes.listing(lake.path("releases")) == before
    assert release.current_number(lake) == 1
    assert len(events(lake, "published")) == 1
    assert list(lake.path(".work").glob("*/release")) == []


@pytest.fixture(scope="module")
def edited(tmp_path_factory) -> Standard:
    """A standard in which a label differs, so that there is something to publish."""
    copy = lakes.copied_standard(tmp_path_factory.mktemp("edited"))
    replace(
        copy / "standards/code_systems/ethnic_category/to_heritage.csv",
        "irish,irish,Irish,",
        "irish,irish,From Ireland,",
    )
    return load(copy)


def test_one_pointer_moves_and_a_reader_keeps_what_it_reads(published, edited, tmp_path, monkeypatch):
    lakes.leave_audit_out(monkeypatch)
    lake = published_again(published, tmp_path)
    reader = duckdb.connect(str(lake.path("open", "open.duckdb")), read_only=True)
    before = reader.execute("select label from label where label_set = 'heritage' and code = 'irish'").fetchall()
    assert publish.is_due(edited, lake)
    assert publish.publish(edited, lake)["release"] == 2
    assert (
        reader.execute("select label from label where label_set = 'heritage' and code = 'irish'").fetchall() == before
    )
    reader.close()
    with duckdb.connect(str(lake.path("open", "open.duckdb")), read_only=True) as con:
        assert con.execute("select label from label where label_set = 'heritage' and code = 'irish'").fetchall() == [
            ("From Ireland",)
        ]
    assert str(lake.path("releases", "current").readlink()) == "2"
    assert str(lake.path("current").readlink()) == "releases/current"
    assert [str(lake.path(area).readlink()) for area in release.AREAS] == [f"current/{area}" for area in release.AREAS]


def test_links_that_a_crash_left_unmade_are_made(published, tmp_path):
    """The first release is in the ledger, `current` points at it, and then the crash came."""
    lake = published_again(published, tmp_path)
    for area in release.AREAS:
        lake.path(area).unlink()
    release.settle(lake)
    assert [str(lake.path(area).readlink()) for area in release.AREAS] == [f"current/{area}" for area in release.AREAS]
    assert not list(lake.path(".work").iterdir())


def test_a_link_that_is_not_put_in_place_leaves_nothing_beside_it(lake, monkeypatch):
    def cut(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("transforms.lake.rename", cut)
    with pytest.raises(KeyboardInterrupt):
        point(lake, lake.path("releases", "current"), "1")
    assert not list(lake.path("releases").iterdir()) and not list(lake.path(".work").iterdir())


def test_a_lake_whose_pointer_was_elsewhere_is_read_all_the_time(published, edited, tmp_path, monkeypatch):
    """`current` once pointed at a release itself."""
    lakes.leave_audit_out(monkeypatch)
    lake = published_again(published, tmp_path)
    lake.path("releases", "current").unlink()
    point(lake, lake.path("current"), "releases/1")
    assert release.current_number(lake) == 1 and "tables are what was published" in verify(lake)
    real = release.point

    def cut(lake, link, target):
        real(lake, link, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(release, "point", cut)
        with pytest.raises(KeyboardInterrupt):
            release.settle(lake)
    assert release.current_number(lake) == 1, "readers have the one that they had"
    assert publish.publish(edited, lake)["release"] == 2
    assert release.current_number(lake) == 2
    assert str(lake.path("current").readlink()) == "releases/current"


def test_the_pages_of_the_standard_are_made_again_only_when_they_would_differ(published, edited, tmp_path, monkeypatch):
    lakes.leave_audit_out(monkeypatch)
    lake, made = published_again(published, tmp_path), []
    monkeypatch.setattr(site, "document", lambda standard, folder: made.append(folder) or document(standard, folder))

    def pages(number: int) -> dict[str, bytes]:
        folder = lake.path("releases", number, "site", "standard")
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    deliver(lake.path("landing"), "ZZ2", "2026-08", {"sus_outpatient": 20}, first_person=200)
    lakes.run(published.standard, lake)
    assert publish.publish(published.standard, lake)["release"] == 2
    assert made == []
    assert pages(1) == pages(2)
    assert publish.publish(edited, lake)["release"] == 3
    assert len(made) == 1
    assert pages(3)["ethnic_category.html"] != pages(2)["ethnic_category.html"]


@pytest.mark.parametrize(
    "place", ["transforms.release.ledger.append", "transforms.release._point", "transforms.release.rename"]
)
@pytest.mark.parametrize("is_after", [False, True])
def test_after_a_crash_while_publishing_the_last_good_or_the_new_release_is_read(
    published, edited, tmp_path, monkeypatch, place, is_after
):
    lakes.leave_audit_out(monkeypatch)
    lake, standard = published_again(published, tmp_path), edited
    real = {"append": ledger.append, "_point": release._point, "rename": release.rename}[place.rsplit(".", 1)[1]]

    def cut(*values, **named):
        is_publishing = "published" in values or "release" in str(values[0])[-8:] or values[-1] == 2
        if not is_publishing:
            return real(*values, **named)
        if is_after:
            real(*values, **named)
        raise PowerCut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, cut)
        with pytest.raises(PowerCut):
            publish.publish(standard, lake)
    assert release.current_number(lake) in (1, 2)
    assert release.current_manifest(lake)["release"] == release.current_number(lake)
    publish.publish(standard, lake)
    assert release.current_number(lake) == 2
    assert [entry["release"] for entry in events(lake, "published")] == [1, 2]
    assert "tables are what was published" in verify(lake)
    assert not publish.is_due(standard, lake)


def test_without_its_key_nothing_is_published(published, edited, tmp_path):
    lake = published_again(published, tmp_path)
    lake = Lake(lake.root, tmp_path / "nothing")
    before = lakes.listing(lake.path("releases"))
    with pytest.raises(keys.KeyFault):
        publish.publish(edited, lake)
    assert lakes.listing(lake.path("releases")) == before


def test_a_burst_makes_one_release_and_waits_until_it_is_through(published, edited, tmp_path, monkeypatch):
    lakes.leave_audit_out(monkeypatch)
    lake, standard = published_again(published, tmp_path), published.standard
    for provider in ("ZZ3", "ZZ4"):
        deliver(lake.path("landing"), provider, PERIOD, {"pas_patient": 5})
    lakes.run(standard, lake, ())
    assert not publish.is_due(edited, lake)  # there is something to publish; received and not through
    lakes.run(standard, lake)
    assert publish.is_due(standard, lake)
    assert publish.publish(standard, lake)["release"] == 2
    assert publish.publish(standard, lake)["release"] is None


def clock(at: datetime) -> type[datetime]:
    """A clock that stands."""
    return type("Clock", (datetime,), {"now": classmethod(lambda cls, tz=None: at)})


@pytest.mark.parametrize(
    ("provider", "is_withdrawn", "due"),
    [("ZZ1", False, "..xxx"), ("ZZ3", False, "....x"), ("ZZ3", True, "xxxxx")],
    ids=["a correction", "a first arrival", "nobody can read"],
)
def test_a_release_has_patience_with_what_waits_and_an_end_of_it(
    published, edited, tmp_path, monkeypatch, provider, is_withdrawn, due
):
    """There is something to publish, and the last release is an hour old: patience begins with what arrived since."""
    lake = published_again(published, tmp_path)
    assert publish.is_due(edited, lake)
    if is_withdrawn:
        lake.path("current", "protected", withdraw.NOTICE).touch()
    deliver(lake.path("landing"), provider, PERIOD, {"pas_patient": 5}, name="since")
    arrived = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr(ledger, "datetime", clock(arrived))
    lakes.run(edited, lake, ())
    found = ""
    for minutes in (0, 9.9, 10.1, 29.9, 30.1):
        monkeypatch.setattr(publish, "datetime", clock(arrived + timedelta(minutes=minutes)))
        found += "x" if publish.is_due(edited, lake) else "."
    assert found == due


def test_a_person_keeps_their_identifier_from_release_to_release(published, tmp_path, monkeypatch):
    lakes.leave_audit_out(monkeypatch)
    lake, standard = published_again(published, tmp_path), published.standard
    deliver(lake.path("landing"), "ZZ3", PERIOD, {"pas_patient": 20}, first_person=390)
    lakes.run(standard, lake)
    publish.publish(standard, lake)
    before = {row[0] for row in published.ask("select person_id from protected.person")}
    with opened(lake) as con:
        after = {row[0] for row in con.execute("select person_id from protected.person").fetchall()}
    assert before < after
    assert len(after) == 410
