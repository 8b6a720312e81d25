"""dags/ and plugins/: thin, event-driven, safe to run twice; and executed here, not only imported."""

import ast
import asyncio
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.synthetic import deliver

ROOT = Path(__file__).resolve().parent.parent
DAG_FILES = sorted((ROOT / "dags").glob("*.py"))
HEAVY = {"pandas", "numpy", "pyarrow", "duckdb", "great_expectations"}
STAGES = ["ingest", "validate", "feedback", "harmonise"]


@pytest.fixture(scope="session")
def dags():
    """Both DAGs, as the DAG processor stores them, in a database of this test run."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
    from airflow.utils.db import initdb

    initdb()
    DagBundlesManager().sync_bundles_to_db()
    bag = BundleDagBag(ROOT / "dags", bundle_path=ROOT / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    sync_bag_to_db(bag, "dags-folder", None)
    return bag.dags


@pytest.fixture
def small_lake(lake):
    """A trust and a practice; the second delivery is hopeless."""
    deliver(lake.path("landing"), "ZZ1", "2026-08", {"pas_patient": 30, "sus_outpatient": 60})
    deliver(lake.path("landing"), "ZP001", "2026-08", {"emis_patient": 20}, {"binary_junk": True})
    return lake


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.stem)
def test_imports_only_airflow_sdk_the_plugin_and_inside_tasks_transforms(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    allowed = {"os", "datetime", "typing", "airflow.sdk", "airflow.sdk.exceptions", "landing", "notices"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for name in names:
                inside = node not in tree.body and name.startswith("transforms")
                assert name in allowed or inside, f"{file.name}:{node.lineno}: {name}"


def test_reading_the_dags_loads_nothing_heavy():
    """The DAG processor reads these files again and again, and every task starts with them."""
    code = f"import submissions, publish, watch, fetch, sys; print(*({HEAVY!r} & set(sys.modules)))"
    path = os.pathsep.join(str(ROOT / part) for part in ("", "plugins", "dags"))
    seen = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert seen.returncode == 0, seen.stderr
    assert seen.stdout.split() == []


def test_each_is_woken_by_an_asset_and_by_a_timer_and_runs_once_at_a_time(dags):
    assert set(dags) == {"submissions", "publish", "watch", "fetch"}
    for dag, asset in (("submissions", "landing"), ("publish", "harmonised")):
        schedule = dags[dag].timetable
        assert [found.name for found in schedule.asset_condition.objects] == [asset]
        assert schedule.timetable is not None
        assert dags[dag].max_active_runs == 1
        assert not dags[dag].catchup


def test_a_chunk_goes_through_the_stages_in_order_and_finishes_first(dags):
    dag = dags["submissions"]
    for before, after in itertools.pairwise(STAGES):
        assert f"chunk.{before}" in dag.get_task(f"chunk.{after}").upstream_task_ids
    assert {str(task.weight_rule) for task in dag.tasks} == {"upstream"}


def test_no_mapped_task_emits_an_asset(dags):
    """Two that ended 9 ms apart made one run, and the second event was never consumed."""
    emitting = {task.task_id for task in dags["submissions"].tasks if task.outlets}
    assert emitting == {"announce"}


def test_runs_through_and_a_second_time_does_nothing(dags, small_lake):
    from transforms.arrivals import read_state

    run = dags["submissions"].test()
    assert run.state == "success"
    outcomes = [a.outcome for listed in read_state(small_lake).arrivals.values() for a in listed]
    assert outcomes == ["accepted"] and len(read_state(small_lake).refused) == 1
    assert small_lake.files("harmonised", "patient")

    assert dags["publish"].test().state == "success"
    release = (small_lake.root / "current").resolve()
    assert (release / "open" / "open.duckdb").exists()

    assert dags["submissions"].test().state == "success"
    again = dags["publish"].test()
    assert {i.task_id: i.state for i in again.get_task_instances()} == {
        "is_due": "success",
        "link": "skipped",
        "publish": "skipped",
        "compare": "skipped",
        "scorecards": "skipped",
        "faults": "skipped",
    }
    assert (small_lake.root / "current").resolve() == release


def test_a_fault_of_ours_is_red_and_stops_nobody_else(dags, lake, monkeypatch):
    from transforms import work
    from transforms.arrivals import read_state

    for provider in ("ZZ1", "ZZ2"):
        deliver(lake.path("landing"), provider, "2026-08", {"pas_patient": 20})
    ingest = work.STAGES["ingest"]

    def faulty(submission, *rest):
        if submission.provider == "ZZ1":
            raise RuntimeError("planted")
        return ingest(submission, *rest)

    monkeypatch.setitem(work.STAGES, "ingest", faulty)
    monkeypatch.setattr(work, "chunks", lambda standard, lake: [work.pending(standard, lake)])
    run = dags["submissions"].test()
    assert run.state == "failed"
    accepted = [str(s) for s, listed in read_state(lake).arrivals.items() if listed[-1].outcome == "accepted"]
    assert accepted == ["ZZ2/2026-08"]


def test_what_tasks_hand_over_holds_only_counts_and_submissions(dags, small_lake):
    dags["submissions"].test()
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    def leaves(value):
        if isinstance(value, dict):
            return [leaf for item in value.values() for leaf in leaves(item)]
        return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]

    with create_session() as session:
        rows = session.execute(select(XComModel.key, XComModel.value).where(XComModel.dag_id == "submissions")).all()
    values = [XComModel.deserialize_value(row) for row in rows if row.key == "return_value"]
    assert values
    for leaf in leaves(values):
        assert leaf is None or isinstance(leaf, int) or leaf in ("ZZ1/2026-08", "ZZ2/2026-08", "ZP001/2026-08"), leaf


async def events(trigger, seconds):
    """What a trigger fires within a time."""
    found = []

    async def collect():
        async for event in trigger.run():
            found.append(event.payload)

    task = asyncio.create_task(collect())
    await asyncio.sleep(seconds)
    task.cancel()
    return found


def test_the_watcher_fires_once_for_each_new_arrival(lake, standard):
    from landing import LandingTrigger

    from transforms.receive import receive

    deliver(lake.path("landing"), "ZZ1", "2026-08", {"pas_patient": 5})
    receive(standard, lake)
    deliver(lake.path("landing"), "ZZ2", "2026-08", {"pas_patient": 5})
    deliver(lake.path("landing"), "ZZ3", "2026-08", {"pas_patient": 5}, {"no_ready": True})
    before = sorted(lake.path("landing").rglob("*"))

    assert asyncio.run(events(LandingTrigger(interval=0.05), 1)) == [
        {"n_deliveries": 1, "submissions": ["ZZ2/2026-08"]}
    ]
    assert sorted(lake.path("landing").rglob("*")) == before


def test_the_watcher_never_repeats_a_folder_name(lake):
    """A folder's name is the provider's own text: it can be a person's name."""
    from landing import LandingTrigger

    deliver(lake.path("landing"), "Mary Example", "2026-08", {"pas_patient": 5}, name="for Mary Example")
    found = asyncio.run(events(LandingTrigger(interval=0.05), 1))
    assert found == [{"n_deliveries": 1, "submissions": []}]


