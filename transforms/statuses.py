"""results/value_count, maps -> what the coded items of one delivered file say: VODIM counts, never a value.

Promise: every record has one status, so that the five letters of a field add up to its records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq

from transforms.ingest import bronze_file
from transforms.lake import Lake
from transforms.resolve import dated_by, day_of, is_dated
from transforms.shape import typed_expression
from transforms.sqltext import sent_or_null, text
from transforms.standard import Standard
from transforms.values import count_values

if TYPE_CHECKING:
    from transforms.scorecard import Part

Facts = dict[str, Any]
VODIM = ("valid", "other", "default", "invalid", "missing")


class Unbalanced(Exception):
    """The statuses of a coded field do not add up to its records: a fault of ours."""


STATUSES = """
-- One row per coded field and letter of VODIM; `partial` fields are stated by some records only.
select m.field, d.is_partial, c.vodim, sum(m.n)::bigint as n
from meant m
join (select field, system, is_partial from declared where place = 1) d using (field)
left join resolved r using (meaning_no)
left join standard.code c on c.system = d.system and c.kind <> 'detail' and c.code = coalesce(r.code, r.status)
group by all
"""


def status_facts(
    con: duckdb.DuckDBPyConnection, part: Part, n_records: int, standard: Standard, lake: Lake
) -> list[Facts]:
    """Each coded field with its VODIM counts. Raises Unbalanced when they are not its records."""
    file = part.arrival.file(part.layout.name)
    assert file is not None
    count_values(con, standard, lake, part.arrival, file)
    con.execute(f"create or replace temp table meant as {_meant(con, part, lake, standard)}")
    told: dict[str, Facts] = {}
    topics = {row["field"]: row["topic"] for row in standard.tables["fields"]}
    for name, is_partial, letter, n in con.execute(STATUSES).fetchall():
        column = part.layout.fields[name]["column"] if name in part.layout.fields else ""
        fresh = {"field": name, "layout": part.layout.name, "column": column, "is_partial": is_partial}
        fresh["topic"] = topics[name]
        counts = told.setdefault(name, {**fresh, **dict.fromkeys(VODIM, 0)})
        if letter:  # of a partial field: a code that states nothing about it
            counts[letter] += n
    for counts in told.values():
        counts["n_records"] = sum(counts[letter] for letter in VODIM)
        if not counts["is_partial"] and counts["n_records"] != n_records:
            raise Unbalanced(f"{part.arrival.submission}: statuses of {counts['field']} are not its records")
    return sorted(told.values(), key=lambda row: row["field"])


def _meant(con: duckdb.DuckDBPyConnection, part: Part, lake: Lake, standard: Standard) -> str:
    """A query: how often each coded field means what. Values were counted once; only where the date decides what a value
    means are the records looked at again."""
    layout, bronze = part.layout, bronze_file(lake, part.arrival, part.layout.name)
    columns = dict(con.execute("select distinct field, column_name from declared where place = 1").fetchall())
    dated = [name for name in columns if is_dated(con, name)]
    queries = [
        f"""select v.field, r.meaning_no, v.n from value_counted v
            left join resolved r on r.field = v.field and r.value is not distinct from v.value
            where not list_contains({dated!r}::varchar[], v.field)"""
    ]
    sent = set(pq.read_schema(bronze).names)
    typed = {
        row["field"]: typed_expression(row, sent_or_null(column, sent), layout)
        for row in standard.fields_of(layout.table)
        if (column := layout.fields.get(row["field"], {}).get("column"))
    }
    for name in dated:
        day = day_of(layout, name, part.arrival.submission.period, "v.")
        read = [columns[name], *(column for column, _ in dated_by(layout, name))]
        records = ", ".join(f"{typed[column]} as {column}" for column in read)
        queries.append(
            f"""select {text(name)}, r.meaning_no, count(*) from (select {records} from read_parquet('{bronze}')) v
                left join resolved r on r.field = {text(name)} and r.value is not distinct from v.{columns[name]}
                     and {day} between r.valid_from and r.valid_to group by all"""
        )
    return " union all ".join(queries)
