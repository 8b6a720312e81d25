"""Item counts and periods -> the index of data quality, by the formula of the Data Quality Maturity Index (DQMI).

Promise: pure functions of what they are given; the page, the marts and the tests of the published example use these.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from transforms.arrivals import State
from transforms.faults import Row
from transforms.lake import Submission
from transforms.standard import Standard

Facts = dict[str, Any]


def in_excess(item: Facts) -> float:
    """Defaults beyond those accepted: max(0, defaults - threshold x records), the threshold in per cent of records.

    An item without defaults has threshold None. Source of the formulas here: NHS England, DQMI methodology, appendix 1.
    """
    if item["threshold"] is None:
        return 0.0
    return max(0.0, item["n_defaults"] - item["threshold"] / 100 * item["n_records"])


def score(item: Facts) -> float:
    """(valid and complete - defaults in excess) / records, from 0 to 1. What is valid and complete includes defaults."""
    if not item["n_records"]:
        return 0.0
    return max(0.0, (item["n_valid_and_complete"] - in_excess(item)) / item["n_records"])


def index(items: list[Facts]) -> Facts:
    """{"value": 0 to 100, "mean_score", "coverage": 0 to 1}: mean item score x mean coverage over the items, each of which
    has the coverage of its data set. Items without records do not count; with none left everything is None."""
    counted = [item for item in items if item["n_records"]]
    if not counted:
        return {"value": None, "mean_score": None, "coverage": None}
    mean_score = sum(score(item) for item in counted) / len(counted)
    coverage = sum(item["coverage"] for item in counted) / len(counted)
    return {"value": 100 * mean_score * coverage, "mean_score": mean_score, "coverage": coverage}


def gains(items: list[Facts], item: Facts, mended: Facts) -> float:
    """Points by which the index would rise if records of one item were right: `mended` says how many of them are now
    missing or invalid ("n_wrong") and how many are defaults ("n_defaults")."""
    before = index(items)["value"]
    if before is None or not item["n_records"]:
        return 0.0
    right = min(item["n_records"], item["n_valid_and_complete"] + mended["n_wrong"])
    rest = max(0, item["n_defaults"] - mended["n_defaults"])
    better = item | {"n_valid_and_complete": right, "n_defaults": rest}
    after = index([better if one is item else one for one in items])["value"]
    return max(0.0, after - before)


def month_no(period: str) -> int:
    """ "2026-09" -> months since year 0, so that months can be counted."""
    return int(period[:4]) * 12 + int(period[5:7]) - 1


def coverage(provider: Row, period: str, sent: Iterable[str], standard: Standard) -> tuple[int, int]:
    """(periods sent, periods expected) of one layout up to and with a period: from when the provider begins, until it
    ends, within the last months that scorecard.yml names. At least the period itself is expected."""
    settings = standard.settings["scorecard"]
    step = settings["cadences"].get(provider.get("cadence"), 1)
    begins, ends = provider.get("starts_on") or "0001-01", provider.get("ends_on") or "9999-12"
    last = min(month_no(period), max(month_no(ends), month_no(begins)))
    first = min(last, max(month_no(begins), month_no(period) - int(settings["coverage_months"]) + 1))
    n_expected = (last - first) // step + 1
    n_sent = len({other for other in sent if first <= month_no(other) <= month_no(period)})
    return min(n_sent, n_expected), n_expected


def sender(standard: Standard, provider: str, layout: str) -> Row:
    """A provider's row of providers.csv as it holds for one layout: a feed may begin later than its provider (feeds.csv)."""
    about = standard.providers.get(provider, {})
    begins = [row for row in standard.tables["feeds"] if (row["provider"], row["layout"]) == (provider, layout)]
    return about | {"starts_on": begins[0]["starts_on"]} if begins else about


def is_expected(provider: Row, period: str) -> bool:
    """Whether a provider is to send anything for a period."""
    begins, ends = provider.get("starts_on") or "0001-01", provider.get("ends_on") or "9999-12"
    return begins[:7] <= period <= ends[:7]


def first_received(state: State, submission: Submission, layout: str) -> str | None:
    """The day on which the first delivery of a layout that was accepted arrived; None when none was."""
    found = (
        arrival.received_on
        for arrival in state.arrivals.get(submission, [])
        if arrival.outcome == "accepted" and arrival.file(layout)
    )
    return next(found, None)


def due_on(provider: Row, period: str) -> date | None:
    """The day by which a period's files are due: `due_day` of the month after it, or that month's last day; None when
    providers.csv says none."""
    if not provider.get("due_day"):
        return None
    month = date.fromisoformat(f"{period}-01")
    first = (month + timedelta(days=31)).replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return min(first + timedelta(days=int(provider["due_day"]) - 1), last)


def days_after_due(provider: Row, period: str, received_on: str, began_on: str) -> int | None:
    """Days from the day on which files were due to that of arrival, below zero when they came before it. None when none is
    set, and when the service began later: what it then takes in of the past came as soon as it could."""
    due = due_on(provider, period)
    return None if due is None or due < date.fromisoformat(began_on) else (date.fromisoformat(received_on) - due).days


def days_late(period: str, received_on: str) -> int:
    """Days from the last day of a period to the day of arrival; below zero when it came before the period was over."""
    year, month = int(period[:4]), int(period[5:7])
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return (date.fromisoformat(received_on) - last).days
