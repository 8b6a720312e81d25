"""validated, compared.figure -> verdicts: records in force beside the provider's own index, and figures beside its peers'.

Promise: what counts now is judged, not what was sent: no record that was set aside, and no value that a rule took away.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from transforms.arrivals import Arrival
from transforms.crosscheck_rules import judged_columns
from transforms.lake import Lake
from transforms.resolve import day_of, is_dated
from transforms.rules import Rule
from transforms.shape import sent_columns
from transforms.sqltext import text
from transforms.standard import Layout, Standard
from transforms.values import count_values

INDEX = "patient"  # the table of those whom a provider knows, by which its other records are judged


@dataclass(frozen=True)
class Held:
    """The newest submission of one layout that a provider has in force."""

    layout: Layout
    arrival: Arrival

    def path(self, lake: Lake) -> Path:
        """Its validated file."""
        return lake.current_file("validated", self.layout.table, self.arrival.submission, self.layout.name)

    def about(self) -> dict[str, Any]:
        """Which file it is, as columns of results."""
        arrival = self.arrival
        facts = {"submission_no": arrival.submission_no, "provider": arrival.submission.provider}
        return facts | {"period": arrival.submission.period, "arrival": arrival.no, "layout": self.layout.name}


def judge_beside(
    con: duckdb.DuckDBPyConnection,
    standard: Standard,
    lake: Lake,
    index: list[Held],
    history: list[tuple[Held, Rule]],
    peers: list[tuple[Held, Rule]],
) -> list[tuple[Held, Rule, str, dict[str, Any]]]:
    """View `shaped`, one boolean column per file and rule; then each rule with its column there and its result.

    Needs compared.figure. `index`: the provider's newest files, of which those of the index are looked into.

    The rows of all files, and the figures, stand in one table: Great Expectations is asked once for each provider, and
    a rule has nothing to say of another's rows.
    """
    from transforms.duckdb_expectations import counted, judge  # Great Expectations takes seconds to import

    named = [(held, rule, f"rule_{place:03d}") for place, (held, rule) in enumerate([*history, *peers], start=1)]
    if not named:
        return []
    people = _shape_rows(con, standard, lake, index, named[: len(history)])
    verdicts = [
        f"case when layout = {text(held.layout.name)} and {_is_about(rule, standard)} then {rule.predicate} end as {column}"
        for held, rule, column in named[len(history) :]
    ]
    parts = [f"select {', '.join(['layout', *verdicts])} from compared.figure", *people]
    con.execute(f"create or replace view shaped as {' union all by name '.join(parts)}")
    # Each is a rule of its own for the suite, and its verdict a column: two rules of two files stay two.
    alone = [replace(rule, id=f"{held.layout.name} {rule.id}", expect="") for held, rule, _ in named]
    column_of = {rule.id: column for rule, (*_, column) in zip(alone, named, strict=True)}
    counts = counted(con, column_of)
    met = judge(con, tuple(alone), column_of, counts)
    n_people = _count_people(con, [column for *_, column in named[: len(history)]])
    judged = []
    for said, (held, rule, column) in zip(alone, named, strict=True):
        result = held.about() | {"rule": rule.id, "checked": counts[said.id][0], "failed": counts[said.id][1]}
        failed, passed = n_people.get(column, (None, None))
        result |= {"n_people_failed": failed, "n_people_passed": passed, "is_met": met[said.id]}
        judged.append((held, rule, column, result))
    return judged


def _is_about(rule: Rule, standard: Standard) -> str:
    """`figure.<field>.<claim>` judges the figures of that field; any other name those of every field."""
    name = rule.id.split(".")[1]
    return f"field = {text(name)}" if name in standard.characteristics() else "true"


def _shape_rows(
    con: duckdb.DuckDBPyConnection,
    standard: Standard,
    lake: Lake,
    index: list[Held],
    named: list[tuple[Held, Rule, str]],
) -> list[str]:
    """A table for each file that a rule of history judges: a pointer to each record, and verdicts. Returns queries."""
    if not named:
        return []
    said = " ".join(rule.predicate for _, rule, _ in named)
    _add_index(con, standard, lake, index, said)
    queries = []
    for number, held in enumerate({held.layout.name: held for held, _, _ in named}.values()):
        mine = [(rule, column) for other, rule, column in named if other == held]
        query = _rows(con, standard, lake, held, said)
        verdicts = ", ".join(f"{rule.predicate} as {column}" for rule, column in mine)
        who = "coalesce(local_patient_id, line::text)" if "local_patient_id" in held.layout.fields else "line::text"
        con.execute(f"""create or replace table compared.judged_{number} as
            select {text(held.layout.name)} as layout, file_no, line, record_key, is_key_stable, hash({who}) as who,
                   {verdicts} from ({_with_index(query, held.layout)})""")
        queries.append(f"select * from compared.judged_{number}")
    return queries


def _count_people(con: duckdb.DuckDBPyConnection, columns: list[str]) -> dict[str, tuple[int, int]]:
    """Column -> (people among the rows that break the rule, people among those that keep it)."""
    if not columns:
        return {}
    each = ", ".join(f"bool_or({c} is false) as f_{c}, bool_or({c}) as p_{c}" for c in columns)
    wanted = ", ".join(f"count(*) filter (f_{c}), count(*) filter (p_{c})" for c in columns)
    row = con.execute(f"select {wanted} from (select {each} from shaped where who is not null group by layout, who)")
    found = row.fetchone()
    return {column: (found[2 * place], found[2 * place + 1]) for place, column in enumerate(columns)}


def _rows(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake, held: Held, said: str) -> str:
    """A query: one row per record in force, with every column that a rule of its table may name.

    `said` is the text of all predicates: what costs something is made only where it is named there. The query is to be
    run before another file's: it reads table `resolved`.
    """
    layout, submission = held.layout, held.arrival.submission
    collected = [row for row in standard.fields_of(layout.table) if row["field"] in layout.fields]
    coded = [row["field"] for row in collected if row["type"] == "code" and f"{row['field']}_code" in said]
    if coded:
        file = held.arrival.file(layout.name)
        assert file is not None
        count_values(con, standard, lake, held.arrival, file)
    columns = [f"{expression} as {name}" for name, expression in sent_columns(standard, layout.name).items()]
    period = f"date '{submission.period}-01'"
    columns += [
        f"{text(submission.provider)} as provider",
        f"{str(standard.providers.get(submission.provider, {}).get('demo') == 'true').lower()} as is_demo",
        f"date '{held.arrival.received_on}' as received_on",
        f"{period} as period_start",
        f"last_day({period}) as period_end",
    ]
    if "is_repeated" in said:
        columns.append("count(*) over (partition by record_key) > 1 as is_repeated")
    meant, joins = [], []
    for name in coded:
        then = ""
        if is_dated(con, name):
            day = day_of(layout, name, submission.period, "kept.")
            then = f" and {day} between map_{name}.valid_from and map_{name}.valid_to"
        meant += [f"map_{name}.code as {name}_code", f"map_{name}.status as {name}_code_status"]
        joins.append(
            f"left join (from resolved where field = {text(name)}) as map_{name} on map_{name}.value = kept.{name}{then}"
        )
    return (
        f"with kept as (select *, {', '.join(columns)} from read_parquet('{held.path(lake)}')) "
        f"select {', '.join(['kept.*', *meant])} from kept {' '.join(joins)}"
    )


def _add_index(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake, held: list[Held], said: str) -> None:
    """Table compared.index_row: one row per local id, its newest, with what the rules name of it as struct `patient`."""
    known = judged_columns(standard.fields_of(INDEX))
    named = {name: known[name] for name in re.findall(rf"\b{INDEX}\.(\w+)", said) if name in known}
    named = named or {"line": "integer"}  # a rule may ask only whether somebody is in the index
    shape = ", ".join(f"{name} {kind}" for name, kind in named.items())
    con.execute(f"""create or replace table compared.index_record (
        local_patient_id varchar, period varchar, layout varchar, line integer, patient struct({shape}))""")
    for one in held:
        if one.layout.table != INDEX or "local_patient_id" not in one.layout.fields:
            continue
        about = " ".join(re.findall(rf"\b{INDEX}\.(\w+)", said))
        query = _rows(con, standard, lake, one, about)
        present = {row[0] for row in con.execute(f"describe {query}").fetchall()}
        packed = [f"{n} := {n if n in present else 'null'}::{kind}" for n, kind in named.items()]
        con.execute(f"""
            insert into compared.index_record
            select local_patient_id, {text(one.arrival.submission.period)}, {text(one.layout.name)}, line,
                   struct_pack({", ".join(packed)}) from ({query}) where local_patient_id is not null""")
    con.execute("""
        create or replace table compared.index_row as
            select local_patient_id, arg_max(patient, (period, layout, line)) as patient
            from compared.index_record group by local_patient_id;
        drop table compared.index_record""")


def _with_index(query: str, layout: Layout) -> str:
    """The same rows with `patient`, null for whoever is not in the index, and `has_index`: whether there is any index."""
    joined = "beside.local_patient_id = record.local_patient_id" if "local_patient_id" in layout.fields else "false"
    return (
        f"select record.*, beside.patient as {INDEX}, (select count(*) from compared.index_row) > 0 as has_index "
        f"from ({query}) as record left join compared.index_row as beside on {joined}"
    )
