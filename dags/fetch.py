"""A bucket -> landing. Promise: what providers put into a bucket lies in landing soon after; from there it is as any other.

On a timer, and only where ARRIVALS_BUCKET names a bucket: a store that does not answer is red here and stops nothing else.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import DeltaTriggerTimetable, dag, task

EVERY = timedelta(seconds=float(os.environ.get("FETCH_SECONDS", "60")))
HAS_BUCKET = bool(os.environ.get("ARRIVALS_BUCKET"))


@task
def fetch() -> dict[str, int]:
    """Copy every finished delivery that was not copied yet."""
    from transforms.fetch import fetch
    from transforms.lake import Lake
    from transforms.standard import load

    return fetch(load(), Lake.from_environment())


@dag(
    "fetch",
    dag_display_name="0 fetch: from a bucket to landing",
    tags=["on a timer"],
    schedule=DeltaTriggerTimetable(EVERY) if HAS_BUCKET else None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "data engineers", "retries": 0},  # the next look tries again
    doc_md=__doc__,
)
def fetch_dag() -> None:
    """One look."""
    fetch()


fetch_dag()
