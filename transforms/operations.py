"""What `status` knows -> a page for operators, and the same counts in the form that Prometheus reads.

Promise: codes, counts and words of the standard; never a value. What needs somebody stands first.
"""

import shutil
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

from transforms import ledger, release
from transforms.arrivals import State, read_state
from transforms.lake import Lake, Submission
from transforms.maturity import due_on, is_expected, month_no
from transforms.receive import today
from transforms.render import render
from transforms.standard import Standard

Facts = dict[str, Any]
LONG = 0.3  # hours that an upload may rest before somebody is asked to look
BACK = 3  # months that are looked back for files that never came
NEEDS = ("waits for a person", "failed, will be tried again", "rejected")
HELP = {
    "landing_waiting": "Deliveries that wait to be taken in.",
    "landing_unfinished": "Deliveries without their _READY.",
    "landing_newer_than_ready": "Deliveries with files that are newer than their _READY.",
    "submissions": "Submissions by state.",
    "overdue": "Periods whose files are due and have not come, by provider.",
    "refused_at_the_door": "Deliveries that were refused before they were numbered.",
    "release": "Number of the release that is read.",
    "release_age_seconds": "Since the release that is read was made.",
    "is_rolled_back": "Whether the release is an earlier one again, so that nothing newer is published by itself.",
    "providers_to_be_compared": "Providers whose comparison with peers is out of date.",
    "ledger_lines": "Lines of the ledger.",
    "disk_free_bytes": "Free room on the volume of the lake.",
}


def overdue(standard: Standard, state: State, day: str) -> list[Facts]:
    """One fact per provider and period of the last months whose due day is over and of which nothing counts: provider, name,
    period, due_on, days; the longest overdue first. A provider without a due day is never overdue."""
    found, now = [], date.fromisoformat(day)
    for row in standard.tables["providers"]:
        for back in range(1, BACK + 1):
            number = month_no(day[:7]) - back
            period = f"{number // 12:04d}-{number % 12 + 1:02d}"
            due = due_on(row, period)
            is_due = due is not None and due < now and is_expected(row, period)
            if is_due and due is not None and not state.current(Submission(row["code"], period)):
                about = {"provider": row["code"], "name": row.get("name") or row["code"], "period": period}
                found.append(about | {"due_on": due.isoformat(), "days": (now - due).days})
    return sorted(found, key=lambda one: (-one["days"], one["provider"]))


def operations(facts: Facts, standard: Standard, lake: Lake) -> Facts:
    """The facts of status.summary, with what is overdue, the room that is left, and how old the release is (seconds)."""
    made = release.current_manifest(lake).get("made_at")
    age = (datetime.now(UTC) - datetime.fromisoformat(made)).total_seconds() if made else None
    return facts | {
        "overdue": overdue(standard, read_state(lake), today()),
        "disk_free_bytes": shutil.disk_usage(lake.root).free,
        "release_age_seconds": age,
        "ledger_lines": len(ledger.entries(lake)),
    }


def page(facts: Facts) -> str:
    """The page of operations(...)."""
    needs = [item for item in facts["submissions"] if item["state"] in NEEDS]
    needs.sort(key=lambda item: (NEEDS.index(item["state"]), item["submission"]))
    counted = Counter(item["state"] for item in facts["submissions"])
    overtaken = [item for item in facts["newer_than_ready"] if item["hours"] >= LONG]
    return render(
        "operations.html",
        **facts,
        needs=needs,
        overtaken=overtaken,
        counted=sorted(counted.items()),
        made_on=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
    )


def prometheus(facts: Facts) -> str:
    """The counts of operations(...) in the text format of Prometheus, version 0.0.4."""
    late = Counter(one["provider"] for one in facts["overdue"])
    values: dict[str, list[tuple[str, float]]] = {
        "landing_waiting": [("", facts["waiting_in_landing"])],
        "landing_unfinished": [("", facts["unfinished_in_landing"])],
        "landing_newer_than_ready": [("", len(facts["newer_than_ready"]))],
        "submissions": [
            (f'{{state="{state}"}}', n)
            for state, n in sorted(Counter(i["state"] for i in facts["submissions"]).items())
        ],
        "overdue": [(f'{{provider="{provider}"}}', n) for provider, n in sorted(late.items())],
        "refused_at_the_door": [("", len(facts["refused_at_the_door"]))],
        "release": [("", facts["release"] or 0)],
        "release_age_seconds": [("", round(facts["release_age_seconds"]))]
        if facts["release_age_seconds"] is not None
        else [],
        "is_rolled_back": [("", int(bool(facts["is_rolled_back_to"])))],
        "providers_to_be_compared": [("", len(facts["to_be_compared"]))],
        "ledger_lines": [("", facts["ledger_lines"])],
        "disk_free_bytes": [("", facts["disk_free_bytes"])],
    }
    lines = []
    for name, listed in values.items():
        lines += [f"# HELP midlands_{name} {HELP[name]}", f"# TYPE midlands_{name} gauge"]
        lines += [f"midlands_{name}{label} {value}" for label, value in listed]
    return "\n".join(lines) + "\n"
