"""protected/person_ethnicity*.sql: each published method reproduces its definition on cases made by hand.

The definitions are those of resolution.yml (published) and of STANDARD.md section 2; each test cites its own.
"""

import pytest

from tests.pictures import picture, table
from tests.records import assigned, with_records
from transforms.engine import HERE
from transforms.sqlfolder import run_file


def by(method: str, text: str, columns: str = "value, status", change: str = "") -> str:
    """What a method makes of the records of a picture: person, value, status. `change` is SQL that is run before."""
    con, _ = with_records(text)
    con.execute(change or "select 1")
    assigned(con)
    query = f"select person_no, {columns} from protected.person_ethnicity_method where method = '{method}' order by 1"
    return table(con.execute(query).fetchall())


# M9, North Central London ICB: the latest date over all sources; absences are no values. A tie of one day: conflicting.


def test_latest_takes_the_last_record_of_any_source_however_general():
    assert by("latest", """
        person_no | code                    | status     | recorded_on | care_setting | n_records
        1         | african                 | known      | 2024-01-01  | gp           | 9
        1         | any_other_p             | known      | 2025-01-01  | charity      | 1
        1         |                         | not_stated | 2026-01-01  | gp           | 1
        2         | african                 | known      | 2024-01-01  | admitted     | 1
        2         | group_caribbean_african | known      | 2025-01-01  | emergency    | 1
    """) == picture("""
        1 | any_other_p             | known
        2 | group_caribbean_african | known
    """)  # fmt: skip


def test_latest_is_conflicting_where_two_codes_are_of_one_day_an_ancestor_too_and_only_then():
    assert by("latest", """
        person_no | code                    | recorded_on | care_setting
        1         | african                 | 2025-01-01  | gp
        1         | indian                  | 2025-01-01  | outpatient
        2         | african                 | 2025-01-01  | gp
        2         | african                 | 2025-01-01  | outpatient
        3         | african                 | 2025-01-01  | gp
        3         | group_caribbean_african | 2025-01-01  | gp
        4         | african                 | 2025-01-01  | gp
        4         | indian                  | 2025-01-01  | gp
        4         | irish                   | 2025-01-02  | gp
        5         | african                 |             | gp
        5         | indian                  | 1990-01-01  | gp
        6         | african                 |             | gp
        6         | indian                  |             | gp
    """) == picture("""
        1 |         | conflicting
        2 | african | known
        3 |         | conflicting
        4 | irish   | known
        5 | indian  | known
        6 |         | conflicting
    """)  # fmt: skip


# M7, CPRD-linked HES gen_ethnicity: the mode of the records; several modes: unknown, which here is conflicting.


def test_most_frequent_counts_records_and_not_sources():
    assert by("most_frequent", """
        person_no | code    | n_records | care_setting | recorded_on
        1         | african | 1         | gp           | 2026-01-01
        1         | african | 1         | admitted     | 2026-01-01
        1         | indian  | 3         | outpatient   | 2020-01-01
        2         | african | 2         | gp           | 2026-01-01
        2         | indian  | 1         | outpatient   | 2020-01-01
        2         | indian  | 1         | outpatient   | 2020-01-02
        3         | african | 1         | gp           | 2026-01-01
        4         | african                 | 2 | gp     | 2026-01-01
        4         | group_caribbean_african | 2 | gp     | 2026-01-01
    """) == picture("""
        1 | indian  | known
        2 |         | conflicting
        3 | african | known
        4 |         | conflicting
    """)  # fmt: skip


def test_absences_have_no_vote_and_the_latest_of_them_shows_where_nothing_is_known():
    text = """
        person_no | code    | status     | n_records | recorded_on
        1         | african | known      | 1         | 2020-01-01
        1         |         | not_stated | 9         | 2026-01-01
        2         |         | not_stated | 9         | 2020-01-01
        2         |         | not_known  | 1         | 2026-01-01
    """
    for method, value in (("most_frequent", "african"), ("latest", "african"), ("ohid", "N"), ("sus", "N")):
        assert by(method, text) == picture(f"1 | {value} | known\n2 |  | not_known")


# M1, OHID (CHIME): most frequent usable; then the most recent; then admitted, emergency, outpatient; then the more common
# in the census of 2011; S only where there is no other usable one; unknown only where nothing is known.

