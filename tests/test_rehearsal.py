"""linked/rehearsed.sql, rehearsal.sql: what a rehearsal says of weights is what the truth says, group by group, and it tells a bad model."""

import copy
import math
from dataclasses import replace
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from tests import linkage_records
from tests.linkage_population import records
from tests.linkage_records import fill
from tests.pictures import picture, table
from tests.synthetic import nhs_number
from transforms.link import link_tables, prepare
from transforms.standard import Standard, load

HARD, EASY = "pakistani", "british"
ALL = {"rehearsed_share": 1.0}
NOTHING_HELD = [{"reason": "never", "when": "false", "is_told": False}]
JOINS_ANYTHING = ALL | {"joined_from": -60, "reviewed_from": -60, "margin": 0, "held": NOTHING_HELD}


@cache
def crowd() -> pd.DataFrame:
    """Two groups, in one of which names are often missing or other ones; a third of all records have no number."""
    found = records(41, {HARD: 500, EASY: 500})
    rng = np.random.default_rng(42)
    is_hard = (found["ethnic_category"] == HARD).to_numpy()
    found.loc[rng.random(len(found)) < 0.33, ["nhs_number", "nhs_number_status"]] = None
    found.loc[is_hard & (rng.random(len(found)) < 0.20), "given_name"] = None
    other = found["family_name"].to_numpy()[rng.permutation(len(found))]
    marries = is_hard & (rng.random(len(found)) < 0.15)
    found.loc[marries, "family_name"] = other[marries]
    return found


@cache
def twins() -> pd.DataFrame:
    """Everybody has a twin of another given name, in the same places; a third of the records have a given name of somebody else."""
    one = records(43, {HARD: 300}).sort_values(["person_no", "provider"]).reset_index(drop=True)
    n = one["person_no"].nunique()
    two = one.assign(
        person_no=one["person_no"] + 1_000_000,
        local_patient_id="t" + one["local_patient_id"],
        given_name=np.roll(one["given_name"].to_numpy(), 3),
        nhs_number=one["nhs_number"].map(
            dict(zip(sorted(set(one["nhs_number"].dropna())), [nhs_number(10_000 + k) for k in range(3 * n)]))
        ),
    )
    found = pd.concat([one, two], ignore_index=True)
    rng = np.random.default_rng(44)
    found.loc[rng.random(len(found)) < 0.33, ["nhs_number", "nhs_number_status"]] = None
    others = found["given_name"].to_numpy()[rng.permutation(len(found))]
    found["given_name"] = np.where(rng.random(len(found)) < 0.33, others, found["given_name"].to_numpy())
    return found


def rehearsed(people: pd.DataFrame, settings: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    standard: Standard = load()
    changed = copy.deepcopy(standard.settings)
    changed["linkage"] |= settings
    standard = replace(standard, settings=changed)
    con = linkage_records.database()
    prepare(con, standard)
    fill(con, people)
    link_tables(con, standard)
    return con


@cache
def linked() -> duckdb.DuckDBPyConnection:
    return rehearsed(crowd(), ALL)


def estimated(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int, int]]:
    """Ethnic category, or everyone -> how many were rehearsed, found and wrongly joined."""
    query = """select coalesce(t.ethnic_category, 'everyone'), count(*), count(*) filter (is_found), count(*) filter (is_wrong)
               from linked.rehearsal as r join truth as t using (record_key) group by grouping sets ((), (ethnic_category))"""
    return {group: tuple(counts) for group, *counts in con.execute(query).fetchall()}


def truth(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int, int]]:
    """The same of those without a number whom somebody else knows by one: how many there are, were rightly and wrongly joined."""
    query = """
        with record as (
            select t.*, m.local_no, m.person_no as found_no, m.number, m.provider, coalesce(c.agrees and c.is_verified, false) as is_sure
            from truth as t join linked.person_member as m using (record_key) left join linked.number_claim as c using (local_no)
            where not t.is_borrowed
        ),
        judged as (
            select a.record_key, a.ethnic_category, bool_or(a.person_no = b.person_no and a.found_no = b.found_no) as is_found,
                   bool_or(a.person_no <> b.person_no and a.found_no = b.found_no) as is_wrong
            from record as a join record as b on (b.person_no = a.person_no or b.found_no = a.found_no) and b.is_sure
            where a.number is null group by all having bool_or(a.person_no = b.person_no)
        )
        select coalesce(ethnic_category, 'everyone'), count(*), count(*) filter (is_found), count(*) filter (is_wrong and not is_found)
        from judged group by grouping sets ((), (ethnic_category))"""
    return {group: tuple(counts) for group, *counts in con.execute(query).fetchall()}


