"""A file far larger than the memory that is allowed goes through every stage, and the processes together stay within it.

`LARGE_BYTES=5000000000` makes the file as large as one that was measured by hand.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import psutil
import pytest

from tests import lakes
from tests.lakes import PERIOD, events
from tests.synthetic import COLUMNS
from transforms.lake import Lake
from transforms.standard import ROOT

BYTES = int(os.environ.get("LARGE_BYTES", "300000000"))
MEMORY, BOUND = ("1GB", 2_000_000_000) if BYTES > 1_000_000_000 else ("300MB", 1_000_000_000)
STAGE = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from transforms.lake import Lake
from transforms.receive import receive
from transforms.standard import load
from transforms.work import run_chunk
lake = Lake(Path({lake!r}), Path({keys!r}))
print(receive(load(), lake) if {stage!r} == "receive" else run_chunk({stage!r}, ["ZZ1/{period}"], load(), lake))
"""


def large_file(path: Path, n_bytes: int) -> int:
    """A patient index of about so many bytes, with a letter that is not ASCII. Returns its rows."""
    cells = {
        "PATIENT_ID": "'H' || range::text", "GIVEN_NAME": "'Zoë' || (range % 977)::text", "FAMILY_NAME": "'Müller' || (range % 7919)::text",
        "DATE_OF_BIRTH": "strftime(date '1930-01-01' + (range % 30000)::integer, '%d/%m/%Y')", "SEX": "(1 + range % 2)::text",
        "POSTCODE": "'ZX1 1AA'", "ETHNIC_CATEGORY": "chr((65 + range % 5)::integer)", "ETHNIC_CATEGORY_DATE": "'01/03/2026'",
        "TITLE": "repeat('x', 20)", "NOTES": "repeat('seen in clinic ', 8)",
    }  # fmt: skip
    names = COLUMNS["pas_patient"].split()
    n_rows = n_bytes // 251
    columns = ", ".join(f"{cells.get(name, chr(39) * 2)} as {name}" for name in names)
    duckdb.sql(f"copy (select {columns} from range({n_rows})) to '{path}' (format csv, delimiter '|', header)")
    return n_rows


def peak(lake: Lake, stage: str) -> tuple[int, float]:
    """The most memory that a stage's processes held together, in bytes, and the seconds that it took."""
    code = STAGE.format(root=str(ROOT), lake=str(lake.root), keys=str(lake.keys), stage=stage, period=PERIOD)
    env = os.environ | {"MEMORY": MEMORY, "THREADS": "2", "GX_ANALYTICS_ENABLED": "false"}
    most, begun = 0, time.monotonic()
    with subprocess.Popen([sys.executable, "-c", code], env=env) as running:
        tree = psutil.Process(running.pid)
        while running.poll() is None:
            held = 0
            for one in (tree, *_below(tree)):
                try:
                    held += one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            most = max(most, held)
            time.sleep(0.05)
    assert running.returncode == 0
    return most, time.monotonic() - begun


def _below(tree: psutil.Process) -> list[psutil.Process]:
    try:
        return tree.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@pytest.mark.slow
def test_a_large_file_needs_no_more_memory_than_is_allowed(tmp_path):
    lake = lakes.new_lake(tmp_path)
    drop = lake.path("landing", "ZZ1", PERIOD, "1")
    drop.mkdir(parents=True)
    n_rows = large_file(drop / "export.csv", BYTES)
    (drop / "_READY").touch()
    assert abs((drop / "export.csv").stat().st_size / BYTES - 1) < 0.2
    for stage in ("receive", "ingest", "validate"):
        most, seconds = peak(lake, stage)
        print(f"{stage}: {most / 1e6:,.0f} MB, {seconds:.0f} s")
        assert most < BOUND, stage
    assert [entry["event"] for entry in events(lake, "accepted", "rejected", "crashed")] == ["accepted"]
    [bronze] = lake.files("bronze", "pas_patient")
    assert duckdb.sql(f"select count(*) from read_parquet('{bronze}')").fetchone() == (n_rows,)