OHID = {
    "the most frequent of hospital records": ("""
        person_no | code    | n_records | care_setting | recorded_on
        1         | african | 3         | outpatient   | 2020-01-01
        1         | indian  | 2         | admitted     | 2026-01-01
        1         | irish   | 9         | gp           | 2026-01-01
    """, "N | known"),
    "of equally frequent ones the most recent": ("""
        person_no | code    | n_records | care_setting | recorded_on
        1         | african | 1         | outpatient   | 2024-01-01
        1         | african | 1         | outpatient   | 2020-01-01
        1         | indian  | 2         | admitted     | 2023-01-01
    """, "N | known"),
    "of one day the admission": ("""
        person_no | code    | care_setting | recorded_on
        1         | african | admitted     | 2024-01-01
        1         | indian  | emergency    | 2024-01-01
        1         | irish   | outpatient   | 2024-01-01
    """, "N | known"),
    "of one day the emergency attendance before the outpatient": ("""
        person_no | code    | care_setting | recorded_on
        1         | african | emergency    | 2024-01-01
        1         | indian  | outpatient   | 2024-01-01
    """, "N | known"),
    "the source counts only on the latest day": ("""
        person_no | code    | care_setting | recorded_on
        1         | african | admitted     | 2020-01-01
        1         | african | outpatient   | 2024-01-01
        1         | indian  | outpatient   | 2020-01-01
        1         | indian  | emergency    | 2024-01-01
    """, "H | known"),
    "of one day and source the more common in the census": ("""
        person_no | code      | care_setting | recorded_on
        1         | caribbean | admitted     | 2024-01-01
        1         | african   | admitted     | 2024-01-01
    """, "N | known"),
    "the other group gives way to the second most common": ("""
        person_no | code        | n_records | care_setting | recorded_on
        1         | any_other_s | 5         | admitted     | 2026-01-01
        1         | african     | 1         | outpatient   | 2019-01-01
        1         | indian      | 2         | outpatient   | 2018-01-01
    """, "H | known"),
    "the other group where there is no other usable one": ("""
        person_no | code        | status     | care_setting | recorded_on
        1         | any_other_s | known      | admitted     | 2026-01-01
        1         |             | not_stated | admitted     | 2026-02-01
    """, "S | known"),
    "Arab is S in the letters of 2001": ("""
        person_no | code  | care_setting | n_records
        1         | arab  | admitted     | 5
        1         | irish | outpatient   | 1
    """, "B | known"),
    "Roma, Traveller and other people are one letter and counted together": ("""
        person_no | code                     | care_setting | n_records
        1         | roma                     | admitted     | 1
        1         | gypsy_or_irish_traveller | outpatient   | 1
        1         | any_other_c              | outpatient   | 1
        1         | irish                    | admitted     | 2
    """, "C | known"),
    "a group has no letter": ("""
        person_no | code                    | care_setting | n_records
        1         | group_caribbean_african | admitted     | 5
        1         | irish                   | outpatient   | 1
    """, "B | known"),
}  # fmt: skip


@pytest.mark.parametrize("what", OHID)
def test_ohid(what):
    text, expected = OHID[what]
    assert by("ohid", text) == f"1 | {expected}"


def test_a_group_alone_is_over_general_for_methods_that_speak_in_letters_and_a_value_for_the_others():
    text = """
        person_no | code        | care_setting
        1         | group_asian | admitted
    """
    for method in ("ohid", "gdppr", "sus"):
        assert by(method, text, "value, status, reason") == "1 |  | unrecognised | over_general"
    for method in ("latest", "most_frequent"):
        assert by(method, text) == "1 | group_asian | known"


def test_who_has_no_record_that_a_method_sees_says_so():
    text = """
        person_no | code    | care_setting
        1         | african | gp
    """
    for method in ("ohid", "sus"):
        assert by(method, text, "value, status, reason") == "1 |  | not_collected | no_record_seen"


# M2, NHS England, GDPPR and HES, recency: the latest; then journal, patient, APC, AE, OP; what still conflicts is null.

