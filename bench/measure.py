"""One measurement in a process of its own: prints a line of JSON with seconds, seconds of processor, and peak megabytes."""

import json
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from bench.numbers import number
from transforms import keys
from transforms.arrivals import read_state
from transforms.lake import Lake, Submission
from transforms.sqltext import quoted, text
from transforms.standard import load

PERIOD = "2026-09"
# Events: few coded columns, and many rows a person. People: every characteristic, and one row each.
CASES = {"events": "sus_outpatient", "people": "small_csv"}
LAYOUT = CASES[sys.argv[4] if len(sys.argv) > 4 else "events"]
PROVIDER = next(row["code"] for row in load().tables["providers"] if LAYOUT in row["layouts"].split())
SUBMISSION = Submission(PROVIDER, PERIOD)


def make(folder: Path, rows: int) -> None:
    """The delivery of the case."""
    if CASES["people"] == LAYOUT:
        make_people(folder, rows)
    else:
        make_events(folder, rows)
    keys.initialise(Lake.from_environment().prepare())


def make_events(folder: Path, rows: int) -> None:
    """An outpatient file of HES-like columns for a fifth as many people as rows, with faults in some per cent."""
    letters = "['A','A','A','A','B','C','D','E','F','G','H','J','K','L','M','N','P','R','S','Z','99','a','X7','PA ']"
    con = duckdb.connect()
    con.execute(f"""copy (
        with person as (
            select i, 9990000000 + (i * 10) % 9999990 as number, date '1930-01-01' + (hash(i) % 32000)::integer as born
            from range({max(rows // 5, 1)}) as t(i)
        ),
        event as (select i, hash(i) % {max(rows // 5, 1)} as person, hash(i + 7) as chance from range({rows}) as t(i))
        select 'A' || lpad(e.i::text, 10, '0') as ATTENDKEY, 'L' || p.i as LOPATID,
            case when chance % 50 = 0 then '' else p.number::text end as NEWNHSNO,
            case when chance % 50 = 0 then '07' else '01' end as NHSNOIND,
            case when chance % 99 = 0 then '' else strftime(p.born, '%Y-%m-%d') end as DOB, (1 + p.i % 2)::text as SEX,
            'ZX' || (1 + p.i % 9) || ' ' || (p.i % 10) || chr((65 + p.i % 26)::integer) || chr((65 + p.i // 26 % 26)::integer) as HOMEADD,
            'ZP' || lpad((p.i % 24)::text, 3, '0') as GPPRAC,
            {letters}[1 + (hash(p.i) % 24)::integer] as ETHNOS,
            ['01','02','',''][1 + (chance % 4)::integer] as CARERSI,
            strftime(date '2026-04-01' + (chance % 182)::integer, '%Y-%m-%d') as APPTDATE,
            ['5','5','5','6','3','7','2','4'][1 + (chance % 8)::integer] as ATTENDED,
            (100 + chance % 400)::text as TRETSPEF, (1 + chance % 2)::text as FIRSTATT,
            strftime(date '2026-01-01' + (chance % 90)::integer, '%Y-%m-%d') as REQDATE, (1 + chance % 3)::text as PRIORITY,
            (1 + chance % 3)::text as OUTCOME, '{PROVIDER}' || lpad((chance % 30)::text, 2, '0') as SITETRET,
            'N' as WITHHELD_FLAG, '{PROVIDER}' as PROCODE3, (100 + chance % 400)::text as MAINSPEF,
            (chance % 97)::text as REFSOURC, 'ZP' || lpad((chance % 24)::text, 3, '0') as REFERORG,
            (chance % 9)::text as STAFFTYP, (chance % 4)::text as SERVTYPE, 'QHL' as PURCODE,
            (chance % 300)::text as WAITDAYS, (chance % 8)::text as OPERSTAT, (chance % 5)::text as LOCCLASS, '01' as ADMINCAT
        from event as e join person as p on p.i = e.person order by e.i
    ) to '{folder}/extract.csv' (header)""")


LETTERS = "translate(({})::text, '0123456789', 'ABCDEFGHIJ')"
DAY = "strftime(date '{}' + (hash(i * 64 + {}) % {})::integer, '{}')"


def make_people(folder: Path, rows: int) -> None:
    """A file of people with every characteristic. What says who they are and when holds; each coded column holds values of
    its own maps, rare ones as often as common ones, and four blanks in ten: a row breaks four rules or five."""
    standard = load()
    layout = standard.layouts[LAYOUT]
    kinds = {row["field"]: row["type"] for row in standard.fields_of(layout.table)}
    form = layout["dates"][0]
    held = {
        "local_patient_id": "'P' || i",
        "nhs_number": f"coalesce({number(400_000_000)}, '')",  # blank where no check digit fits
        "given_name": LETTERS.format("hash(i) % 5000"),
        "family_name": LETTERS.format("hash(i + 1) % 100000"),
        "chosen_name": "''",
        "birth_date": DAY.format("1930-01-01", 5, 31000, form),
        "gp_practice_code": "'ZP' || lpad((i % 24)::text, 3, '0')",
        "language_review_on": DAY.format("2026-09-01", 20, 700, form),
        "characteristics_recorded_on": DAY.format("2024-10-01", 38, 700, form),
    }
    written = {"boolean": "'N'", "postcode": "'ZX' || (1 + hash(i) % 9) || ' ' || (i % 10) || 'AA'"}
    columns = []
    for place, entry in enumerate(layout.columns):
        chance = f"hash(i * 64 + {place})"
        value = held.get(entry["field"]) or written.get(kinds[entry["field"]], "''")
        if entry.get("vocabulary"):
            known = [row["value"] for row in standard.code_maps if row["vocabulary"] == entry["vocabulary"][0]
                     and row["system"] == standard.characteristics()[entry["field"]]]  # fmt: skip
            listed = ", ".join(text(word) for word in known[:200])
            value = f"case when {chance} % 10 < 4 then '' else [{listed}][1 + ({chance} // 10 % {len(known[:200])})::integer] end"
        columns.append(f"{value} as {quoted(entry['column'])}")
    con = duckdb.connect()
    delimiter = layout["format"]["delimiter"]
    con.execute(f"""copy (select {", ".join(columns)} from range({rows}) as t(i))
                    to '{folder}/extract.csv' (header, delimiter '{delimiter}')""")


