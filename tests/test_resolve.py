"""resolve.py: any spelling of a mapped value means the same; nothing is guessed; no map multiplies rows."""

from functools import cache

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.code_files import SYSTEMS, table
from transforms import engine
from transforms.engine import HERE
from transforms.resolve import declared, resolve, resolved_fingerprint
from transforms.standard import load

LETTERS = [*"ABCDEFGHJKLMNPRS", "Z"]


@cache
def database() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    engine.add_standard(con, load())
    return con


TODAY = "2026-09-30"


def meanings(
    values: list[str | None],
    *vocabularies: str,
    system: str = "ethnic_category",
    is_partial: bool = False,
    on: list[str] | None = None,
) -> list[dict]:
    """What each value means on its day when the vocabularies are tried in this order; the values as clean_text leaves them."""
    con = database()
    tried = [
        {"field": "x", "column_name": "x", "system": system, "vocabulary": name, "place": place, "first": vocabularies[-1],
         "is_partial": is_partial}
        for place, name in enumerate(vocabularies, start=1)
    ]  # fmt: skip
    engine.add_table(con, "declared", tried)
    con.execute("create or replace table sent (value varchar, on_day date)")
    if values:
        con.executemany("insert into sent values (?, ?)", list(zip(values, on or [TODAY] * len(values), strict=True)))
    con.execute(
        "create or replace table value_counted as select 'x' as field, clean_text(value) as value, count(*) as n from sent group by all"
    )
    resolve(con)
    query = """select sent.value as sent, resolved.* exclude (field) from sent
               join resolved on resolved.value is not distinct from clean_text(sent.value)
               and on_day between valid_from and valid_to order by sent.rowid"""
    names = [item[0] for item in con.execute(query).description]
    return [dict(zip(names, row, strict=True)) for row in con.execute(query).fetchall()]


def meaning(value: str | None, *vocabularies: str, on: str = TODAY, **more) -> tuple:
    [found] = meanings([value], *vocabularies, on=[on], **more)
    return found["code"], found["detail"], found["status"], found["reason"]


def mapped(system: str, vocabulary: str) -> list[dict[str, str]]:
    return table(system, f"from_{vocabulary}")


def day_of(row: dict[str, str]) -> str:
    """A day on which a row of a map is valid."""
    return row.get("valid_from") or row.get("valid_to") or TODAY


MAPS = [(path.parent.name, path.stem.removeprefix("from_")) for path in sorted(SYSTEMS.glob("*/from_*.csv"))]
IS_CASE_SENSITIVE = {row["vocabulary"]: row["is_case_sensitive"] == "true" for row in load().tables["vocabularies"]}
SPACE = st.sampled_from(["", " ", "  ", "\t", "\u00a0", " \r"])


@st.composite
def spelled(draw) -> tuple[str, str, list[tuple[dict[str, str], str]]]:
    """Mapped values of one map, each in a way in which somebody may type it."""
    system, vocabulary = draw(st.sampled_from(MAPS))
    known = mapped(system, vocabulary)  # a vocabulary may be declared before its values are published
    rows = draw(st.lists(st.sampled_from(known), min_size=1, max_size=20)) if known else []
    found = []
    for row in rows:
        value = row["value"]
        if not IS_CASE_SENSITIVE[vocabulary]:
            is_upper = draw(st.lists(st.booleans(), min_size=len(value), max_size=len(value)))
            value = "".join(char.upper() if up else char.lower() for char, up in zip(value, is_upper, strict=True))
        found.append((row, draw(SPACE) + value + draw(SPACE)))
    return system, vocabulary, found


@settings(max_examples=25, deadline=None)
@given(spelled())
def test_any_spelling_of_a_mapped_value_means_the_same(case):
    system, vocabulary, sent = case
    days = [day_of(row) for row, _ in sent]
    found = meanings([spelling for _, spelling in sent], vocabulary, system=system, on=days)
    for one, (row, _) in zip(found, sent, strict=True):
        for name in ("code", "detail", "status", "reason"):
            assert one[name] == (row[name] or None)


