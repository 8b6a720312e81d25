"""results of two deliveries -> what changed: which issues are new, open, fixed or gone, and which rules came or went.

Promise: records are compared by their key and the rule, never by their place, so that a file in another order changes
nothing; what cannot be compared is said to be so, and never called fixed.
"""

from itertools import pairwise
from typing import Any

import duckdb
import pyarrow.parquet as pq

from transforms.arrivals import Arrival, State
from transforms.engine import fingerprint_of, without_values
from transforms.ingest import bronze_file
from transforms.lake import Lake, Submission
from transforms.scorecard import Part, changes_of_rules, results_of
from transforms.sqltext import quoted, text
from transforms.standard import Layout, Standard
from transforms.values import result_file

Facts = dict[str, Any]
CHANGES = {"new": "new", "changed": "changed", "removed": "taken away"}
COUNTS = ("n_new", "n_fixed", "n_open", "n_gone", "n_unknown")


def why_not(part: Part) -> str:
    """Why records of a part cannot be compared with those of the delivery before: a name in scorecard.yml, "" when they can."""
    if part.before is None:
        return "nothing_before"
    now, then = part.arrival.submission.period, part.before.submission.period
    if now != then and part.layout.content == "events":
        return "other_events"
    is_cumulative = part.layout.content == "cumulative"
    if is_cumulative and _year(now, part.layout["restarts"]) != _year(then, part.layout["restarts"]):
        return "restarted"
    return ""


def _year(period: str, restarts: str | None) -> int:
    """The year that a period belongs to when years begin with the month of `restarts`, "04-01"; without one all are one."""
    year, month = map(int, period.split("-"))
    return year - (month < int(restarts[:2])) if restarts else 0


def comparison(part: Part, standard: Standard, lake: Lake) -> Facts:
    """What a part is compared with: period, arrival, received_on (None when nothing came before), is_same_period,
    is_same_standard, why_not and its words, and the rules that only one of both has or that claim something else now."""
    before, now = part.before, results_of(lake, part.arrival, part.layout.name)
    then = results_of(lake, before, part.layout.name) if before else {}
    changes = changes_of_rules(now, then) if before else {}
    reason = why_not(part)
    versions = [{row["standard_version"] for row in rows.values()} for rows in (now, then)]
    return {
        "layout": part.layout.name,
        "period": before.submission.period if before else None,
        "arrival": before.no if before else None,
        "received_on": before.received_on if before else None,
        "is_same_period": bool(before and before.submission == part.arrival.submission),
        "is_same_standard": versions[0] == versions[1],
        "why_not": reason,
        "words": standard.settings["scorecard"]["not_compared"].get(reason, ""),
        **{f"{kind}_rules": sorted(r for r, c in changes.items() if c == kind) for kind in CHANGES},
    }


def progress(con: duckdb.DuckDBPyConnection, parts: list[Part], lake: Lake) -> dict[str, dict[str, int | None]]:
    """ "<layout> <rule>" -> how many issues of the delivery shown are n_new or n_open, and n_unknown: their records have no key
    that lasts; and of those before, n_fixed (the record is still sent and keeps the rule, or it no longer applies) and
    n_gone (the record is no longer sent). All None where the two cannot be compared. When what was sent before is no
    longer there to look at, n_gone is None, and n_fixed is whatever no longer fails."""
    told: dict[str, dict[str, int | None]] = {}
    with without_values("comparing deliveries"):
        for part in parts:
            name, shared = part.layout.name, compared_rules(part, lake)
            told |= {f"{name} {rule}": dict.fromkeys(COUNTS) for rule in results_of(lake, part.arrival, name)}
            if shared:
                told |= {f"{name} {rule}": counts for rule, counts in _moved(con, part, shared, lake).items()}
    return told


def compared_rules(part: Part, lake: Lake) -> list[str]:
    """The rules by which the records of both deliveries can be compared: in both, and claiming the same."""
    if part.before is None or why_not(part):
        return []
    now, then = (results_of(lake, arrival, part.layout.name) for arrival in (part.arrival, part.before))
    return sorted(rule for rule, change in changes_of_rules(now, then).items() if not change)


def issues(part: Part, lake: Lake) -> str:
    """A query: every issue of the delivery shown, as layout, rule, line and `since`: new, open, or null where nobody can tell."""
    shared = compared_rules(part, lake)
    failing = f"select layout, rule, line, record_key, is_key_stable from {_failing(part.arrival, part.layout, lake)}"
    if not shared or part.before is None:
        return f"select layout, rule, line, null::varchar as since from ({failing})"
    kind = _kind(shared)
    then = f"select {_pair(kind)} from {_failing(part.before, part.layout, lake)} where is_key_stable"
    return f"""select layout, rule, line, case when is_key_stable and try_cast(rule as {kind}) is not null
                   then case when {_pair(kind)} in ({then}) then 'open' else 'new' end end as since
               from ({failing})"""


def _kind(rules: list[str]) -> str:
    """A type of these rules: one byte each, where their names would fill the memory."""
    return f"enum({', '.join(map(text, rules))})"


def _pair(kind: str) -> str:
    return f"(try_cast(rule as {kind}), record_key)"


def _failing(arrival: Arrival, layout: Layout, lake: Lake) -> str:
    """The issues of an arrival for SQL. Before it was written there whether a key lasts, each was taken for one that does."""
    path = result_file(lake, "issue", arrival, layout.name)
    extra = "" if "is_key_stable" in pq.read_schema(path).names else ", true as is_key_stable"
    return f"(select *{extra} from read_parquet('{path}', hive_partitioning = false))"


