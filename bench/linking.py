"""Link invented people in a process of its own: prints a line of JSON for the whole, and one for each small submission more.

Numbers are outside the range that is never issued where that is too small. Who is who is known, so quality is told too.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from tests.linkage_population import census, records
from transforms import keys
from transforms.engine import HERE
from transforms.lake import Lake, Submission
from transforms.link import link
from transforms.standard import load

PERIOD, LAYOUT, SEED = "2026-09", "pas_patient", 77
LATE = "hash(local_patient_id) % 100 = 0 and submission_no = 1"  # one in a hundred records of one large provider come later
SMALL = 3_000  # records that two small practices have
REPLACING, NEW = "ZP023", "ZP024"  # one sends all of its records again, changed; the other sends for the first time
OF = {REPLACING: "ZP001", NEW: "ZP002"}  # whose records they are in the invented population
# What each has sent when everybody is linked first, and after each small submission.
SENT = {
    "all": f"not ({LATE}) and provider <> '{NEW}' and not (provider = '{REPLACING}' and hash(local_patient_id) % 20 = 0)",
    "replaced": f"not ({LATE}) and provider <> '{NEW}'",
    "new": f"not ({LATE})",
    "more": "true",
}


def make(folder: Path, people: int) -> duckdb.DuckDBPyConnection:
    """Table `harmonised`: three records of everybody, and whose they are."""
    con = duckdb.connect(config={"threads": 2, "memory_limit": "6GB"})
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    con.register("sent", records(SEED, census(people), many_names=True))
    taken = " ".join(f"when place <= {SMALL} and provider = '{whose}' then '{code}'" for code, whose in OF.items())
    con.execute(f"""
        create table given as
        with placed as (select *, row_number() over (partition by provider order by hash(local_patient_id)) as place from sent)
        select * exclude place replace (case {taken} else provider end as provider) from placed""")
    con.execute("""
        create table harmonised as
        select dense_rank() over (order by provider)::integer as submission_no, provider, '2026-09' as period,
               'pas_patient' as layout, row_number() over (partition by provider order by local_patient_id)::integer as patient_no,
               md5(provider || '|' || local_patient_id)::uuid as record_key, true as is_key_stable, local_patient_id, nhs_number,
               nhs_number_status, given_name, family_name, birth_date::date as birth_date, null::date as death_date, sex,
               clean_postcode(postcode) as postcode, gp_practice_code, null::date as registered_on, null::date as deregistered_on,
               null::varchar as exclusion, 1::bigint as n_records, person_no as true_no, is_borrowed
        from given""")
    con.unregister("sent")
    return con


def send(con: duckdb.DuckDBPyConnection, lake: Lake, when: str) -> None:
    """The submissions' harmonised files, with the records that have come by then; who replaces, changes some of them."""
    is_old = f"provider = '{REPLACING}' and hash(local_patient_id) % 30 = 0 and {when == 'all'}"
    for (provider,) in con.execute(
        f"select distinct provider from harmonised where {SENT[when]} order by 1"
    ).fetchall():
        target = lake.current_file("harmonised", "patient", Submission(provider, PERIOD), LAYOUT)
        target.parent.mkdir(parents=True, exist_ok=True)
        query = f"""select * exclude (true_no, is_borrowed) replace (if({is_old}, null, postcode) as postcode) from harmonised
                    where provider = '{provider}' and {SENT[when]}"""
        mark = con.execute(f"select concat_ws('-', count(*), sum(hash(p))) from ({query}) as p").fetchone()[0]
        con.execute(f"copy ({query}) to '{target}' (format parquet, kv_metadata {{fingerprint: '{mark}'}})")


def measured(run: Callable[[], dict[str, int]]) -> dict[str, float]:
    """Seconds, seconds of both cores, peak megabytes of the process so far, and what was compared."""
    start, used = time.perf_counter(), time.process_time()
    counts = run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - used, "megabytes": peak}
    return spent | {"pairs": counts["pairs compared"], "people": counts["person"]}


def quality(con: duckdb.DuckDBPyConnection, lake: Lake) -> dict[str, float]:
    """Precision and recall over pairs of records, without those of a record with somebody else's verified number."""
    query = f"""
        with record as (
            select h.true_no, h.is_borrowed, h.record_key, p.person_no
            from harmonised as h join read_parquet('{lake.path("linked", "person_record.parquet")}') as p using (record_key)
        ),
        pair as (
            select true as is_true, a.person_no = b.person_no as is_joined from record as a join record as b
            on b.true_no = a.true_no and b.record_key > a.record_key where a.person_no = b.person_no or not (a.is_borrowed or b.is_borrowed)
            union all
            select false, true from record as a join record as b
            on b.person_no = a.person_no and b.record_key > a.record_key where a.true_no <> b.true_no
        )
        select count(*) filter (is_true and is_joined) / count(*) filter (is_joined),
               count(*) filter (is_true and is_joined) / count(*) filter (is_true) from pair"""
    precision, recall = con.execute(query).fetchone()
    return {"precision": precision, "recall": recall}


def main() -> None:
    folder, people = Path(sys.argv[1]), int(sys.argv[2])
    lake, standard = Lake(folder / "lake", folder / "keys").prepare(), load()
    if sys.argv[3] == "make":
        keys.initialise(lake)
        con = make(folder, people)
        con.execute(f"copy harmonised to '{folder / 'people.parquet'}' (format parquet)")
        send(con, lake, "all")
        return
    con = duckdb.connect(config={"threads": 2, "memory_limit": "4GB"})
    con.execute(f"create view harmonised as from read_parquet('{folder / 'people.parquet'}')")
    if sys.argv[3] != "all":
        send(con, lake, sys.argv[3])
    found = measured(lambda: link(standard, lake))
    print(json.dumps(found | quality(con, lake)))


if __name__ == "__main__":
    main()
