"""Earlier scorecards -> a provider's points, one a period, and what each quarter came to.

Promise: a period in which nothing was sent is a gap, never a zero; what an earlier scorecard does not say stays unknown.
"""

import json
import re
from pathlib import Path
from typing import Any

from transforms.lake import Lake, Submission
from transforms.standard import Standard

Facts = dict[str, Any]


def point(period: str, card: Facts) -> Facts:
    """What a scorecard says of its period, for charts. Tolerates a scorecard of an earlier shape: what it lacks is None."""
    index = card.get("index")
    shares = card.get("usable") or {
        f"{row['layout']} {row['field']}": row["valid"] / row["n_records"]
        for row in card.get("fields") or []
        if row["n_records"]
    }
    files = card.get("files") or []
    return {
        "period": period,
        "is_sent": bool(files),
        "index": index.get("value") if isinstance(index, dict) else index,
        "usable": {name: share for name, share in shares.items() if share is not None},
        "n_records": sum(file["n_records"] for file in files) if files else None,
        "n_issues": card.get("n_issues") if files else None,
        "standard_version": card.get("standard_version"),
    }


def history(submission: Submission, standard: Standard, lake: Lake, card: Facts | None = None) -> list[Facts]:
    """The provider's points up to this period, oldest first, also for periods between in which nothing was sent.

    `card`: the scorecard of this period that is being made; without one the last that was made counts.
    """
    folder = lake.path("provider", submission.provider)
    found: dict[str, Facts] = {}
    for path in sorted(folder.glob("*/scorecard.json")):
        name = path.parent.name
        if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", name) and name <= submission.period:
            found[name] = _read(name, path)
    if card is not None:
        found[submission.period] = point(submission.period, card)
    if not found:
        return []
    cadence = standard.providers.get(submission.provider, {}).get("cadence", "")
    step = standard.settings["scorecard"].get("cadences", {}).get(cadence, 1)
    period, last = min(found), max(found)
    while period < last:
        found.setdefault(period, point(period, {}))
        months = int(period[:4]) * 12 + int(period[5:]) - 1 + step
        period = f"{months // 12:04d}-{months % 12 + 1:02d}"
    return [found[name] for name in sorted(found)]


def _read(period: str, path: Path) -> Facts:
    """The point of a scorecard, an empty one when it cannot be read: a chart with a gap is better than no page."""
    try:
        return point(period, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return point(period, {})


def quarters(points: list[Facts], standard: Standard) -> list[Facts]:
    """One row per calendar quarter: where it began (the last value of the quarter before, else its own first), where it
    ended, and is_no_progress as scorecard.yml defines it; None while the quarter lasts or when too little is known."""
    wanted = standard.settings["scorecard"]["progress"]
    by_quarter: dict[str, list[Facts]] = {}
    for one in points:
        by_quarter.setdefault(f"{one['period'][:4]}-Q{(int(one['period'][5:]) + 2) // 3}", []).append(one)
    told, index, rate = [], None, None
    for name, members in by_quarter.items():
        indices = [one["index"] for one in members if one["index"] is not None]
        sent = [one for one in members if one["n_issues"] is not None and one["n_records"]]
        rates = [one["n_issues"] / one["n_records"] for one in sent]
        started = index if index is not None else next(iter(indices[:-1]), None)
        rate_before = rate if rate is not None else next(iter(rates[:-1]), None)
        is_over = any(int(one["period"][5:]) % 3 == 0 for one in members) or members[-1] is not points[-1]
        is_stuck: bool | None = None
        if is_over and started is not None and indices:
            gained = indices[-1] - started >= wanted["smallest_gain"]
            fewest = (1 - wanted["smallest_fall"]) * (rate_before or 0)
            fell = bool(rates) and rates[-1] <= fewest  # also where there is no issue left
            lost = started - indices[-1] >= wanted["smallest_gain"]
            is_stuck = indices[-1] < wanted["good_enough"] and (lost or not (gained or fell))
        told.append(
            {
                "quarter": name,
                "n_periods": sum(one["is_sent"] for one in members),
                "index_before": index,
                "index_first": indices[0] if indices else None,
                "index_last": indices[-1] if indices else None,
                "n_issues_first": sent[0]["n_issues"] if sent else None,
                "n_issues_last": sent[-1]["n_issues"] if sent else None,
                "is_no_progress": is_stuck,
            }
        )
        index, rate = indices[-1] if indices else index, rates[-1] if rates else rate
    return told
