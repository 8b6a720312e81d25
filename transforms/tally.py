"""bronze, results/value_count -> counts of one delivery that the letters of VODIM do not say, for the page at arrival.

Promise: few distinct values are looked at where they are enough, and the records only for dates and for rows that fail.
"""

import duckdb
import pyarrow.parquet as pq

from transforms.engine import add_table
from transforms.faults import Row
from transforms.ingest import bronze_file
from transforms.lake import Lake
from transforms.resolve import dated_by
from transforms.scorecard import Facts, Part
from transforms.shape import typed_expression
from transforms.sqltext import sent_or_null, text
from transforms.standard import Standard
from transforms.values import result_file


def national_rules(standard: Standard) -> list[Row]:
    """One row per layout, coded field and pattern of the published national rule, where the field's column declares the
    vocabulary that the rule is about first."""
    return [
        {
            "layout": layout.name,
            "field": field,
            "place": int(row["place"]),
            "pattern": row["pattern"],
            "vodim": row["vodim"],
        }
        for layout in standard.layouts.values()
        for field, entry in layout.fields.items()
        for row in standard.tables["national_vodim"]
        if row["field"] == field and row["vocabulary"] == (entry.get("vocabulary") or [""])[0]
    ]


NATIONAL = """
-- One row per coded field and letter of the national rule.
with judged as (
    select v.field, v.n, arg_min(r.vodim, r.place) as vodim
    from (select row_number() over () as no, * from value_counted) as v
    join national_rule as r on r.field = v.field and regexp_matches(upper(coalesce(trim(v.value), '')), r.pattern)
    group by v.no, v.field, v.n
)
select field, 'national_' || vodim, sum(n)::bigint from judged group by all
"""
GENERAL = """
-- One row per coded field whose code system has groups: records that are coded at a group and no nearer.
select m.field, 'over_general', coalesce(sum(v.n) filter (k.kind = 'group'), 0)::bigint
from (select distinct field, system from declared) as m
left join resolved as r on r.field = m.field and getvariable('on_day') between r.valid_from and r.valid_to
left join standard.code as k on k.system = m.system and k.code = r.code and k.kind <> 'detail'
left join value_counted as v on v.field = m.field and v.value is not distinct from r.value
where m.system in (select system from standard.code where kind = 'group')
group by all
"""


def looked_up(
    con: duckdb.DuckDBPyConnection, part: Part, fields: list[Facts], standard: Standard, lake: Lake
) -> list[tuple[str, str, tuple[int, int]]]:
    """(field, measure, (records, of records)) of what the letters do not say. Needs the tables of values.count_values."""
    layout, period = part.layout, part.arrival.submission.period
    said = standard.settings["scorecard"]["self_stated"]
    con.execute(f"set variable on_day = last_day(date '{period}-01')")
    nothing = {"layout": "", "field": "", "place": 0, "pattern": "^", "vodim": ""}
    ours = [row for row in national_rules(standard) if row["layout"] == layout.name]
    add_table(con, "national_rule", ours or [nothing])
    national = {(row["field"], f"national_{row['vodim']}"): 0 for row in ours}
    national |= {(field, name): n for field, name, n in con.execute(NATIONAL).fetchall()}
    found = [(*key, n) for key, n in national.items()] + con.execute(GENERAL).fetchall()
    for row in fields:
        stated_by = layout.fields.get(row["field"], {}).get("stated_by") or layout["stated_by"]
        found.append((row["field"], "self_stated", row["valid"] if stated_by in said else 0))
    found += _stale(con, part, standard, lake)
    records = {row["field"]: row["n_records"] for row in fields}
    return [(field, name, (n, records[field])) for field, name, n in found if records.get(field)]


def _stale(con: duckdb.DuckDBPyConnection, part: Part, standard: Standard, lake: Lake) -> list[tuple[str, str, int]]:
    """Known facts that are older than staleness.csv allows at the end of the period, or whose day of review has passed.

    A field without any date in this layout is left out: nobody can say how old its facts are.
    """
    layout, bronze = part.layout, bronze_file(lake, part.arrival, part.layout.name)
    sent, asked = set(pq.read_schema(bronze).names), {}
    types = {row["field"]: row for row in standard.fields_of(layout.table)}
    columns = dict(con.execute("select distinct field, column_name from declared").fetchall())

    def raw(field: str) -> str:
        return sent_or_null(layout.fields[field]["column"], sent)

    def read(field: str) -> str:
        return typed_expression(types[field], raw(field), layout)

    for row in standard.tables["staleness"]:
        tests = []
        dates = [read(name) for name, _ in dated_by(layout, row["field"])]
        if row["months"] and dates:
            tests.append(f"coalesce({', '.join(dates)}) < getvariable('on_day') - interval {int(row['months'])} months")
        if row["review_on"] in layout.fields:
            tests.append(f"{read(row['review_on'])} < getvariable('on_day')")
        if row["field"] not in columns or not tests:
            continue
        value = f"clean_text({raw(columns[row['field']])})"
        known = f"select value from resolved where field = {text(row['field'])} and code is not null"
        asked[row["field"]] = f"count(*) filter (({' or '.join(tests)}) and {value} in ({known}))"
    if not asked:
        return []
    counts = con.execute(f"select {', '.join(asked.values())} from read_parquet('{bronze}')").fetchone() or ()
    return [(field, "stale", n) for field, n in zip(asked, counts, strict=True)]


def letters_of(
    con: duckdb.DuckDBPyConnection, part: Part, field: str, rules: list[str], lake: Lake
) -> dict[tuple[str, str], int]:
    """(rule, letter) -> failing rows whose value of a coded field has that letter. Needs table `resolved`."""
    issues = result_file(lake, "issue", part.arrival, part.layout.name)
    if not rules or not issues.exists():
        return {}
    bronze = bronze_file(lake, part.arrival, part.layout.name)
    column = sent_or_null(part.layout.fields[field]["column"], set(pq.read_schema(bronze).names))
    query = f"""
        select i.rule, k.vodim, count(*)
        from read_parquet('{issues}') as i
        join (select file_row_number + 1 as line, clean_text({column}) as value
              from read_parquet('{bronze}', file_row_number = true)) as b using (line)
        left join resolved as r on r.field = ? and r.value is not distinct from b.value
          and getvariable('on_day') between r.valid_from and r.valid_to
        left join standard.code as k on k.system = (select any_value(system) from declared where field = ?)
          and k.kind <> 'detail' and k.code = coalesce(r.code, r.status)
        where list_contains(?, i.rule) group by all"""
    return {(rule, letter): n for rule, letter, n in con.execute(query, [field, field, rules]).fetchall()}
