"""harmonised.patient -> every table of schema `linked`: the SQL in its order, with what Python does between.

Promise: it reads nothing but the connection, so that a few records are linked by what links everybody.
"""

import duckdb

from transforms.cluster import cluster
from transforms.engine import HERE
from transforms.sqlfolder import ordered, run_file
from transforms.standard import Standard
from transforms.weigh import weigh

FOLDER = HERE / "linked"
# The files that read what scoring found, and those that read the clusters; all others come before.
WEIGHED = ("weighed_edge", "scored_edge", "choice", "told_apart", "judged_edge", "accepted_edge")
CLUSTERED = ("edge", "person_member", "person", "person_record", "conflict", "rehearsal")
# Numbers of one linking, and keys of what was compared, stay behind.
LEFT_OUT = {"edge": "local_a, local_b, comparand_key_a, comparand_key_b", "draw": "local_no"}


def kept(name: str) -> str:
    """The columns of a table of schema `linked` that are written."""
    return f"* exclude ({LEFT_OUT[name]})" if name in LEFT_OUT else "*"


def link_tables(con: duckdb.DuckDBPyConnection, standard: Standard, made: tuple[str, ...] = ()) -> dict[str, int]:
    """Every table of schema `linked` but those that are `made` already, from harmonised.patient and what was scored before.
    Returns how much was compared."""
    files = [path for path in ordered(FOLDER) if path.stem not in made]
    for path in files:
        if path.stem not in (*WEIGHED, *CLUSTERED):
            run_file(con, path)
    counts = weigh(con, standard)
    for path in files:
        if path.stem in WEIGHED:
            run_file(con, path)
    cluster(con)
    for path in files:
        if path.stem in CLUSTERED:
            run_file(con, path)
    return counts
