"""Files dropped into landing/ come out in the marts through a real scheduler, triggerer and watcher; and nothing stays."""

import contextlib
import email
import email.policy
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import duckdb
import notices
import psutil
import pytest

from tests.listeners import mail_server, web_server
from tests.scanner import Scanner
from tests.synthetic import deliver
from tests.test_scanner import MAY_HOLD, ONE, TWO, plant
from transforms import ledger
from transforms.lake import Lake

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "scripts" / "airflow_service.py"

pytestmark = pytest.mark.airflow


def service(word: str, **environment: str) -> str:
    """`make up` or `make down`, in an environment of the test's own."""
    ended = subprocess.run(
        [sys.executable, str(SERVICE), word], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def members(home: Path) -> list[str]:
    """What is alive of the session that the service started."""
    session = json.loads((home / "service.json").read_text())["session"]
    return [f"{one.pid} {' '.join(one.cmdline())}" for one in alive() if session_of(one) == session]


def alive() -> list[psutil.Process]:
    """Every process but those that have ended and wait to be collected."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [one for one in psutil.process_iter() if one.status() != psutil.STATUS_ZOMBIE]
    return alive()


def session_of(process: psutil.Process) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(process.pid)
    return None


def listening_addresses(home: Path) -> set[str]:
    """The addresses on which what the service started listens."""
    session = json.loads((home / "service.json").read_text())["session"]
    ours = [one for one in alive() if session_of(one) == session]
    found = [c for one in ours for c in one.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    return {connection.laddr.ip for connection in found}


def command_line_tables(lake: Lake, beside: Path) -> dict[str, str]:
    """The content hash of every published table, when the command line does the same work in a lake of its own."""
    shutil.copytree(lake.path("landing"), beside / "landing")
    for ready in beside.glob("landing/*/*/*/_READY"):
        ready.touch()  # it was not copied last
    environment = {**os.environ, "LAKE": str(beside), "KEYS": str(lake.keys), "PYTHONPATH": str(ROOT)}
    for words in (["run", "--all"], ["publish"]):
        subprocess.run([sys.executable, "-m", "transforms", *words], env=environment, check=True, cwd=ROOT)
    return published_tables(beside)


def published_tables(root: Path) -> dict[str, str]:
    manifests = [root / "current" / "release.json", root / "current" / "protected" / "release.json"]
    return {k: v for path in manifests for k, v in json.loads(path.read_text(encoding="utf-8"))["tables"].items()}


def sessions() -> set[str]:
    """The session of every process that runs; one that has ended and waits to be collected does not."""
    return {str(session_of(one)) for one in alive()}


def wait_for(what, seconds: float):
    """The first true answer."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if answer := what():
            return answer
        time.sleep(0.5)
    return None


def seconds_to_page(lake: Lake, provider: str, period: str, delivery: str = "delivery") -> float:
    """From a delivery's _READY to the provider's page: waits for the page, and says how long it took. No test asserts it."""
    page = lake.path("provider", provider, period, "index.html")
    assert wait_for(page.exists, 120), f"{provider}/{period} has no page"
    ready = lake.path("landing", provider, period, delivery, "_READY")
    return page.stat().st_mtime - ready.stat().st_mtime


def posted(heard: list) -> list[tuple[str, str, str]]:
    """(submission, outcome, page) of every scorecard that the web server was told of: these keys, and no other."""
    items = [item for _, body in heard for item in json.loads(body).pop("scorecards")]
    assert all(item.keys() == {"submission", "outcome", "page"} for item in items)
    return [(item["submission"], item["outcome"], item["page"]) for item in items]


def words_of(envelope) -> str:
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    return f"{message['subject']} {message.get_body().get_content()}"


def mailed_about(mailed: list) -> list[tuple[str, str, str]]:
    """The same of every message; beside it each says how many scorecards it tells of, and no other figure."""
    found = []
    for said in map(words_of, mailed):
        items = re.findall(r"<li>([^:<]+): (\w+); ([^<]+)</li>", said)
        assert re.findall(r"\d+", re.sub(r"<li>.*?</li>", "", said)) == [str(len(items))]
        found += items
    return found


def kept_events(lake: Lake) -> list[dict]:
    """Events of lineage, of LINEAGE=file."""
    files = sorted(lake.path("ledger", "lineage").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def heard_events(sent_on: list) -> list[dict]:
    """Events of lineage, as a server was sent them."""
    return [json.loads(body) for _, body in list(sent_on)]


def is_ours(event: dict) -> bool:
    return event["job"]["namespace"] == "midlands-health-equity-standard"


def ended_below(events: list[dict]) -> dict[str, set[str]]:
    """Stage of ours -> the tasks of Airflow below which it ended well, by the events that it sent; Airflow has its own."""
    found: dict[str, set[str]] = {}
    for event in events:
        if event["eventType"] == "COMPLETE" and is_ours(event):
            above = event["run"]["facets"]["parent"]["job"]["name"]
            found.setdefault(event["job"]["name"], set()).add(above)
    return found


TASKS = {"receive": {"submissions.receive"}}
TASKS |= {stage: {f"submissions.chunk.{stage}"} for stage in ("ingest", "validate", "feedback", "harmonise")}
TASKS |= {stage: {f"publish.{stage}"} for stage in ("link", "publish", "compare", "scorecards")}
TASKS["link"].add("publish.publish")  # asks again whether anything changed meanwhile


def unreadable_births(_: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """For `deliver`: a column that cannot be read, for which a delivery is rejected."""
    return [row | {"DATE_OF_BIRTH": "last spring"} for row in rows]


@pytest.fixture
def heard(monkeypatch):
    """What a web server was sent; Airflow has a connection to it, and nobody has switched it on."""
    monkeypatch.delenv(notices.WEBHOOK, raising=False)
    with web_server() as (said, posted):
        monkeypatch.setenv("AIRFLOW_CONN_TRUST_PORTAL", said)
        yield posted


@pytest.fixture
def mailed(monkeypatch):
    """What a mail server was given; Airflow has a connection to it, and nobody has switched it on."""
    monkeypatch.delenv(notices.EMAIL, raising=False)
    with mail_server() as (said, kept):
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", said)
        yield kept


@pytest.fixture
def told(heard, mailed, monkeypatch):
    """Both are switched on."""
    monkeypatch.setenv(notices.WEBHOOK, "trust_portal")
    monkeypatch.setenv(notices.EMAIL, "quality@zz1.invalid")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "airflow"


@pytest.fixture
def settings(lake, home, monkeypatch):
    """An Airflow of this test's own; timers are slow, so that only events can have woken it."""
    monkeypatch.setenv("AIRFLOW_HOME", str(home))
    monkeypatch.setenv("AIRFLOW_PORT", "0")
    monkeypatch.setenv("SWEEP_SECONDS", "3600")
    for name in ("AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__CORE__PLUGINS_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    yield
    service("down")


@pytest.fixture
def with_lineage(monkeypatch):
    """What is read and made is written down."""
    monkeypatch.setenv("LINEAGE", "file")


@pytest.fixture
def sent_on(monkeypatch):
    """Airflow's own events of lineage, and ours, are sent to a server; what it got."""
    with web_server() as (said, heard):
        address = json.loads(said)["host"].removesuffix("/hook")
        monkeypatch.setenv("LINEAGE", "openlineage")
        monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps({"type": "http", "url": address}))
        yield heard


@pytest.fixture
def running(settings):
    """It runs; what `up` printed."""
    return service("up")


def test_dropped_files_reach_the_marts_as_by_command_line_and_down_leaves_nothing(
    heard, mailed, with_lineage, running, lake, home, tmp_path
):
    assert "http://127.0.0.1:" in running
    assert listening_addresses(home) == {"127.0.0.1"}

    first = deliver(lake.path("landing"), "ZZ1", "2026-08", {"pas_patient": 40, "sus_outpatient": 80}, edit=plant)
    deliver(lake.path("landing"), "ZP001", "2026-08", {"emis_patient": 40, "emis_observation": 60}, edit=plant)
    deliver(lake.path("landing"), "ZZ2", "2026-08", {"pas_patient": 40}, {"binary_junk": True}, edit=plant)
    dropped = time.monotonic()
    for provider, outcome in (("ZZ1", "accepted"), ("ZZ2", "refused at the door")):
        print(f"_READY to scorecard, {outcome}: {seconds_to_page(lake, provider, '2026-08'):.1f} s")
    release = wait_for(lambda: (lake.root / "current").exists() and (lake.root / "current").resolve(), 240)
    assert release, "no release came of the drop"

    print(f"first drop to release: {time.monotonic() - dropped:.1f} s")

    con = duckdb.connect(str(lake.root / "open" / "open.duckdb"), read_only=True)
    assert con.execute("select count(*) from coverage").fetchone()[0] > 0
    con.close()
    con = duckdb.connect()
    key = (lake.keys / "protected.key").read_text().strip()
    con.execute(f"attach '{lake.root}/protected/protected.duckdb' as p (read_only, encryption_key '{key}')")
    assert con.execute("select count(*) from p.person").fetchone()[0] >= len(
        {p.nhs_number for p in first.people["pas_patient"]}
    )
    con.close()
    assert list(lake.path("provider", "ZZ1", "2026-08").iterdir())

    assert len(published_tables(lake.root)) > 5
    assert published_tables(lake.root) == command_line_tables(lake, tmp_path / "beside")

    before = time.monotonic()
    deliver(lake.path("landing"), "ZZ1", "2026-09", {"pas_patient": 45}, name="next month")
    assert wait_for(lambda: (lake.root / "current").resolve() != release, 240), "a second drop made no release"
    print(f"second drop to release: {time.monotonic() - before:.1f} s")
    assert wait_for(lambda: ended_below(kept_events(lake)) == TASKS, 120), "lineage lacks a stage"

    session = str(json.loads((home / "service.json").read_text())["session"])
    assert "Stopped." in service("down")
    assert session not in sessions()
    assert "Nothing was running." in service("down")
    assert heard == mailed == [], "nobody asked to be told"

    scanner = Scanner([ONE, TWO], key)
    assert scanner.folder(lake.path("landing")), "or finding nobody would mean nothing"
    assert scanner.folder(lake.root, [lake.path(part) for part in MAY_HOLD]) == []
    assert scanner.folder(home) == [], "logs, XCom, the database"
    assert scanner.opened["sqlite"] and kept_events(lake)


@pytest.mark.slow
def test_each_scorecard_is_told_once_within_a_minute_also_while_publishing_is_held(
    told, sent_on, running, lake, home, heard, mailed
):
    landing = lake.path("landing")
    with ledger.lock(lake, "publish"):
        sent = [
            deliver(landing, "ZZ1", "2026-08", {"pas_patient": 60}, {"unrecognised": 5}),
            deliver(landing, "ZZ2", "2026-08", {"pas_patient": 20}, edit=unreadable_births),
            deliver(landing, "ZZ3", "2026-08", {"pas_patient": 20}, {"wrong_hash": True}),
        ]
        took = {"accepted": seconds_to_page(lake, "ZZ1", "2026-08")}
        took["rejected by a rule"] = seconds_to_page(lake, "ZZ2", "2026-08")
        took["refused at the door"] = seconds_to_page(lake, "ZZ3", "2026-08")
        waits = "logs/dag_id=publish/*/task_id=link/*.log"
        assert wait_for(lambda: list(home.glob(waits)), 120), "publishing was not even tried"
        sent.append(deliver(landing, "ZZ1", "2026-09", {"pas_patient": 60}, name="next month"))
        sent.append(deliver(landing, "ZZ2", "2026-09", {"pas_patient": 20}, name="next month", edit=unreadable_births))
        took["accepted, a release waits"] = seconds_to_page(lake, "ZZ1", "2026-09", "next month")
        took["rejected, a release waits"] = seconds_to_page(lake, "ZZ2", "2026-09", "next month")
        assert wait_for(lambda: len(posted(heard)) >= 5 and len(mailed_about(mailed)) >= 5, 60), "somebody was not told"
        assert not (lake.root / "current").exists(), "nothing was published: that is the point"
    for what, seconds in took.items():
        print(f"_READY to scorecard, {what}: {seconds:.1f} s")

    # A release refreshes pages, which is no news; nor is a delivery that says what is known.
    assert wait_for(lake.path("compared", "told").exists, 240), "no release came, or nothing followed from it"
    deliver(landing, "ZZ1", "2026-09", {"pas_patient": 60}, name="once more")
    assert wait_for(lambda: any(entry["event"] == "unchanged" for entry in ledger.entries(lake)), 120)
    assert wait_for(lambda: ended_below(heard_events(sent_on)) == TASKS, 60), "lineage lacks a stage"
    service("down")
    events = heard_events(sent_on)
    above = {event["run"]["facets"]["parent"]["run"]["runId"] for event in filter(is_ours, events)}
    assert above and above <= {event["run"]["runId"] for event in events}, "our events hang below Airflow's own"
    outcomes = {"ZZ1/2026-08": "accepted", "ZZ2/2026-08": "rejected", "ZZ3/2026-08": "rejected"}
    outcomes |= {"ZZ1/2026-09": "accepted", "ZZ2/2026-09": "rejected"}
    expected = Counter((name, outcome, f"provider/{name}/index.html") for name, outcome in outcomes.items())
    assert Counter(posted(heard)) == Counter(mailed_about(mailed)) == expected
    said = "".join(body.decode() for _, body in heard) + "".join(map(words_of, mailed))
    values = {value.strip() for one in sent for row in one.rows["pas_patient"] for value in row.values()}
    assert not [value for value in values if len(value) > 2 and value in said], "somebody's value"
    people = [person for one in sent for person in one.people["pas_patient"]]
    named = {part for one in people for part in (one.nhs_number, one.family_name, one.postcode)}
    assert not [part for part in named if any(part in body.decode() for _, body in sent_on)], "somebody is in an event"


def test_down_also_works_after_a_crash(settings, home):
    start = f"import sys; sys.path.insert(0, {str(SERVICE.parent)!r}); import airflow_service; airflow_service.start()"
    subprocess.run([sys.executable, "-c", start], check=True)
    assert wait_for(lambda: len(members(home)) >= 4, 90), "its parts did not start"
    known = json.loads((home / "service.json").read_text())
    os.kill(known["session"], 9)
    assert wait_for(lambda: str(known["session"]) in sessions(), 5), "its parts outlive it: that is the point"
    assert "Stopped." in service("down")
    assert str(known["session"]) not in sessions()


def test_a_port_in_use_is_a_clear_error(lake, home, tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        environment = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW_PORT": port}
        ended = subprocess.run([sys.executable, str(SERVICE), "up"], env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    assert f"port {port} is in use" in ended.stderr and "AIRFLOW_PORT=" in ended.stderr
