"""protected/person_characteristic.sql, choose.py: language, interpreter and carers by their own rules; which record won and
why; what is stale. STANDARD.md sections 2, 3 and 4."""

import pytest

from tests.lakes import copied_standard, replace
from tests.pictures import picture, table
from tests.records import chosen, resolved, with_records
from transforms.faults import Faults
from transforms.standard import load


def told(text: str, characteristic: str, columns: str) -> str:
    """Columns of the rows that are chosen for one characteristic."""
    con, _ = with_records(text)
    resolved(con)
    query = f"""select person_no, {columns} from protected.person_characteristic
                where characteristic = '{characteristic}' order by 1"""
    return table(con.execute(query).fetchall())


def test_not_a_carer_later_than_a_carer_wins_whoever_said_it():
    assert chosen("""
        person_no | characteristic | code      | recorded_on | stated_by | care_setting
        1         | is_carer       | carer     | 2020-01-01  | self      | gp
        1         | is_carer       | not_carer | 2026-01-01  | inherited | social_care
        2         | is_carer       | not_carer | 2020-01-01  | self      | gp
        2         | is_carer       | carer     | 2026-01-01  | inherited | social_care
    """, "is_carer") == picture("1 | not_carer | known\n2 | carer | known")  # fmt: skip


def test_an_absence_never_erases_what_was_said_of_a_carer():
    assert chosen("""
        person_no | characteristic | code  | status     | recorded_on
        1         | is_carer       | carer | known      | 2020-01-01
        1         | is_carer       |       | not_stated | 2026-01-01
    """, "is_carer") == picture("1 | carer | known")  # fmt: skip


def test_the_need_of_an_interpreter_does_not_lapse_silently():
    """An absence never ends it, an explicit "not needed" that is later does, and then the row still shows the need."""
    assert told("""
        person_no | characteristic       | code         | status    | recorded_on
        1         | interpreter_required | required     | known     | 2020-01-01
        1         | interpreter_required |              | not_known | 2026-01-01
        2         | interpreter_required | required     | known     | 2019-01-01
        2         | interpreter_required | required     | known     | 2020-01-01
        2         | interpreter_required | not_required | known     | 2026-01-01
        3         | interpreter_required | not_required | known     | 2020-01-01
        3         | interpreter_required | required     | known     | 2026-01-01
        4         | interpreter_required | not_required | known     | 2026-01-01
    """, "interpreter_required", "code, ended_need_code, ended_need_on") == picture("""
        1 | required     |          |
        2 | not_required | required | 2020-01-01
        3 | required     |          |
        4 | not_required |          |
    """)  # fmt: skip


def test_of_one_day_the_need_of_an_interpreter_wins_whoever_said_otherwise():
    assert told("""
        person_no | characteristic       | code         | stated_by | care_setting
        1         | interpreter_required | required     | inherited | social_care
        1         | interpreter_required | not_required | self      | gp
    """, "interpreter_required", "code, decided_by, ended_need_on") == picture("1 | required | need_first |")  # fmt: skip


def test_the_last_language_stands_but_a_general_name_takes_no_specific_one_away():
    """The interpreter differs: Cantonese is not merged into Chinese, whichever is said later."""
    assert chosen("""
        person_no | characteristic | code | recorded_on
        1         | main_language  | yue  | 2020-01-01
        1         | main_language  | zho  | 2026-01-01
        2         | main_language  | yue  | 2020-01-01
        2         | main_language  | pol  | 2026-01-01
        3         | main_language  | pol  | 2020-01-01
        3         | main_language  | zho  | 2026-01-01
        4         | main_language  | yue  | 2020-01-01
        4         | main_language  | pol  | 2023-01-01
        4         | main_language  | zho  | 2026-01-01
        5         | main_language  | zho  | 2020-01-01
        5         | main_language  | yue  | 2026-01-01
        6         | main_language  | yue  | 2018-01-01
        6         | main_language  | cmn  | 2020-01-01
        6         | main_language  | zho  | 2026-01-01
    """, "main_language") == picture("""
        1 | yue | known
        2 | pol | known
        3 | zho | known
        4 | yue | known
        5 | yue | known
        6 | cmn | known
    """)  # fmt: skip


DECIDED = {
    "only_value": """
        person_no | code    | recorded_on
        1         | african | 2020-01-01
        1         | african | 2026-01-01""",
    "known_before_absent": """
        person_no | code    | status    | recorded_on
        1         | african | known     | 2020-01-01
        1         |         | not_known | 2026-01-01""",
    "specific_before_general": """
        person_no | code        | recorded_on
        1         | african     | 2020-01-01
        1         | any_other_p | 2026-01-01""",
    "latest": """
        person_no | code    | recorded_on | stated_by
        1         | african | 2026-01-01  | inherited
        1         | indian  | 2020-01-01  | self""",
    "self_stated_first": """
        person_no | code    | stated_by | care_setting
        1         | african | self      | social_care
        1         | indian  | inherited | gp""",
    "care_setting": """
        person_no | code    | care_setting
        1         | african | gp
        1         | indian  | outpatient""",
    "conflict": """
        person_no | code
        1         | african
        1         | indian""",
    "ancestor": """
        person_no | code        | stated_by
        1         | any_other_p | self
        1         | group_caribbean_african | self""",
    "statuses": """
        person_no | code | status
        1         |      | not_known
        1         |      | not_stated""",
}  # fmt: skip


