"""How things stand -> whoever is to be told. Promise: an alert is told once, and once more when it has ended.

On a timer alone: silence, a full disk and a crash wake nobody. What was told, the ledger remembers.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import DeltaTriggerTimetable, dag, get_current_context, task
from notices import alert

SWEEP = timedelta(seconds=float(os.environ.get("SWEEP_SECONDS", "600")))


@task
def watch() -> dict[str, int]:
    """Tell what is new of what needs somebody, and what no longer does."""
    return alert(get_current_context())


@dag(
    "watch",
    dag_display_name="3 watch: alerts for operators",
    tags=["on a timer"],
    schedule=DeltaTriggerTimetable(SWEEP),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "data engineers", "retries": 0},  # the next look tries again
    doc_md=__doc__,
)
def watch_dag() -> None:
    """One look."""
    watch()


watch_dag()