GDPPR = {
    "the latest of all sources": ("""
        person_no | code    | care_setting | layout           | recorded_on | n_records
        1         | african | gp           | emis_observation | 2024-01-01  | 9
        1         | indian  | outpatient   | sus_outpatient   | 2025-01-01  | 1
    """, "H | known"),
    "of one day the entry before the patient's field": ("""
        person_no | code    | care_setting | layout           | recorded_on
        1         | indian  | gp           | emis_patient     | 2025-01-01
        1         | african | gp           | emis_observation | 2025-01-01
    """, "N | known"),
    "of one day the patient's field before the admission": ("""
        person_no | code    | care_setting | layout       | recorded_on
        1         | indian  | gp           | emis_patient | 2025-01-01
        1         | african | admitted     | sus_admitted | 2025-01-01
    """, "H | known"),
    "admission, emergency, outpatient": ("""
        person_no | code    | care_setting | layout         | recorded_on
        1         | indian  | emergency    | ecds           | 2025-01-01
        1         | african | outpatient   | sus_outpatient | 2025-01-01
    """, "H | known"),
    "a conflict within the source that comes first is null": ("""
        person_no | code    | care_setting | layout           | recorded_on
        1         | indian  | gp           | emis_observation | 2025-01-01
        1         | african | gp           | tpp_code         | 2025-01-01
        1         | irish   | gp           | emis_patient     | 2025-01-01
    """, " | conflicting"),
    "two codes of one letter are no conflict": ("""
        person_no | code        | care_setting | layout           | recorded_on
        1         | roma        | gp           | emis_observation | 2025-01-01
        1         | any_other_c | gp           | tpp_code         | 2025-01-01
    """, "C | known"),
    "an absence that is later is left out": ("""
        person_no | code    | status     | care_setting | layout           | recorded_on
        1         | african | known      | gp           | emis_observation | 2024-01-01
        1         |         | not_stated | gp           | emis_observation | 2025-01-01
    """, "N | known"),
    "the other group stays": ("""
        person_no | code        | care_setting | layout       | recorded_on
        1         | any_other_s | admitted     | sus_admitted | 2025-01-01
        1         | african     | admitted     | sus_admitted | 2024-01-01
    """, "S | known"),
    "what else providers keep is not seen": ("""
        person_no | code    | care_setting  | layout      | recorded_on
        1         | african | patient_index | pas_patient | 2025-01-01
    """, " | not_collected"),
}  # fmt: skip


@pytest.mark.parametrize("what", GDPPR)
def test_gdppr(what):
    text, expected = GDPPR[what]
    assert by("gdppr", text) == f"1 | {expected}".strip()


def test_gdppr_sees_hospital_records_of_this_financial_year_and_the_five_before_and_all_of_the_practice():
    """The release ends on 30 September 2026: from 1 April 2021."""
    assert by("gdppr", """
        person_no | code    | care_setting | layout           | recorded_on
        1         | african | admitted     | sus_admitted     | 2021-04-01
        2         | african | admitted     | sus_admitted     | 2021-03-31
        3         | african | gp           | emis_observation | 1999-01-01
        3         | indian  | outpatient   | sus_outpatient   | 2021-03-31
        4         | african | outpatient   | sus_outpatient   |
    """) == picture("1 | N | known\n2 |  | not_collected\n3 | N | known\n4 |  | not_collected")  # fmt: skip


def test_gdppr_leaves_out_who_has_died_and_who_lives_outside_england_and_no_other_method_does():
    text = """
        person_no | code    | care_setting | layout
        1         | african | admitted     | sus_admitted
        2         | african | admitted     | sus_admitted
        3         | african | admitted     | sus_admitted
    """
    change = """update protected.person set has_died = true where person_no = 1;
                update protected.person set country_code = 'W' where person_no = 2;
                update protected.person set country_code = null where person_no = 3"""
    assert by("gdppr", text, "value, status, reason", change) == picture("""
        1 |   | not_collected | left_out: has died
        2 |   | not_collected | left_out: lives elsewhere
        3 | N | known         |
    """)
    assert by("ohid", text, "value", change) == picture("1 | N\n2 | N\n3 | N")


# M6, OpenSAFELY: the most frequent letter of admitted, emergency and outpatient records; of a tie the last of the alphabet.


def test_sus_takes_the_most_frequent_letter_and_of_a_tie_the_last_of_the_alphabet():
    assert by("sus", """
        person_no | code        | n_records | care_setting | recorded_on
        1         | british     | 3         | admitted     | 2020-01-01
        1         | african     | 2         | outpatient   | 2026-01-01
        2         | british     | 2         | admitted     | 2026-01-01
        2         | african     | 1         | outpatient   | 2020-01-01
        2         | african     | 1         | emergency    | 2020-01-01
        3         | african     | 1         | gp           | 2026-01-01
        3         | british     | 1         | emergency    | 2020-01-01
        4         | any_other_s | 2         | admitted     | 2020-01-01
        4         | british     | 1         | admitted     | 2020-01-01
    """) == picture("1 | A | known\n2 | N | known\n3 | A | known\n4 | S | known")  # fmt: skip


