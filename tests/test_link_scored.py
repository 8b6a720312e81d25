"""Records that no number joins, case by case: which are one person, which stay apart, and what is told of it."""

import pytest

from tests.pictures import picture
from tests.test_link import N1, N2, N3, conflicts, people

HEADER = "provider | id | nhs_number | nhs_number_status | given_name | family_name | birth_date | sex | postcode | gp_practice_code"
AT_HOME = "1 | ZT11AA | Y00001"


def pair(first: str, second: str) -> bool:
    """Whether two records (given name | family name | birth date | sex | postcode | practice) are one person.

    The first has a verified number, the second none.
    """
    found = people(f"{HEADER}\nZZ1 | 1 | {N1} | 01 | {first}\nZZ2 | 2 | | | {second}")
    return "\n" not in found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Katarzyna | Nowak | 1980-03-05", "Katarzyna | Nowak | 1980-03-05"),
        ("Siobhán | O'Brien | 1980-03-05", "SIOBHAN | OBRIEN | 1980-03-05"),
        ("Thomas | Wheeldon | 1980-03-05", "Tommy | Wheeldon | 1980-03-05"),
        ("Mohammed | Choudhury | 1980-03-05", "Muhammad | Chowdhry | 1980-03-05"),
        ("Xiu Ying | Zhang | 1980-03-05", "Zhang | Xiu Ying | 1980-03-05"),
        ("Carmen | García López | 1980-03-05", "Carmen | Garcia | 1980-03-05"),
        ("Ann | Smith-Holloway | 1980-03-05", "Ann | Smith Holloway | 1980-03-05"),
        ("Gloria | Samuels | 1980-03-05", "Gloria | Samuels | 1980-05-03"),
        ("Gloria | Samuels | 1980-03-05", "Gloria | Samuels | 1981-03-05"),
        ("Hodan | Warsame | 1980-03-05", "Hodan | Warsame | 1980-01-01"),
        ("Gloria | Samuels | 1980-03-05", "Golria | Samuels | 1980-03-05"),
        ("Amal | Haddad | 2026-08-05", "Baby of Rania | Haddad | 2026-08-05"),
        ("Yvonne | Reid | 1980-03-05", "Yvonne | Palmer | 1980-03-05"),
    ],
)
def test_faults_of_the_kind_that_records_have_do_not_keep_a_person_apart(first, second):
    assert pair(f"{first} | {AT_HOME}", f"{second} | {AT_HOME}")


def test_somebody_who_moved_is_found_by_a_name_that_is_not_common():
    assert pair(f"Rebwar | Jafari | 1980-03-05 | {AT_HOME}", "Rebwar | Jafari | 1980-03-05 | 1 | ZT99ZZ | Y00077")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Amina | Begum | 2019-03-05 | 2", "Nasreen | Begum | 2019-03-05 | 2"),  # twins
        ("Gurdeep | Singh | 1955-03-05 | 1", "Gurdeep | Singh | 1981-11-20 | 1"),  # a father and his son
        ("Amina | Begum | 1980-03-05 | 2", "Amina | Begum |  | 2"),  # perhaps her mother
        (" | Begum | 1980-03-05 | 2", " | Begum | 1980-03-05 | 2"),
    ],
)
def test_people_of_one_family_stay_apart_however_much_else_agrees(first, second):
    home = "ZT11AA | Y00001"
    assert not pair(f"{first} | {home}", f"{second} | {'' if first.startswith(' ') else home.split(' | ')[0]} | Y00001")


def test_old_and_new_number_after_a_change_of_gender_marker_are_never_merged():
    text = f"""
        {HEADER}
        ZZ1 | 1 | {N1} | {{}} | Jamie | Wheeldon | 1980-03-05 | 1 | ZT11AA | Y00001
        ZZ2 | 2 | {N2} | 01 | Jamie | Wheeldon | 1980-03-05 | 2 | ZT11AA | Y00001
    """
    for status in ("01", "03"):
        assert people(text.format(status)) == "ZZ1 Wheeldon\nZZ2 Wheeldon", status
    assert conflicts() == [
        "perhaps somebody known elsewhere: numbers differ and so does sex, as after a change of gender marker"
    ]


def test_a_baby_who_may_be_either_twin_is_joined_to_neither_and_reported():
    assert people(f"""
        {HEADER}
        ZZ1 | 1 | {N1} | 01 | Amal     | Haddad | 2026-08-05 | 2 | ZT11AA | Y00001
        ZZ1 | 2 | {N2} | 01 | Rania    | Haddad | 2026-08-05 | 2 | ZT11AA | Y00001
        ZZ2 | 7 |      |    | Twin two | Haddad | 2026-08-05 | 2 | ZT11AA | Y00001
    """) == picture("""
        ZZ1 Haddad
        ZZ1 Haddad
        ZZ2 Haddad
    """)
    assert "fits two people nearly as well" in conflicts()


def test_who_fits_two_verified_numbers_goes_with_the_better_and_the_two_never_meet():
    assert people(f"""
        {HEADER}
        ZZ1 | 1 | {N1} | 01 | Zainab | Qureshi | 1980-03-05 | 2 | ZT11AA | Y00001
        ZZ2 | 2 |      |    | Zainab | Qureshi | 1980-03-05 | 2 | ZT11AA | Y00001
        ZZ3 | 3 | {N2} | 01 | Zaynab | Qureshi | 1980-05-03 | 2 | ZT77BB | Y00009
    """) == picture("""
        ZZ1 Qureshi, ZZ2 Qureshi
        ZZ3 Qureshi
    """)


def test_one_number_with_two_birth_dates_is_decided_by_all_else():
    assert people(f"""
        {HEADER}
        ZZ1 | 1 | {N1} | 01 | Zainab | Qureshi | 1980-03-05 | 2 | ZT11AA | Y00001
        ZZ2 | 2 | {N1} | 01 | Zainab | Qureshi | 1980-01-01 | 2 | ZT11AA | Y00001
        ZZ3 | 3 | {N1} | 01 | Sean   | Doyle   | 1951-11-20 | 1 | ZT77BB | Y00009
    """) == picture("""
        ZZ1 Qureshi, ZZ2 Qureshi
        ZZ3 Doyle
    """)
    assert conflicts() == ["birth date differs from the one held with the number elsewhere"]


def test_a_slip_in_a_number_speaks_for_the_number():
    slipped = N3[:7] + N3[8] + N3[7] + N3[9]
    assert slipped != N3
    assert people(f"""
        {HEADER}
        ZZ1 | 1 | {N3}      | 01 | Oliver | Smith | 1980-03-05 | 1 | ZT11AA | Y00001
        ZZ2 | 2 | {slipped} | 03 | Oliver | Smith | 1980-03-05 | 1 | ZT99ZZ | Y00077
        ZZ3 | 3 |           |    | Oliver | Smith | 1980-03-05 | 1 | ZT88YY | Y00088
    """) == picture("""
        ZZ1 Smith, ZZ2 Smith
        ZZ3 Smith
    """)
