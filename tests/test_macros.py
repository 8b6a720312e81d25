"""macros.sql: each macro does what the example in its comment says."""

import re
from datetime import date

import nhs_number as reference
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import synthetic
from transforms import engine, keys
from transforms.engine import HERE
from transforms.lake import Lake

TEXT = (HERE / "macros.sql").read_text(encoding="utf-8")
MACROS = re.findall(r"create or replace macro (\w+)\(", TEXT)
# Every example: a macro called, and what comes out.
CLEANED = {
    "clean_text('  99 ')": "99",
    "clean_text('   ')": None,
    "clean_text('')": None,
    "clean_text(null)": None,
    "folded('  a1 ', false)": "A1",
    "folded(' 9i0.. ', true)": "9i0..",
    "folded('99 ', false)": "99",
    "folded(chr(160) || 'a' || chr(160), false)": "A",
    "folded(chr(9) || 'A' || chr(13) || chr(10), true)": "A",
    "folded(chr(160), false)": None,
    "clean_number('999 123-4567')": "9991234567",
    "clean_number('999123456O')": "999123456O",
    "clean_number(' ')": None,
    "clean_postcode('b1  1aa ')": "B11AA",
    "clean_postcode('ZZ99 3VZ')": "ZZ993VZ",
    "clean_postcode('B1' || chr(160) || '1AA')": "B11AA",
    "clean_postcode(' ')": None,
    "code_form(' rxq02', 9)": "RXQ02",
    "code_form('9991234567', 9)": None,
    "code_form('999 123', 9)": None,
    "code_form('5', 2)": "5",
    "length(birth_marks('x', date '1980-03-05'))": 4,
    "birth_marks('x', null::date)": None,
    "list_has_any(birth_marks('x', date '1980-03-05'), birth_marks('x', date '1980-05-03'))": True,
    "list_has_any(birth_marks('x', date '1980-03-05'), birth_marks('x', date '1980-03-06'))": True,
    "list_has_any(birth_marks('x', date '1980-03-05'), birth_marks('x', date '1981-03-06'))": False,
    "list_has_any(birth_marks('x', date '1980-03-05'), birth_marks('y', date '1980-03-05'))": False,
    "code_form('', 2)": None,
    "code_form(null::varchar, 2)": None,
    "round(byar_low(100), 2)": 81.36,
    "byar_low(0)": 0,
    "round(byar_high(100), 2)": 121.63,
    "round(byar_high(0), 2)": 3.67,
    "round(wilson(5, 100, -1), 4)": 0.0215,
    "round(wilson(5, 100, 1), 4)": 0.1118,
    "wilson(0, 100, -1)::varchar": "0.0",
    "wilson(100, 100, 1)": 1,
    "round(wilson(0, 100, 1), 3)": 0.037,
    "wilson(0, 0, -1)": None,
    "wilson(null, 100, 1)": None,
    "linking_number('9991111131', '', true)": "9991111131",
    "linking_number('9991111132', '', true)": None,
    "linking_number('9f3a', 'k1', false)": "k1:9f3a",
    "linking_number(null, 'k1', false)": None,
    "plain_letters('Siobhán O''Brien-Łuc (Mrs)')": "SIOBHAN OBRIEN LUC",
    "plain_letters('  al-hassan. ')": "AL HASSAN",
    "plain_letters('Евгений')": "ЕВГЕНИИ",
    "plain_letters('(')": "",
    "plain_letters(null)": None,
    "single_letters('MOHAMMED')": "MOHAMED",
    "single_letters('')": "",
    "name_skeleton('MUHAMMED')": "MHMD",
    "name_skeleton('MOHAMAD')": "MHMD",
    "name_skeleton('IBRAHIM')": "ABRHM",
    "name_skeleton('EBRAHIM')": "ABRHM",
    "name_skeleton('AL HASSAN')": "ALHSN",
    "name_skeleton(null)": None,
    "clean_boolean('Y')": True,
    "clean_boolean('yes')": True,
    "clean_boolean('1')": True,
    "clean_boolean('0')": False,
    "clean_boolean('No')": False,
    "clean_boolean('perhaps')": None,
    "clean_boolean(null)": None,
    "n_months('2026-09')": 1,
    "n_months('2026-09-30')": 0,
    "smallest_share('metric_value', 'sex x age_band')": 0.5,
    "smallest_share('metric_value', 'sex')": 0.1,
    "smallest_share('metric_value', 'everyone')": 0,
    "smallest_share('coverage', 'status')": 0,
    "lasting_period('metric_value', '2026-09')": "2026-09",
    "lasting_period('metric_value', '2026-09-30')": "",
    "lasting_period('coverage', '2026-09')": "",
    "n_months('2026-Q3')": 3,
    "n_months('2025-10 to 2026-09')": 12,
    "first_month('2026-Q3')": date(2026, 7, 1),
    "first_month('2025-10 to 2026-09')": date(2025, 10, 1),
    "first_month('2026-09')": date(2026, 9, 1),
    "quantity_key('numerator', 't', 'm', '', 'k', 'p', 'b', 'c') = quantity_key('rest', 't', 'm', '', 'k', 'p', 'b', 'c')": False,
    "digit(9991234567, 10)": 6,
    "digit(9991234567, 1000000000)": 9,
    "weighed(99911, 10)": 256,
    "weighed(0, 5)": 0,
    "is_issuable(9434765919)": True,
    "is_issuable(9434765918)": False,
    "is_issuable(1111111111)": False,
    "is_issuable(1000000001)": False,
    "birth_dates_agree(date '1980-03-05', date '1980-03-05')": True,
    "birth_dates_agree(date '1980-03-05', date '1980-05-03')": True,
    "birth_dates_agree(date '1980-03-05', date '1980-03-06')": None,
    "birth_dates_agree(date '1980-03-05', date '1981-03-05')": None,
    "birth_dates_agree(date '1980-03-05', date '1981-03-06')": False,
    "birth_dates_agree(null::date, date '1981-03-06')": None,
    "names_agree('Amina', 'Begum', 'AMINA', null)": True,
    "names_agree('Amina', 'Begum', 'Joan', 'BEGUM')": True,
    "names_agree('Amina', 'Begum', 'Joan', 'Carter')": False,
    "names_agree(null, null, null, null)": False,
    "part('ab')": "2:ab",
    "part(null)": "-",
    "part('')": "0:",
    "year_starting(date '2026-04-01', 4)": 2026,
    "year_starting(date '2026-03-31', 4)": 2025,
    "is_valid_on(date '2001-04-01', '', '2001-03-31')": False,
    "is_valid_on(date '2001-03-31', '', '2001-03-31')": True,
    "is_valid_on(date '2001-03-31', '2001-04-01', '')": False,
    "is_valid_on(date '2001-04-01', '2001-04-01', null)": True,
    "is_valid_on(date '2001-04-01', '', '')": True,
    "is_valid_on(null::date, '', '')": None,
    "day_place(date '1800-01-02')": 199_999,
    "day_place(null)": 200_000,
    "first_test(['a', 'b'], [10, 1], 31, 35)": "b",
    "first_test(['a', 'b'], [10, 1], 31, 41)": "a",
    "first_test(['a', 'b'], [10, 1], 31, 31)": None,
}
# STANDARD.md section 6: ten digits, modulus 11; not ten equal digits, not N00000000N, not 0123456789.
NUMBERS = {
    "9434765919": True,
    "9434765918": False,  # the check digit
    "4010232137": True,
    "943476591": False,
    "94347659190": False,
    "943476591A": False,
    "0000000000": False,
    "1111111111": False,
    "9999999999": False,
    "4000000004": False,
    "0123456789": False,
    "": False,
}


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("macros") / "lake", tmp_path_factory.mktemp("keys") / "keys").prepare()
    keys.initialise(lake)
    with engine.connect(lake) as made:
        keys.arm(made, lake, "record")
        made.execute(
            "set variable smallest_share_of_a_cross = 0.5; set variable smallest_share_of_a_breakdown = 0.1::double"
        )
        yield made