# Side by side.


def test_the_default_and_the_five_stand_side_by_side_each_with_its_status():
    con, standard = with_records("""
        person_no | code    | n_records | care_setting | layout           | recorded_on
        1         | roma    | 1         | gp           | emis_observation | 2026-01-01
        1         | irish   | 2         | outpatient   | sus_outpatient   | 2025-01-01
        2         | african | 1         | patient_index | pas_patient     | 2025-01-01
    """)
    assigned(con)
    names = ["default", "latest", "most_frequent", "ohid", "gdppr", "sus"]
    assert names[1:] == [name for name in standard.settings["resolution"]["published"] if name != "__line__"]
    for part, expected in (
        ("code", "1 | roma | roma | irish | irish | any_other_c | irish\n2 | african | african | african |  |  | "),
        ("status", "1 | known | known | known | known | known | known\n2 | known | known | known | not_collected | not_collected | not_collected"),
    ):  # fmt: skip
        columns = ", ".join(f"{name}_{part}" for name in names)
        found = con.execute(f"select person_no, {columns} from protected.person_ethnicity order by 1").fetchall()
        assert table(found) == picture(expected)


# How results change with the method.


def compared(text: str):
    """measure.method_effect and method_agreement of the records of a picture."""
    con, _ = with_records(text)
    assigned(con)
    con.execute("set variable default_set = 'heritage'")
    con.execute("drop schema if exists measure cascade; create schema measure")
    con.execute("""create table measure.person_view as
        select d.person_no, coalesce(h."group", d.status) as ethnic_group from protected.person_characteristic as d
        left join standard.classification as h
          on h.system = 'ethnic_category' and h.classification = 'heritage' and h.code = d.code
        where d.characteristic = 'ethnic_category'""")
    for name in ("method_said", "method_effect", "method_agreement"):
        run_file(con, HERE / "measure" / f"{name}.sql")
    return con


THREE = """
    person_no | code    | n_records | care_setting | layout           | recorded_on
    1         | roma    | 1         | gp           | emis_observation | 2026-01-01
    1         | irish   | 2         | outpatient   | sus_outpatient   | 2025-01-01
    2         | african | 1         | outpatient   | sus_outpatient   | 2025-01-01
    3         | indian  | 1         | gp           | emis_observation | 2025-01-01
"""


def test_a_method_moves_people_between_groups_and_says_how_many_come_and_go():
    con = compared(THREE)
    found = con.execute("""select ethnic_group, n_people, n_people_by_default, n_came, n_went, n_people_in_all
        from measure.method_effect where method = 'ohid' order by 1""").fetchall()
    assert table(found) == picture("""
        group_asian                | 0 | 1 | 0 | 1 | 3
        group_caribbean_african    | 1 | 1 | 0 | 0 | 3
        group_european             | 1 | 0 | 1 | 0 | 3
        group_gypsy_roma_traveller | 0 | 1 | 0 | 1 | 3
        not_collected              | 1 | 0 | 1 | 0 | 3
    """)


def test_two_methods_agree_on_a_code_or_where_one_speaks_in_letters_on_a_letter():
    con = compared(THREE)
    found = con.execute("""select method, other_method, ethnic_group, n_known_by_both, n_agree from measure.method_agreement
        where (method, other_method) in (('default', 'gdppr'), ('default', 'ohid'), ('gdppr', 'ohid'), ('default', 'latest'))
          and ethnic_group in ('group_gypsy_roma_traveller', 'group_asian') order by all""").fetchall()
    assert table(found) == picture("""
        default | gdppr  | group_asian                | 1 | 1
        default | gdppr  | group_gypsy_roma_traveller | 1 | 1
        default | latest | group_asian                | 1 | 1
        default | latest | group_gypsy_roma_traveller | 1 | 1
        default | ohid   | group_asian                | 0 | 0
        default | ohid   | group_gypsy_roma_traveller | 1 | 0
        gdppr   | ohid   | group_asian                | 0 | 0
        gdppr   | ohid   | group_gypsy_roma_traveller | 1 | 0
    """)
