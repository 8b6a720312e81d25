"""A provider's own counts -> the measures of STANDARD section 7: index, shares, timeliness, coverage, beside others.

Promise: a provider's own figures are exact; what it is compared with is what the last open release shows, and nothing else.
"""

from collections import defaultdict
from copy import deepcopy
from pathlib import Path

import duckdb

from transforms.arrivals import State, read_state
from transforms.engine import add_standard, reuse
from transforms.lake import Lake, Submission
from transforms.maturity import coverage, days_late, first_received, gains, in_excess, index, score, sender
from transforms.scorecard import VODIM, Facts, Part
from transforms.standard import Standard
from transforms.tally import letters_of, looked_up
from transforms.values import count_values

WRONG = ("missing", "invalid")
DEFAULT = "default"
_shown: dict[tuple[Path, Submission, str], Facts] = {}  # what was looked up last: a page asks twice
ALL = "every layout"  # what stands for the layout where a figure is of a whole provider or region


def quality(
    submission: Submission, parts: list[Part], fields: list[Facts], rules: list[Facts], standard: Standard, lake: Lake
) -> Facts:
    """{"index": ..., "measures": [...], "effects": {"<layout> <rule>": points}} of one submission.

    `fields` are scorecard.status_facts of all parts, `rules` scorecard.rule_facts. Without parts there is no index, and
    of the measures only coverage. Counts are records; shares lie between 0 and 1; the index between 0 and 100. A measure
    has "peers" and "region" where the last open release shows them: {"share", "low", "high", "value", "period"}.
    """
    state, con = read_state(lake), reuse(lake)
    add_standard(con, standard)
    others = published(con, submission, standard, lake)
    covered = _coverage(submission, parts, state, standard)
    items = _items(parts, fields, rules, standard, covered)
    measures = [
        _measure(name, layout, "", n, of, others)
        for name, figures in (("coverage", covered), ("timeliness_days", _days(submission, parts, state)))
        for layout, (n, of) in figures.items()
    ]
    measures += [
        _measure(name, row["layout"], row["field"], *pair, others) for row in fields for name, pair in _vodim(row)
    ]
    measures += [
        _measure(name, i["layout"], i["field"], *pair, others) for i in items for name, pair in _plain(i, standard)
    ]
    effects = {f"{rule['layout']} {rule['rule']}": 0.0 for rule in rules}
    for part in parts:
        mine = [row for row in fields if row["layout"] == part.layout.name]
        file = part.arrival.file(part.layout.name)
        assert file is not None
        count_values(con, standard, lake, part.arrival, file)
        measures += [
            _measure(name, part.layout.name, field, *pair, others)
            for field, name, pair in looked_up(con, part, mine, standard, lake)
        ]
        effects |= _effects(con, part, items, rules, standard, lake)
    measures += [said for key, said in others["own"].items() if key not in {_key(m) for m in measures}]
    order = {row["measure"]: place for place, row in enumerate(standard.tables["measures"])}
    measures.sort(key=lambda m: (m["layout"], m["field"], order.get(m["measure"], len(order))))
    totals = {"n_sent": sum(n for n, _ in covered.values()), "n_expected": sum(of for _, of in covered.values())}
    shown = [
        {k: v for k, v in item.items() if k not in ("coverage", "n_missing", "n_invalid", "claims")} for item in items
    ]
    compared = {kind: others[kind].get((ALL, "", "index")) for kind in ("peers", "region")}
    return {"index": index(items) | totals | compared | {"items": shown}, "measures": measures, "effects": effects}


def _key(measure: Facts) -> tuple[str, str, str]:
    return measure["layout"], measure["field"], measure["measure"]