def one(con, expression: str, *values: object) -> object:
    return con.execute(f"select {expression}", values).fetchone()[0]


@pytest.mark.parametrize("expression", CLEANED)
def test_examples(con, expression):
    assert one(con, expression) == CLEANED[expression]


def test_every_macro_has_an_example_in_its_comment_and_here():
    for name in MACROS:
        comment = TEXT[: TEXT.index(f"macro {name}(")].rsplit("\n\n", 1)[-1]
        assert "-- " in comment and "->" in comment, name
        assert name in comment, f"the example above {name} is about something else"
    tested = set(re.findall(r"(\w+)\(", " ".join(CLEANED))) | {"is_nhs_number", "keyed", "record_key", "patient_key"}
    assert set(MACROS) <= tested


@pytest.mark.parametrize("number", NUMBERS)
def test_nhs_number_vectors(con, number):
    assert one(con, "is_nhs_number(?)", number) is NUMBERS[number]


def test_no_number_is_neither_good_nor_bad(con):
    assert one(con, "is_nhs_number(null)") is None


def placeholder(number: str) -> bool:
    return (
        number in ("0123456789", "1234567890")
        or len(set(number)) == 1
        or (number[1:9] == "0" * 8 and number[0] == number[9])
    )


TEN_DIGITS = st.from_regex(r"[0-9]{10}", fullmatch=True)
GOOD_CHECK = st.from_regex(r"[0-9]{9}", fullmatch=True).map(
    lambda nine: nine + str(reference.calculate_checksum(nine))[-1]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(TEN_DIGITS, GOOD_CHECK))
