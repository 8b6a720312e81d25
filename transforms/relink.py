"""harmonised, and what was linked before -> linked, where little has changed: only those who may be touched are linked anew.

Promise: it gives what linking everybody would. Who is one person is decided among records that share a key or a number, are
weighed against each other, or were judged: everybody whom such ties lead to from what changed is linked anew, by the same
SQL, and nobody else can have changed. Numbers of persons mean nothing beyond one linking, and may differ.
"""

from pathlib import Path
from typing import Any

import duckdb

from transforms.engine import HERE, copy
from transforms.former import known_file, mark_of, providers
from transforms.join import kept, link_tables
from transforms.known import Rule, compared_by, mark, renew_known, write_known
from transforms.lake import Lake
from transforms.sqlfolder import run_file
from transforms.sqltext import text
from transforms.standard import Standard

NEARBY, LINKED = HERE / "nearby", HERE / "linked"
SAID = ("node", "local_cluster", "numbered_person")  # what hangs on one provider alone
# Of whom nothing but their rows is written again; what names a record is read from it.
MERGED = {
    "edge": "record_key_a",
    "conflict": "record_key",
    "person": "record_key",
    "rehearsal": "record_key",
    "scored_pair": "record_key_a",
    "draw": "record_key",
}
NUMBERED = ("person", "rehearsal")
MOST = 0.2  # of all records: where more are touched, linking everybody costs no more


