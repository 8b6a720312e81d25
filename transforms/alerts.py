"""How things stand -> what somebody is to be told of, and what of it they were told already.

Promise: an alert is told once until what it says changes, and once more when it has ended; the ledger remembers, so that a
lost database of Airflow repeats nothing. Codes and words; never a value.

An alert: {"kind", "about" (a submission, or ""), "says"}; it changes when `says` does. Each kind is its own:
overdue, rejected, at_the_door, audit, crashed, disk.
"""

import os
import shutil

from transforms import ledger
from transforms.arrivals import read_state
from transforms.audit import failed_last
from transforms.lake import Lake
from transforms.operations import overdue
from transforms.receive import today
from transforms.standard import Standard
from transforms.work import waits_for_person

ALERT, ENDED = "alerted", "alert_ended"
LEAST_FREE_PERCENT, ENOUGH_MORE = 10.0, 1.25  # the second: it ends with a quarter more, or it would come and go
Alert = dict[str, str]


def standing(standard: Standard, lake: Lake) -> list[Alert]:
    """Every alert that there is cause for now, told or not."""
    state = read_state(lake)
    found = [_alert("overdue", f"{one['provider']}/{one['period']}", f"due on {one['due_on']}, nothing has come")
             for one in overdue(standard, state, today())]  # fmt: skip
    for submission, arrivals in sorted(state.arrivals.items()):
        last = arrivals[-1]
        if last.outcome == "rejected" and last.reason != "taken_back":
            found.append(_alert("rejected", str(submission), f"delivery {last.no}: {last.reason}"))
        if waits_for_person(state, submission):
            crash = state.crashed[submission][-1]
            found.append(
                _alert("crashed", str(submission), f"{crash['stage']}: {crash['error']}, since line {crash['no']}")
            )
    return found + _refused(lake) + _audit(lake) + _disk(lake)


def news(standard: Standard, lake: Lake) -> tuple[list[Alert], list[Alert]]:
    """(alerts to be told, alerts that have ended and were told). Nothing before there is a lake to speak of."""
    entries = ledger.entries(lake)
    if not entries:
        return [], []
    now = {(one["kind"], one["about"]): one for one in standing(standard, lake)}
    told = _told(entries)
    new = [one for key, one in now.items() if told.get(key, {}).get("says") != one["says"]]
    return new, [one for key, one in told.items() if key not in now]


def record(lake: Lake, told: list[Alert], ended: list[Alert]) -> None:
    """What was told, once it was. A crash before this tells it twice, never not at all."""
    for event, listed in ((ALERT, told), (ENDED, ended)):
        for one in listed:
            ledger.append(lake, event, **one)


def _alert(kind: str, about: str, says: str) -> Alert:
    return {"kind": kind, "about": about, "says": says}


def _told(entries: list[ledger.Entry]) -> dict[tuple[str, str], Alert]:
    """The alerts that were told and have not ended, as they were last told."""
    found: dict[tuple[str, str], Alert] = {}
    for entry in entries:
        if entry["event"] == ALERT:
            found[entry["kind"], entry["about"]] = _alert(entry["kind"], entry["about"], entry["says"])
        elif entry["event"] == ENDED:
            found.pop((entry["kind"], entry["about"]), None)
    return found


def _refused(lake: Lake) -> list[Alert]:
    """The last delivery of a submission was refused at the door. What names no provider that is known is told of by number,
    since the next is another's."""
    found: dict[str, Alert] = {}
    for entry in ledger.entries(lake):
        if "drop_id" not in entry:
            continue
        about = f"{entry['provider']}/{entry['period']}"
        if entry["event"] == "rejected":
            found[about] = _alert("at_the_door", about, f"{entry['reason']}, line {entry['no']}")
        else:
            found.pop(about, None)
    return list(found.values())


def _audit(lake: Lake) -> list[Alert]:
    """The newest thing that publishing came to was a release that consumers may not have."""
    if not (last := failed_last(lake)):
        return []
    return [_alert("audit", "", f"a release did not pass and the last good one stays, line {last['no']}")]


def _disk(lake: Lake) -> list[Alert]:
    """LEAST_FREE_PERCENT of the lake's volume is to be free."""
    usage, least = shutil.disk_usage(lake.root), float(os.environ.get("LEAST_FREE_PERCENT", LEAST_FREE_PERCENT))
    is_told = ("disk", "") in _told(ledger.entries(lake))
    if usage.free * 100 >= usage.total * least * (ENOUGH_MORE if is_told else 1):
        return []
    return [_alert("disk", "", f"less than {least:g} % of the volume is free")]
