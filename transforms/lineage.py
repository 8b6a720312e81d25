"""A stage's run -> OpenLineage events: START, then COMPLETE, FAIL or ABORT (somebody else was at it), with what was read and made.

Promise: names of stages, tables, providers, periods and layouts, and counts; never a value, a file's name or an error's
message. Off by default. Events that cannot be sent are told of once, and no stage suffers.

LINEAGE=file: one line an event in ledger/lineage/<month>.jsonl. LINEAGE=openlineage: to where OpenLineage's own settings
lead (OPENLINEAGE_URL, OPENLINEAGE__TRANSPORT__..., openlineage.yml) or, in a task of Airflow, those of its [openlineage].
The run's parent is the task, or what OPENLINEAGE_PARENT_ID names. OPENLINEAGE_NAMESPACE names this lake in a catalogue.
A process that is killed says no end.
"""

import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from transforms import lake_contents, ledger
from transforms.abort import reached
from transforms.lake import Lake, Submission

PRODUCER = "urn:midlands-health-equity-standard"
FILE, OPENLINEAGE = "file", "openlineage"
_client: dict[int, Any] = {}  # the client of LINEAGE=openlineage, once made, by process
_out_of_order: set[str] = set()  # where nothing could be sent to: not tried again by this process


@dataclass
class Run:
    """One run of a stage that began. `inputs`: what it was to read."""

    id: str
    stage: str
    submission: Submission | None
    ledger_lines: int
    inputs: list[Any] = field(default_factory=list)


def wanted() -> str:
    """Where events go: "", "file" or "openlineage"."""
    said = os.environ.get("LINEAGE", "")
    return said if said in (FILE, OPENLINEAGE) and said not in _out_of_order else ""


def begin(lake: Lake, stage: str, submission: Submission | None) -> Run | None:
    """Say START. None when nobody asked."""
    if not wanted():
        return None
    from openlineage.client.uuid import generate_new_uuid

    try:
        run = Run(str(generate_new_uuid()), stage, submission, len(ledger.entries(lake)))
        run.inputs = lake_contents.inputs(lake, stage, submission)
        _emit(lake, run, "START", {}, "", [])
    except Exception as error:  # noqa: BLE001  who does not listen stops no stage
        _complain(error)
        return None
    return run


def end(lake: Lake, run: Run | None, outcome: str, counts: dict[str, int], error: str) -> None:
    """Say how a run ended, with what is there now."""
    if run is None:
        return
    try:
        made = lake_contents.outputs(lake, run.stage, run.submission, run.ledger_lines) if outcome == "done" else []
        kind = {"done": "COMPLETE", "busy": "ABORT"}.get(outcome, "FAIL")
        _emit(lake, run, kind, counts, error, made)
    except Exception as fault:  # noqa: BLE001  as above
        _complain(fault)


def _complain(error: Exception) -> None:
    print(
        f"lineage: events cannot be sent or written ({type(error).__name__}); no more are tried here", file=sys.stderr
    )
    _out_of_order.add(os.environ.get("LINEAGE", ""))


def _emit(lake: Lake, run: Run, kind: str, counts: dict[str, int], error: str, made: list[Any]) -> None:
    from openlineage.client import event_v2, facet_v2

    namespace = os.environ.get("OPENLINEAGE_NAMESPACE", "midlands-health-equity-standard")
    facets: dict[str, Any] = {}
    if counts:
        facets["midlands_counts"] = facet_v2.RunFacet(producer=PRODUCER).with_additional_properties(counts=counts)
    if error:
        facets["errorMessage"] = facet_v2.error_message_run.ErrorMessageRunFacet(error, "python", producer=PRODUCER)
    if above := _parent():
        run_above, job_above = facet_v2.parent_run.Run(above[2]), facet_v2.parent_run.Job(above[0], above[1])
        facets["parent"] = facet_v2.parent_run.ParentRunFacet(run_above, job_above, producer=PRODUCER)
    job_kind = facet_v2.job_type_job.JobTypeJobFacet("BATCH", "MIDLANDS", "STAGE", producer=PRODUCER)
    event = event_v2.RunEvent(
        eventTime=datetime.now(UTC).isoformat(timespec="milliseconds"),
        producer=PRODUCER,
        eventType=event_v2.RunState[kind],
        run=event_v2.Run(runId=run.id, facets=facets),
        job=event_v2.Job(namespace, run.stage, facets={"jobType": job_kind}),
        inputs=[one.as_input(namespace, PRODUCER) for one in run.inputs],
        outputs=[one.as_output(namespace, PRODUCER) for one in made],
    )
    if wanted() == FILE:
        _write(lake, event)
    else:
        if os.getpid() not in _client:
            _client.clear()
            _client[os.getpid()] = _make_client()
        _client[os.getpid()].emit(event)


def _write(lake: Lake, event: Any) -> None:
    """Through the client's own file transport, one process at a time."""
    from openlineage.client import OpenLineageClient

    path = lake.path("ledger", "lineage", f"{datetime.now(UTC):%Y-%m}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = {
        "transport": {"type": "file", "log_file_path": str(path), "append": True},
        "facets": {"source_code_location": {"disabled": True}},  # it would look for a repository round where we stand
    }
    with ledger.lock(lake, "lineage", wait=True):
        reached("append", path)
        OpenLineageClient(config=settings).emit(event)
        reached("appended", path)


def _in_airflow() -> Any:
    """The task that this runs in, if any."""
    if "airflow.sdk" not in sys.modules:
        return None
    from airflow.sdk import get_current_context

    try:
        return get_current_context()["ti"]
    except RuntimeError:
        return None


def _make_client() -> Any:
    if _in_airflow() is not None:
        from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter

        return OpenLineageAdapter().get_or_create_openlineage_client()
    from openlineage.client import OpenLineageClient

    return OpenLineageClient()


def _parent() -> tuple[str, str, str] | None:
    """(namespace, job, run) of what started this: the task, as its own events name it, or OPENLINEAGE_PARENT_ID."""
    if (task := _in_airflow()) is not None:
        from airflow.providers.openlineage.plugins import macros

        return macros.lineage_job_namespace(), macros.lineage_job_name(task), macros.lineage_run_id(task)
    parts = os.environ.get("OPENLINEAGE_PARENT_ID", "").split("/")
    return (unquote(parts[0]), "/".join(parts[1:-1]), parts[-1]) if len(parts) >= 3 else None