def test_the_watcher_can_be_built_again_by_the_triggerer():
    from landing import LandingTrigger

    path, arguments = LandingTrigger(interval=2).serialize()
    assert path == "landing.LandingTrigger" and arguments == {"interval": 2}


def test_a_task_s_log_and_lineage_tell_of_each_stage_below_that_task(dags, small_lake, monkeypatch, capfd):
    """What Airflow's own events say of the task is the parent: its run is named as the provider of OpenLineage names it."""
    import json

    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter

    from transforms import lineage

    lineage._out_of_order.clear()
    monkeypatch.setenv("LINEAGE", "file")
    monkeypatch.setenv("STAGE_LOG", "json")
    run = dags["submissions"].test()
    assert run.state == "success"
    [kept] = small_lake.path("ledger", "lineage").iterdir()
    told = [json.loads(line) for line in kept.read_text().splitlines()]
    [ended] = [
        one
        for one in told
        if one["job"]["name"] == "validate" and one["eventType"] == "COMPLETE" and "ZZ1" in str(one["inputs"])
    ]
    parent = ended["run"]["facets"]["parent"]
    assert parent["job"]["name"] == "submissions.chunk.validate"
    assert parent["run"]["runId"] == OpenLineageAdapter.build_task_instance_run_id(
        dag_id="submissions",
        task_id="chunk.validate",
        try_number=1,
        logical_date=run.logical_date or run.run_after,
        map_index=0,
    )
    said = "".join(capfd.readouterr())
    assert '"stage": "validate", "submission": "ZZ1/2026-08", "outcome": "done"' in said.replace('\\"', '"')
