"""results, compared, the open release -> everything that a provider's page says, as plain facts.

Promise: the page, its summary and its files are made from these facts and nothing else: counts, rule ids, column names,
words of the standard, figures of others only as disclosed; never a value.
"""

from collections.abc import Callable

import duckdb

from transforms import compare, scorecard, xmr
from transforms.arrivals import State
from transforms.history import history, quarters
from transforms.lake import Lake, Submission
from transforms.progress import comparison, marks, progress
from transforms.quality import quality
from transforms.scorecard import Facts, Part
from transforms.standard import Standard

MOVED = ("n_new", "n_fixed", "n_open", "n_gone")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def gather(
    con: duckdb.DuckDBPyConnection,
    submission: Submission,
    told: list[Facts],
    shown: list[Part],
    state: State,
    standard: Standard,
    lake: Lake,
) -> Facts:
    """Everything that the page says but what only its rows tell. `told`: the deliveries with an outcome, oldest first."""
    moved = progress(con, shown, lake)
    files, rules, fields = [], [], []
    for part in shown:
        files.append(scorecard.file_facts(part, lake, state))
        rules += scorecard.rule_facts(part, standard, lake, moved)
        fields += scorecard.status_facts(con, part, files[-1]["n_records"], standard, lake)
    rules += scorecard.compared_facts(submission, compared_now(shown, lake), standard)
    measured = quality(submission, shown, fields, rules, standard, lake)
    for number, rule in enumerate(sorted(rules, key=scorecard.urgency), start=1):
        rule["effect"] = measured["effects"].get(f"{rule['layout']} {rule['rule']}") or 0.0
        # A rule about peers judges figures: it has no rows to look up.
        rule |= {"number": number, "has_rows": rule["scope"] != "peers"}
    rules.sort(key=lambda rule: rule["number"])
    provider = standard.providers.get(submission.provider, {})
    facts = {
        "submission": str(submission),
        "provider": submission.provider,
        "provider_name": provider.get("name") or submission.provider,
        "period": submission.period,
        "is_invented": provider.get("demo") == "true",
        "has_agreement": scorecard.has_agreement(submission, standard),
        "standard_version": standard.version,
        "deliveries": told,
        "newest": told[-1],
        "last_no": max(item["no"] for item in told),
        "broken_guards": [rule for rule in rules if rule["rejected_all"]],
        "layouts": {name: layout["title"] for name, layout in standard.layouts.items()},
        "files": files,
        "n_records": sum(file["n_records"] for file in files),
        "n_failed": sum(rule["failed"] for rule in rules if rule["has_rows"]),
        "rules": rules,
        "fields": fields,
        "index": measured["index"],
        "measures": [_measure(one, standard) for one in measured["measures"]],
        "not_collected": scorecard.not_collected([part.layout for part in shown], standard),
        "comparisons": [comparison(part, standard, lake) for part in shown],
        "change": change(rules),
    }
    return facts | _bars(facts) | over_time(submission, facts, state, standard, lake)


def compared_now(shown: list[Part], lake: Lake) -> list[Facts]:
    """What only history and peers could tell, of exactly the deliveries that are shown."""
    judged = {(part.layout.name, part.arrival.submission.period, part.arrival.no) for part in shown}
    rows = compare.results(lake, shown[0].arrival.submission.provider) if shown else []
    return [row for row in rows if (row["layout"], row["period"], row["arrival"]) in judged]


def _measure(one: Facts, standard: Standard) -> Facts:
    """A measure with its words, and with one number for what it is and for what others are."""
    about = next((row for row in standard.tables["measures"] if row["measure"] == one["measure"]), {})
    said = {key: about.get(key, "") for key in ("title", "words", "better", "unit")}
    is_share = said["unit"] == "share"
    told = {**one, **said, "value": one.get("share") if is_share else one.get("value")}
    for who in ("peers", "region"):
        other = one.get(who)
        told[who] = {**other, "value": other.get("share") if is_share else other.get("value")} if other else None
    return told | {"beside": beside(told)}


