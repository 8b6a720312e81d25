"""harmonised -> a release. Promise: a burst of work becomes few releases, and a release never waits for an event.

Woken by harmonised work, and by a timer: a rejected delivery harmonises nothing and wakes nobody, yet its outcome is
published too.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, DeltaTriggerTimetable, dag, task

SWEEP = timedelta(seconds=float(os.environ.get("SWEEP_SECONDS", "600")))
HARMONISED = Asset("harmonised")


@task.short_circuit
def is_due() -> bool:
    """Is any outcome newer than the release?"""
    from transforms.lake import Lake
    from transforms.publish import is_due
    from transforms.standard import load

    return is_due(load(), Lake.from_environment())


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

    return publish(load(), Lake.from_environment())


@dag(
    "publish",
    schedule=AssetOrTimeSchedule(timetable=DeltaTriggerTimetable(SWEEP), assets=[HARMONISED]),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # what is harmonised meanwhile folds into the next run
    default_args={"retries": 0},
    doc_md=__doc__,
)
def publish_dag() -> None:
    """From harmonised records to what people open."""
    is_due() >> link() >> publish()


publish_dag()
