"""A validated file and what its values mean -> view one.said: what each record says of each characteristic, as numbers.

Promise: every coded cell is said once, blank or not; words are met by their few distinct values only, so that millions
of rows are joined and grouped by small numbers.
"""

from pathlib import Path

import duckdb

from transforms.engine import add_table
from transforms.faults import Row
from transforms.lake import Submission
from transforms.resolve import dated_by, day_of, declared, is_dated, meaning, set_meanings
from transforms.sqltext import text
from transforms.standard import Layout, Standard

SAID = "0 as patient_no, 0 as meaning_no, '' as refused_for, null::date as recorded_on, 3::utinyint as basis"
SAID += ", null::date as review_on"
NOTHING = f"select {SAID}, 1::bigint as n_records, 0 as first_line where false"


# The few words of the answers as enums: Parquet writes them in a third of the time that it takes for text. Where there
# is no word an empty one stands: a column in which some cells are null takes twice as long to write.
WORDS = """
create or replace type one.word as enum (
    select distinct word from (
        select unnest([vocabulary, code, detail, status, reason, relation]) as word from resolved
        union all select unnest([characteristic, stated_by, collected_how]) from one.spoken
        union all select unnest(['recorded', 'event', 'period', 'unrecognised', 'none', ''])
        union all select unnest($refusals)
    ) where word is not null
)
"""
SENT = "create or replace type one.sent as enum (select distinct coalesce(value, '') from resolved)"
IN_WORDS = """
create or replace table one.meaning as
    select m.meaning_no, y.characteristic::one.word as characteristic, y.stated_by::one.word as stated_by,
           y.collected_how::one.word as collected_how, m.vocabulary::one.word as vocabulary,
           coalesce(m.value, '')::{sent} as value, coalesce(m.code, '')::one.word as code,
           coalesce(m.detail, '')::one.word as detail, m.status::one.word as status,
           coalesce(m.reason, '')::one.word as reason, m.relation::one.word as relation
    from resolved as m join one.spoken as y on y.characteristic = m.field
"""


def say(
    con: duckdb.DuckDBPyConnection, standard: Standard, layout: Layout, submission: Submission, source: Path
) -> None:
    """Table one.meaning, what each value of a coded column means, with what is the same for the whole column.

    View one.said, one row per patient, meaning and date: patient_no, meaning_no, refused_for, recorded_on, basis (1 recorded,
    2 the event's, 3 the period's end), review_on, n_records, first_line. Needs table `resolved` and table one.identity.
    """
    wanted = [row for row in declared(standard, layout, submission.provider) if row["place"] == 1]
    nobody = {"characteristic": "", "stated_by": "", "collected_how": ""}
    add_table(con, "one.spoken", [_saying(layout, row) for row in wanted] or [nobody])
    whole = [(n, row["field"]) for n, row in enumerate(wanted) if not row["is_partial"]]
    said = _say_columns(con, standard, layout, submission, source, whole)
    for column in dict.fromkeys(row["column_name"] for row in wanted if row["is_partial"]):
        said.append(_say_codes(layout, submission, source, column))
    con.execute(f"create or replace view one.said as {' union all '.join(said) or NOTHING}")
    refusals = [rule.id.split(".", 2)[2] for rule in standard.rules_of_layout[layout.name] if rule.rejects == "value"]
    con.execute(WORDS, {"refusals": refusals})
    is_few = con.execute("select count(distinct value) < 65536 from resolved").fetchone()[0]
    if is_few:
        con.execute(SENT)
    con.execute(IN_WORDS.replace("{sent}", "one.sent" if is_few else "varchar"))


def _saying(layout: Layout, row: Row) -> Row:
    stated_by = layout.fields.get(row["field"], {}).get("stated_by") or layout["stated_by"]
    return {"characteristic": row["field"], "stated_by": stated_by, "collected_how": layout["collected_how"]}


def reviewed(standard: Standard, layout: Layout) -> dict[str, str]:
    """Fields of a layout -> the field that says when they are to be asked again, where the layout has that too."""
    said = {row["field"]: row["review_on"] for row in standard.tables["staleness"]}
    return {name: said[name] for name in sorted(layout.fields) if said.get(name) in layout.fields}


