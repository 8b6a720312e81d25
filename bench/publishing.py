"""Publish invented people with twenty events each in a process of its own: prints a line of JSON for everybody, one after a
small submission while the open area waits for its calendar, as in service, and one after another that is disclosed.

What comes before publishing has its own measurements: harmonised files and the ledger's lines are written here as those stages
leave them. Numbers lie outside the range that is never issued, since that is too small.
"""

import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

import duckdb

from bench.numbers import number
from transforms import keys, ledger
from transforms.geography import import_postcodes
from transforms.hold import MONTHLY
from transforms.lake import Lake, Submission
from transforms.link import link
from transforms.publish import publish
from transforms.standard import Standard, load

PERIOD, EVENTS = "2026-09", 20
SMALL = {"held": "2026-08", "more": "2026-07"}  # what is published -> the period of the small submission before
# Layout -> the kind of its events, how many each person has, and outcomes; people's own facts come with the first.
LAYOUTS = {
    "pas_patient": ("", 0, "['']"),
    "sus_outpatient": ("appointment", EVENTS - 3, "['5','5','5','5','6','6','3','7','2','4']"),
    "sus_admitted": ("admission", 1, "['1','1','2']"),
    "ecds": ("emergency_attendance", 2, "['182992009','1066301000000103']"),
}
FACTS = {  # characteristic -> the words of its codes, absences among them
    "ethnic_category": "['british','british','british','british','irish','roma','indian','pakistani','african','not_stated','not_known']",
    "sex": "['male','female']",
    "main_language": "['eng','eng','eng','pol','urd','not_known']",
    "interpreter_required": "['not_required','not_required','required','not_known']",
    "is_carer": "['not_carer','not_carer','carer','not_stated']",
}


NUMBER = f"coalesce({number(400_000_000)}, {number(500_000_000)})"


def trusts(standard: Standard) -> list[str]:
    """Those who send all of these layouts, or may as well."""
    agreed = {row["provider"] for row in standard.tables["agreements"]}
    return [code for code, row in standard.providers.items() if "pas_patient" in row["layouts"] and code in agreed]


def make(lake: Lake, standard: Standard, people: int) -> None:
    """Keys, postcodes, the ledger and all harmonised files."""
    keys.initialise(lake)
    con = duckdb.connect(config={"threads": 2, "memory_limit": "6GB"})
    areas = standard.folder / "geography" / "lsoa.csv"
    directory = lake.path("postcodes.csv")
    con.execute(f"""copy (select 'ZX' || row_number() over (order by lsoa21_code) || ' 1AA' as postcode, lsoa21_code
                          from read_csv('{areas}')) to '{directory}' (header)""")
    import_postcodes(directory, lake)
    n_areas = con.execute(f"select count(*) from read_csv('{areas}')").fetchone()[0]
    told = [
        {"field": name, "code": row["code"], "kind": row["kind"]}
        for name, system in standard.characteristics().items()
        if name in FACTS
        for row in standard.codes
        if row["system"] == system and row["kind"] != "detail"
    ]
    con.execute("create table known (field varchar, code varchar, kind varchar)")
    con.executemany("insert into known values (?, ?, ?)", [list(row.values()) for row in told])
    senders = trusts(standard)
    for place, provider in enumerate(senders):
        mine = f"range({place}, {people}, {len(senders)}) as t(i)"
        for layout, (kind, n_events, outcomes) in LAYOUTS.items():
            send(con, lake, provider, PERIOD, layout, mine, n_areas, kind, n_events, outcomes)


