"""docker-compose.yml, started without containers and broken: two Celery workers, PostgreSQL, Redis, accounts with roles.

One stack for all tests of this file, in their order: each leaves it whole.
"""

import contextlib
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from tests.composed import Stack, make_certificate, make_secrets, missing, open_folder, stack, wait_for, write_secret
from tests.synthetic import deliver
from tests.test_airflow_end_to_end import command_line_tables, published_tables
from transforms import keys, ledger
from transforms.arrivals import read_state
from transforms.finished import waiting
from transforms.follow import is_followed
from transforms.lake import Lake
from transforms.publish import is_due
from transforms.standard import load
from transforms.work import pending

pytestmark = [
    pytest.mark.slow,
    pytest.mark.airflow,
    pytest.mark.skipif(
        bool(missing("postgres", "redis-server", "nginx", "curl", "openssl")),
        reason="PostgreSQL, Redis or nginx is not installed: sh scripts/install_services.sh",
    ),
]
ACCOUNTS = {"olga": ("operator", "olga's own"), "vera": ("viewer", "vera's own"), "nils": ("none", "nils's own")}
SECRETS = ["postgres_password", "redis_password", "jwt_secret", "api_secret_key"]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL, which refuses to be root, may enter too."""
    with open_folder("production") as made:
        yield made


@pytest.fixture(scope="module")
def lake(folder: Path) -> Lake:
    made = Lake(folder / "lake", folder / "keys").prepare()
    keys.initialise(made)
    return made


@pytest.fixture(scope="module")
def production(folder: Path, lake: Lake) -> Iterator[Stack]:
    """Everything runs, and is healthy by its own healthcheck."""
    from cryptography.fernet import Fernet
    from werkzeug.security import generate_password_hash

    secrets = folder / "secrets"
    make_secrets(secrets, SECRETS)
    make_certificate(secrets)
    write_secret(secrets / "fernet_key", Fernet.generate_key().decode())
    lines = [f"{name}:{role}:{generate_password_hash(word)}" for name, (role, word) in ACCOUNTS.items()]
    write_secret(secrets / "airflow_accounts", "\n".join(lines))
    write_secret(secrets / "provider_accounts", "ZZ1.anna:{PLAIN}anna's own")
    for path in (folder, secrets):  # PostgreSQL's account reads its own password
        path.chmod(0o755)
    given = {
        "LAKE": str(lake.root),
        "KEYS": str(lake.keys),
        "SECRETS": str(secrets),
        "RUN_AS": f"{os.geteuid()}:{os.getegid()}",
    }
    with stack(folder / "stack", given | {"SWEEP_SECONDS": "20"}) as made:
        began = time.monotonic()
        made.up()
        print(f"everything is healthy after {time.monotonic() - began:.0f} s")
        yield made


def call(production: Stack, path: str, token: str = "", method: str = "GET", body: Any = None) -> tuple[int, Any]:
    """(status, answer) of one request to Airflow's API."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    url = f"http://127.0.0.1:{production.port['api-server']}{path}"
    data = json.dumps(body).encode() if body is not None else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as got:
            return got.status, json.loads(got.read() or b"null")
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, None


def token(production: Stack, name: str, word: str = "") -> str:
    """What logs somebody in."""
    body = {"username": name, "password": word or ACCOUNTS[name][1]}
    for _ in range(30):  # logins are slowed down: a few in a minute
        status, said = call(production, "/auth/token", method="POST", body=body)
        if status != 429:
            break
        time.sleep(2)
    return said["access_token"] if status == 201 else ""


def is_finished(lake: Lake) -> bool:
    """Nothing is left to do: at the door, on its way, to publish, to tell."""
    standard = load()
    state = read_state(lake)  # what crashed is tried again after a minute, and is not pending until then
    if state.crashed or waiting(lake, state.drops) or pending(standard, lake) or is_due(standard, lake):
        return False
    return lake.path("current").exists() and is_followed(standard, lake)


