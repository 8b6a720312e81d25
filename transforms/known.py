"""linked.numbered_person, linked.comparand -> what is known, one file a provider: what the next linking asks of those who
did not change, without reading what they said.

Promise: a file is a pure function of one provider's records, the standard, the code and the key; it holds keys and short
keyed hashes, no value, and nothing in which somebody without the key could look a number up. Two people share a mark
wherever they share what it stands for: by chance too, which costs a look and no more.
"""

import re
from pathlib import Path

import duckdb

from transforms.engine import HERE, copy
from transforms.former import REMEMBERED, known_file
from transforms.lake import Lake
from transforms.score import read_model
from transforms.sqlfolder import run_file
from transforms.sqltext import text
from transforms.standard import Standard

EQUAL = re.compile(r"l\.(\w+) = r\.(\w+)")
Rule = tuple[tuple[str, ...], tuple[str, ...]]


def compared_by(standard: Standard) -> list[Rule] | None:
    """For every rule of the model that says which pairs are compared: the columns of the one and of the other that must be
    equal. None where a rule says anything else."""
    model = read_model(standard.folder / "linkage" / standard.settings["linkage"]["model"])
    rules = []
    for rule in model["blocking_rules_to_generate_predictions"]:
        sides = [EQUAL.fullmatch(term.strip()) for term in rule["blocking_rule"].split(" and ")]
        if not all(sides):
            return None
        rules.append((tuple(side[1] for side in sides if side), tuple(side[2] for side in sides if side)))
    return rules


def mark(columns: tuple[str, ...]) -> str:
    """The name of the column that holds the hash of these."""
    return "mark_" + "_and_".join(columns)


def add_marks(con: duckdb.DuckDBPyConnection, rules: list[Rule]) -> None:
    """Table linked.mark: the marks of everybody in linked.comparand, by local_no."""
    marks = {columns for rule in rules for columns in rule} | {("number",)}
    made = [
        f"(case when {' and '.join(f'{name} is not null' for name in columns)} "
        f"then hash(concat_ws('|', getvariable('mark_key'), {', '.join(columns)})) >> 32 end)::uinteger as {mark(columns)}"
        for columns in sorted(marks)
    ]
    con.execute(f"create or replace table linked.mark as select local_no, {', '.join(made)} from linked.comparand")


# `place` numbers those of one record key, whose numbers follow each other. `is_open`: who may be compared with people whose
# number is verified, since they have none or may be rehearsed.
SAID = """
    select local_no, provider, record_key, local_no - coalesce(first, local_no) + 1 as place, comparand_key, is_verified,
           has_date_conflict, has_number_conflict,
           not is_verified or md5_number_upper(record_key::text) / 18446744073709551616.0 < getvariable('rehearsed_share') as is_open
    from linked.numbered_person
    left join (select record_key, min(local_no) as first from linked.numbered_person group by record_key having count(*) > 1)
    using (record_key)"""


def add_known(con: duckdb.DuckDBPyConnection, rules: list[Rule]) -> None:
    """Table linked.known: one row per person at one provider."""
    add_marks(con, rules)
    con.execute(
        f"create or replace table linked.known as select * exclude local_no from ({SAID}) join linked.mark using (local_no)"
    )


def renew_known(con: duckdb.DuckDBPyConnection, rules: list[Rule]) -> None:
    """linked.known of those in linked.numbered_person, most of whom nearby.former_known knows: only the rest are read again.

    linked.numbered_person, name and comparand are left with the rest alone.
    """
    con.execute(f"""
        create table nearby.said as {SAID};
        create or replace table linked.numbered_person as
        from linked.numbered_person anti join nearby.former_known using (comparand_key)""")
    for name in ("name", "comparand"):
        run_file(con, HERE / "linked" / f"{name}.sql")
    add_marks(con, rules)
    told = "exclude (provider, record_key, place, is_verified, has_date_conflict, has_number_conflict, is_open)"
    con.execute(f"""
        create or replace table linked.known as
        select * exclude local_no from nearby.said join linked.mark using (local_no)
        union all by name
        select * exclude local_no from nearby.said
        join (select distinct * {told} from nearby.former_known) using (comparand_key)""")


def write_known(con: duckdb.DuckDBPyConnection, folder: Path, providers: list[str], fingerprint: str) -> None:
    """A file of linked.known for each provider, empty where nobody of theirs is linked."""
    folder.mkdir()
    for provider in providers:
        query = f"select * from linked.known where provider = {text(provider)}"
        copy(con, query, folder / f"{provider}.parquet", fingerprint)


def remind(con: duckdb.DuckDBPyConnection, lake: Lake, senders: list[str]) -> None:
    """What was scored before, where the same model would weigh it the same."""
    for name in REMEMBERED:
        path = lake.path("linked", f"{name}.parquet")
        con.execute(f"create or replace table linked.{name} as from read_parquet('{path}')")
    run_file(con, HERE / "linked" / "drawn_below.sql")
    files = [str(known_file(lake, sender)) for sender in senders]
    con.execute(f"""
        insert into linked.scored_comparand
        select comparand_key from read_parquet({files!r})
        union all
        select md5('rehearsed|' || comparand_key::text)::uuid from linked.draw where draw < (select draw from linked.drawn_below)""")