def send(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    provider: str,
    period: str,
    layout: str,
    mine: str,
    n_areas: int,
    kind: str,
    n_events: int,
    outcomes: str,
) -> None:
    """One layout of one submission: what receiving and judging leave in the ledger, and its harmonised files."""
    submission = Submission(provider, period)
    number = 1 + sum(entry["event"] == "seen" for entry in ledger.entries(lake))
    file = {
        "file_no": number,
        "layout": layout,
        "sha256": f"{number:064x}",
        "n_bytes": 1,
        "is_utf8": True,
        "n_rows": None,
    }
    about = {"provider": provider, "period": period, "submission_no": number, "arrival": 1}
    ledger.append(lake, "seen", **about, drop_id=f"{number:032x}", delivery_id=file["sha256"], files=[file])
    ledger.append(lake, "accepted", **about)
    ledger.append(lake, "done", **about)
    who = f"{number} as submission_no, '{provider}' as provider, '{period}' as period, '{layout}' as layout, (i + 1)::integer as patient_no"
    key = f"md5('{provider}{layout}' || i)::uuid"
    write(con, lake, submission, "patient", layout, f"""
        select {who}, {key} as record_key, true as is_key_stable, 'L' || i as local_patient_id, {NUMBER} as nhs_number, '01' as nhs_number_status,
               null::varchar as given_name, null::varchar as family_name, date '1930-01-01' + (hash(i) % 33000)::integer as birth_date,
               null::date as death_date, (1 + hash(i + 3) % 2)::text as sex, 'ZX' || (1 + hash(i + 4) % {n_areas}) || '1AA' as postcode,
               'ZP' || lpad((1 + i % 24)::text, 3, '0') as gp_practice_code, null::date as registered_on, null::date as deregistered_on,
               null::varchar as exclusion, 1::bigint as n_records from {mine}""")  # fmt: skip
    if not kind:
        facts = " union all ".join(
            f"select i, '{name}' as characteristic, {codes}[1 + (hash(i * 8 + {place}) % len({codes}))::integer] as said from {mine}"
            for place, (name, codes) in enumerate(FACTS.items())
        )
        write(con, lake, submission, "characteristic", layout, f"""
            select {who}, characteristic, 'bench' as vocabulary, said as source_value, 'self' as stated_by, 'visit' as collected_how,
                   date '2024-10-01' + (hash(i + 5) % 700)::integer as recorded_on, 'recorded' as recorded_on_basis,
                   case when k.kind is distinct from 'absence' then said end as code, null::varchar as detail,
                   case when k.kind = 'absence' then said else 'known' end as status, null::varchar as reason, 'exact' as relation,
                   1::bigint as n_records, (i + 1)::integer as first_line, null::date as review_on
            from ({facts}) left join known as k on k.field = characteristic and k.code = said""")  # fmt: skip
        return
    write(con, lake, submission, "activity", layout, f"""
        select {who}, md5('{provider}{layout}' || i || '-' || e)::uuid as record_key, true as is_key_stable, '{kind}' as kind,
               date '2024-10-01' + (hash(i * 32 + e) % 730)::integer as event_date, null::date as ended_on, null::double as value,
               {outcomes}[1 + (hash(i * 32 + e + 1) % len({outcomes}))::integer] as outcome_code, '100' as specialty_code,
               '{provider}01' as site_code, 1::integer as line
        from {mine}, range({n_events}) as n(e)""")  # fmt: skip


def write(
    con: duckdb.DuckDBPyConnection, lake: Lake, submission: Submission, name: str, layout: str, query: str
) -> None:
    target = lake.current_file("harmonised", name, submission, layout)
    target.parent.mkdir(parents=True, exist_ok=True)
    con.execute(
        f"copy ({query}) to '{target}' (format parquet, kv_metadata {{fingerprint: '{submission}{name}{layout}'}})"
    )


def more(lake: Lake, standard: Standard, people: int, period: str) -> None:
    """A small submission: three thousand people of one trust sent its index for a month before."""
    con = duckdb.connect()
    mine = f"range(0, {min(people, 24_000)}, 8) as t(i)"
    send(con, lake, trusts(standard)[0], period, "pas_patient", mine, 1000, "appointment", 0, "['5']")


def main() -> None:
    folder, people, what = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    lake, standard = Lake(folder / "lake", folder / "keys").prepare(), load()
    if what == "make":
        make(lake, standard, people)
        return
    if what in SMALL:
        more(lake, standard, people, SMALL[what])
    if what == "held":  # what disclosure.yml says in service
        disclosure = standard.settings["disclosure"] | {"release": MONTHLY}
        standard = replace(standard, settings=standard.settings | {"disclosure": disclosure})
    link(standard, lake)  # it has measurements of its own
    start, used = time.perf_counter(), time.process_time()
    counts = publish(standard, lake)
    found = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - used}
    found["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found | {name: counts[name] for name in ("people", "cells")}))


if __name__ == "__main__":
    main()