def judged(lake: Lake) -> Counter[tuple[str, str, str]]:
    """(event, provider, period) of each line that says what became of a delivery, and how often."""
    told = [entry for entry in ledger.entries(lake) if entry["event"] in ("accepted", "rejected", "unchanged")]
    return Counter((entry["event"], entry["provider"], entry["period"]) for entry in told)


def part_at_work(production: Stack, lake: Lake, parts: list[str], what: str) -> str:
    """The part that holds a lock of the ledger whose name begins so, at this moment; '' when none does."""
    locks = lake.path("ledger", "locks")
    for part in parts:
        for one in production.members(part):
            with contextlib.suppress(OSError):
                for link in Path(f"/proc/{one.pid}/fd").iterdir():
                    held = str(link.readlink())
                    if held.startswith(f"{locks}/{what}"):
                        return part
    return ""


def test_every_part_is_healthy_and_listens_on_this_machine_only(production):
    """`up` waited for each healthcheck; a second look, at all of them, now that all run."""
    parts = [part for name in production.compose["services"] if name != "migrate" for part in production.parts(name)]
    assert [part for part in parts if not production.is_healthy(part)] == []
    assert {"worker-1", "worker-2"} <= set(parts)
    heard = production.listening()
    assert set().union(*heard.values()) == {"127.0.0.1"}, heard
    assert not {part for part in heard if part.startswith(("worker", "scheduler", "triggerer", "dag-processor"))}


def test_no_secret_stands_in_an_environment_or_a_command_line(production):
    secrets = [(Path(production.given["SECRETS"]) / name).read_text().strip() for name in (*SECRETS, "fernet_key")]
    for part in production.running:
        for one in production.members(part):
            with contextlib.suppress(psutil.AccessDenied, psutil.NoSuchProcess):
                said = " ".join((*one.cmdline(), *one.environ().values()))
                assert not [secret for secret in secrets if secret in said], part


def test_who_may_do_what_in_airflow(production):
    dag, run = "/api/v2/dags/submissions", "/api/v2/dags/submissions/dagRuns"
    assert wait_for(lambda: call(production, dag, token(production, "vera"))[0] == 200, 60), "no DAG was read"
    ours = {name: token(production, name) for name in ACCOUNTS}
    assert all(ours.values())
    assert not token(production, "olga", "wrong")
    for name in ("admin", "airflow", "anonymous"):
        assert not token(production, name, name), "an example account"
    reading = [dag, run, "/api/v2/dags", "/api/v2/dags/publish/details", "/api/v2/assets"]
    clear = ("POST", f"{dag}/clearTaskInstances", {"dry_run": True, "only_failed": False})
    doing = [("POST", run, {"logical_date": None}), clear, ("PATCH", dag, {"is_paused": False})]
    operating = ["/api/v2/connections", "/api/v2/variables", "/api/v2/pools"]
    for path in (*reading, *operating):
        assert call(production, path)[0] == 401
        assert call(production, path, "not.a.token")[0] in (401, 403)
        assert call(production, path, ours["nils"])[0] == 403
        assert call(production, path, ours["olga"])[0] == 200
    for path in reading:
        assert call(production, path, ours["vera"])[0] == 200
    for path in operating[:2]:
        assert call(production, path, ours["vera"])[0] == 403
    for method, path, body in doing:
        assert call(production, path, "", method, body)[0] == 401
        for name in ("nils", "vera"):
            assert call(production, path, ours[name], method, body)[0] == 403, (name, path)
        assert call(production, path, ours["olga"], method, body)[0] == 200, path


