"""How well records of one person find each other, whoever they are: on people with known truth that no model was trained on."""

from functools import cache
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import febrl, linkage_records
from tests.linkage_population import records
from tests.linkage_records import fill, gaps, judge, told
from transforms.cluster import cluster
from transforms.engine import HERE
from transforms.link import link_tables
from transforms.score import read_model, score
from transforms.standard import load

SEED = 5  # the model was trained with another


@cache
def database() -> duckdb.DuckDBPyConnection:
    """700 people of every ethnic category, three records each: 2,100 true pairs, at the rates that are expected."""
    return linkage_records.linked_records(records(SEED, 700))


def reaches(con: duckdb.DuckDBPyConnection) -> None:
    """What is asked of linkage."""
    found = judge(con)
    print(told(found))
    for which in ("all pairs", "not by number"):
        assert found["everyone", which].precision >= 0.999, which
        assert found["everyone", which].recall >= 0.99, which
        wide = {group: gap for group, gap in gaps(con, which).items() if gap[1] >= 0.01}
        assert not wide, f"{which}: these are found less often than others: {wide}"
    assert min(found[group, "all pairs"].true for group, _ in found if group != "everyone") >= 2_000


def test_pairs_are_found_and_no_others_in_every_group():
    reaches(database())


def test_somebody_with_the_number_of_another_is_reported_and_joined_to_nobody_else():
    con = database()
    borrowed = "from truth where is_borrowed"
    assert con.execute(f"select count(*) {borrowed}").fetchone()[0] >= 20
    unreported = f"select count(*) {borrowed} and record_key not in (select record_key from linked.conflict)"
    assert con.execute(unreported).fetchone()[0] == 0


def test_two_verified_numbers_never_share_a_person():
    query = """select count(*) from (select person_no from linked.person_member where is_verified
               group by person_no having count(distinct number) > 1)"""
    assert database().execute(query).fetchone()[0] == 0


def test_records_with_a_verified_number_are_never_compared_with_each_other():
    """They neither wait nor pay for what has none: except where one number has two birth dates."""
    con = database()
    con.execute(
        "create or replace table to_compare as select *, local_no as unique_id, true as is_new from linked.comparand"
    )
    from transforms.score import find_pairs

    find_pairs(con, [rule["blocking_rule"] for rule in model()["blocking_rules_to_generate_predictions"]])
    both = """select count(*) from candidate as c join to_compare as a on a.unique_id = join_key_l join to_compare as b on b.unique_id = join_key_r
              where a.is_verified and b.is_verified and a.number <> b.number"""
    assert con.execute("select count(*) from candidate").fetchone()[0] > 10_000
    assert con.execute(both).fetchone()[0] == 0


def model() -> dict:
    return read_model(load().folder / "linkage" / load().settings["linkage"]["model"])


def test_a_weight_hangs_on_nothing_but_the_two_records():
    con = database()
    query = """select c.local_no as unique_id, true as is_new, c.* from linked.comparand as c
               where local_no in (select unnest([local_a, local_b]) from linked.scored_edge where {})"""
    con.execute(
        "create or replace table to_compare as "
        + query.format("comparand_key_a < '01000000-0000-0000-0000-000000000000'")
    )
    score(con, model(), float(load().settings["linkage"]["reviewed_from"]))
    again = """select count(*), count(*) filter (abs(s.match_weight - e.weight) < 0.0002) from scored as s
               join linked.scored_edge as e on least(e.local_a, e.local_b) = s.unique_id_l and greatest(e.local_a, e.local_b) = s.unique_id_r"""
    n, equal = con.execute(again).fetchone()
    assert n == equal > 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", [6, 8])
def test_pairs_are_found_in_a_larger_population(seed):
    reaches(linkage_records.linked_records(records(seed, 2_100)))


@pytest.mark.slow
def test_at_twice_the_rates_it_is_told_how_well():
    print(told(judge(linkage_records.linked_records(records(7, 2_100, times=2.0)))))


def test_febrl_4_with_settings_for_its_columns_and_the_same_code():
    con = duckdb.connect()
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    febrl.comparands(con)
    assert score(con, read_model(Path(__file__).parent / "febrl4.json"), 5) < 20_000
    con.execute("""
        create schema linked;
        create table linked.numbered_person as select unique_id as local_no, rec_id as number, is_verified from to_compare;
        create table linked.told_apart (local_a integer, local_b integer);
        create table linked.accepted_edge as
        select unique_id_l as local_a, unique_id_r as local_b, match_weight as weight, 0 as key_a, 0 as key_b from scored""")
    cluster(con)
    joined, right = con.execute("""
        select count(*), count(*) filter (a.person_no = b.person_no)
        from linked.cluster as x join linked.cluster as y on y.cluster_no = x.cluster_no and x.local_no < y.local_no
        join truth as a on a.unique_id = x.local_no join truth as b on b.unique_id = y.local_no""").fetchone()
    assert right / joined >= 0.999
    assert right / 5_000 >= 0.995


# Any order of arrival.


@cache
def crowd() -> pd.DataFrame:
    """Few people with many faults, so that every way of joining and of contradicting occurs."""
    return records(31, {"pakistani": 14, "british": 14}, times=5.0)


def persons(con: duckdb.DuckDBPyConnection) -> list[tuple]:
    together = """select p.message, list(m.record_key order by m.record_key), list(m.basis order by m.record_key)
                  from linked.person_member as m join linked.person as p using (person_no) group by 1 order by 1"""
    return con.execute(together).fetchall()


@cache
def at_once() -> list[tuple]:
    con = linkage_records.linked_records(crowd())
    assert con.execute("select count(*) from linked.edge where basis = 'score' and is_joined").fetchone()[0] > 5
    return persons(con)


@settings(max_examples=4, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_came_first_the_same_deliveries_give_the_same_persons(random):
    providers = sorted(set(crowd()["provider"]))
    random.shuffle(providers)
    half = len(providers) // 2
    # Some come alone, some together: what was scored before is never scored again.
    con = linkage_records.database()
    for n in (half, half + 1, len(providers)):
        fill(con, crowd()[crowd()["provider"].isin(providers[:n])])
        link_tables(con, load())
    assert persons(con) == at_once()


def test_what_was_sent_and_taken_back_leaves_no_trace():
    con = linkage_records.linked_records(crowd())
    before = persons(con)
    fill(con, pd.concat([crowd(), records(32, {"pakistani": 10}, times=5.0).assign(person_no=0)]))
    link_tables(con, load())
    fill(con, crowd())
    assert link_tables(con, load())["pairs compared"] == 0
    assert persons(con) == before


def test_a_small_submission_costs_at_most_a_tenth():
    """Of what costs: the pairs that are compared."""
    whole = records(33, 120)
    late = (whole["provider"] == "ZV01") & (whole["person_no"] % 3 == 0)
    assert 0.005 < late.mean() < 0.05
    con = linkage_records.database()
    fill(con, whole[~late])
    link_tables(con, load())
    fill(con, whole)
    added = link_tables(con, load())["pairs compared"]
    fresh = linkage_records.database()
    fill(fresh, whole)
    total = link_tables(fresh, load())["pairs compared"]
    assert 0 < added <= total / 10
    assert persons(con) == persons(fresh)
