"""bronze -> shaped: their columns become the standard's, typed, with one boolean column for every rule.

Promise: the SQL is made only from the layout, fields.csv and the rules; no field, code or rule is known here by name.
A rejected date becomes null with the reason in `<field>_status`; a rejected code keeps its text.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from transforms import engine
from transforms.arrivals import Arrival, File
from transforms.faults import Row
from transforms.resolve import day_of, is_dated, meaning, set_meanings
from transforms.rules import Rule
from transforms.sqltext import quoted, sent_or_null, text
from transforms.standard import Layout, Standard

CHECKED = "nhs_number"  # the type of field that has a check digit


@dataclass(frozen=True)
class Shaped:
    """Where a shaped file lies before it is judged, and which column holds each rule's verdict."""

    kept: Path
    refused: Path
    rules: tuple[Rule, ...]
    column_of: dict[str, str]
    sent: dict[str, str]

    def source(self) -> str:
        """The whole file for SQL: what is kept and what is refused, with what rules may name beside the fields."""
        files = [str(p) for p in (self.kept, self.refused) if p.exists()]
        extra = "".join(f", {expression} as {name}" for name, expression in self.sent.items())
        return f"(select *{extra} from read_parquet({files!r}))"


def typed_expression(row: Row, raw: str, layout: Layout) -> str:
    """A column of text as the field's type. What cannot be read becomes null."""
    clean = f"clean_text({raw})"
    if row["type"] == "date":
        formats = ", ".join(text(form) for form in layout["dates"])
        return f"try_strptime({clean}, [{formats}])::date"
    if row["type"] == "integer":
        return f"try_cast({clean} as bigint)"
    cleaned = {"boolean": "clean_boolean({})", "nhs_number": "clean_number({})", "postcode": "clean_postcode({})"}
    return cleaned.get(row["type"], "{}").format(clean)


def sent_columns(standard: Standard, layout: str) -> dict[str, str]:
    """What was sent for each field of a layout, as SQL over a shaped file: present exactly when something was sent."""
    chosen = standard.layouts[layout]
    return {
        f"{row['field']}_sent": f"coalesce({row['field']}::text, {row['field']}_status)"
        if row["type"] in ("date", "boolean", "integer")
        else row["field"]
        for row in standard.fields_of(chosen.table)
        if row["field"] in chosen.fields
    }


def shape(
    con: duckdb.DuckDBPyConnection,
    standard: Standard,
    arrival: Arrival,
    file: File,
    bronze: Path,
    work: Path,
    mark: str,
) -> Shaped:
    """Write the shaped rows: those that every record-rejecting rule lets pass, and those that one refuses.

    Needs table `resolved` (see resolve.py) and the pads of the record key on the connection.
    """
    layout = standard.layouts[file.layout]
    rules = standard.rules_in_force(layout.name, arrival.submission.period)
    column_of = {rule.id: f"rule_{place:03d}" for place, rule in enumerate(rules, start=1)}
    conditions = {f"when {r.id}": f"when_{p:03d}" for p, r in enumerate(rules, start=1) if r.when and r.expect}
    fields = standard.fields_of(layout.table)
    judged = _judged(con, standard, arrival, file, bronze, rules, column_of | conditions)
    con.execute(f"create or replace view judged as {judged}")
    record_rules = [column_of[rule.id] for rule in rules if rule.rejects == "record"]
    refused = " or ".join(f"{column} is false" for column in record_rules) or "false"
    final = _final(standard, arrival, file, layout, fields, rules, column_of, conditions)
    made = Shaped(
        kept=work / f"{layout.name}-kept.parquet",
        refused=work / f"{layout.name}-refused.parquet",
        rules=rules,
        column_of=column_of | conditions,
        sent=sent_columns(standard, layout.name),
    )
    # Rows of one identity are found again by two hashes of it: 128 bits, so that no two people of a file ever meet.
    who = ", ".join(r["field"] for r in fields if r["topic"] in ("identity", "place") and r["field"] in layout.fields)
    # Without a local id and a number nothing says that two rows are one person: each record is its own.
    unknown = " and ".join(f"{name} is null" for name in ("local_patient_id", "nhs_number") if name in layout.fields)
    who += f", case when {unknown or 'true'} then line end"
    hashed = f"select *, hash({who}) as identity_a, hash('b', {who}) as identity_b from"
    kept = f"{hashed} (select {final} from judged where not coalesce({refused}, false))"
    n_columns = len(con.execute(f"describe {kept}").fetchall())
    n_kept = engine.copy(con, kept, made.kept, mark, n_columns)
    if record_rules:  # a quarantine that nobody is in says so; the rows are not looked through again for it
        rest = f"{hashed} (select {final} from judged where {refused})"
        nobody = f"from read_parquet('{made.kept}') limit 0"
        engine.copy(con, nobody if n_kept == pq.read_metadata(bronze).num_rows else rest, made.refused, mark, n_columns)
    return made


