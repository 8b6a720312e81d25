"""bucket.py and fetch.py: what lies in S3-compatible storage comes to landing whole, once, and in order; a real server answers."""

import hashlib
import http.client
import io
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import moto.server
import pytest
from moto.s3.models import s3_backends

from tests import abrupt, lakes
from tests.lakes import PERIOD, events
from tests.synthetic import deliver
from tests.test_airflow_end_to_end import service
from tests.test_dags import dags  # noqa: F401  a fixture
from tests.test_scanner import ONE
from transforms import bucket as bucket_module
from transforms import fetch as door
from transforms import finished, receive
from transforms.__main__ import main
from transforms.lake import Lake, UsageError

ROOT = Path(__file__).resolve().parent.parent
BUCKET, PREFIX = "arrivals", "from/providers"
NOTHING = {"fetched": 0, "rejected": 0, "unfinished": 0}


@pytest.fixture(scope="module")
def server():
    """A server of the protocol, on this machine only."""
    made = moto.server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    yield made.get_host_and_port()[1]
    made.stop()


@cache
def sender(port: int):
    """Whoever sends: another than us."""
    who = {"aws_access_key_id": "them", "aws_secret_access_key": secrets.token_hex(8), "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **who)


@pytest.fixture
def store(server, lake, tmp_path, monkeypatch):
    """An empty bucket, which the environment names; a client of the sender's."""
    told = tmp_path / "credentials"
    told.write_text(f"[default]\naws_access_key_id = us\naws_secret_access_key = {secrets.token_hex(8)}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(told))
    monkeypatch.setenv("ARRIVALS_BUCKET", f"{BUCKET}/{PREFIX}")
    monkeypatch.setenv("ARRIVALS_ENDPOINT", f"http://127.0.0.1:{server}")
    monkeypatch.setattr(door, "QUIET", 0.0)
    client = sender(server)
    client.create_bucket(Bucket=BUCKET)
    yield client
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{server}/moto-api/reset", method="POST")).close()


def put(store, key: str, data: bytes = b"") -> None:
    """The store's times have seconds, or little more."""
    store.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}", Body=data)


def tick() -> None:
    time.sleep(1.05)


def extract(lake: Lake, provider: str = "ZZ1", seed: int = 1, rows: int = 20) -> bytes:
    made = deliver(lake.root / "sender", provider, PERIOD, {"pas_patient": rows}, name=f"{seed}", seed=seed)
    return next(made.path.glob("*.csv")).read_bytes()


def send(store, lake: Lake, provider: str = "ZZ1", name: str = "d", seed: int = 1, ready: str | None = "") -> bytes:
    data = extract(lake, provider, seed)
    put(store, f"{provider}/{PERIOD}/{name}/patients.csv", data)
    if ready is not None:
        put(store, f"{provider}/{PERIOD}/{name}/_READY", ready.encode())
    return data


def in_landing(lake: Lake) -> list[str]:
    return sorted(
        str(path.relative_to(lake.path("landing"))) for path in lake.path("landing").rglob("*") if path.is_file()
    )


def received(lake: Lake) -> list[str]:
    return [file["sha256"] for entry in events(lake, "seen") for file in entry["files"]]


def test_a_delivery_comes_to_landing_once_and_is_taken_in_as_any_other(standard, lake, store, capsys):
    data = send(store, lake)
    put(store, f"ZZ2/{PERIOD}/d/patients.csv", b"its upload goes on")
    assert main(["fetch"]) == 0
    assert capsys.readouterr().out == "fetched 1, rejected 0, unfinished 1\n"
    [at] = lake.path("landing", "ZZ1", PERIOD).iterdir()
    assert {path.name for path in at.iterdir()} == {"patients.csv", "_READY"}
    assert at.stat().st_mode & 0o077 == 0 and finished.newer(at) == 0
    assert door.fetch(standard, lake) == NOTHING | {"unfinished": 1}, "it is not copied twice"
    assert receive.receive(standard, lake)["received"] == 1
    assert received(lake) == [hashlib.sha256(data).hexdigest()]
    door.fetch(standard, lake)
    assert in_landing(lake) == [], "our copy goes when it was dealt with"
    assert door.fetch(standard, lake) == NOTHING | {"unfinished": 1}
    assert receive.receive(standard, lake) == {"received": 0, "unchanged": 0, "rejected": 0}
    [line] = events(lake, "fetched")
    assert (line["submission"], line["n_objects"], line["n_bytes"]) == (f"ZZ1/{PERIOD}", 2, len(data))


def test_airflow_fetches_too(dags, lake, store):  # noqa: F811
    send(store, lake)
    run = dags["fetch"].test()
    assert run.state == "success" and len(in_landing(lake)) == 2
    assert dags["fetch"].max_active_runs == 1


def test_what_is_sent_again_comes_again_and_only_when_ready_is_put_again(standard, lake, store):
    first = send(store, lake)
    door.fetch(standard, lake), receive.receive(standard, lake)
    tick()
    second = send(store, lake, seed=2, ready=None)
    assert door.fetch(standard, lake) == NOTHING | {"unfinished": 1}, "new files under the _READY of the time before"
    put(store, f"ZZ1/{PERIOD}/d/_READY")
    assert door.fetch(standard, lake)["fetched"] == 1 and receive.receive(standard, lake)["received"] == 1
    tick()
    send(store, lake)  # they go back to what they sent first
    assert door.fetch(standard, lake)["fetched"] == 1 and receive.receive(standard, lake)["received"] == 1
    assert received(lake) == [hashlib.sha256(data).hexdigest() for data in (first, second, first)]


def test_corrections_are_fetched_in_the_order_of_their_ready(standard, lake, store):
    for name, seed in (("z", 1), ("a", 2), ("m", 3)):
        send(store, lake, name=name, seed=seed)
        tick()
    door.fetch(standard, lake), receive.receive(standard, lake)
    assert received(lake) == [hashlib.sha256(extract(lake, seed=seed)).hexdigest() for seed in (1, 2, 3)]


def test_hashes_settle_what_times_cannot(standard, lake, store):
    """_READY came first; what does not agree with it is not taken, and is not fetched again and again."""
    data = extract(lake)
    said = json.dumps({"files": [{"name": "patients.csv", "sha256": hashlib.sha256(data).hexdigest()}]})
    put(store, f"ZZ1/{PERIOD}/d/_READY", said.encode())
    put(store, f"ZZ2/{PERIOD}/d/_READY", said.encode())
    tick()
    put(store, f"ZZ1/{PERIOD}/d/patients.csv", data)
    put(store, f"ZZ2/{PERIOD}/d/patients.csv", data[:-9])
    assert door.fetch(standard, lake) == NOTHING | {"fetched": 1, "unfinished": 1}
    assert receive.receive(standard, lake)["received"] == 1


def test_who_forgets_ready_has_an_answer(standard, lake, store, monkeypatch):
    send(store, lake, ready=None)
    send(store, lake, "ZZ2")
    tick()
    send(store, lake, "ZZ2", seed=2, ready=None)
    assert door.fetch(standard, lake) == NOTHING | {"unfinished": 2}
    monkeypatch.setenv("READY_GRACE_HOURS", "0")
    assert door.fetch(standard, lake) == NOTHING | {"rejected": 2}
    assert door.fetch(standard, lake) == NOTHING
    assert {(entry["provider"], entry["reason"]) for entry in events(lake, "rejected")} == {
        ("ZZ1", "not_ready"),
        ("ZZ2", "ready_is_older"),
    }


def test_a_withdrawal_comes_too(standard, lake, store):
    send(store, lake)
    door.fetch(standard, lake), receive.receive(standard, lake)
    put(store, f"ZZ1/{PERIOD}/gone/_WITHDRAW")
    assert door.fetch(standard, lake)["fetched"] == 1
    assert receive.receive(standard, lake)["taken_back"] == 1


LONG = "x" * 1000
# Keys that name no file of a delivery; those that begin with one of ZZ1 spoil that one.
TRICKS = [
    "../../../../etc/cron.d/job", "/etc/passwd", "ZZ1/2026-09/d/../../../x", "ZZ1/2026-09/../x", "../2026-09/d/x",
    "ZZ1/2026-09/d/..", "ZZ1/2026-09/d/a\\..\\b.csv", "ZZ1/2026-09/d/C:\\x.csv", "ZZ1/2026-09/d/a\nb.csv",
    "ZZ1/2026-09/d/\x1b[2Jx.csv", "ZZ1/2026-09/d/\u202evsc.csv", f"ZZ1/2026-09/d/{LONG}"[:1000], LONG,
    "ZZ1/2026-09/d/sub/x.csv", "ZZ1/2026-09/d//x.csv", "ZZ1//d/x.csv", "ZZ1/2026-09/x.csv", "x.csv",
    "ZZ1/2026-09/d/.", "ZZ1/2026-09/d/\u2028x.csv", "ZZ1/2026-09/d/..//../x", "ZZ1/2026-09/d/\0", "ZZ1/2026-09/d/x\ty.csv",
]  # fmt: skip


@pytest.mark.parametrize("key", TRICKS, ids=range(len(TRICKS)))
def test_a_key_that_is_no_file_is_seen_and_its_neighbours_are_whole(key):
    at = datetime(2026, 10, 1, tzinfo=UTC)
    good = ["ZZ1/2026-09/d/a.csv", "ZZ1/2026-09/d/_READY", "ZZ2/2026-09/d/a.csv", "ZZ2/2026-09/d/_READY"]
    found = {offer.place: offer for offer in bucket_module.offers((one, 1, "e", at) for one in [*good, key])}
    spoilt = ("ZZ1", "2026-09", "d")
    assert found["ZZ2", "2026-09", "d"].n_bad == 0 and len(found["ZZ2", "2026-09", "d"].items) == 2
    [bad] = [place for place, offer in found.items() if offer.n_bad]
    assert (bad == spoilt) == key.startswith("ZZ1/2026-09/d/")
    assert sum(offer.n_bad for offer in found.values()) == 1
    assert all(bucket_module.is_plain(item.name) for offer in found.values() if not offer.n_bad for item in offer.items)


def test_keys_that_are_no_files_are_refused_and_block_no_neighbour(standard, lake, store):
    before = {path for path in lake.root.parent.rglob("*") if not path.is_relative_to(lake.root)}
    spoilt, elsewhere = [], []
    for number, trick in enumerate(TRICKS):
        key = trick.replace("ZZ1/2026-09/d/", f"ZZ1/2026-09/d{number}/")
        if key != trick:
            spoilt.append(number)
            put(store, f"ZZ1/{PERIOD}/d{number}/patients.csv", extract(lake))
            put(store, f"ZZ1/{PERIOD}/d{number}/_READY")
        else:
            elsewhere.append(key)
        # Past the server's web framework, which lets no line break into a key as other stores do.
        s3_backends["123456789012"]["aws"].put_object(BUCKET, f"{PREFIX}/{key}", b"NHS_NUMBER\n")
    data = send(store, lake, "ZZ2")
    assert door.fetch(standard, lake) == NOTHING | {"fetched": 1, "rejected": len(events(lake, "rejected"))}
    refused = events(lake, "rejected")
    assert {entry["reason"] for entry in refused} == {"object_name"} and standard.words("object_name")["what_to_do"]
    assert len(spoilt) == 15 and len([e for e in refused if e["detail"] == "1 of 3 objects"]) == len(spoilt)
    assert sum(int(entry["detail"].split()[0]) for entry in refused) == len(TRICKS)
    assert {entry["provider"] for entry in refused} == {"ZZ1", "unknown"} and len(elsewhere) == 8
    assert receive.receive(standard, lake)["received"] == 1
    assert received(lake) == [hashlib.sha256(data).hexdigest()]
    assert door.fetch(standard, lake) == NOTHING, "it is said once"
    assert {path for path in lake.root.parent.rglob("*") if not path.is_relative_to(lake.root)} == before


def test_names_of_people_in_keys_go_nowhere(standard, lake, store, capsys):
    given, family = ONE.names
    put(store, f"{given}/{PERIOD}/d/_READY")
    put(store, f"ZZ1/for {family}/d/_READY")
    put(store, f"ZZ1/{PERIOD}/{given}\\{family}/{family}.csv", b"x")
    assert door.fetch(standard, lake) == NOTHING | {"rejected": 3}
    text = json.dumps(events(lake, "rejected")).lower()
    assert given.lower() not in text and family.lower() not in text
    assert {entry["reason"] for entry in events(lake, "rejected")} == {"unknown_provider", "bad_period", "object_name"}


def test_what_programs_leave_there_is_no_part_of_a_delivery(standard, lake, store):
    put(store, f"ZZ1/{PERIOD}/d/")  # how a console marks a folder
    put(store, f"ZZ1/{PERIOD}/d/.DS_Store", b"x")
    send(store, lake)
    assert door.fetch(standard, lake) == NOTHING | {"fetched": 1}


class Between(BaseHTTPRequestHandler):
    """Stands between and breaks what it is told to: `hurt` says what becomes of a file's second half."""

    hurt, port, halves = "", 0, threading.Event()
    go_on = threading.Event()

    def do_GET(self) -> None:
        onward = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        onward.request("GET", self.path, headers={k: v for k, v in self.headers.items() if k.lower() != "host"})
        got = onward.getresponse()
        body = got.read()
        is_file = "list-type" not in self.path and len(body) > 100
        if is_file and self.hurt == "refuses":
            self.send_error(503)
            return
        self.send_response(got.status)
        for name, value in got.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if is_file and self.hurt:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.halves.set()
            if self.hurt == "waits":
                self.go_on.wait(30)
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def between(server, store, monkeypatch):
    Between.port, Between.hurt = server, ""
    Between.halves.clear(), Between.go_on.clear()
    made = ThreadingHTTPServer(("127.0.0.1", 0), Between)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    monkeypatch.setenv("ARRIVALS_ENDPOINT", f"http://127.0.0.1:{made.server_port}")
    monkeypatch.setitem(bucket_module.PATIENCE, "retries", {"max_attempts": 1, "mode": "standard"})
    yield Between
    Between.go_on.set()
    made.shutdown()
    made.server_close()


def left(lake: Lake) -> list[Path]:
    return [*lake.path("landing").rglob("*"), *lake.path(".work").iterdir()]


def it_is_fetched_the_next_time(standard, lake: Lake, between, data: bytes) -> None:
    between.hurt = ""
    assert door.fetch(standard, lake) == NOTHING | {"fetched": 1}
    receive.receive(standard, lake)
    assert received(lake) == [hashlib.sha256(data).hexdigest()]


@pytest.mark.parametrize("hurt", ["cuts", "refuses"])
def test_what_breaks_on_the_way_leaves_nothing_half_and_is_fetched_the_next_time(standard, lake, store, between, hurt):
    data = send(store, lake)
    between.hurt = hurt
    with pytest.raises(door.FetchFailed) as failed:
        door.fetch(standard, lake)
    assert "patients" not in str(failed.value) and failed.value.counts == NOTHING
    assert left(lake) == [] and events(lake, "fetched", "rejected") == []
    it_is_fetched_the_next_time(standard, lake, between, data)


def test_a_killed_fetch_leaves_nothing_half(standard, lake, store, between):
    data = send(store, lake)
    between.hurt = "waits"
    child = subprocess.Popen([sys.executable, "-m", "transforms", "fetch"], cwd=ROOT)
    assert between.halves.wait(60)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert list(lake.path("landing").rglob("*")) == [] and events(lake, "fetched") == []
    it_is_fetched_the_next_time(standard, lake, between, data)


def test_cut_off_at_every_place_and_run_again_it_came_once(standard, lake, store, tmp_path):
    data = send(store, lake)

    def go(to: Lake) -> None:
        door.fetch(standard, to), receive.receive(standard, to), door.fetch(standard, to)

    names = abrupt.places(lambda: go(lake))
    assert {"write: .work/delivery", "renamed: landing", "appended: fetched", "renamed: .work/discarded"} < set(names)
    for at, name in enumerate(names, 1):
        fresh = Lake(tmp_path / f"lake-{at}", lake.keys)
        with abrupt.trouble(at, abrupt.cut), pytest.raises(abrupt.PowerCut):
            go(fresh)
        go(fresh)
        assert received(fresh) == [hashlib.sha256(data).hexdigest()] and in_landing(fresh) == [], name
        assert len(events(fresh, "fetched")) == 1 and not [*fresh.path(".work").glob("?" * 32)], name


def test_a_full_disk_refuses_nobody_and_with_room_it_is_fetched(lake, store, capsys):
    send(store, lake)
    with abrupt.trouble("write: .work/delivery", abrupt.fill_disk):
        assert main(["fetch"]) == 14
    assert "make room" in capsys.readouterr().err and events(lake, "fetched", "rejected") == []
    assert main(["fetch"]) == 0 and len(in_landing(lake)) == 2


def test_after_a_crash_before_its_line_it_is_not_copied_again(standard, lake, store, monkeypatch):
    send(store, lake)
    with monkeypatch.context() as patch:
        patch.setattr(door.ledger, "append", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            door.fetch(standard, lake)
    assert len(in_landing(lake)) == 2 and events(lake, "fetched") == []
    assert receive.receive(standard, lake)["received"] == 1
    assert door.fetch(standard, lake) == NOTHING | {"fetched": 1}
    assert receive.receive(standard, lake) == {"received": 0, "unchanged": 0, "rejected": 0}
    door.fetch(standard, lake)
    assert in_landing(lake) == []


def test_an_object_that_is_exchanged_after_it_was_listed_is_not_taken(standard, lake, store, monkeypatch):
    send(store, lake)
    listed = door.listed

    def then_exchanged(source):
        yield from listed(source)
        put(store, f"ZZ1/{PERIOD}/d/patients.csv", extract(lake, seed=7))

    monkeypatch.setattr(door, "listed", then_exchanged)
    assert door.fetch(standard, lake) == NOTHING | {"unfinished": 1}
    assert left(lake) == []


def test_a_store_that_does_not_answer_is_said_without_its_words(lake, store, monkeypatch, capsys):
    monkeypatch.setenv("ARRIVALS_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(bucket_module.PATIENCE, "retries", {"max_attempts": 1, "mode": "standard"})
    assert main(["fetch"]) == 1
    assert "the bucket cannot be listed: EndpointConnectionError" in capsys.readouterr().err
    monkeypatch.setenv("ARRIVALS_ENDPOINT", os.environ["ARRIVALS_ENDPOINT"])


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [("ARRIVALS_BUCKET", "", "names no bucket"), ("ARRIVALS_ENDPOINT", "http://store.example", "is not encrypted")],
)
def test_what_the_environment_lacks_is_said(lake, store, monkeypatch, name, said, words):
    monkeypatch.setenv(name, said)
    with pytest.raises(UsageError, match=words):
        bucket_module.bucket()


def test_a_large_object_needs_little_memory(lake, store):
    store.upload_fileobj(io.BytesIO(b"x" * 100_000_000), BUCKET, f"{PREFIX}/ZZ1/{PERIOD}/d/large.csv")
    code = """
import resource, sys
from pathlib import Path
from transforms.bucket import bucket, listed, offers
from transforms.fetch import _download
source = bucket()
[offer] = offers(listed(source))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
_download(source, offer.items[0], Path(sys.argv[1]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    words = [sys.executable, "-c", code, str(lake.root / "copied")]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (lake.root / "copied").stat().st_size == 100_000_000 and int(told.stdout) < 40_000, "in thousands of bytes"


def test_the_command_s_lake_takes_what_it_fetched_to_the_end(standard, lake, store):
    send(store, lake)
    assert main(["fetch"]) == 0 and main(["run", "--all"]) == 0
    assert [outcome[:2] for outcome in lakes.outcomes(lake)] == [(f"ZZ1/{PERIOD}", "accepted")]


@pytest.mark.slow
@pytest.mark.airflow
def test_a_running_airflow_fetches_what_is_put_and_takes_it_through(store, lake, tmp_path):
    """As `make up` starts it: a timer looks, the delivery comes to landing, and its events do the rest."""
    environment = {"AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW_PORT": "0", "FETCH_SECONDS": "5"}
    service("up", **environment)
    try:
        send(store, lake)
        until = time.monotonic() + 240
        while not events(lake, "published") and time.monotonic() < until:
            time.sleep(1)
    finally:
        service("down", **environment)
    assert [(entry["provider"], entry["period"]) for entry in events(lake, "accepted")] == [("ZZ1", PERIOD)]
    assert len(events(lake, "seen")) == len(events(lake, "published")) == 1
