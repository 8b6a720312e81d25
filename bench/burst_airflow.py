"""Many small submissions that arrive at once -> seconds from landing to published through a real Airflow, and how it answers meanwhile.

As `make up` starts it, in a lake and a home of its own. What is sent is written before the clock starts, and put into
landing all at once. Practices of the demo send a month after another.

    python -m bench.burst_airflow [submissions, default 1000]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from datetime import datetime
from pathlib import Path

from bench.burst import ROWS, send
from transforms import keys, ledger
from transforms.lake import Lake

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "scripts" / "airflow_service.py"
ASKED = ("/", "/api/v2/dags", "/api/v2/dags/submissions/dagRuns", "/api/v2/monitor/health")


def burst(folder: Path, n_submissions: int, longest: float) -> dict[str, float]:
    """Returns seconds to the last line of the ledger of each kind, and of requests; gives up after `longest` seconds."""
    lake = Lake(folder / "lake", folder / "keys").prepare()
    keys.initialise(lake)
    send(folder / "sender", n_submissions)
    environment = {
        "LAKE": str(lake.root),
        "KEYS": str(lake.keys),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW_PORT": "0",
    }
    told = service("up", environment)
    is_over, answers = threading.Event(), []
    asking = threading.Thread(target=ask, args=(told, is_over, answers))
    try:
        asking.start()
        began = time.time()
        for sent in (folder / "sender").glob("*/*"):
            target = lake.path("landing", *sent.parts[-2:])
            target.parent.mkdir(parents=True, exist_ok=True)
            sent.rename(target)
        while not is_published(lake, n_submissions) and time.time() - began < longest:
            time.sleep(2)
        found = {"dropped": 0.0} | last_of_each(lake, began)
    finally:
        is_over.set()
        asking.join()
        service("down", environment)
    ordered = sorted(answers)
    found |= {"requests": len(ordered), "request, median": statistics.median(ordered), "request, longest": ordered[-1]}
    return found | {"request, 95 of 100": ordered[int(len(ordered) * 0.95)]}


def service(word: str, environment: dict[str, str]) -> str:
    ended = subprocess.run(
        [sys.executable, str(SERVICE), word], env=os.environ | environment, stdout=subprocess.PIPE, text=True
    )
    assert ended.returncode == 0
    return ended.stdout


def is_published(lake: Lake, n_submissions: int) -> bool:
    """Whether everything was accepted and harmonised, and a release came after it."""
    entries = ledger.entries(lake)
    counted = Counter(entry["event"] for entry in entries)
    last = {entry["event"]: entry["no"] for entry in entries}
    return counted["accepted"] >= n_submissions and last.get("published", 0) > last.get("done", 0) > last["accepted"]


def last_of_each(lake: Lake, began: float) -> dict[str, float]:
    """Kind of event -> seconds after the drop of the first and of the last one."""
    found: dict[str, float] = {}
    for entry in ledger.entries(lake):
        at = datetime.fromisoformat(entry["at"]).timestamp() - began
        found.setdefault(f"first {entry['event']}", at)
        found[f"last {entry['event']}"] = at
    return found


def ask(told: str, is_over: threading.Event, answers: list[float]) -> None:
    """Somebody has the pages open: seconds of each request, one a second."""
    address, who = told.split()[1], dict(zip(("username", "password"), (told.split()[3], told.split()[5]), strict=True))
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{address}/auth/token", json.dumps(who).encode(), headers)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        token = json.load(answer)["access_token"]
    number = 0
    while not is_over.wait(1):
        asked = urllib.request.Request(
            address + ASKED[number % len(ASKED)], headers={"Authorization": f"Bearer {token}"}
        )
        began, number = time.monotonic(), number + 1
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                answer.read()
        except OSError as error:
            print(f"{asked.full_url.removeprefix(address)}: {error}", file=sys.stderr)
        answers.append(time.monotonic() - began)


if __name__ == "__main__":
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory(prefix="burst-") as place:
        for name, figure in burst(Path(place), n, 3600).items():
            print(f"{n} submissions of {ROWS} rows, {name}: {figure:,.2f}")