def test_a_worker_that_is_killed_half_way_loses_and_doubles_nothing(production, lake, tmp_path):
    began = time.monotonic()
    landing, workers = lake.path("landing"), production.parts("worker")
    for provider in ("ZZ1", "ZZ2", "ZZ3"):
        deliver(
            landing,
            provider,
            "2026-08",
            {"pas_patient": 40, "sus_outpatient": 60} if provider == "ZZ1" else {"pas_patient": 40},
        )
    for provider in ("ZP001", "ZP002"):
        deliver(landing, provider, "2026-08", {"emis_patient": 40, "emis_observation": 60})
    victim = wait_for(lambda: part_at_work(production, lake, workers, "submission"), 120, 0.02)
    assert victim, "nobody worked on a submission"
    production.end(victim, signal.SIGKILL)
    killed = time.monotonic()
    print(f"{victim} was killed after {killed - began:.0f} s")
    assert wait_for(lambda: is_finished(lake), 240, 2), "it did not finish on one worker"
    print(f"finished {time.monotonic() - killed:.0f} s after the kill")
    production.start(victim)
    expected = {("accepted", p, "2026-08"): 1 for p in ("ZZ1", "ZZ2", "ZZ3", "ZP001", "ZP002")}
    assert judged(lake) == expected
    states = [one["state"] for one in instances(production)]
    assert "failed" in states, "the task of the killed worker is seen to have failed"
    assert not [entry for entry in ledger.entries(lake) if entry["event"] == "crashed"], "no fault of ours"
    ours, theirs = published_tables(lake.root), command_line_tables(lake, tmp_path / "beside")
    for made in (ours, theirs):
        made.pop("protected.person_change")  # since the release before: what was not killed is published first
    assert ours == theirs


def instances(production: Stack) -> list[dict[str, Any]]:
    path = "/api/v2/dags/~/dagRuns/~/taskInstances?limit=500"
    return call(production, path, token(production, "vera"))[1]["task_instances"]


def test_a_killed_scheduler_and_triggerer_go_on_where_they_were(production, lake):
    landing = lake.path("landing")
    for provider in ("ZZ1", "ZZ2"):
        deliver(landing, provider, "2026-09", {"pas_patient": 40})
    workers = production.parts("worker")
    assert wait_for(lambda: part_at_work(production, lake, workers, "submission"), 120, 0.02), "nobody worked"
    for part in ("scheduler", "triggerer"):
        production.end(part, signal.SIGKILL)
    deliver(landing, "ZZ3", "2026-09", {"pas_patient": 40})  # while nobody listens
    production.up("scheduler", "triggerer")
    assert wait_for(lambda: is_finished(lake), 240, 2), "it did not finish"
    assert {count for (_, _, period), count in judged(lake).items() if period == "2026-09"} == {1}
    assert len([key for key in judged(lake) if key[2] == "2026-09"]) == 3


def test_a_lost_database_of_airflow_is_made_anew_and_nothing_is_done_twice(production, lake):
    before, releases = judged(lake), [e for e in ledger.entries(lake) if e["event"] == "published"]
    users = ("api-server", "scheduler", "dag-processor", "triggerer", *production.parts("worker"))
    for part in users:
        production.end(part, signal.SIGTERM, 10)
    word = (Path(production.given["SECRETS"]) / "postgres_password").read_text().strip()
    link = psycopg2.connect(
        host="127.0.0.1", port=production.port["postgres"], user="airflow", password=word, dbname="postgres"
    )
    link.autocommit = True
    with contextlib.closing(link), link.cursor() as cursor:
        cursor.execute("drop database airflow with (force)")
        cursor.execute("create database airflow")
    production.up()
    assert token(production, "olga"), "the accounts are those of the file"
    # It has swept, found nothing to do, and made nothing.
    ended = lambda: [one for one in instances(production) if one["task_id"] == "receive" and one["state"] == "success"]  # noqa: E731
    assert wait_for(ended, 120, 3), "no sweep"
    assert judged(lake) == before
    assert [e for e in ledger.entries(lake) if e["event"] == "published"] == releases
    deliver(lake.path("landing"), "ZP001", "2026-09", {"emis_patient": 20, "emis_observation": 20})
    assert wait_for(lambda: is_finished(lake), 240, 2), "it does not go on"
    assert judged(lake) - before == {("accepted", "ZP001", "2026-09"): 1}
    assert ledger.verify(lake) > 0


def test_what_was_killed_or_stopped_leaves_nothing(production):
    assert [one for one in production.left() if "postgres" in one], "it would be seen"
    production.down()
    assert production.left() == []