@example("9434765919")
@example("0000000000")
def test_the_check_agrees_with_the_nhs_number_package(con, number):
    expected = reference.is_valid(number) and not placeholder(number)
    if reference.REGION_SCOTLAND.contains_number(number):  # the package asks for a real date in a Scottish number, too
        expected = str(reference.calculate_checksum(number[:9])) == number[9] and not placeholder(number)
    assert one(con, "is_nhs_number(?)", number) is expected


@settings(max_examples=30, deadline=None)
@given(st.integers(min_value=0, max_value=899_998))
def test_invented_numbers_are_valid_and_in_the_range_that_is_never_issued(con, person_no):
    number = synthetic.nhs_number(person_no)
    assert number.startswith("999")
    assert reference.is_valid(number)
    assert one(con, "is_nhs_number(?)", number) is True


def test_every_other_check_digit_is_wrong(con):
    good = synthetic.nhs_number(4711)
    verdicts = [one(con, "is_nhs_number(?)", good[:9] + str(digit)) for digit in range(10)]
    assert verdicts.count(True) == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=2, max_size=3), st.data())
def test_two_different_lists_of_parts_never_make_one_message(con, parts, data):
    other = data.draw(st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=len(parts), max_size=len(parts)))

    def message(values: list) -> object:
        clean = [value if value is None else value.replace("\0", "0") for value in values]
        return one(con, " || ".join(["part(?::varchar)"] * len(values)), *clean)

    same = [v and v.replace("\0", "0") for v in parts] == [v and v.replace("\0", "0") for v in other]
    assert (message(parts) == message(other)) is same


@settings(max_examples=30, deadline=None)
@given(st.dates(date(1900, 1, 1), date(2026, 1, 1)), st.dates(date(1900, 1, 1), date(2026, 1, 1)))
def test_birth_dates_agree_the_same_either_way_round(con, a, b):
    assert one(con, "birth_dates_agree(?, ?)", a, b) == one(con, "birth_dates_agree(?, ?)", b, a)


def test_a_person_at_a_provider_has_one_key_whichever_table_names_them(con):
    key = one(con, "patient_key('ZZ1', '123')")
    assert key == one(con, "record_key(part('ZZ1') || part('patient') || part('123'))")
    assert key != one(con, "patient_key('ZZ11', '23')")
    assert len({one(con, "patient_key('ZZ1', ?)", str(number)) for number in range(50)}) == 50


def test_a_record_key_is_the_first_half_of_the_hash(con):
    assert str(one(con, "record_key('x')")).replace("-", "") == one(con, "keyed('x')")[:32]