def _measure(name: str, layout: str, field: str, n: float, of: int, others: Facts) -> Facts:
    """One measure of the provider's own, with its peers and region beside it."""
    is_days = others["units"].get(name) == "days"
    share = n / of if of and not is_days else None
    compared = {
        kind: others[kind].get((layout, field, name)) or others[kind].get((ALL, field, name))
        for kind in ("peers", "region")
    }
    said = {"measure": name, "layout": layout, "field": field, "numerator": n, "denominator": of}
    return {**said, "share": share, "value": n if is_days else share, **compared}


def _coverage(
    submission: Submission, parts: list[Part], state: State, standard: Standard
) -> dict[str, tuple[int, int]]:
    """Layout -> (periods sent, periods expected), of every layout that the provider is to send or has sent."""
    provider = standard.providers.get(submission.provider, {})
    sent = defaultdict(set)
    for other in state.arrivals:
        if other.provider == submission.provider:
            for layout in state.current(other):
                sent[layout].add(other.period)
    layouts = dict.fromkeys([*(part.layout.name for part in parts), *provider.get("layouts", "").split()])
    return {
        name: coverage(sender(standard, submission.provider, name), submission.period, sent[name], standard)
        for name in layouts
    }


def _days(submission: Submission, parts: list[Part], state: State) -> dict[str, tuple[int, int]]:
    """Layout -> (days until its first accepted delivery arrived, 1)."""
    found = {part.layout.name: first_received(state, submission, part.layout.name) for part in parts}
    return {name: (days_late(submission.period, day), 1) for name, day in found.items() if day}


def _items(
    parts: list[Part], fields: list[Facts], rules: list[Facts], standard: Standard, covered: dict[str, tuple[int, int]]
) -> list[Facts]:
    """The items of the index that these deliveries hold: coded fields by their letters, others by their rules."""
    asked = {row["field"]: row for row in standard.tables["index_items"]}
    topics = {row["field"]: row["topic"] for row in standard.tables["fields"]}
    counted = {(row["layout"], row["field"]): row for row in fields if not row["is_partial"]}
    failed = {(rule["layout"], rule["rule"]): rule for rule in rules}
    found = []
    for part in parts:
        name, table = part.layout.name, part.layout.table
        for field, row in asked.items():
            if (name, field) in counted:
                letters = counted[name, field]
                n_records = letters["n_records"]
                wrong = {letter: letters[letter] for letter in WRONG}
                n_defaults, claims = letters[DEFAULT], None
            else:
                claims = {
                    letter: [f for c in row[letter].split() if (f := failed.get((name, f"{table}.{field}.{c}")))]
                    for letter in WRONG
                }
                n_records = max((rule["checked"] for rule in claims["missing"]), default=0)
                wrong = {letter: sum(rule["failed"] for rule in claims[letter]) for letter in WRONG}
                n_defaults = 0
            if not n_records:
                continue
            item = {"layout": name, "field": field, "topic": topics.get(field, ""), "n_records": n_records}
            item["n_valid_and_complete"] = max(0, n_records - sum(wrong.values()))
            item |= {"n_defaults": n_defaults, "threshold": float(row["threshold"]) if row["threshold"] else None}
            item |= {"n_in_excess": in_excess(item), "score": score(item)}
            n_sent, n_expected = covered[name]
            item["coverage"] = n_sent / n_expected
            item |= {f"n_{letter}": n for letter, n in wrong.items()}
            item["claims"] = None if claims is None else [rule["rule"] for letter in WRONG for rule in claims[letter]]
            found.append(item)
    return found


def _vodim(row: Facts) -> list[tuple[str, tuple[int, int]]]:
    """The letters of a coded field, and what follows from them."""
    valid, other, *_ = VODIM
    told = {**{letter: row[letter] for letter in VODIM}, "answered": row[valid] + row[other], "usable": row[valid]}
    return [(name, (n, row["n_records"])) for name, n in told.items() if row["n_records"]]