def wilson(n: int, of: int) -> tuple[float, float]:
    p, z = n / of, 1.96
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def test_estimated_recall_is_the_true_one_in_each_group_and_the_gap_between_them_is_seen():
    said, true = estimated(linked()), truth(linked())
    for group in (HARD, EASY):
        (of, found, _), (true_of, true_found, _) = said[group], true[group]
        assert min(of, true_of) > 250
        low, high = wilson(found, of)
        assert low <= true_found / true_of <= high, group
    (hard_of, hard_found, _), (easy_of, easy_found, _) = said[HARD], said[EASY]
    assert wilson(hard_found, hard_of)[1] < wilson(easy_found, easy_of)[0]


def test_estimated_precision_is_the_true_one_and_a_model_that_joins_anything_is_told_by_it():
    shares = []
    for settings in (ALL, JOINS_ANYTHING):
        con = rehearsed(twins(), settings)
        (_, found, wrong), (_, true_found, true_wrong) = estimated(con)["everyone"], truth(con)["everyone"]
        low, high = wilson(found, found + wrong)
        print(low, high, true_found, true_wrong)
        assert low <= true_found / (true_found + true_wrong) <= high
        shares.append((low, high))
    assert shares[1][1] < shares[0][0] - 0.05


def test_a_model_that_joins_nobody_is_told_by_its_recall():
    found = estimated(rehearsed(crowd(), ALL | {"joined_from": 200}))["everyone"]
    assert found[0] > 500 and found[1:] == (0, 0)


N1, N2, N3 = (nhs_number(number) for number in (11, 22, 33))


def named(text: str) -> str:
    """found, wrong of everybody who was rehearsed among these records: person, provider, number and what was said of them."""
    header, *lines = [[cell.strip() or None for cell in line.split("|")] for line in text.strip().splitlines()]
    people = pd.DataFrame(lines, columns=header).assign(is_borrowed=False, ethnic_category=EASY)
    people["gp_practice_code"] = pd.Series([None] * len(people), dtype="string")
    people["local_patient_id"] = people["person_no"] + people["provider"]
    people["nhs_number_status"] = np.where(people["nhs_number"].isna(), None, "01")
    con = rehearsed(people, ALL)
    query = """select t.person_no, is_found, is_wrong from linked.rehearsal as r join truth as t using (record_key) order by all"""
    return table(con.execute(query).fetchall())


# Of each number one record is drawn, whichever: so both sides of a person meet the same in these pictures.


def test_who_says_the_same_elsewhere_is_found():
    assert named(f"""
        person_no | provider | nhs_number | given_name | family_name | birth_date | sex | postcode
        1         | ZZ1      | {N1}       | Amina      | Hosseini    | 1980-03-05 | 2   | DE11AA
        1         | ZZ2      | {N1}       | Amina      | Hosseini    | 1980-03-05 | 2   | DE11AA
    """) == picture("1 | True | False")  # fmt: skip


def test_whose_names_and_place_are_others_is_missed_and_not_by_somebody_whom_they_alone_brought():
    assert named(f"""
        person_no | provider | nhs_number | given_name | family_name | birth_date | sex | postcode
        1         | ZZ1      | {N1}       | Amina      | Hosseini    | 1980-03-05 | 2   | DE11AA
        1         | ZZ2      | {N1}       | Beverley   | Okonkwo     | 1980-03-05 | 1   | LE52QQ
        1         | ZZ3      |            | Amina      | Hosseini    | 1980-03-05 | 2   | DE11AA
        1         | ZZ4      |            | Beverley   | Okonkwo     | 1980-03-05 | 1   | LE52QQ
    """) == picture("1 | False | False")  # fmt: skip


