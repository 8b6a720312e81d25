"""harmonised -> a release, and what follows from it: comparisons, and the scorecards that tell of them.

Promise: a burst of work becomes few releases, and a release never waits for an event.

Woken by harmonised work, and by a timer: a rejected delivery harmonises nothing and wakes nobody, yet its outcome is
published too.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, DeltaTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException

SWEEP = timedelta(seconds=float(os.environ.get("SWEEP_SECONDS", "600")))
HARMONISED = Asset("harmonised")


@task.short_circuit(task_display_name="is anything new?")
def is_due() -> bool:
    """Is any outcome newer than the release, or was something that follows from the release not finished?"""
    from transforms.follow import is_followed
    from transforms.lake import Lake
    from transforms.publish import is_due
    from transforms.standard import load

    standard, lake = load(), Lake.from_environment()
    return is_due(standard, lake) or not is_followed(standard, lake)


@task
def link() -> dict[str, int]:
    """Harmonised -> linked: which records are one person."""
    from transforms.lake import Lake
    from transforms.link import link
    from transforms.standard import load

    return link(load(), Lake.from_environment())


@task
def publish() -> dict[str, int | None]:
    """Everything -> a release, audited; then one pointer moves."""
    from transforms.lake import Lake
    from transforms.publish import publish
    from transforms.standard import load

    return publish(load(), Lake.from_environment(), is_asked=False)


@task
def compare() -> dict[str, int]:
    """What is in force, and the release -> compared: each provider beside its own history and its peers."""
    from transforms.compare import compare
    from transforms.lake import Lake
    from transforms.standard import load

    return compare(load(), Lake.from_environment())


@task(trigger_rule="all_done")
def scorecards() -> dict[str, int]:
    """Compared -> the providers' own pages, where they would now say something else."""
    from transforms.follow import refresh
    from transforms.lake import Lake
    from transforms.standard import load

    return refresh(load(), Lake.from_environment())


@task(trigger_rule="one_failed", task_display_name="faults, if any")
def faults() -> None:
    """Make the run red when any task was, although the pages of the others were made."""
    raise AirflowFailException("a fault of ours, or a release that is not what consumers may expect: see the red task")


@dag(
    "publish",
    dag_display_name="2 publish: from harmonised records to a release",
    tags=["after submissions"],
    schedule=AssetOrTimeSchedule(timetable=DeltaTriggerTimetable(SWEEP), assets=[HARMONISED]),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # what is harmonised meanwhile folds into the next run
    default_args={"owner": "data engineers", "retries": 0},
    doc_md=__doc__,
)
def publish_dag() -> None:
    """From harmonised records to what people open."""
    compared = compare()
    is_due() >> link() >> publish() >> compared >> scorecards()
    compared >> faults()


publish_dag()