def _plain(item: Facts, standard: Standard) -> list[tuple[str, tuple[int, int]]]:
    """The letters of an item without codes, by its rules; and by the national rule, where there is one."""
    if item["claims"] is None:
        return []
    of = item["n_records"]
    told = {"valid": item["n_valid_and_complete"], "invalid": item["n_invalid"], "missing": item["n_missing"]}
    if any(row["field"] == item["field"] and not row["vocabulary"] for row in standard.tables["national_vodim"]):
        told |= {"national_valid": of - item["n_missing"], "national_missing": item["n_missing"]}
    return [(name, (n, of)) for name, n in told.items()]


def _effects(
    con: duckdb.DuckDBPyConnection,
    part: Part,
    items: list[Facts],
    rules: list[Facts],
    standard: Standard,
    lake: Lake,
) -> dict[str, float]:
    """ "<layout> <rule>" -> points of the index, for each rule of a field that is an item of it.

    Many rules say what their rows lack; only for the others the rows are looked up.
    """
    name = part.layout.name
    about = {rule.id: rule.about_status for rule in standard.rules_of_layout[name]}
    mine = {item["field"]: item for item in items if item["layout"] == name}
    broken = [rule for rule in rules if rule["layout"] == name and rule["failed"] and rule["rule"].count(".") > 1]
    told: dict[str, float] = {}
    for field, item in mine.items():
        of_field = [rule for rule in broken if rule["rule"].split(".")[1] == field]
        if item["claims"] is None:
            letters = {(r["rule"], about[r["rule"]]): r["failed"] for r in of_field if about.get(r["rule"])}
            unsaid = [rule["rule"] for rule in of_field if not about.get(rule["rule"])]
            letters |= letters_of(con, part, field, unsaid, lake)
        else:
            letters = {(r["rule"], WRONG[0]): r["failed"] for r in of_field if r["rule"] in item["claims"]}
        for rule in of_field:
            n_wrong = sum(letters.get((rule["rule"], letter), 0) for letter in WRONG)
            mended = {"n_wrong": n_wrong, "n_defaults": letters.get((rule["rule"], DEFAULT), 0)}
            told[f"{name} {rule['rule']}"] = gains(items, item, mended)
    return told


OTHERS = """
select place_kind, layout, field, measure, numerator, denominator, share, share_low, share_high, value, period
from read_parquet('{path}')
where cell_status = 'shown' and period <= ? and (place_kind, place) in (('provider', ?), ('provider_kind', ?), ('region', ?))
qualify row_number() over (partition by place_kind, layout, field, measure order by period desc) = 1
"""


def published(con: duckdb.DuckDBPyConnection, submission: Submission, standard: Standard, lake: Lake) -> Facts:
    """What the last open release shows of the provider's kind and region, and of the provider beside other sources."""
    told: Facts = {"peers": {}, "region": {}, "own": {}}
    told["units"] = {row["measure"]: row["unit"] for row in standard.tables["measures"]}
    path = lake.path("current", "open", "provider_measure.parquet").resolve()  # of a release, which never changes
    if not path.exists():
        return told
    wanted = (path, submission, standard.version)
    if wanted in _shown:
        return deepcopy(_shown[wanted])
    kind = standard.providers.get(submission.provider, {}).get("kind", "")
    places = [submission.period, submission.provider, kind, standard.settings["publishing"]["region"]]
    for place_kind, layout, field, name, n, of, share, low, high, value, period in con.execute(
        OTHERS.format(path=path), places
    ).fetchall():
        key = (layout, field, name)
        if place_kind == "provider":
            if layout == ALL and field:  # of what only linked records tell
                said = {"measure": name, "layout": layout, "field": field, "numerator": n, "denominator": of}
                told["own"][key] = {**said, "share": share, "value": value, "period": period}
        else:
            where = "peers" if place_kind == "provider_kind" else "region"
            told[where][key] = {"share": share, "low": low, "high": high, "value": value, "period": period}
    for key, said in told["own"].items():
        said |= {kind: told[kind].get(key) for kind in ("peers", "region")}
    _shown.clear()
    _shown[wanted] = deepcopy(told)
    return told