def test_somebody_without_a_number_who_leads_to_another_holder_is_a_way():
    assert named(f"""
        person_no | provider | nhs_number | given_name     | family_name | birth_date | sex | postcode
        1         | ZZ1      | {N1}       | Amina          | Hosseini    | 1980-03-05 | 2   | DE11AA
        1         | ZZ2      | {N1}       | Beverley       | Okonkwo     | 1980-03-05 | 2   | DE11AA
        1         | ZZ3      |            | Amina Beverley | Okonkwo-Hosseini | 1980-03-05 | 2 | DE11AA
    """) == picture("1 | True | False")  # fmt: skip


def test_who_says_what_others_with_another_number_say_is_wrongly_joined():
    assert named(f"""
        person_no | provider | nhs_number | given_name | family_name | birth_date | sex | postcode
        1         | ZZ1      | {N1}       | Amina      | Hosseini    | 1980-03-05 | 2   | DE11AA
        1         | ZZ2      | {N1}       | Beverley   | Okonkwo     | 1980-03-05 | 1   | LE52QQ
        2         | ZZ3      | {N2}       | Amina      | Hosseini    | 1980-03-05 | 2   | DE11AA
        3         | ZZ3      | {N3}       | Beverley   | Okonkwo     | 1980-03-05 | 1   | LE52QQ
    """) == picture("1 | False | True")  # fmt: skip


def test_who_fits_two_numbers_as_well_is_joined_to_neither_and_missed():
    assert named(f"""
        person_no | provider | nhs_number | given_name | family_name | birth_date | sex | postcode
        1         | ZZ1      | {N1}       | Amina      | Hosseini    | 1980-03-05 | 2   | DE11AA
        1         | ZZ2      | {N1}       | Amina      | Hosseini    | 1980-03-05 | 2   | DE11AA
        2         | ZZ3      | {N2}       | Amina      | Hosseini    | 1980-03-05 | 2   | DE11AA
    """) == picture("1 | False | False")  # fmt: skip


@pytest.mark.parametrize("gone", ["provider", "birth_date", "number"])
def test_whose_truth_is_not_known_is_not_rehearsed(gone):
    second = {"provider": "ZZ1", "birth_date": "1961-11-20", "number": N1} if gone != "number" else {"number": ""}
    line = {"provider": "ZZ2", "birth_date": "1980-03-05", "number": N1} | ({gone: second[gone]})
    assert named(f"""
        person_no | provider | nhs_number | given_name | family_name | birth_date | sex | postcode
        1         | ZZ1      | {N1}       | Amina      | Hosseini    | 1980-03-05 | 2   | DE11AA
        2         | {line["provider"]} | {line["number"]} | Amina | Hosseini | {line["birth_date"]} | 2 | DE11AA
    """) == ""  # fmt: skip


def test_rehearsing_changes_no_person_and_nothing_is_rehearsed_twice():
    query = """select p.message, list(m.record_key order by m.record_key), list(m.basis order by m.record_key)
               from linked.person_member as m join linked.person as p using (person_no) group by 1 order by 1"""
    without = rehearsed(crowd(), {"rehearsed_share": 0.0})
    assert without.execute("select count(*) from linked.rehearsal").fetchone() == (0,)
    assert without.execute(query).fetchall() == linked().execute(query).fetchall()
    for name in ("edge", "conflict"):
        n = f"select count(*) from linked.{name}"
        assert without.execute(n).fetchone() == linked().execute(n).fetchone()
    before = linked().execute("from linked.rehearsal order by all").fetchall()
    assert link_tables(linked(), load())["pairs compared"] == 0
    assert linked().execute("from linked.rehearsal order by all").fetchall() == before


def test_no_more_are_rehearsed_than_the_standard_says_and_of_a_person_one():
    con = linked()
    n, keys = con.execute("select count(*), count(distinct person_no) from linked.rehearsal").fetchone()
    assert n == keys > 500
    con = rehearsed(crowd(), ALL | {"rehearsed_at_most": 50})
    (n,) = con.execute("select count(*) from linked.rehearsal").fetchone()
    assert 20 < n <= 50  # the share is halved, and no more than is needed
