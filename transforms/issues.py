"""results/issue -> issues.parquet and issues.csv.gz of a page: one row per failing record and rule, with its cause.

Promise: every row is there, none is cut off; a row is a pointer (file, line, column, rule) and never a value, and no cell
of it is a formula.
"""

import re
from pathlib import Path
from typing import Any

import duckdb

from transforms import engine
from transforms.issue_files import SINCE, write_files
from transforms.lake import Lake
from transforms.progress import issues
from transforms.render import visible
from transforms.scorecard import Facts, Part

NOBODY = {"layout": "", "rule": "", "column": ""}
N_EXAMPLES = 5  # lines of each rule that stand on the page itself
# What some spreadsheet takes for the beginning of a formula, or passes over on its way to one (OWASP, CSV injection).
FORMULA = re.compile(r'[\s"]*[=+\-@＝＋－＠﹦﹢﹣﹫]|[\t\r\n]')


def write_issues(
    con: duckdb.DuckDBPyConnection,
    work: Path,
    rules: list[Facts],
    shown: list[Part],
    lake: Lake,
    compared: Path | None = None,
) -> int:
    """Write both files into the folder `work`. Returns how many rows each has.

    Each fact of `rules` learns `lines`, the first lines of its rows, and `n_caused`, how many of them are the
    consequence of a rule that it follows and that the same row breaks. `compared`: issues of the same deliveries that
    were found beside what is in force.
    """
    listed = rules or [NOBODY]
    engine.add_table(
        con, "named", [{"place": n, "layout": r["layout"], "rule": r["rule"]} for n, r in enumerate(listed)]
    )
    _find(con, shown, lake, compared)
    _find_causes(con, rules)
    # Sorted as numbers, and named while they are written: names of millions of rows would fill the memory.
    con.execute("""create or replace temp table ordered as
        select place, line, coalesce(cause + 1, 0)::integer as cause, since
        from found left join caused using (place, line) order by place, line""")
    write_files(con, [(r["layout"], safe(r["column"]), safe(r["rule"])) for r in listed], work)
    n_rows = con.execute("select count(*) from ordered").fetchone()[0]
    found = con.execute(
        f"select place, min(line, {N_EXAMPLES}), count_if(cause > 0) from ordered group by 1"
    ).fetchall()
    con.execute("drop table ordered; drop table found; drop table caused")
    told = {place: (lines, n_caused) for place, lines, n_caused in found}
    for place, rule in enumerate(rules):
        rule["lines"], rule["n_caused"] = told.get(place, ([], 0))
    return n_rows


def _find(con: duckdb.DuckDBPyConnection, shown: list[Part], lake: Lake, compared: Path | None) -> None:
    """Table `found`: place of the rule, line and since (a place in SINCE) of every issue, in no order."""
    queries = [
        "select ''::varchar as layout, '' as rule, 0 as line, '' as since limit 0",
        *(issues(p, lake) for p in shown),
    ]
    if compared is not None and compared.exists() and shown:
        about = [(part.layout.name, part.arrival.submission.period, part.arrival.no) for part in shown]
        engine.add_table(
            con, "judged_part", [dict(zip(("layout", "period", "arrival"), one, strict=True)) for one in about]
        )
        queries.append(f"""select layout, rule, line from read_parquet('{compared}', hive_partitioning = false)
                           semi join judged_part using (layout, period, arrival)""")
    together = " union all by name ".join(f"({query})" for query in queries)
    con.execute(f"""create or replace temp table found as
        select n.place::integer as place, i.line::integer as line,
               coalesce(list_position({list(SINCE)}, i.since) - 1, 0)::integer as since
        from ({together}) i join named n using (layout, rule)""")


def _find_causes(con: duckdb.DuckDBPyConnection, rules: list[Facts]) -> None:
    """Table `caused`: place and line of an issue, and the place of its cause: the first of the rules that its own follows
    and that the same row breaks."""
    at = {(r["layout"], r["rule"]): n for n, r in enumerate(rules) if r["failed"]}
    follows = [
        {"place": at[r["layout"], r["rule"]], "cause": at[r["layout"], name], "rank": rank}
        for r in rules
        for rank, name in enumerate(r.get("follows") or ())
        if (r["layout"], r["rule"]) in at and (r["layout"], name) in at
    ]
    engine.add_table(con, "follows", follows or [{"place": -1, "cause": -1, "rank": 0}])
    con.execute("""create or replace temp table caused as
        select f.place, i.line, arg_min(f.cause, f.rank) as cause
        from found i join follows f using (place) join found c on c.place = f.cause and c.line = i.line group by all""")


def safe(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula, and in which nothing is hidden."""
    if not isinstance(value, str):
        return value
    value = visible(value)
    return "'" + value if FORMULA.match(value) else value
