"""results/issue -> issues.parquet and issues.csv.gz of a page: one row per failing record and rule, with its cause.

Promise: every row is there, none is cut off; a row is a pointer (file, line, column, rule) and never a value, and no cell
of it is a formula.
"""

import gzip
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from transforms import engine
from transforms.lake import Lake
from transforms.progress import issues
from transforms.render import visible
from transforms.scorecard import Facts, Part
from transforms.values import result_file

NOBODY = {"layout": "", "rule": "", "column": ""}
SHAPE = "layout varchar, rule varchar, line integer, since varchar"
N_EXAMPLES = 5  # lines of each rule that stand on the page itself
# What some spreadsheet takes for the beginning of a formula, or passes over on its way to one (OWASP, CSV injection).
FORMULA = re.compile(r'[\s"]*[=+\-@＝＋－＠﹦﹢﹣﹫]|[\t\r\n]')
# gzip by DuckDB takes ten times as long as by zlib at level 1, for a fifth less: pieces are pressed side by side.
PIECE, AT_ONCE, LEVEL = 1 << 22, 4, 1


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
    engine.add_table(con, "named", [_named(place, rule) for place, rule in enumerate(rules)] or [_named(0, NOBODY)])
    pointers, since = _queries(con, shown, lake, compared)
    cause, join = _causes(con, rules, pointers)
    # Sorted as numbers, and named afterwards: names of millions of rows would fill the memory.
    con.execute(f"""
        create or replace temp table ordered as
        select n.place, i.line, {cause} as cause, coalesce(i.since, '')::enum('', 'new', 'open') as since
        from ({since}) i join named n using (layout, rule) {join} order by n.place, i.line""")
    for name in ("layout", "shown_rule", "shown_column"):
        con.execute(f"set variable {name}_of = (select list({name} order by place) from named)")
    rule_of = "getvariable('shown_rule_of')"  # a join would put the rows in another order
    query = f"""select getvariable('layout_of')[place + 1] as file_role, line, line + 1 as line_in_file,
                getvariable('shown_column_of')[place + 1] as "column", {rule_of}[place + 1] as rule,
                coalesce({rule_of}[cause + 1], '') as because_of, since::varchar as since from ordered"""
    whole, plain = work / "issues.parquet", work / "issues.csv"
    n_rows = con.execute(f"copy ({query}) to '{whole}' (format parquet)").fetchone()[0]
    con.execute(f"copy (from read_parquet('{whole}')) to '{plain}' (format csv, header)")
    squeeze(plain, work / "issues.csv.gz")
    found = con.execute(f"select place, min(line, {N_EXAMPLES}), count(cause) from ordered group by 1").fetchall()
    con.execute("drop table ordered; drop table if exists caused")
    told = {place: (lines, n_caused) for place, lines, n_caused in found}
    for place, rule in enumerate(rules):
        rule["lines"], rule["n_caused"] = told.get(place, ([], 0))
    return n_rows


def _named(place: int, rule: Facts) -> Facts:
    """A rule as its number, and as it stands in the files."""
    shown = {f"shown_{key}": safe(rule[key]) for key in ("rule", "column")}
    return {"place": place, "layout": rule["layout"], "rule": rule["rule"], **shown}


def _queries(con: duckdb.DuckDBPyConnection, shown: list[Part], lake: Lake, compared: Path | None) -> tuple[str, str]:
    """Two queries over every issue: bare (layout, rule, line), and with `since`. Typed also when there are none."""
    con.execute(f"create or replace temp table no_issue ({SHAPE})")
    files = [(part.layout.name, result_file(lake, "issue", part.arrival, part.layout.name)) for part in shown]
    bare = [f"select layout, rule, line from read_parquet('{path}', hive_partitioning = false)" for _, path in files]
    since = [issues(part, lake) for part in shown]
    if compared is not None and compared.exists() and shown:
        about = [(part.layout.name, part.arrival.submission.period, part.arrival.no) for part in shown]
        engine.add_table(
            con, "judged_part", [dict(zip(("layout", "period", "arrival"), one, strict=True)) for one in about]
        )
        beside = f"select layout, rule, line from read_parquet('{compared}', hive_partitioning = false)"
        bare.append(f"{beside} semi join judged_part using (layout, period, arrival)")
        since.append(bare[-1])
    together = " union all by name ".join
    return together(["from no_issue", *map(_bracket, bare)]), together(["from no_issue", *map(_bracket, since)])


def _bracket(query: str) -> str:
    return f"({query})"


def _causes(con: duckdb.DuckDBPyConnection, rules: list[Facts], pointers: str) -> tuple[str, str]:
    """An expression for the number of a row's cause, the first of several that its rule follows, and the join it needs."""
    at = {(r["layout"], r["rule"]): n for n, r in enumerate(rules) if r["failed"]}
    follows = [
        {"place": at[r["layout"], r["rule"]], "cause": at[r["layout"], name], "rank": rank}
        for r in rules
        for rank, name in enumerate(r.get("follows") or ())
        if (r["layout"], r["rule"]) in at and (r["layout"], name) in at
    ]
    if not follows:
        return "null::smallint", ""
    engine.add_table(con, "follows", follows)
    con.execute(f"""
        create or replace temp table caused as
        with known as (select n.place, i.line from ({pointers}) i join named n using (layout, rule))
        select k.place, k.line, arg_min(c.place, f.rank)::smallint as cause
        from known k join follows f using (place) join known c on c.place = f.cause and c.line = k.line group by all""")
    return "b.cause", "left join caused b on b.place = n.place and b.line = i.line"


def squeeze(plain: Path, target: Path) -> None:
    """Gzip a file in pieces that stand behind each other, as every reader of gzip reads them; the plain one goes."""
    press = partial(gzip.compress, compresslevel=LEVEL, mtime=0)
    with open(plain, "rb") as source, open(target, "wb") as sink, ThreadPoolExecutor(AT_ONCE) as pool:
        while pieces := [piece for _ in range(AT_ONCE) if (piece := source.read(PIECE))]:
            for pressed in pool.map(press, pieces):
                sink.write(pressed)
    plain.unlink()


def safe(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula, and in which nothing is hidden."""
    if not isinstance(value, str):
        return value
    value = visible(value)
    return "'" + value if FORMULA.match(value) else value
