"""validated -> harmonised: their codes get our codes beside them, by one join on the value as it was sent.

Promise: it only translates: no row is dropped, none is multiplied, nothing is guessed, and what the source said stays.
"""

from pathlib import Path

import duckdb

from transforms import fingerprint, ledger
from transforms.arrivals import Arrival, File, read_state
from transforms.crosscheck_fields import EVENT
from transforms.engine import HERE, fingerprint_of
from transforms.lake import Lake, Submission, install, remove
from transforms.meaning import reviewed, say
from transforms.parquet import copy
from transforms.sqltext import text
from transforms.standard import Layout, Standard
from transforms.validate import open_connection
from transforms.values import count_values

TABLES = ("patient", "characteristic", "activity")
CODE = ("harmonise.py", "meaning.py", "harmonised", "macros.sql")
# Fields that a record can have, whatever its table: null where it has not.
RECORD = {
    **dict.fromkeys(("local_patient_id", "nhs_number", "nhs_number_status", "given_name", "family_name"), "varchar"),
    **dict.fromkeys(("birth_date", "death_date", "registered_on", "deregistered_on"), "date"),
    **dict.fromkeys(("code", "value"), "varchar"),
    **dict.fromkeys(("sex", "postcode", "gp_practice_code", "specialty_code", "site_code"), "varchar"),
    **dict.fromkeys(("is_test_record", "is_confidential", "is_withheld"), "boolean"),
}


def codes_of(layout: Layout) -> str:
    """The vocabulary of a layout's coded entries; "" where it has none, or no number beside them."""
    stated = (layout["states"] or {}).get("code") or []
    return next((item["vocabulary"][0] for item in stated), "") if "value" in layout.fields else ""


def mark_of(standard: Standard, lake: Lake, arrival: Arrival, layout: Layout) -> str:
    """The fingerprint that a harmonised file must have: its validated file's, dates of review that go with it, what is read of
    numbers, our code's."""
    validated = fingerprint_of(lake.current_file("validated", layout.table, arrival.submission, layout.name))
    read = [sorted(row.items()) for row in standard.tables["measurements"]] if codes_of(layout) else []
    return fingerprint.of(validated, reviewed(standard, layout), read, fingerprint.code(*CODE)) if validated else ""


def is_fresh(standard: Standard, lake: Lake, arrival: Arrival, layout: Layout) -> bool:
    """Whether all three files are what the validated file would give now."""
    mark = mark_of(standard, lake, arrival, layout)
    targets = [lake.current_file("harmonised", table, arrival.submission, layout.name) for table in TABLES]
    return bool(mark) and all(fingerprint_of(target) == mark for target in targets)


def harmonise(submission: Submission, standard: Standard, lake: Lake) -> dict[str, int]:
    """Harmonise what is in force and stale. Returns the layouts and rows written, and layouts taken away."""
    counts = {"layouts": 0, "removed": 0} | dict.fromkeys(TABLES, 0)
    with ledger.lock(lake, f"submission {submission}"):
        state = read_state(lake)
        current = state.current(submission)
        for name, arrival in sorted(current.items()):
            layout = standard.layouts[name]
            source = lake.current_file("validated", layout.table, submission, name)
            if not source.exists() or is_fresh(standard, lake, arrival, layout):
                continue
            file = arrival.file(name)
            assert file is not None
            for table, n in _harmonise_file(standard, lake, arrival, file, source).items():
                counts[table] += n
            counts["layouts"] += 1
        for layout in standard.layouts.values():
            for table in TABLES:
                target = lake.current_file("harmonised", table, submission, layout.name)
                if layout.name not in current and target.exists():
                    remove(target)
                    counts["removed"] += 1
        if counts["layouts"] or counts["removed"] or submission in state.undone:
            facts = {"provider": submission.provider, "period": submission.period, "stage": "harmonised"}
            ledger.append(lake, "done", **facts, submission_no=state.numbers[submission])
    return counts


def _harmonise_file(standard: Standard, lake: Lake, arrival: Arrival, file: File, source: Path) -> dict[str, int]:
    layout = standard.layouts[file.layout]
    con = open_connection(standard, lake)
    try:
        count_values(con, standard, lake, arrival, file)
        _prepare(con, standard, arrival, file, layout, source)
        mark = mark_of(standard, lake, arrival, layout)
        counts = {}
        with lake.workspace() as work:
            for table in TABLES:
                query = (HERE / "harmonised" / f"{table}.sql").read_text(encoding="utf-8")
                counts[table] = copy(con, query, work / f"{table}.parquet", mark)
            for table in TABLES:
                install(
                    work / f"{table}.parquet", lake.current_file("harmonised", table, arrival.submission, file.layout)
                )
        return counts
    finally:
        con.close()


def _prepare(
    con: duckdb.DuckDBPyConnection, standard: Standard, arrival: Arrival, file: File, layout: Layout, source: Path
) -> None:
    """Schema `one`: the submission, its records, and what they say of each characteristic, one row a saying."""
    present = {row[0] for row in con.execute(f"describe select * from read_parquet('{source}')").fetchall()}
    own = {said[key]: kind for said in layout.events.values() for key, kind in EVENT.items() if key in said}
    fields = [name if name in present else f"null::{kind} as {name}" for name, kind in (RECORD | own).items()]
    submission = arrival.submission
    is_of_patients = layout.table == "patient" and layout.key == ("local_patient_id",)
    practice = text(submission.provider) if layout["practice"] == "provider" else "null::varchar"
    con.execute(f"""
        create schema if not exists one;
        create or replace table one.submission as select {arrival.submission_no}::integer as submission_no,
            {_word(submission.provider)} as provider, {_word(submission.period)} as period,
            {_word(layout.name)} as layout, {text(file.sha256)} as sha256, {text(codes_of(layout))} as codes,
            {practice} as practice, {is_of_patients} as is_of_patients;
        create or replace view one.record as select submission_no, line, record_key, is_key_stable, identity_a,
            identity_b, {", ".join(fields)}, {layout["event_date"] or "null::date"} as event_date
            from read_parquet('{source}');
        create or replace view one.event as {_events(layout)};
        create or replace table one.identity as select identity_a, identity_b, min(line)::integer as patient_no,
            count(*) as n_records from one.record group by all""")
    say(con, standard, layout, submission, source)


def _events(layout: Layout) -> str:
    """The events that a layout's records are, as SQL: one row per record and kind, but for what has not happened yet."""
    found = [
        f"""select *, {_word(kind)} as kind, {said.get("ended_on", "null::date")} as ended_on,
                {said.get("outcome", "null::varchar")} as outcome_code
            from one.record where {said["only_with"] + " is not null" if "only_with" in said else "true"}"""
        for kind, said in layout.events.items()
    ]
    nothing = "select *, '' as kind, null::date as ended_on, '' as outcome_code from one.record where false"
    return " union all ".join(found) or nothing


def _word(value: str | None) -> str:
    """A word that is the same in every row, as SQL: an enum of one, which Parquet writes in a third of the time."""
    return f"{text(value)}::enum ({text(value)})" if value else "null::varchar"
