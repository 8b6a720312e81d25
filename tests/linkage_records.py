"""Invented records -> a database in which they are harmonised and linked, and what came of it beside the truth."""

import math
from dataclasses import dataclass

import duckdb
import pandas as pd

from transforms import engine
from transforms.engine import HERE, fixed_shapes
from transforms.link import link_tables, prepare
from transforms.standard import load

[PATIENT] = [columns for stage, name, columns in fixed_shapes() if (stage, name) == ("harmonised", "patient")]


def database(memory: str = "4GB") -> duckdb.DuckDBPyConnection:
    """A database with the standard, and nothing harmonised or scored yet."""
    con = duckdb.connect(config={"memory_limit": memory, "threads": 2})
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    con.execute("set variable inner_pad = 'a'::blob; set variable outer_pad = 'b'::blob")
    engine.add_standard(con, load())
    con.execute(f"create schema harmonised; create table harmonised.patient ({PATIENT})")
    prepare(con, load())
    return con


def fill(con: duckdb.DuckDBPyConnection, records: pd.DataFrame) -> None:
    """harmonised.patient with these records; table `truth` says whose each is."""
    con.register("given", records)
    con.execute("""
        create or replace table harmonised.patient as
        select dense_rank() over (order by provider)::integer as submission_no, provider, '2026-09' as period,
               'pas_patient' as layout, row_number() over (partition by provider order by local_patient_id)::integer as patient_no,
               md5(provider || '|' || local_patient_id)::uuid as record_key, true as is_key_stable, local_patient_id, nhs_number,
               nhs_number_status, given_name, family_name, birth_date::date as birth_date, null::date as death_date, sex,
               clean_postcode(postcode) as postcode, gp_practice_code, null::date as registered_on, null::date as deregistered_on,
               null::varchar as exclusion, 1::bigint as n_records
        from given;
        create or replace table truth as
        select md5(provider || '|' || local_patient_id)::uuid as record_key, person_no, ethnic_category, is_borrowed from given""")
    con.unregister("given")


@dataclass(frozen=True)
class Found:
    """Pairs of records: those of one true person, those joined, and those that are both."""

    true: int
    joined: int
    right: int

    @property
    def precision(self) -> float:
        return self.right / self.joined if self.joined else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.true if self.true else 1.0


# A record with somebody else's verified number can be of nobody else: it is reported, and its pairs are set apart.
PAIRS = """
    create or replace table pair as
    with record as (
        select t.record_key, t.person_no as true_no, t.ethnic_category, t.is_borrowed, m.person_no, m.local_no,
               e.local_a as by_number
        from truth as t join linked.person_member as m using (record_key)
        left join linked.number_edge as e on e.local_b = m.local_no
    )
    select a.true_no = b.true_no as is_true, a.person_no = b.person_no as is_joined,
           coalesce(a.by_number = b.by_number, false) as is_by_number, a.is_borrowed or b.is_borrowed as is_apart,
           a.ethnic_category, a.record_key as record_key_a, b.record_key as record_key_b
    from record as a join record as b on a.record_key < b.record_key and (a.true_no = b.true_no)
    union
    select a.true_no = b.true_no, a.person_no = b.person_no, coalesce(a.by_number = b.by_number, false), a.is_borrowed or b.is_borrowed,
           a.ethnic_category, a.record_key, b.record_key
    from record as a join record as b on a.record_key < b.record_key and a.person_no = b.person_no"""


def judge(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Found]:
    """(everyone or an ethnic category, "all pairs" or "not by number") -> what was found."""
    con.execute(PAIRS)
    found = {}
    for which, where in (("all pairs", "true"), ("not by number", "not is_by_number")):
        rows = con.execute(f"""
            select coalesce(ethnic_category, 'everyone'), count(*) filter (is_true and (is_joined or not is_apart)),
                   count(*) filter (is_joined), count(*) filter (is_true and is_joined)
            from pair where {where} group by grouping sets ((), (ethnic_category))""").fetchall()
        found |= {(group, which): Found(*counts) for group, *counts in rows}
    return found


def told(found: dict[tuple[str, str], Found]) -> str:
    """What was found, for people to read."""
    lines = [f"{'':28}{'pairs':>9}{'precision':>11}{'recall':>9}{'not by number':>15}{'precision':>11}{'recall':>9}"]
    for group in sorted({group for group, _ in found}, key=lambda name: (name == "everyone", name)):
        a, b = found[group, "all pairs"], found[group, "not by number"]
        lines.append(
            f"{group:28}{a.true:9,}{a.precision:11.5f}{a.recall:9.4f}{b.true:15,}{b.precision:11.5f}{b.recall:9.4f}"
        )
    return "\n".join(lines)


def linked_records(records: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    """A database in which these records are linked."""
    con = database()
    fill(con, records)
    link_tables(con, load())
    return con


def gaps(con: duckdb.DuckDBPyConnection, which: str) -> dict[str, tuple[float, float]]:
    """Ethnic category -> how much smaller its recall is than the best, and the lower end of that gap's 95 % interval.

    People are drawn, not pairs: the pairs of one person are found or missed together, so each person counts once.
    """
    where = "true" if which == "all pairs" else "not is_by_number"
    rows = con.execute(f"""
        with person as (
            select p.ethnic_category, t.person_no, count(*) as n, count(*) filter (p.is_joined) as found
            from pair as p join truth as t on t.record_key = p.record_key_a
            where p.is_true and (p.is_joined or not p.is_apart) and {where} group by all
        ),
        share as (select *, sum(found) over g / sum(n) over g as recall from person window g as (partition by ethnic_category))
        select ethnic_category, any_value(recall), sum((found - recall * n) ** 2) / sum(n) ** 2 from share group by 1""").fetchall()
    best, spread = max((recall, variance) for _, recall, variance in rows)
    return {
        group: (best - recall, best - recall - 1.96 * math.sqrt(variance + spread)) for group, recall, variance in rows
    }
