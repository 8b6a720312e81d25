"""Many small submissions that arrive at once -> seconds from landing to published, by the command line.

What is sent is written before the clock starts. Practices of the demo send a month after another: the ledger and the
folders grow as they would in years.
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.synthetic import deliver
from transforms import keys
from transforms.__main__ import main
from transforms.lake import Lake
from transforms.standard import load

LAYOUT, ROWS, LAST = "emis_patient", 200, 2026 * 12 + 8  # September, counted in months


def burst(folder: Path, n_submissions: int) -> dict[str, float]:
    """Returns seconds of the run and of publishing, of processor in all, and peak megabytes."""
    lake = Lake(folder / "lake", folder / "keys").prepare()
    os.environ |= {"LAKE": str(lake.root), "KEYS": str(lake.keys)}
    keys.initialise(lake)
    send(lake.path("landing"), n_submissions)
    began = time.monotonic()
    assert main(["run", "--all"]) == 0
    ran = time.monotonic()
    assert main(["publish"]) == 0
    return {
        "run": ran - began,
        "publish": time.monotonic() - ran,
        "processor": time.process_time(),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def send(folder: Path, n_submissions: int) -> None:
    """Write deliveries of ROWS rows into a folder like landing."""
    senders = [code for code, row in load().providers.items() if LAYOUT in row["layouts"].split()]
    for number in range(n_submissions):
        which, month = number % len(senders), LAST - number // len(senders)
        period = f"{month // 12}-{month % 12 + 1:02d}"
        deliver(folder, senders[which], period, {LAYOUT: ROWS}, first_person=which * ROWS)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="burst-") as place:
        n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
        for name, figure in burst(Path(place), n).items():
            print(f"{n} submissions of {ROWS} rows, {name}: {figure:,.0f}")
