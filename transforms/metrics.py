"""standards/metrics -> checked: keys, predicates, breakdowns and places of every metric, before anything runs.

Promise: a metric that loads can be computed; one that cannot is named by file and line.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from transforms.faults import Reader, one_of

if TYPE_CHECKING:
    from transforms.standard import Standard

HERE = Path(__file__).resolve().parent
WORDS = ("title", "definition", "why_it_matters", "caveats", "direction", "source", "period")
COMPUTED = ("subject", "denominator", "numerator", "date", "breakdowns", "places", "layouts")
PLACES = {
    "icb_of_residence": "v.icb_of_residence",
    "region": "case when v.lives_in_midlands then getvariable('region') end",
}


def check_metrics(reader: Reader, standard: Standard) -> None:
    """Note everything that is wrong in a metric's file."""
    from transforms.engine import fixed_shapes

    subjects = {table: columns for stage, table, columns in fixed_shapes() if stage == "harmonised"}
    view = (HERE / "measure" / "person_view.sql").read_text(encoding="utf-8")
    breakdowns = {"everyone", *re.findall(r"\bas (\w+)", view)}
    with duckdb.connect() as con:
        con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
        for name, columns in subjects.items():
            con.execute(f"create table {name} ({columns})")
        for name, metric in standard.metrics.items():
            path = standard.folder / "metrics" / f"{name}.yml"
            before = len(reader.found)
            reader.keys(path, metric, (*WORDS, *COMPUTED), (*WORDS, *COMPUTED))
            if len(reader.found) > before:
                continue
            for key, known in (("breakdowns", breakdowns), ("places", PLACES), ("layouts", standard.layouts)):
                for item in metric[key]:
                    if item not in known:
                        what = f"{key}: '{item}' is not known"
                        reader.fault(path, reader.line_of(path, key), what, one_of(item, known))
            if metric["subject"] not in subjects:
                what = f"subject '{metric['subject']}' is not known"
                reader.fault(path, reader.line_of(path, "subject"), what, one_of(metric["subject"], subjects))
                continue
            hint = f"it is SQL over the columns of {metric['subject']} (transforms/stages.sql)"
            for key, wanted in (("denominator", "BOOLEAN"), ("numerator", "BOOLEAN"), ("date", "DATE")):
                if problem := _problem(con, f"select ({metric[key]}) as verdict from {metric['subject']}", wanted):
                    reader.fault(path, reader.line_of(path, key), f"{key} does not compile: {problem}", hint)


def _problem(con: duckdb.DuckDBPyConnection, query: str, wanted: str) -> str:
    """What DuckDB has against a query, in its first line; "" when it gives the wanted type."""
    try:
        kind = con.execute(f"describe {query}").fetchone()[1]
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return "" if kind == wanted else f"it gives {kind}, not {wanted.lower()}"
