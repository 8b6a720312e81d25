"""protected/characteristic_history.sql: a characteristic as at a date, as its method would have chosen it then."""

import re

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.pictures import picture, table
from tests.records import resolved, with_records
from transforms.engine import HERE
from transforms.sqlfolder import leading_comment, run_file

HISTORY = HERE / "protected" / "characteristic_history.sql"


def written(text: str):
    con, _ = with_records(text)
    resolved(con)
    run_file(con, HISTORY)
    return con


def history(text: str) -> str:
    query = "select person_no, code, status, valid_from, valid_to from protected.characteristic_history order by 1, 4 nulls first"
    return table(written(text).execute(query).fetchall())


def test_dated_codes_keep_their_history():
    assert history("""
        person_no | characteristic | code      | recorded_on | care_setting
        1         | is_carer       | carer     | 2020-03-01  | gp
        1         | is_carer       | carer     | 2021-03-01  | gp
        1         | is_carer       | not_carer | 2023-06-15  | gp
        1         | is_carer       | carer     | 2025-01-01  | gp
        2         | is_carer       | carer     | 2024-01-01  | gp
    """) == picture("""
        1 | carer     | known | 2020-03-01 | 2023-06-14
        1 | not_carer | known | 2023-06-15 | 2024-12-31
        1 | carer     | known | 2025-01-01 |
        2 | carer     | known | 2024-01-01 |
    """)  # fmt: skip


def test_what_the_method_would_have_chosen_then_not_merely_the_last_record():
    """A later general code takes nothing away, an absence neither; a category replaces the general code before it."""
    assert history("""
        person_no | code        | status     | recorded_on
        1         | any_other_p | known      | 2019-01-01
        1         | african     | known      | 2020-01-01
        1         | any_other_p | known      | 2021-01-01
        1         |             | not_stated | 2022-01-01
    """) == picture("""
        1 | any_other_p | known | 2019-01-01 | 2019-12-31
        1 | african     | known | 2020-01-01 |
    """)  # fmt: skip


def test_a_conflict_lasts_until_something_decides():
    assert history("""
        person_no | code                    | recorded_on
        1         | african                 | 2020-01-01
        1         | indian                  | 2020-01-01
        1         | irish                   | 2022-01-01
        2         | any_other_p             | 2020-01-01
        2         | group_caribbean_african | 2020-01-01
    """) == picture("""
        1 |             | conflicting | 2020-01-01 | 2021-12-31
        1 | irish       | known       | 2022-01-01 |
        2 | any_other_p | known       | 2020-01-01 |
    """)  # fmt: skip


def test_an_undated_value_stands_from_before_the_first_date():
    assert history("""
        person_no | code    | recorded_on
        1         | african |
        1         | indian  | 2020-01-01
        2         | african |
    """) == picture("""
        1 | african | known |            | 2019-12-31
        1 | indian  | known | 2020-01-01 |
        2 | african | known |            |
    """)  # fmt: skip


def test_the_one_line_query_of_the_table_s_comment_reads_a_characteristic_as_at_a_date():
    con = written("""
        person_no | characteristic | code      | recorded_on
        1         | is_carer       | carer     | 2020-03-01
        1         | is_carer       | not_carer | 2024-03-31
        2         | is_carer       | carer     |
        3         | is_carer       | carer     | 2024-04-01
        4         | is_carer       | carer     | 2020-03-01
        4         | is_carer       | not_carer | 2024-04-01
    """)  # fmt: skip
    query = re.search(r"As at a day: (.*)$", leading_comment(HISTORY.read_text()).split(" By the days")[0])[1]
    found = con.execute(f"{query} order by person_no").fetchall()
    assert [row[:3] for row in found] == [
        (1, "is_carer", "not_carer"),
        (2, "is_carer", "carer"),
        (4, "is_carer", "carer"),
    ]


RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["ethnic_category", "main_language", "interpreter_required"]),
        st.integers(0, 3),
        st.sampled_from(["2020-01-01", "2021-01-01", "2022-01-01", ""]),
        st.sampled_from(["self", "inherited"]),
        st.sampled_from(["gp", "outpatient"]),
    ),
    min_size=1,
    max_size=9,
)
CODES = {
    "ethnic_category": ["african", "any_other_p", "group_caribbean_african", ""],
    "main_language": ["yue", "zho", "pol", ""],
    "interpreter_required": ["required", "not_required", "required", ""],
}


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(RECORDS, st.sampled_from(["2020-06-01", "2021-06-01", "2026-01-01"]))
def test_as_at_a_day_is_what_would_be_chosen_if_no_later_record_were_there(records, day):
    header = "person_no | characteristic | code | status | recorded_on | stated_by | care_setting"
    lines = [
        f"1 | {name} | {CODES[name][n]} | {'known' if CODES[name][n] else 'not_known'} | {on} | {by} | {setting}"
        for name, n, on, by, setting in records
    ]
    con = written("\n".join([header, *lines]))
    found = con.execute(f"""select characteristic, code, status from protected.characteristic_history
        where date '{day}' between coalesce(valid_from, '-infinity'::date) and coalesce(valid_to, 'infinity'::date)""").fetchall()
    until = [line for line, record in zip(lines, records, strict=True) if record[2] <= day]
    expected = []
    if until:
        con = written("\n".join([header, *until]))
        expected = con.execute("""select characteristic, code, status from protected.person_characteristic
            where status in ('known', 'conflicting')""").fetchall()
    assert set(found) == set(expected)