def _repeated(con: duckdb.DuckDBPyConnection, layout: Layout, bronze: Path, present: set[str]) -> str:
    """Make tables `met_again` and `repeated`, the keys that stand in more than one row. Returns the key as SQL over bronze.

    Hashes are counted first: five million keys as numbers, and only the few that meet again as text.
    """
    columns = [layout.fields[name]["column"] for name in layout.key]
    if not all(column in present for column in columns):
        con.execute("create or replace table repeated (key varchar); create or replace table met_again (met ubigint)")
        return "null::varchar"
    clean = [f"clean_text({quoted(column)})" for column in columns]
    key = " || ".join(f"part({name})" for name in clean)
    source = f"read_parquet('{bronze}')"
    con.execute(f"""
        create or replace table met_again as
            select hash({", ".join(clean)}) as met from {source} group by met having count(*) > 1;
        create or replace table repeated as
            select {key} as key from {source} where hash({", ".join(clean)}) in (select met from met_again)
            group by key having count(*) > 1""")
    return key


def _divided(
    con: duckdb.DuckDBPyConnection,
    rules: tuple[Rule, ...],
    layout: Layout,
    bronze: Path,
    sent: dict[str, str],
    typed: dict[str, str],
) -> list[str]:
    """The columns of rules that say `one_per`: whether all rows of a row's key have one value, null where either is blank.

    As above: of every key the least and the greatest hash, in one pass for all its fields; then only the keys that differ,
    and whether they still do as typed: one day may be written in two ways.
    """
    wanted: dict[str, dict[str, str]] = {}
    for rule in rules:
        if rule.one_per:
            wanted.setdefault(rule.one_per[0], {})[rule.one_per[1]] = rule.one_column
    source, columns = f"read_parquet('{bronze}')", []
    for key, fields in wanted.items():
        hashed = [f"case when {sent[of]} is not null then hash({sent[of]}) end" for of in fields]
        differ = " or ".join(f"min({value}) <> max({value})" for value in hashed)
        # Where the key is the file's own, only rows that stand there twice can differ: nearly always there are none.
        again = f"hash({typed[key]}) in (select met from met_again)" if layout.key == (key,) else "true"
        con.execute(f"""
            create or replace temp table may_differ as
                select hash({typed[key]}) as met from {source} where {again} and {typed[key]} is not null
                group by met having {differ}""")
        n_differing = con.execute("select count(*) from may_differ").fetchone()[0]
        for of, column in fields.items():
            kept = "true"
            if n_differing:
                con.execute(f"""
                    create or replace table divided_{column} as
                        select {typed[key]} as key from {source}
                        where hash({typed[key]}) in (select met from may_differ)
                        group by {typed[key]} having count(distinct {typed[of]}) > 1""")
                kept = f"typed.{key} not in (select key from divided_{column})"
            columns.append(f"case when typed.{key} is not null and typed.{of} is not null then {kept} end as {column}")
    return columns


def _judged(
    con: duckdb.DuckDBPyConnection,
    standard: Standard,
    arrival: Arrival,
    file: File,
    bronze: Path,
    rules: tuple[Rule, ...],
    column_of: dict[str, str],
) -> str:
    """A query: every field typed, every rule's verdict beside it."""
    verdicts = [f"{rule.predicate} as {column_of[rule.id]}" for rule in rules]
    verdicts += [f"({r.when}) as {column_of[f'when {r.id}']}" for r in rules if f"when {r.id}" in column_of]
    rows = typed_rows(con, standard, arrival, file, bronze, rules)
    # The check digit is what costs most of all rules, and several ask for it.
    names = [row["field"] for row in standard.fields_of(standard.layouts[file.layout].table) if row["type"] == CHECKED]
    asked = [name for name in names if sum(verdict.count(f"is_{CHECKED}({name})") for verdict in verdicts) > 1]
    for name in asked:
        verdicts = [verdict.replace(f"is_{CHECKED}({name})", f"{name}_is_checked") for verdict in verdicts]
    once = "".join(f", is_{CHECKED}({name}) as {name}_is_checked" for name in asked)
    return f"select *{''.join(', ' + item for item in verdicts)} from (select *{once} from ({rows}))"