@pytest.mark.parametrize("test", DECIDED)
def test_each_row_says_which_test_decided(test):
    assert told(DECIDED[test], "ethnic_category", "decided_by") == f"1 | {test}"


def test_the_test_that_decided_is_against_the_best_other_value_not_the_worst():
    """An absence loses by the first test; that the later of two codes won is what matters."""
    assert told("""
        person_no | code    | status     | recorded_on
        1         | african | known      | 2026-01-01
        1         | indian  | known      | 2020-01-01
        1         |         | not_stated | 2026-02-01
    """, "ethnic_category", "decided_by, n_values, n_records") == "1 | latest | 2 | 3"  # fmt: skip


def test_each_row_says_which_record_won():
    key = "00000000-0000-0000-0000-00000000000"
    assert told(f"""
        person_no | code    | recorded_on | provider | care_setting | record_key
        1         | african | 2020-01-01  | ZZ1      | gp           | {key}1
        1         | indian  | 2026-01-01  | ZZ2      | outpatient   | {key}2
    """, "ethnic_category", "provider, care_setting, record_key, recorded_on") == (
        f"1 | ZZ2 | outpatient | {key}2 | 2026-01-01"
    )  # fmt: skip


def test_who_has_two_needs_at_once_is_not_decided_between():
    assert told("""
        person_no | characteristic     | code
        1         | information_format | easy_read
        1         | information_format | moon
    """, "information_format", "status, decided_by") == "1 | known | several_stand"  # fmt: skip


def test_a_fact_is_stale_after_its_months_at_the_end_of_the_release():
    """staleness.csv: a carer is confirmed every twelve months; the release ends on 30 September 2026."""
    assert told("""
        person_no | characteristic | code      | status     | recorded_on
        1         | is_carer       | carer     | known      | 2025-09-29
        2         | is_carer       | carer     | known      | 2025-09-30
        3         | is_carer       | not_carer | known      | 2020-01-31
        4         | is_carer       |           | not_stated | 2020-01-01
    """, "is_carer", "is_stale, stale_since_on") == picture("""
        1 | True  | 2026-09-30
        2 | False |
        3 | True  | 2021-02-01
        4 |       |
    """)  # fmt: skip
    assert told("""
        person_no | code    | recorded_on
        1         | african | 1990-01-01
    """, "ethnic_category", "is_stale, stale_since_on") == picture("1 | | ")  # fmt: skip


def test_a_language_is_stale_from_the_day_on_which_it_was_to_be_asked_again():
    """The record says by when; without such a day nothing says so, and is_stale is blank."""
    assert told("""
        person_no | characteristic | code | recorded_on | review_on
        1         | main_language  | pol  | 2020-01-01  | 2026-09-29
        2         | main_language  | pol  | 2020-01-01  | 2026-09-30
        3         | main_language  | pol  | 2020-01-01  |
    """, "main_language", "is_stale, stale_since_on") == picture("""
        1 | True  | 2026-09-30
        2 | False |
        3 |       |
    """)  # fmt: skip


SPOILED = {
    # what stands in resolution.yml: what is written instead, what loading says, and what it proposes
    "default: specific_then_latest": ("default: specific_then_lates", "method 'specific_then_lates' is not known"),
    "    - need_first ": ("    - need_frist ", "test 'need_frist' is not known"),
    "  written_language: latest_answer": (
        "  writen_language: latest_answer",
        "characteristic 'writen_language' is not known",
    ),
    "  has_carer: latest_answer": ("  has_carer: latest_anser", "method 'latest_anser' is not known"),
    "keeps_specific: [main_language,": (
        "keeps_specific: [main_langauge,",
        "characteristic 'main_langauge' is not known",
    ),
    "  interpreter_required: [required]": ("  interpreter_required: [requred]", "code 'requred' is not known"),
    "{from: ethnic_category, to: religion,": (
        "{from: ethnic_category, to: religon,",
        "characteristic 'religon' is not known",
    ),
    "    tests: [most_records]": ("    tests: [most_record]", "test 'most_record' is not known"),
    "    held_back: [S] ": ("    held_back: [Q] ", "letter 'Q' is not known"),
    "letters: [A, C, H, J,": ("letters: [C, H, J,", "method 'ohid' does not order every letter"),
    "sees: [gp events, gp snapshot,": ("sees: [gp event, gps snapshot,", "content 'event' is not known"),
    "n: 6, start_in: 4}": ("n: 6, start_in: 13}", "start_in '13' is no number"),
    "{has_died: true, elsewhere_than: E}": ("{has_dead: true}", "key 'has_dead' is not known"),
    "tests: [most_records, letter]": ("tests: [most_records]", "method 'sus': test letter and key letters go together"),
}


def test_what_resolution_yml_names_must_be_there_and_all_faults_are_named_at_once(tmp_path):
    """A characteristic, code, care setting, test, method or letter that does not exist would quietly choose nothing."""
    folder = copied_standard(tmp_path)
    path = folder / "standards" / "resolution.yml"
    lines = {old: replace(path, old, new) for old, (new, _) in SPOILED.items()}
    with pytest.raises(Faults) as caught:
        load(folder)
    found = {(fault.where, fault.what) for fault in caught.value.found}
    lines["    - need_first "] -= 4  # of a list the line of its name
    expected = {(f"standards/resolution.yml:{lines[old]}", what) for old, (_, what) in SPOILED.items()}
    assert not expected - found
    more = {what for _, what in found - expected}
    assert more == {"care setting 'gps' is not known"}, "one spoilt word, one fault"
