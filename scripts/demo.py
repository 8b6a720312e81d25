"""Invented extracts -> everything the service makes of them, through the same Airflow that `make up` runs.

Promise: ends by itself, leaves nothing running that it started, and does nothing at all when there is nothing to do.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.chdir(ROOT)

import airflow_service as service  # noqa: E402  beside this file

from transforms.arrivals import read_state  # noqa: E402
from transforms.finished import waiting  # noqa: E402
from transforms.follow import is_followed  # noqa: E402
from transforms.lake import Lake  # noqa: E402
from transforms.ledger import entries  # noqa: E402
from transforms.publish import is_due  # noqa: E402
from transforms.standard import Standard, load  # noqa: E402
from transforms.work import pending  # noqa: E402

LONGEST_STANDSTILL = 600.0  # a release says nothing until it is there
HEARTBEAT = 30.0


def command(*words: str) -> None:
    """Run the project's own command line; its exit code is ours when it fails."""
    ended = subprocess.run([sys.executable, "-m", "transforms", *words], check=False)
    if ended.returncode:
        sys.exit(ended.returncode)


def progress(lake: Lake) -> tuple[int, int, int, int]:
    """How many deliveries wait at the door, were dealt with there, were received, and of those judged."""
    state = read_state(lake)
    arrivals = [arrival for listed in state.arrivals.values() for arrival in listed]
    judged = sum(arrival.outcome is not None for arrival in arrivals)
    return len(waiting(lake, state.drops)), len(state.drops), len(arrivals), judged


def something_to_do(standard: Standard, lake: Lake) -> bool:
    """Does anything wait: at the door, on its way, or to be published?"""
    at_door, _, received, judged = progress(lake)
    if at_door or received > judged or pending(standard, lake) or is_due(standard, lake):
        return True
    return not is_followed(standard, lake)  # comparisons, and the pages that tell of them


def followed_at(lake: Lake) -> float:
    """When a comparison or a page was last written: what follows from a release is no line of the ledger."""
    folders = [*lake.path("compared").glob("*"), *lake.path("provider").glob("*/*")]
    return max((folder.stat().st_mtime for folder in folders), default=0.0)


def is_quiet(lake: Lake) -> bool:
    """Was a release the last thing that happened? A cheap look, before asking what is left to do."""
    listed = entries(lake)
    return bool(listed) and listed[-1]["event"] == "published"


def watch(standard: Standard, lake: Lake) -> bool:
    """Show what Airflow does until nothing is left. False when it stands still."""
    began = moved = spoke = time.monotonic()
    seen: object = None
    told = ""
    while True:
        at_door, dealt_with, received, judged = progress(lake)
        now = (dealt_with, judged, len(entries(lake)), followed_at(lake))
        if now != seen:
            seen, moved = now, time.monotonic()
            line = f"deliveries taken in {dealt_with} of {dealt_with + at_door}, judged {judged} of {received}"
            line += f", scorecards {sum(1 for _ in lake.path('provider').glob('*/*/index.html'))}"
            if received and received == judged:
                harmonised = sum(entry["event"] == "done" for entry in entries(lake))
                line += f", harmonised {harmonised}" if not is_quiet(lake) else ", published"
            if line != told:  # what follows from a release is work, and no news
                print(f"   {moved - began:4.0f} s  {line}", flush=True)
            told, spoke = line, time.monotonic()
        elif time.monotonic() > spoke + HEARTBEAT:
            spoke = time.monotonic()
            print(f"   {spoke - began:4.0f} s  nothing new yet: a release takes some minutes", flush=True)
        if is_quiet(lake) and not something_to_do(standard, lake):
            return True
        if time.monotonic() > moved + LONGEST_STANDSTILL or not service.processes():
            return False
        time.sleep(5)


def main() -> int:
    """Returns the exit code."""
    began = time.monotonic()
    standard, lake = load(), Lake.from_environment()
    if lake.path("demo", "made.json").exists() and not something_to_do(standard, lake):
        command("demo-report")
        print("\nNothing has changed since the last run: nothing was done.")
        return 0
    print("1  Invented people and extracts", flush=True)
    command("demo-data")
    was_running = bool(service.processes())
    os.environ.setdefault("SWEEP_SECONDS", "120")
    try:
        print("2  Airflow" + (" (already running)" if was_running else ": ready in about 25 s"), flush=True)
        port = service.up()
        print(f"   http://127.0.0.1:{port}  from here on deliveries wake it by themselves", flush=True)
        ended_well = watch(standard, lake)
    finally:
        if not was_running:
            service.down()
    if not ended_well:
        print(f"Airflow stood still. See `python -m transforms status` and {service.LOG}:", file=sys.stderr)
        print(service.tail(), file=sys.stderr)
        return 1
    print("3  What came of it", flush=True)
    command("demo-report")
    print(f"\nThe demo took {time.monotonic() - began:.0f} s and left nothing running. See the service work: make up")
    return 1 if read_state(lake).crashed else 0


if __name__ == "__main__":
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, lambda number, frame: sys.exit(128 + number))  # so that Airflow is stopped on the way out
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except service.ServiceError as problem:
        print(problem, file=sys.stderr)
        sys.exit(1)