def _moved(
    con: duckdb.DuckDBPyConnection, part: Part, shared: list[str], lake: Lake
) -> dict[str, dict[str, int | None]]:
    """Rule -> its counts. Only failing rows are compared; the rest of a file is looked at for keys that failed before."""
    assert part.before is not None
    found = {rule: dict.fromkeys(COUNTS, 0) for rule in shared}
    names = {"new": "n_new", "open": "n_open", None: "n_unknown"}
    for rule, since, n in con.execute(
        f"select rule, since, count(*) from ({issues(part, lake)}) group by all"
    ).fetchall():
        if rule in found:
            found[rule][names[since]] += n
    kind = _kind(shared)
    now = f"select {_pair(kind)} from {_failing(part.arrival, part.layout, lake)} where is_key_stable"
    con.execute(
        f"""create or replace temp table no_longer as
            select try_cast(rule as {kind}) as rule, line, record_key from {_failing(part.before, part.layout, lake)}
            where is_key_stable and try_cast(rule as {kind}) is not null and {_pair(kind)} not in ({now})"""
    )
    is_known = _find_gone(con, part, lake)
    counted = """select rule::varchar, count(*) - count(g.line), count(g.line)
                 from no_longer left join gone g using (line) group by all"""
    result: dict[str, dict[str, int | None]] = {rule: {**counts} for rule, counts in found.items()}
    for rule, n_fixed, n_gone in con.execute(counted).fetchall():
        result[rule] |= {"n_fixed": n_fixed, "n_gone": n_gone}
    con.execute("drop table no_longer; drop table gone")
    return result if is_known else {rule: counts | {"n_gone": None} for rule, counts in result.items()}


def _find_gone(con: duckdb.DuckDBPyConnection, part: Part, lake: Lake) -> bool:
    """Table `gone`: the lines of `no_longer` whose record is not in the file shown. False when nobody can tell any more."""
    assert part.before is not None
    con.execute("create or replace temp table gone (line integer)")
    if not con.execute("select 1 from no_longer limit 1").fetchone():
        return True
    name, table = part.layout.name, part.layout.table
    in_force = lake.current_file("validated", table, part.arrival.submission, name)
    if fingerprint_of(in_force) == fingerprint_of(result_file(lake, "issue", part.arrival, name)) != "":
        aside = lake.arrival_file("quarantine", table, part.arrival.submission, part.arrival.no, name)
        sent = [str(path) for path in (in_force, aside) if path.exists()]
        con.execute(
            f"""create or replace temp table still_there as
                select distinct record_key from read_parquet({sent!r}, hive_partitioning = false) semi join no_longer using (record_key);
                insert into gone select distinct line from no_longer where record_key not in (from still_there);
                drop table still_there"""
        )
        return True
    # A rejected delivery left nothing but its results and what was sent: the key's own columns say the same.
    paths = [bronze_file(lake, arrival, part.layout.name) for arrival in (part.before, part.arrival)]
    columns = [part.layout.fields[name]["column"] for name in part.layout.key]
    if not all(path.exists() and {*columns} <= {*pq.read_schema(path).names} for path in paths):
        return False
    key = f"hash({', '.join(f'clean_text({quoted(column)})' for column in columns)})"
    con.execute(
        f"""create or replace temp table candidate as
            select line, {key} as key
            from (select *, (file_row_number + 1)::integer as line
                  from read_parquet('{paths[0]}', file_row_number = true, hive_partitioning = false))
            semi join no_longer using (line);
            create or replace temp table still_there as
            select distinct key from (select {key} as key from read_parquet('{paths[1]}', hive_partitioning = false))
            semi join candidate using (key);
            insert into gone select line from candidate where key not in (from still_there);
            drop table candidate; drop table still_there"""
    )
    return True


def marks(submission: Submission, lake: Lake, state: State, layout: str = "") -> list[Facts]:
    """The periods up to this one in which other rules judged than in the one before, or another standard: period, what (in
    words), new_rules, changed_rules, removed_rules; of one layout or of all that the provider sends."""
    newest: dict[str, dict[str, dict[str, Facts]]] = {}  # layout -> period -> its results
    for place in sorted(place for place in state.arrivals if place.provider == submission.provider):
        for arrival in reversed(state.arrivals[place]) if place.period <= submission.period else ():
            for file in arrival.files if arrival.outcome else ():
                held = newest.setdefault(file.layout, {})
                if layout in ("", file.layout) and place.period not in held:
                    rows = results_of(lake, arrival, file.layout)
                    held |= {place.period: rows} if rows else {}
    told: dict[str, Facts] = {}
    for periods in newest.values():
        for before, period in pairwise(periods):
            changes = changes_of_rules(periods[period], periods[before])
            versions = [{row["standard_version"] for row in periods[name].values()} for name in (before, period)]
            fresh: Facts = {
                "period": period,
                "is_standard_changed": False,
                **{f"{kind}_rules": set() for kind in CHANGES},
            }
            mark = told.setdefault(period, fresh)
            mark["is_standard_changed"] |= versions[0] != versions[1]
            for rule, change in changes.items():
                if change:
                    mark[f"{change}_rules"].add(rule)
    for mark in told.values():
        counts = [(len(mark[f"{kind}_rules"]), kind) for kind in CHANGES]
        said = [f"{n} rule{'' if n == 1 else 's'} {CHANGES[kind]}" for n, kind in counts if n]
        mark["what"] = ", ".join(said) or (
            "the standard changed, its rules did not" if mark["is_standard_changed"] else ""
        )
        mark |= {f"{kind}_rules": sorted(mark[f"{kind}_rules"]) for kind in CHANGES}
    return [told[period] for period in sorted(told) if told[period]["what"]]
