"""landing/ -> an asset event. Promise: every finished delivery wakes the service once; nothing is touched.

It lives here and not beside the DAGs because the triggerer imports plugins only. An event is a doorbell: what there is
to do, the ledger decides.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from transforms.lake import Lake

Marks = dict[tuple[str, ...], int]  # (provider, period, folder) -> when its _READY was put there, by our file system


def marked(lake: Lake) -> Marks:
    """Every delivery that has its _READY, or takes a submission back, with the time of that file: one sent again is new."""
    marks = {}
    for ready in (path for name in ("_READY", "_WITHDRAW") for path in lake.path("landing").glob(f"*/*/*/{name}")):
        try:
            marks[ready.parts[-4:-1]] = ready.lstat().st_ctime_ns
        except OSError:  # taken back between listing and looking, or not to be looked at
            continue
    return marks


def readable(lake: Lake, marks: Marks) -> Marks:
    """Those that need no more waiting for: see transforms/finished.py."""
    from transforms.finished import may_be_read

    return {delivery: at for delivery, at in marks.items() if may_be_read(lake.path("landing", *delivery))}


def unknown(lake: Lake, marks: Marks) -> Marks:
    """Those that the ledger has no outcome for."""
    from transforms.arrivals import read_state
    from transforms.finished import drop_id, is_known

    found = {}
    known = read_state(lake).drops
    for delivery, at in marks.items():
        folder = lake.path("landing", *delivery)
        with contextlib.suppress(OSError):
            if not is_known(folder, drop_id(folder), known):
                found[delivery] = at
    return found


def submissions(arrived: Marks) -> list[str]:
    """What may be shown of arrivals: well-formed submission names, never what a provider called its folder."""
    names = {f"{provider}/{period}" for provider, period, _ in arrived}
    return sorted(name for name in names if re.fullmatch(r"[A-Za-z0-9]{2,10}/\d{4}-\d{2}", name))


class LandingTrigger(BaseEventTrigger):
    """Looks at the landing folder every `interval` seconds. What arrives between two looks is one event."""

    def __init__(self, interval: float = 1.0) -> None:
        super().__init__()
        self.interval = interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How the triggerer builds this again in its own process."""
        return "landing.LandingTrigger", {"interval": self.interval}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire for what is new since the last look and not in the ledger."""
        lake = Lake.from_environment()
        known: Marks = {}
        while True:
            marks = await asyncio.to_thread(marked, lake)
            waiting = {delivery: at for delivery, at in marks.items() if known.get(delivery) != at}
            changed = await asyncio.to_thread(readable, lake, waiting)
            if changed and (arrived := await asyncio.to_thread(unknown, lake, changed)):
                yield TriggerEvent({"n_deliveries": len(arrived), "submissions": submissions(arrived)[:20]})
            known = {delivery: at for delivery, at in marks.items() if delivery in changed or delivery not in waiting}
            await asyncio.sleep(self.interval)
