"""Print time and peak memory of every stage on one large delivery, and their ratios to the floor.

The floor is what a bare DuckDB copy of the same CSV to Parquet takes on two threads. Each measurement runs in a process
of its own, three times; the median is printed. Nothing is asserted: numbers are for people to read.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SMALL = (
    ("replaced", "  3,000 records sent again, changed"),
    ("new", "  3,000 of a new practice"),
    ("more", "  a few more of a large provider"),
)
STAGES = ("receive", "ingest", "validate", "feedback", "harmonise")


def measured(name: str, folder: Path, rows: int, case: str = "events") -> dict[str, float]:
    """Run one measurement in a process of its own. Returns seconds, seconds of processor and peak megabytes."""
    environment = {**os.environ, "LAKE": str(folder / "lake"), "KEYS": str(folder / "keys"), "THREADS": "2"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "bench.measure", name, str(folder), str(rows), case]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def median(name: str, folder: Path, rows: int, times: int, case: str = "events") -> dict[str, float]:
    """The median of several runs of one measurement."""
    runs = []
    for number in range(times):
        print(f"  {name} {number + 1}/{times}", end="\r", file=sys.stderr, flush=True)
        runs.append(measured(name, folder, rows, case))
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--rows", type=int, default=5_000_000)
    options.add_argument("--people", type=int, default=1_000_000)
    options.add_argument("--pandas-rows", type=int, default=1_000_000)
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--linked", type=int, nargs="*", default=[100_000, 300_000, 1_000_000], help="people to link")
    options.add_argument("--only-linking", action="store_true")
    options.add_argument(
        "--published", type=int, nargs="*", default=[100_000, 300_000, 1_000_000], help="people to publish"
    )
    options.add_argument("--only-publishing", action="store_true")
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        if not chosen.only_publishing:
            linking(folder, chosen.linked)
        if not chosen.only_linking:
            publishing(folder, chosen.published)
        if chosen.only_linking or chosen.only_publishing:
            return
        floor = path("events", "outpatient delivery", folder / "events", chosen.rows, chosen.times)
        show("importing Great Expectations, once", median("importing", folder, 0, chosen.times), floor)
        pandas = median("pandas", folder / "events", chosen.pandas_rows, chosen.times)
        scale = chosen.rows / chosen.pandas_rows
        show(f"Great Expectations on pandas, {chosen.pandas_rows / 1e6:g} M", pandas, floor)
        ours = median("judge", folder / "events", chosen.rows, chosen.times)
        show("the same rules pushed down, all rows", ours, floor)
        print(
            f"\nper row, pushed down is {pandas['seconds'] * scale / ours['seconds']:.0f} times as fast as on pandas\n"
        )
        shutil.rmtree(folder / "events")
        path("people", "people with every characteristic", folder / "people", chosen.people, chosen.times)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def alone(module: str, folder: Path, people: int, what: str) -> dict[str, float]:
    """One measurement of a whole lake in a process of its own; {} where it only makes something."""
    command = [sys.executable, "-m", f"bench.{module}", str(folder), str(people), what]
    done = subprocess.run(command, env={**os.environ, "THREADS": "2"}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{module} {people} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}


def linking(folder: Path, sizes: list[int]) -> None:
    """Print what linking costs: everybody at once, and small submissions after that, also as a share of everybody at once."""
    print("linking, three records a person; seconds are of the clock, and of both cores together\n")
    print(f"{'':38}{'seconds':>9}{'cpu':>9}{'of all':>8}{'peak MB':>9}{'pairs':>12}{'precision':>11}{'recall':>8}")
    whole = 0.0
    for people in sizes:
        lake = folder / f"linked-{people}"
        alone("linking", lake, people, "make")
        for what, title in (("all", f"{people:,} people"), *SMALL):
            found = alone("linking", lake, people, what)
            whole = found["cpu"] if what == "all" else whole
            numbers = f"{found['seconds']:9.1f}{found['cpu']:9.1f}{found['cpu'] / whole:8.1%}{found['megabytes']:9.0f}{found['pairs']:12,}"
            print(f"{title:38}{numbers}{found['precision']:11.5f}{found['recall']:8.4f}", flush=True)
        shutil.rmtree(lake)
    print()


def publishing(folder: Path, sizes: list[int]) -> None:
    """Print what a release costs, one after a small submission while the open area is held, and one that tells of another."""
    print("publishing, twenty events a person, without linking; seconds are of the clock, and of both cores together\n")
    print(f"{'':38}{'seconds':>9}{'cpu':>9}{'peak MB':>9}{'cells':>12}")
    for people in sizes:
        lake = folder / f"published-{people}"
        alone("publishing", lake, people, "make")
        for what, title in (
            ("all", f"{people:,} people"),
            ("held", "after a small submission, open held"),
            ("more", "after another, all of it"),
        ):
            found = alone("publishing", lake, people, what)
            print(
                f"{title:38}{found['seconds']:9.1f}{found['cpu']:9.1f}{found['megabytes']:9.0f}{found['cells']:12,}",
                flush=True,
            )
        shutil.rmtree(lake)
    print()


def path(case: str, title: str, folder: Path, rows: int, times: int) -> dict[str, float]:
    """Print every stage of one delivery, and the whole. Returns what the floor took."""
    folder.mkdir()
    measured("make", folder, rows, case)
    with open(folder / "extract.csv", encoding="utf-8") as handle:
        n_columns = len(handle.readline().split(","))
    size = (folder / "extract.csv").stat().st_size / 1e6
    print(f"{title}: {rows:,} rows, {n_columns} columns, {size:,.0f} MB; median of {times}\n")
    print(f"{'':34}{'seconds':>9}{'peak MB':>9}{'x floor':>9}{'x processor':>13}")
    floor = median("floor", folder, rows, times, case)
    show("floor: bare DuckDB CSV to Parquet", floor, floor)
    stages = {name: median(name, folder, rows, times, case) for name in STAGES}
    for name, found in stages.items():
        show(name, found, floor)
    whole = {
        "seconds": sum(found["seconds"] for found in stages.values()),
        "processor": sum(found["processor"] for found in stages.values()),
        "megabytes": max(found["megabytes"] for found in stages.values()),
    }
    show("whole per-submission path", whole, floor)
    return floor


def show(name: str, found: dict[str, float], floor: dict[str, float]) -> None:
    """A line: the second ratio is of processor seconds, which say the same while a neighbour is busy."""
    ratio, busy = (found[key] / floor[key] for key in ("seconds", "processor"))
    print(f"{name:34}{found['seconds']:9.2f}{found['megabytes']:9.0f}{ratio:9.2f}{busy:13.2f}", flush=True)


if __name__ == "__main__":
    main()