def typed_rows(
    con: duckdb.DuckDBPyConnection,
    standard: Standard,
    arrival: Arrival,
    file: File,
    bronze: Path,
    rules: tuple[Rule, ...],
) -> str:
    """A query over a bronze file: one row per record with its `line` and every column that a rule may name, see
    crosscheck_rules.judged_columns. Needs table `resolved` (see resolve.py); makes the tables that `rules` look into."""
    layout = standard.layouts[file.layout]
    present = {row[0] for row in con.execute(f"describe select * from read_parquet('{bronze}')").fetchall()}
    fields = [row for row in standard.fields_of(layout.table) if row["field"] in layout.fields]
    sent, typed, columns, known, joins = {}, {}, [], [], []
    few = set_meanings(con)
    for row in fields:
        name = row["field"]
        raw = sent[name] = sent_or_null(layout.fields[name]["column"], present)
        typed[name] = typed_expression(row, raw, layout)
        columns.append(f"{typed[name]} as {name}")
        if row["type"] in ("date", "boolean", "integer"):
            columns.append(f"clean_text({raw}) as {name}_sent")
        else:
            known.append(f"typed.{name} as {name}_sent")
        if row["type"] == "code":
            if name in few:
                known.append(f"{meaning('code', name, f'typed.{name}')} as {name}_code")
                known.append(f"{meaning('status', name, f'typed.{name}')} as {name}_code_status")
                continue
            known += [f"map_{name}.{name}_{what}" for what in ("code", "code_status")]
            day = day_of(layout, name, arrival.submission.period, "typed.")
            then = f" and {day} between map_{name}.valid_from and map_{name}.valid_to" if is_dated(con, name) else ""
            joins.append(
                f"left join (select value, code as {name}_code, status as {name}_code_status, valid_from, valid_to "
                f"from resolved where field = {text(name)}) as map_{name} on map_{name}.value = typed.{name}{then}"
            )
    key = _repeated(con, layout, bronze, present)
    if con.execute("select count(*) from repeated").fetchone()[0]:
        columns.append(f"coalesce({key} in (select key from repeated), false) as is_repeated")
    else:
        columns.append("false as is_repeated")
    known += _divided(con, rules, layout, bronze, sent, typed)
    period = f"date '{arrival.submission.period}-01'"
    about = {
        "provider": text(arrival.submission.provider),
        "is_demo": str(standard.providers[arrival.submission.provider]["demo"] == "true").lower(),
        "received_on": f"date '{arrival.received_on}'",
        "period_start": period,
        "period_end": f"last_day({period})",
    }
    known += [f"{value} as {name}" for name, value in about.items()]
    return (
        f"with typed as (select (file_row_number + 1)::integer as line, {', '.join(columns)} "
        f"from read_parquet('{bronze}', file_row_number = true)) "
        f"select typed.*{''.join(', ' + item for item in known)} from typed {' '.join(joins)}"
    )


def _final(
    standard: Standard,
    arrival: Arrival,
    file: File,
    layout: Layout,
    fields: list[Row],
    rules: tuple[Rule, ...],
    column_of: dict[str, str],
    conditions: dict[str, str],
) -> str:
    """The columns of the shaped file, with what value-rejecting rules take away taken away."""
    provider = arrival.submission.provider
    stable = " and ".join(f"{name}_sent is not null" for name in layout.key)
    message = " || ".join(
        [f"part({text(v)})" for v in (provider, layout.table)] + [f"part({k}_sent)" for k in layout.key]
    )
    fallback = f"part({text(file.sha256)}) || part({text(file.layout)}) || part(line::text)"
    columns = [
        f"{arrival.submission_no}::integer as submission_no",
        f"{file.file_no}::integer as file_no",
        "line",
        f"record_key(case when {stable} then {message} else {fallback} end) as record_key",
        f"({stable}) as is_key_stable",
    ]
    for row in fields:
        name = row["field"]
        if name not in layout.fields:
            continue
        takes = [rule for rule in rules if rule.rejects == "value" and rule.id.split(".")[1] == name]
        broken = "".join(f" when {column_of[r.id]} is false then {text(r.id.split('.', 2)[2])}" for r in takes)
        if row["type"] in ("date", "boolean", "integer"):
            lost = " or ".join(f"{column_of[rule.id]} is false" for rule in takes)
            columns.append(f"case when {lost} then null else {name} end as {name}" if lost else name)
            columns.append(
                f"case when {name}_sent is not null and {name} is null then 'unparsed'{broken} end as {name}_status"
            )
        else:
            columns.append(name)
            # Where no rule takes a code away its status is null: the stage's view says so without a column of nothing.
            if row["type"] == "code" and broken:
                columns.append(f"case{broken} end as {name}_status")
    columns += [*(column_of[rule.id] for rule in rules), *conditions.values()]
    return ", ".join(columns)