def run(con: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Tables of schema nearby."""
    for name in names:
        run_file(con, NEARBY / f"{name}.sql")


def show_patients(con: duckdb.DuckDBPyConnection, query: str) -> None:
    """What the SQL of linking sees as harmonised.patient."""
    con.execute(f"create or replace view harmonised.patient as {query}")


def listed(values: list[str]) -> str:
    """A list of SQL."""
    return f"[{', '.join(text(value) for value in values)}]::varchar[]"


def add_former(
    con: duckdb.DuckDBPyConnection, lake: Lake, known: list[str], senders: list[str], judged: list[str]
) -> None:
    """Schema nearby: what was linked before, in three parts: what is known of those who sent nothing (`kept`), of those who
    did, and all tables."""
    con.execute("create schema nearby")
    for name in (*MERGED, "person_record"):
        path = lake.path("linked", f"{name}.parquet")
        con.execute(f"create view nearby.former_{name} as from read_parquet({text(str(path))})")
    for name, theirs in (("kept", set(known) - set(senders)), ("former", set(known) & set(senders))):
        files = [str(known_file(lake, provider)) for provider in sorted(theirs or known)]
        where = "" if theirs else "where false"  # the columns of nobody
        con.execute(f"create view nearby.{name}_known as from read_parquet({listed(files)}) {where}")
    con.execute(f"create table nearby.sender as select unnest({listed(senders)}) as provider")
    con.execute(f"create table nearby.judgement as select unnest({listed(judged)}) as name")


def touch(con: duckdb.DuckDBPyConnection, found: str) -> None:
    """Add the record keys of a query to nearby.touched, with all whom a number, a weight or a judgement leads to from them."""
    con.execute(
        f"create or replace temp table front as select distinct record_key from ({found}) anti join nearby.touched using (record_key)"
    )
    while con.execute("select count(*) from front").fetchone()[0]:
        con.execute("""
            insert into nearby.touched from front;
            create or replace temp table front as
            with said as (select distinct mark_number from nearby.key semi join front using (record_key) where mark_number is not null),
            led as (
                select record_key from nearby.key semi join said using (mark_number)
                union all
                select record_key_b from nearby.tie join front on record_key = record_key_a
                union all
                select record_key_a from nearby.tie join front on record_key = record_key_b
            )
            select distinct record_key from led anti join nearby.touched using (record_key)""")


def partners(rules: list[Rule]) -> str:
    """A query of the record keys of everybody whom a rule of the model compares with a probe: as the one whose number is not
    verified, or as the other."""
    found = []
    for one, other in dict.fromkeys(rules):
        sides = {(one, other): ("false", "true"), (other, one): ("true", "false")}
        if one == other:
            sides = {(one, one): ("true", "true")}
        for (probed, met), (is_met_open, is_probe_open) in sides.items():
            found.append(f"""
                select k.record_key from (from nearby.kept_known union all by name from linked.known) as k
                join (select {mark(probed)} as probed, bool_or(not is_verified) as is_open from nearby.probe
                      where {mark(probed)} is not null group by 1) as p on p.probed = k.{mark(met)}
                where {is_met_open} and k.is_open or {is_probe_open} and p.is_open""")
    return " union all ".join(found)


def say(con: duckdb.DuckDBPyConnection, senders: list[str], rules: list[Rule]) -> None:
    """Table linked.known, of the senders: what they say now."""
    theirs = f"provider in ({', '.join(map(text, senders))})" if senders else "false"
    show_patients(con, f"select * from harmonised.every_patient where {theirs}")
    for name in SAID:
        run_file(con, LINKED / f"{name}.sql")
    renew_known(con, rules)


def find_touched(con: duckdb.DuckDBPyConnection, rules: list[Rule]) -> bool:
    """Table nearby.touched. Returns whether they are few enough to be linked by themselves."""
    con.execute("create table nearby.touched (record_key uuid)")
    run(con, "changed", "key", "tie")
    touch(con, "from nearby.changed")
    run(con, "probe")
    touch(con, partners(rules))
    touched, everybody = con.execute(
        "select (select count(*) from nearby.touched), (select count(*) from nearby.key)"
    ).fetchone()
    return bool(touched <= MOST * everybody)


def gather(con: duckdb.DuckDBPyConnection) -> None:
    """What linking reads, of those who are touched alone."""
    run(con, "patient")
    show_patients(con, "from nearby.patient")
    con.execute("""
        insert into linked.scored_pair by name from nearby.former_scored_pair semi join nearby.touched on record_key = record_key_a;
        insert into linked.scored_comparand
        select comparand_key from nearby.key semi join nearby.touched using (record_key) where was_there
        union
        select md5('rehearsed|' || comparand_key::text)::uuid from nearby.former_draw semi join nearby.touched using (record_key)
        where draw < (select draw from linked.drawn_below)""")


def merge(con: duckdb.DuckDBPyConnection, work: Path, made_from: str) -> dict[str, int]:
    """Write what was linked before, without those who are touched, and them as they are linked now. Returns rows by table."""
    con.execute("set variable first_person = (select coalesce(max(person_no), 0) from nearby.former_person)")
    counts = {}
    for name, key in MERGED.items():
        number = " replace (person_no + getvariable('first_person') as person_no)" if name in NUMBERED else ""
        query = f"""select * from nearby.former_{name} as f anti join nearby.touched as t on t.record_key = f.{key}
                    union all by name select {kept(name)}{number} from linked.{name}"""
        counts[name] = copy(con, query, work / f"{name}.parquet", made_from)
    counts["person_record"] = copy(
        con, (NEARBY / "person_record.sql").read_text(encoding="utf-8"), work / "person_record.parquet", made_from
    )
    counts["in_force"] = copy(con, "select * from linked.in_force", work / "in_force.parquet", made_from)
    return counts


def same_draw(con: duckdb.DuckDBPyConnection, work: Path) -> bool:
    """Whether as many are rehearsed of everybody as was supposed."""
    con.execute("create table nearby.supposed as from linked.drawn_below")
    con.execute(f"create or replace table linked.draw as from read_parquet({text(str(work / 'draw.parquet'))})")
    run_file(con, LINKED / "drawn_below.sql")
    return not con.execute("from linked.drawn_below except from nearby.supposed").fetchall()


def relink(
    con: duckdb.DuckDBPyConnection,
    standard: Standard,
    lake: Lake,
    before: dict[str, Any],
    facts: dict[str, Any],
    work: Path,
) -> dict[str, int]:
    """Link those anew who may be touched by what has changed, and write everybody to `work`. Returns rows by table and how
    much was compared; {} where that is not possible, or worth it."""
    rules, senders = compared_by(standard), changed_providers(before, facts)
    if rules is None or not is_possible(before, facts):
        return {}
    judged = sorted(set(facts["judged"]) - set(before["judged"]))
    con.execute("set parquet_metadata_cache = true")  # every rule of the model looks into every provider's file
    con.execute("alter view harmonised.patient rename to every_patient")
    show_patients(con, "from harmonised.every_patient")
    run_file(con, LINKED / "in_force.sql")
    con.execute(f"create or replace table linked.draw as from read_parquet('{lake.path('linked', 'draw.parquet')}')")
    run_file(con, LINKED / "drawn_below.sql")
    add_former(con, lake, providers(before), senders, judged)
    say(con, senders, rules)
    if not find_touched(con, rules):
        return {}
    write_known(con, work / "known", sorted(set(senders) & set(providers(facts))), mark_of(facts))
    gather(con)
    compared = link_tables(con, standard, made=("in_force", "drawn_below"))
    counts = merge(con, work, mark_of(facts))
    return counts | compared if same_draw(con, work) else {}


def changed_providers(before: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """Who has sent, corrected or withdrawn a file of people since."""
    changed = before.get("patients", {}).items() ^ facts["patients"].items()
    return providers({"patients": [path for path, _ in changed]})


def is_possible(before: dict[str, Any], facts: dict[str, Any]) -> bool:
    """Whether nothing has changed but some providers' records, and some pairs were judged."""
    return (
        bool(before.get("patients"))
        and before["rest"] == facts["rest"]
        and before["judged"].items() <= facts["judged"].items()
    )