def beside(one: Facts) -> str:
    """What a measure is beside that of the peers: better, worse, alike, above or below; "" where there are none."""
    others = one.get("peers")
    if not others or one["value"] is None or others.get("low") is None:
        return ""
    if others["low"] <= one["value"] <= others["high"]:
        return "alike"
    is_above = one["value"] > others["high"]
    if one["better"] not in (xmr.HIGHER, xmr.LOWER):
        return "above" if is_above else "below"
    return "better" if is_above == (one["better"] == xmr.HIGHER) else "worse"


def change(rules: list[Facts]) -> Facts | None:
    """What became better and worse since the delivery before, or None when there was none to compare with."""
    compared = [rule for rule in rules if rule["failed_before"] is not None]
    if not compared:
        return None
    scored = [rule for rule in compared if rule["is_scored"]]
    totals = {name: sum(rule[name] or 0 for rule in compared) for name in (*MOVED, "n_unknown")}
    return totals | {
        "n_mended": sum(rule["is_met"] and not rule["was_met"] for rule in scored),
        "n_broken": sum(rule["was_met"] and not rule["is_met"] for rule in scored),
        "n_failed": sum(rule["failed"] for rule in compared),
        "n_failed_before": sum(rule["failed_before"] for rule in compared),
        "changed": [
            rule
            for rule in compared
            if rule["failed"] != rule["failed_before"] or any(rule[name] for name in ("n_new", "n_fixed", "n_gone"))
        ],
    }


def _bars(facts: Facts) -> Facts:
    """The items of the index that have codes, as bars, and the sentence beside them."""
    asked = {(item["layout"], item["field"]) for item in facts["index"]["items"]}
    bars = [
        row | {"label": f"{row['field'].replace('_', ' ')}, {facts['layouts'][row['layout']].lower()}"}
        for row in facts["fields"]
        if (row["layout"], row["field"]) in asked and row["n_records"]
    ]
    bars.sort(key=lambda row: (row["valid"] / row["n_records"], row["label"]))
    said = ""
    if bars:
        said = f"Of the items that count for the index, {bars[0]['label']} has the fewest valid answers"
        said += f", and {bars[-1]['label']} the most." if len(bars) > 1 else "."
    return {"bars": bars, "bars_said": said}


def over_time(submission: Submission, facts: Facts, state: State, standard: Standard, lake: Lake) -> Facts:
    """Charts of the index and of usable ethnicity, the quarters, and the index of the period before."""
    ethnicity = standard.settings["publishing"]["ethnicity"]
    coded = [row for row in facts["fields"] if row["field"] == ethnicity and row["n_records"]]
    main = max(coded, key=lambda row: (row["n_records"], row["layout"]), default=None)
    points = history(submission, standard, lake, facts | {"n_issues": facts["n_failed"]})
    indexed = [one for one in points if one["period"] < submission.period and one["index"] is not None]
    marked = marks(submission, lake, state)
    charts = [_chart("index", "The quality index, month by month", "the index", points, _index, marked, 1)]
    if main:
        key = f"{main['layout']} {ethnicity}"
        title = f"Usable ethnicity in {facts['layouts'][main['layout']].lower()}, month by month"
        what, found = "the share of usable ethnicity", lambda one: one["usable"].get(key)
        charts.append(
            _chart("ethnicity", title, what, points, found, marks(submission, lake, state, main["layout"]), 100)
        )
    return {
        "index_before": indexed[-1] if indexed else None,
        "charts": [chart for chart in charts if chart["n_points"]],
        "quarters": quarters(points, standard),
        "marks": marked,
    }


def _index(one: Facts) -> float | None:
    return one["index"]


def _chart(
    name: str, title: str, what: str, points: list[Facts], value: Callable, marked: list[Facts], scale: int
) -> Facts:
    """One XmR chart with its sentence, the place of each period on it, and a letter for each mark."""
    drawn = xmr.chart([(one["period"], value(one)) for one in points], 0, 100 / scale)
    unit = "%" if scale > 1 else ""
    said = xmr.sentence(drawn, what, xmr.HIGHER, lambda number: f"{number * scale:.1f}{unit}")
    places = {point["period"]: place for place, point in enumerate(drawn["points"])}
    letters = [one | {"letter": LETTERS[n % len(LETTERS)]} for n, one in enumerate(marked) if one["period"] in places]
    return drawn | {
        "name": name, "title": title, "scale": scale, "unit": unit, "said": said, "places": places, "marks": letters
    }  # fmt: skip