def _basis(layout: Layout, name: str, prefix: str) -> str:
    cases = "".join(f" when {prefix}{column} is not null then {number}" for column, number in dated_by(layout, name))
    return f"(case{cases} else 3 end)::utinyint" if cases else "3::utinyint"


def _say_columns(
    con: duckdb.DuckDBPyConnection,
    standard: Standard,
    layout: Layout,
    submission: Submission,
    source: Path,
    whole: list[tuple[int, str]],
) -> list[str]:
    """Table one.meant, every record as numbers, and two queries for each coded column of it.

    A record that is its patient's only one (of its day) is a group of its own: the many are not grouped to find the few.
    """
    if not whole:
        return []
    refusing = {
        r.id.split(".")[1] for r in standard.rules_in_force(layout.name, submission.period) if r.rejects == "value"
    }
    to_review = reviewed(standard, layout)
    columns, joins, said = {}, [], []
    few = set_meanings(con)
    size = "usmallint" if con.execute("select count(*) < 65536 from resolved").fetchone()[0] else "integer"
    for number, name in whole:
        dates = "_".join(["day", *(column for column, _ in dated_by(layout, name))])
        day = day_of(layout, name, submission.period, "r.")
        columns[dates], columns[f"basis_{dates}"] = day, _basis(layout, name, "r.")
        if name in few:
            columns[f"meaning_{number}"] = f"({meaning('meaning_no', name, f'r.{name}')})::{size}"
        else:
            columns[f"meaning_{number}"] = f"m_{number}.meaning_no::{size}"
            then = f" and {day} between m_{number}.valid_from and m_{number}.valid_to" if is_dated(con, name) else ""
            joins.append(
                f"left join (from resolved where field = {text(name)}) as m_{number} "
                f"on m_{number}.value is not distinct from r.{name}{then}"
            )
        if name in refusing:
            columns[f"refused_{number}"] = f"r.{name}_status"
        refused = f"refused_{number}" if name in refusing else "null::varchar"
        if review := to_review.get(name):
            columns[f"to_{review}"] = f"r.{review}"
        row = f"select patient_no, meaning_{number}::integer as meaning_no, {refused} as refused_for, {dates} as recorded_on, basis_{dates} as basis"
        row += f", {f'to_{review}' if review else 'null::date'} as review_on"
        said.append(f"{row}, 1::bigint as n_records, line as first_line from one.meant where is_alone")
        grouped = (
            f"{row}, count(*) as n_records, min(line) as first_line from one.meant where not is_alone group by all"
        )
        said.append(grouped)
    event = layout["event_date"] if all(entry.get("recorded_on") is None for entry in layout.columns) else None
    apart = f", {event} as event" if event else ", null::date as event"
    con.execute(f"""
        create or replace temp table busy as select identity_a{apart} from read_parquet('{source}')
            group by all having count(*) > 1;
        create or replace table one.meant as select i.patient_no, r.line, b.identity_a is null as is_alone,
            {", ".join(f"{expression} as {name}" for name, expression in columns.items())}
            from read_parquet('{source}') as r join one.identity as i using (identity_a, identity_b)
            left join busy as b on b.identity_a = r.identity_a and b.event is not distinct from {f"r.{event}" if event else "null"}
            {" ".join(joins)}""")
    return said


def _say_codes(layout: Layout, submission: Submission, source: Path, column: str) -> str:
    """A query for a column of codes, each of which may state several characteristics, and most of which state none."""
    day = day_of(layout, column, submission.period, "r.")
    return (
        f"select i.patient_no, m.meaning_no, null::varchar as refused_for, "
        f"{day} as recorded_on, {_basis(layout, column, 'r.')} as basis, null::date as review_on, count(*) as n_records, min(r.line) as first_line "
        f"from read_parquet('{source}') as r join resolved as m "
        f"on m.is_partial and m.value = r.{column} and {day} between m.valid_from and m.valid_to "
        f"join one.identity as i using (identity_a, identity_b) group by all"
    )