def floor(folder: Path, rows: int) -> None:
    """A bare DuckDB copy of the CSV to Parquet, every column as text, on two threads."""
    con = duckdb.connect()
    con.execute("set threads = 2")
    con.execute(
        f"copy (from read_csv('{folder}/extract.csv', all_varchar = true)) to '{folder}/floor.parquet' (format parquet)"
    )


def receive(folder: Path, rows: int) -> None:
    from transforms.receive import receive as stage

    stage(load(), Lake.from_environment())


def ingest(folder: Path, rows: int) -> None:
    from transforms.ingest import ingest as stage

    stage(SUBMISSION, load(), Lake.from_environment())


def validate(folder: Path, rows: int) -> None:
    from transforms.validate import validate as stage

    stage(SUBMISSION, load(), Lake.from_environment())


def feedback(folder: Path, rows: int) -> None:
    from transforms.feedback import feedback as stage

    stage(SUBMISSION, load(), Lake.from_environment())


def harmonise(folder: Path, rows: int) -> None:
    from transforms.harmonise import harmonise as stage

    stage(SUBMISSION, load(), Lake.from_environment())


def importing(folder: Path, rows: int) -> None:
    """What each process pays once before it can judge."""
    import great_expectations.expectations  # noqa: F401


def _validated(folder: Path) -> str:
    return str(Lake.from_environment().current_file("validated", load().layouts[LAYOUT].table, SUBMISSION, LAYOUT))


def judge(folder: Path, rows: int) -> None:
    """Great Expectations pushed down into DuckDB: the judging alone."""
    from transforms.duckdb_expectations import counted
    from transforms.duckdb_expectations import judge as stage

    con, shaped = _shaped(folder)
    stage(
        con, shaped.rules, shaped.column_of, counted(con, {rule.id: shaped.column_of[rule.id] for rule in shaped.rules})
    )


def _shaped(folder: Path):
    from transforms.shape import Shaped, sent_columns

    standard = load()
    rules = standard.rules_in_force(LAYOUT, PERIOD)
    columns = {rule.id: f"rule_{place:03d}" for place, rule in enumerate(rules, start=1)}
    columns |= {f"when {r.id}": f"when_{p:03d}" for p, r in enumerate(rules, start=1) if r.when and r.expect}
    made = Shaped(Path(_validated(folder)), Path("-"), rules, columns, sent_columns(standard, LAYOUT))
    con = duckdb.connect()
    con.execute("set threads = 2")
    con.execute(f"create view shaped as select * from {made.source()}")
    return con, made


def pandas(folder: Path, rows: int) -> None:
    """The same rules by Great Expectations on pandas, on as many rows as asked."""
    import great_expectations as gx

    from transforms.rules import suite

    con, shaped = _shaped(folder)
    frame = con.execute(f"select * from shaped limit {rows}").df()
    asset = gx.get_context(mode="ephemeral").data_sources.add_pandas("frames").add_dataframe_asset("frame")
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
    batch.validate(suite(shaped.rules, shaped.column_of), result_format="BASIC")


def before(name: str, folder: Path) -> None:
    """Bring the lake to where a stage has everything to do, and import what is heavy before the clock starts."""
    lake = Lake.from_environment()
    if name in ("validate", "judge", "pandas"):  # once a process, whatever the size: printed by itself
        import great_expectations.expectations  # noqa: F401

        import transforms.duckdb_expectations  # noqa: F401
    if name == "receive":
        for part in ("landing", "received", "bronze", "validated", "quarantine", "results", "harmonised", "ledger"):
            shutil.rmtree(lake.path(part), ignore_errors=True)
        delivery = lake.prepare().path("landing", PROVIDER, PERIOD, "first")
        delivery.mkdir(parents=True)
        (delivery / "extract.csv").hardlink_to(folder / "extract.csv")
        (delivery / "_READY").touch()
    else:
        own = {"ingest": "bronze", "validate": "results", "harmonise": "harmonised", "feedback": "provider"}.get(name)
        if own:
            shutil.rmtree(lake.path(own), ignore_errors=True)
    if name not in ("make", "floor"):
        load()
        read_state(lake)


if __name__ == "__main__":
    wanted, place, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    jobs: dict[str, Callable[[Path, int], None]] = {
        job.__name__: job
        for job in (make, floor, receive, ingest, validate, feedback, harmonise, judge, pandas, importing)
    }
    before(wanted, place)
    started, before_it = time.perf_counter(), time.process_time()
    jobs[wanted](place, size)
    seconds, busy = time.perf_counter() - started, time.process_time() - before_it
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "processor": busy, "megabytes": peak}))