@pytest.mark.parametrize(("system", "vocabulary"), MAPS)
def test_every_row_of_a_map_is_found_once(system, vocabulary):
    rows = mapped(system, vocabulary)
    found = meanings([row["value"] for row in rows], vocabulary, system=system, on=[day_of(row) for row in rows])
    assert [(f["value"], f["code"] or "", f["status"]) for f in found] == [
        (r["value"].strip(), r["code"], r["status"]) for r in rows
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.text(max_size=4),
            st.sampled_from([*LETTERS, "pa", "PA", "A1", "99", "9", "X", "X7", "British", " a", ""]),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(
        [("national_2001",), ("ukcore_2001", "national_2001"), ("national_2001", "national_2001_hes"), ("ons_2021",)]
    ),
)
def test_no_map_multiplies_rows_and_every_value_has_one_status(values, vocabularies):
    values = [value and value.replace("\0", "") for value in values]
    found = meanings(values, *vocabularies)
    assert [row["sent"] for row in found] == values
    for row in found:
        assert row["status"] in ("known", "not_stated", "not_known", "not_recorded", "unrecognised")
        assert (row["status"] == "known") == (row["code"] is not None)
        assert row["code"] or row["reason"], "what has no code says why"
        assert (row["status"] == "not_recorded") == (not (row["value"] or "").strip(" \t\n\r\u00a0"))


ASCII = [chr(number) for number in range(33, 127)]


def test_the_national_letter_that_comes_in_goes_out_again():
    """Whatever a trust appends to it; tested with the standard's own map out."""
    out = {row["code"]: row["value"] for row in load().classifications if row["classification"] == "national_2001"}
    sent = [
        spelling
        for letter in LETTERS
        for second in ["", *ASCII]
        for spelling in (letter + second, letter.lower() + second)
    ]
    for found in meanings(sent, "national_2001"):
        assert out[found["code"] or found["status"]] == found["sent"][0].upper(), found["sent"]


# What comes in, which vocabularies the column declares, and what it means: code, detail, status, reason.
CASES = [
    ("A", ["national_2001"], ("british", None, "known", None)),
    ("a", ["national_2001"], ("british", None, "known", None)),
    ("99 ", ["national_2001"], (None, None, "not_known", "not_known")),
    ("9", ["national_2001"], (None, None, "not_known", "withdrawn_2004")),
    ("Z", ["national_2001"], (None, None, "not_stated", "not_stated")),
    ("Z1", ["national_2001"], (None, None, "not_stated", "not_stated")),
    (None, ["national_2001"], (None, None, "not_recorded", "blank")),
    ("   ", ["national_2001"], (None, None, "not_recorded", "blank")),
    ("X7", ["national_2001"], (None, None, "unrecognised", "not_in_map")),
    ("X7", ["national_2001", "national_2001_hes"], (None, None, "unrecognised", "not_in_map")),
    ("X", ["national_2001"], (None, None, "unrecognised", "not_in_map")),
    ("X", ["national_2001", "national_2001_hes"], (None, None, "not_known", "not_known")),
    ("British", ["national_2001"], (None, None, "unrecognised", "not_in_map")),
    ("ABC", ["national_2001"], (None, None, "unrecognised", "not_in_map")),
    ("91", ["national_2001"], (None, None, "unrecognised", "not_in_map")),
    ("999", ["national_2001"], (None, None, "unrecognised", "not_in_map")),
    ("test", ["national_2001"], (None, None, "unrecognised", "not_in_map")),
    ("PA", ["national_2001"], ("any_other_p", None, "known", None)),
    ("PA", ["ukcore_2001", "national_2001"], ("any_other_p", "somali", "known", "narrower_term")),
    ("pd", ["ukcore_2001", "national_2001"], ("any_other_p", "black_british", "known", None)),
    ("P", ["ukcore_2001", "national_2001"], ("any_other_p", None, "known", None)),
    ("A9", ["ukcore_2001", "national_2001"], ("british", None, "known", None)),
    # A code is read with the vocabulary that the column declares and with no other: 1 and 4 mean other things elsewhere.
    ("1", ["ons_2021"], ("bangladeshi", None, "known", None)),
    ("4", ["ons_2021"], ("pakistani", None, "known", None)),
    ("1", ["national_2001"], (None, None, "unrecognised", "not_in_map")),
    ("A", ["ons_2021"], (None, None, "unrecognised", "not_in_map")),
    ("13", ["national_2001"], (None, None, "unrecognised", "not_in_map")),
]


@pytest.mark.parametrize(
    ("sent", "vocabularies", "expected"), CASES, ids=[f"{row[0]}-{'+'.join(row[1])}" for row in CASES]
)
def test_what_a_value_means(sent, vocabularies, expected):
    found = meaning(sent, *vocabularies)
    if expected[2] == "known":  # the reason of a known code is the map's own word
        found, expected = found[:3], expected[:3]
    assert found == expected


def test_read_codes_differ_by_case():
    value = next(row["value"] for row in mapped("ethnic_category", "emis") if row["value"].swapcase() != row["value"])
    others = {row["value"] for row in mapped("ethnic_category", "emis")}
    assert value.swapcase() not in others
    assert meaning(value, "emis")[2] == "known"
    assert meaning(value.swapcase(), "emis")[2] == "unrecognised"


