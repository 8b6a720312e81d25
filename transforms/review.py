"""Borderline pairs -> a file for reviewers; their decisions -> judged/, which later runs of linking honour.

Promise: the file is readable by its owner alone; what comes back holds keys and verdicts, and is kept without any value. A
decision is about two records and what they said: when that changes, the pair is asked about again. A later one replaces an
earlier one. `judged/` is of people's work: it cannot be rebuilt, and is backed up with the ledger.
"""

import csv
import os
import uuid
from pathlib import Path

import pyarrow as pa

from transforms import fingerprint, ledger
from transforms.engine import add_standard, add_views, connect, copy, without_values
from transforms.issues import safe
from transforms.join import FOLDER
from transforms.keys import key_id, load
from transforms.lake import Lake, UsageError, install
from transforms.link import decide, prepare
from transforms.sqlfolder import ordered, run_file
from transforms.sqltext import text
from transforms.standard import Standard

KEYS = ("record_key_a", "record_key_b", "values_key_a", "values_key_b")
VALUES = (
    "provider",
    "number",
    "is_verified",
    "given_name",
    "family_name",
    "birth_date",
    "sex",
    "postcode",
    "gp_practice_code",
)
VERDICTS = {"together": True, "apart": False, "undo": None}
NEEDED = ("decision", "in_force", "node", "local_cluster", "numbered_person")


def export(standard: Standard, lake: Lake, folder: Path) -> int:
    """Write review.csv: the pairs near the thresholds that nobody has judged as they are now. Returns how many."""
    edges = lake.path("linked", "edge.parquet")
    if not edges.exists():
        raise UsageError("nothing is linked yet: run publish first")
    con = connect(lake)
    try:
        with without_values("listing pairs"):
            add_standard(con, standard)
            add_views(con, lake, standard, "harmonised")
            prepare(con, standard)
            decide(con, lake)
            for path in ordered(FOLDER):
                if path.stem in NEEDED:
                    run_file(con, path)
            con.execute("set variable reviewed_to = ?", [float(standard.settings["linkage"]["reviewed_to"])])
            con.execute(f"create view linked.edge as from read_parquet('{edges}')")
            sides = ", ".join(f"{side}.{name} as {name}_{side}" for name in VALUES for side in "ab")
            found = con.execute(f"""
                select '' as decision, round(e.weight, 1) as weight, e.is_joined, coalesce(e.held, '') as held,
                       {", ".join(f"e.{key}" for key in KEYS)}, {sides}
                from linked.edge as e
                join linked.numbered_person as a on a.record_key = e.record_key_a and a.values_key = e.values_key_a
                join linked.numbered_person as b on b.record_key = e.record_key_b and b.values_key = e.values_key_b
                anti join linked.decision as d on d.record_key_a = e.record_key_a and d.record_key_b = e.record_key_b
                      and d.values_key_a = e.values_key_a and d.values_key_b = e.values_key_b
                where e.basis = 'score' and (not e.is_joined or e.weight < getvariable('reviewed_to'))
                order by e.weight desc, e.record_key_a, e.record_key_b""")
            names, rows = [column[0] for column in found.description], found.fetchall()
    finally:
        con.close()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / "review.csv"
    target.unlink(missing_ok=True)
    with open(
        os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline=""
    ) as handle:
        writer = csv.writer(handle)
        writer.writerow(names)
        writer.writerows([safe("" if cell is None else str(cell)) for cell in row] for row in rows)
    return len(rows)


def import_decisions(lake: Lake, path: Path) -> dict[str, int]:
    """Add the decisions of a reviewed file. Returns how many of each verdict. Raises UsageError with every line at fault."""
    if not path.is_file():
        raise UsageError(f"{path} is not there")
    with open(path, encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle)
        if missing := sorted({*KEYS, "decision"} - set(reader.fieldnames or ())):
            raise UsageError(
                f"{path.name} needs the columns {', '.join(missing)}: give back the file that --export wrote"
            )
        rows = [(reader.line_num, row) for row in reader if (row["decision"] or "").strip()]
    faults = [f"line {line}: {fault}" for line, row in rows if (fault := _fault(row))]
    if faults:
        raise UsageError("\n".join([*faults, f"{len(faults)} faults in {path.name}. Nothing was imported."]))
    verdicts = [row["decision"].strip().lower() for _, row in rows]
    counts = {name: verdicts.count(name) for name in VERDICTS}
    if not rows:
        return counts
    table = pa.table(
        {key: [row[key].strip() for _, row in rows] for key in KEYS} | {"is_same": [VERDICTS[v] for v in verdicts]}
    )
    named_with = key_id(load(lake, "pseudonym"))
    con = connect(lake)
    try:
        with ledger.lock(lake, "publish", wait=True), lake.workspace() as work:
            number = len(list(lake.path("judged").glob("*.parquet"))) + 1
            con.register("judged", table)
            keys = ", ".join(f"{key}::uuid as {key}" for key in KEYS)
            query = f"""select row_number() over ()::integer as line, {keys}, is_same::boolean as is_same,
                               {text(named_with)} as key_id from judged"""
            copy(con, query, work / "judged.parquet", fingerprint.of(table.to_pylist()))
            install(work / "judged.parquet", lake.path("judged", f"{number:06d}.parquet"))
            ledger.append(lake, "judged", number=number, **counts)
    finally:
        con.close()
    return counts


def _fault(row: dict[str, str]) -> str:
    """What is wrong with a row, without repeating any of it."""
    if row["decision"].strip().lower() not in VERDICTS:
        return f"decision is none of {', '.join(VERDICTS)}"
    for key in KEYS:
        try:
            uuid.UUID((row[key] or "").strip())
        except ValueError:
            return f"{key} is not a key"
    return ""
