"""landing -> harmonised. Promise: a finished delivery is worked on within seconds; a sweep finds what an event missed.

An event only wakes a run: what there is to do, the ledger decides, so a lost, doubled or folded event is harmless, and
so is running any of this again. A delivery with faults is not a failure here; red means a fault of ours.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    AssetWatcher,
    DeltaTriggerTimetable,
    dag,
    get_current_context,
    task,
    task_group,
)
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from landing import LandingTrigger
from notices import scorecards_ready

SWEEP = timedelta(seconds=float(os.environ.get("SWEEP_SECONDS", "600")))
LANDING = Asset("landing", watchers=[AssetWatcher(name="landing", trigger=LandingTrigger())])
HARMONISED = Asset("harmonised")
# In the grid a chunk is called by what is in it. A template that fails would fail the task: this one cannot.
CHUNK = "{{ chunk | default('') }}"


def work_on(stage: str, names: list[str]) -> dict[str, Any]:
    """One stage over one chunk of submissions: one process, one import, one load of the standard."""
    from transforms.lake import Lake
    from transforms.standard import load
    from transforms.work import run_chunk

    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    get_current_context()["chunk"] = f"{names[0]}{others}"  # submissions: nobody's values
    return run_chunk(stage, names, load(), Lake.from_environment())


@task
def receive() -> list[list[str]]:
    """Copy finished deliveries out of landing, enter them in the ledger, and hand out what is not done, in chunks."""
    from transforms.lake import Lake
    from transforms.observe import observing_arrivals
    from transforms.receive import ReceiveCrashed, receive
    from transforms.retire import retire
    from transforms.standard import load
    from transforms.withdraw import sweep
    from transforms.work import chunks

    standard, lake = load(), Lake.from_environment()
    try:
        with observing_arrivals(lake) as counts:
            counts |= receive(standard, lake)
        print(counts)
    except ReceiveCrashed as fault:  # what waits goes first; with nothing to do the next run is red
        if not chunks(standard, lake):
            raise
        print(fault)
    print(sweep(standard, lake, wait=False), retire(standard, lake))
    return chunks(standard, lake)


@task(map_index_template=CHUNK)
def ingest(names: list[str]) -> dict[str, Any]:
    """Received -> bronze: a faithful copy, every column as text."""
    return work_on("ingest", names)


@task(map_index_template=CHUNK, trigger_rule="all_done")
def validate(names: list[str]) -> dict[str, Any]:
    """Bronze -> validated, quarantine, results: here a delivery is accepted or rejected."""
    return work_on("validate", names)


@task(
    map_index_template=CHUNK,
    trigger_rule="all_done",
    on_success_callback=scorecards_ready,
)
def feedback(names: list[str]) -> dict[str, Any]:
    """Results -> the provider's own page and files."""
    return work_on("feedback", names)


@task(map_index_template=CHUNK, trigger_rule="all_done")
def harmonise(names: list[str]) -> dict[str, Any]:
    """Validated -> harmonised: their codes become the standard's."""
    return work_on("harmonise", names)


@task_group(tooltip="The way of one chunk of submissions")
def chunk(names: list[str]) -> None:
    """The way of one chunk. A stage also runs when the one before failed: the faulty submission waits for its retry,
    its neighbours go on."""
    ingest(names) >> validate(names) >> feedback(names) >> harmonise(names)


@task(outlets=[HARMONISED], trigger_rule="all_done", task_display_name="announce, if due")
def announce(worked_on: list[list[str]] | None) -> None:
    """Wake publishing once for all chunks, and only when there is something to publish."""
    from transforms.lake import Lake
    from transforms.publish import is_due
    from transforms.standard import load

    if not worked_on or not is_due(load(), Lake.from_environment()):
        raise AirflowSkipException("nothing to publish")


@task(trigger_rule="one_failed", task_display_name="faults, if any")
def faults() -> None:
    """Make the run red when any stage was, although the rest of it went on."""
    raise AirflowFailException("a fault of ours: see the red task above, and `python -m transforms status`")


@dag(
    dag_display_name="1 submissions: from landing to scorecards and harmonised records",
    tags=["on arrival"],
    schedule=AssetOrTimeSchedule(timetable=DeltaTriggerTimetable(SWEEP), assets=[LANDING]),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # arrivals meanwhile fold into the next run
    # On SQLite mapped groups run breadth first: the weight lets a chunk that has started finish first.
    default_args={
        "owner": "data engineers",
        "weight_rule": "upstream",
        "retries": 0,
    },  # the ledger retries, with pauses
    doc_md=__doc__,
)
def submissions() -> None:
    """Everything from a finished delivery to harmonised records."""
    names = receive()
    worked = chunk.expand(names=names)
    worked >> announce(names)
    list(worked.iter_tasks()) >> faults()


submissions()