def test_nothing_unknown_becomes_the_majority():
    for value in ("", "?", "U", "0", "-1", "null", "White", "other", "UK", "english", "not known"):
        assert meaning(value, "national_2001")[2] in ("unrecognised", "not_recorded")


def test_a_row_of_a_map_holds_only_on_the_days_that_it_names():
    """A code of the digits of 1995 to 2001 is read for records of that time, and is never read with another's meaning."""
    digits = ("national_2001", "legacy_1995")
    assert meaning("4", *digits, on="1999-12-31") == ("indian", None, "known", None)
    assert meaning("4", *digits, on="2001-03-31")[0] == "indian"
    assert meaning("4", *digits, on="2001-04-01") == (None, None, "unrecognised", "not_valid_on_date")
    assert meaning("4", "ons_2021", on="1999-12-31")[0] == "pakistani"
    assert meaning("A", *digits, on="1999-12-31")[0] == meaning("A", *digits)[0] == "british"


def test_a_value_with_two_lives_has_one_meaning_on_every_day():
    con = database()
    con.execute("begin")
    where = "where system = 'ethnic_category' and vocabulary = 'national_2001' and value = 'H'"
    con.execute(f"""insert into standard.code_map by name
        select * replace ('pakistani' as code, '2020-01-01' as valid_from, '2020-12-31' as valid_to)
        from standard.code_map {where}""")
    con.execute(f"update standard.code_map set valid_to = '2019-12-31' {where} and code = 'indian'")
    days = ["1980-01-01", "2019-12-31", "2020-01-01", "2020-12-31", "2021-01-01", "2026-01-01"]
    found = meanings(["H"] * len(days), "national_2001", on=days)
    con.execute("rollback")
    assert [row["code"] for row in found] == ["indian", "indian", "pakistani", "pakistani", None, None]
    assert {row["reason"] for row in found if not row["code"]} == {"not_valid_on_date"}


def test_a_code_that_states_nothing_is_about_something_else():
    """In a column of dated GP codes, what no map knows is not an unrecognised ethnicity."""
    found = meanings(["195967001", "92391000000108", None], "snomed_ct", is_partial=True)
    assert [(row["value"], row["status"]) for row in found] == [("92391000000108", "known")]


def test_a_code_about_another_item_says_nothing_of_this_one():
    """Next of kin and paid care work in a GP record are no unrecognised answer about unpaid care."""
    rows = [row for row in load().code_maps if row["system"] == "is_carer" and row["vocabulary"] == "snomed_ct"]
    aside = [
        row["value"]
        for row in rows
        if row["reason"].partition(":")[0] in ("next_of_kin", "paid_work", "contact_details")
    ]
    assert aside
    assert meanings(aside, "snomed_ct", system="is_carer", is_partial=True) == []
    found = meanings(
        aside, "snomed_ct", system="is_carer"
    )  # in a column that is asked for carers it is an answer, and none of ours
    assert {row["status"] for row in found} == {"unrecognised"}


def test_which_vocabularies_a_column_declares_depends_on_layout_and_provider():
    standard = load()
    with_list = next(row["code"] for row in standard.tables["providers"] if row["local_list"])
    without = next(row["code"] for row in standard.tables["providers"] if not row["local_list"])

    def tried(layout: str, provider: str) -> list[tuple[str, int]]:
        rows = declared(standard, standard.layouts[layout], provider)
        return [(row["vocabulary"], row["place"]) for row in rows if row["field"] == "ethnic_category"]

    assert tried("pas_patient", with_list) == [("ukcore_2001", 1), ("national_2001", 2)]
    assert tried("pas_patient", without) == [("national_2001", 1)]
    assert tried("sus_outpatient", without) == [("national_2001", 1), ("national_2001_hes", 2)]


def test_the_fingerprint_follows_what_the_maps_say_of_these_values_and_nothing_else():
    con = database()

    def mark(values: list[str]) -> str:
        meanings(values, "national_2001")
        return resolved_fingerprint(con)

    first = mark(["A", "X7"])
    assert mark(["X7", "A"]) == first
    assert mark(["A", "B"]) != first
    con.execute("begin")
    con.execute("update standard.code_map set code = 'irish' where vocabulary = 'national_2001' and value = 'B'")
    assert mark(["A", "X7"]) == first  # no such value is here
    con.execute("update standard.code_map set code = 'irish' where vocabulary = 'national_2001' and value = 'A'")
    assert mark(["A", "X7"]) != first
    con.execute("rollback")
    con.execute("begin")
    con.execute("insert into standard.code_map by name (select * replace ('X7' as value) from standard.code_map "
                "where vocabulary = 'national_2001' and value = 'Z')")  # fmt: skip
    assert mark(["A", "X7"]) != first  # a row that was absent counts, too
    con.execute("rollback")
