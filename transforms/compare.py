"""harmonised, validated, the open release -> compared: what only history and peers can tell of a provider's newest files.

Promise: made after publishing, from what everybody may read of others; a provider is compared again only where something
that it was compared with has changed. Great Expectations decides, DuckDB counts; no value, and never a row of another.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from transforms import engine, fingerprint, ledger
from transforms.arrivals import Arrival, State, read_state
from transforms.beside import Held, judge_beside
from transforms.disk import stop_if_full
from transforms.engine import HERE, add_standard, add_table, add_views, connect, fingerprint_of
from transforms.geography import add_geography
from transforms.lake import Lake, install, remove
from transforms.maturity import days_after_due, first_received
from transforms.observe import observed
from transforms.parquet import copy
from transforms.resolve import dated_by, declared
from transforms.rules import Rule
from transforms.sqlfolder import run_file, run_folder
from transforms.sqltext import text
from transforms.standard import Standard
from transforms.values import place_of

CODE = (
    *("compare.py", "beside.py", "compared", "rules.py", "duckdb_expectations.py", "shape.py", "resolve.py"),
    *("geography.py", "maturity.py", "macros.sql", "stages.sql"),
)
TABLES = ("issue", "figure", "rule_result")  # written in this order: the last one's mark says that all are there
EACH = ("home", "figure")  # made for one provider at a time; the rest of the folder for all at once
VARIABLES = ("ethnicity", "default_set", "region", "watched_group", "fewest_peers")
EMPTY = "place_kind varchar, place varchar, period varchar, layout varchar, field varchar, measure varchar"
EMPTY += ", numerator bigint, denominator bigint"
# The tables of the open area that say it, the fuller one first; of the other no region can be told.
PUBLISHED = {
    "provider_measure": "place_kind, place, period, layout, field, measure, numerator, denominator",
    "provider_scorecard": "'provider', provider, period, layout, field, vodim, n_records, n_records_in_all",
}


@dataclasses.dataclass(frozen=True)
class Work:
    """One provider: what it is compared by, and the fingerprint of all that this reads."""

    provider: str
    held: tuple[Held, ...]
    mark: str

    def judging(self, standard: Standard, scope: str) -> list[tuple[Held, Rule]]:
        """The rules of a scope, each with the file that it judges."""
        found = []
        for one in self.held:
            in_force = standard.compared_rules(scope, one.layout.name, one.arrival.submission.period)
            found += [(one, rule) for rule in in_force]
        return found


@observed("compare")
def compare(standard: Standard, lake: Lake) -> dict[str, int]:
    """Compare every provider whose results are not what they would be now. Returns counts.

    A provider that fails for a fault of ours does not stop the others: StageCrashed is raised at the end.
    """
    from transforms.work import StageCrashed  # which imports the pages, and they read what stands here

    counts = {"compared": 0, "unchanged": 0, "removed": 0, "issues": 0}
    crashed = []
    lake.prepare()
    with ledger.lock(lake, "compare", wait=True), engine.without_values("comparing"), _opened(standard, lake) as con:
        listed = _work(con, standard, lake)
        for one in listed:
            if _is_made(lake, one):
                counts["unchanged"] += 1
                continue
            try:
                counts["issues"] += _compare_one(con, standard, lake, one)
            except Exception as error:  # noqa: BLE001  our fault, whatever it is, must not stop the neighbours
                stop_if_full(error, lake)
                crashed.append(f"{one.provider} ({type(error).__name__})")
                continue
            counts["compared"] += 1
        for path in _forgotten(lake, listed):
            remove(path)
            counts["removed"] += 1
    if crashed:
        raise StageCrashed(f"compare failed for {', '.join(crashed)}; their last results stay")
    return counts


def stale(standard: Standard, lake: Lake) -> list[str]:
    """Providers whose results are not what comparing now would give, or should not be there any more."""
    with engine.without_values("comparing"), _opened(standard, lake) as con:
        listed = _work(con, standard, lake)
        changed = [one.provider for one in listed if not _is_made(lake, one)]
        return sorted({*changed, *(path.stem for path in _forgotten(lake, listed))})


def mark(lake: Lake, provider: str) -> str:
    """The fingerprint of a provider's results, "" when there are none."""
    return fingerprint_of(lake.provider_file("compared", "rule_result", provider))


def results(lake: Lake, provider: str) -> list[dict[str, Any]]:
    """The rows of compared.rule_result of one provider; each names the arrival that it judged."""
    return _read(lake.provider_file("compared", "rule_result", provider))


def figures(lake: Lake, provider: str) -> list[dict[str, Any]]:
    """The rows of compared.figure of one provider: shares from 0 to 1, null where something is not known."""
    return _read(lake.provider_file("compared", "figure", provider))


def issue_file(lake: Lake, provider: str) -> Path:
    """The Parquet file of a provider's rows that break a rule of history, as in results.issue; it may not be there."""
    return lake.provider_file("compared", "issue", provider)


def _read(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist() if path.exists() else []


def _is_made(lake: Lake, one: Work) -> bool:
    return {fingerprint_of(lake.provider_file("compared", table, one.provider)) for table in TABLES} == {one.mark}


def _forgotten(lake: Lake, listed: list[Work]) -> list[Path]:
    """Results of providers that have nothing in force any more."""
    kept = {one.provider for one in listed}
    return [
        path for table in TABLES for path in lake.path("compared", table).glob("*.parquet") if path.stem not in kept
    ]


@contextlib.contextmanager
def _opened(standard: Standard, lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the standard, places, and the figures of the current open release as compared.published."""
    con = connect(lake, memory="2GB")
    try:
        add_standard(con, standard)
        add_geography(con, standard, lake)
        for name in VARIABLES:
            con.execute(f"set variable {name} = ?", [standard.settings["publishing"][name]])
        con.execute(f"create schema compared; create table compared.published ({EMPTY})")
        folder = lake.path("current", "open").resolve()  # once: the pointer may move while we read
        shown = next((name for name in PUBLISHED if (folder / f"{name}.parquet").exists()), None)
        if shown:
            con.execute(f"""insert into compared.published select {PUBLISHED[shown]}
                from read_parquet('{folder}/{shown}.parquet') where cell_status = 'shown'""")
        yield con
    finally:
        con.close()


def _work(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake) -> list[Work]:
    """Every provider with something in force, and the tables of schema compared that are made for all at once."""
    state = read_state(lake)
    in_force = _in_force(standard, lake, state)
    newest = {(a.submission.provider, name): a for name, a, _ in in_force}  # they come oldest first
    listed, spoken = [], []
    began_on = ledger.entries(lake)[0]["at"][:10] if in_force else ""
    for name, arrival, _ in in_force:
        provider, is_newest = arrival.submission.provider, newest[arrival.submission.provider, name] == arrival
        facts = {"provider": provider, "kind": standard.providers.get(provider, {}).get("kind")}
        facts |= {"period": arrival.submission.period, "layout": name, "submission_no": arrival.submission_no}
        facts |= {"arrival": arrival.no, "is_newest": is_newest}
        came_on = first_received(state, arrival.submission, name) or arrival.received_on
        sends = standard.providers.get(provider, {})
        listed.append(facts | {"n_days_after_due": days_after_due(sends, arrival.submission.period, came_on, began_on)})
        if is_newest:
            layout = standard.layouts[name]
            for row in declared(standard, layout, provider):
                said = {key: row[key] for key in ("field", "system", "vocabulary")}
                is_dated = bool(dated_by(layout, row["field"]))
                spoken.append({"provider": provider, "layout": name, "is_dated": is_dated} | said)
    if not listed:
        return []
    add_table(con, "compared.delivery", listed)
    nobody = dict.fromkeys(("provider", "layout", "field", "system", "vocabulary"), "") | {"is_dated": False}
    add_table(con, "compared.declared", spoken or [nobody])
    run_folder(con, HERE / "compared", leave=EACH)
    beside: dict[str, list] = {}
    for table in ("item", "peer"):
        for row in con.execute(f"select * from compared.{table} order by all").fetchall():
            beside.setdefault(row[0], []).append(row)
    places = con.execute("select * from compared.resident order by all").fetchall()
    places += [fingerprint_of(lake.path("geography", "postcode.parquet"))]
    found = []
    for provider in sorted({a.submission.provider for _, a, _ in in_force}):
        held = tuple(Held(standard.layouts[layout], a) for (who, layout), a in newest.items() if who == provider)
        made = Work(provider, held, "")
        read = [(str(a.submission), layout, a.no, m) for layout, a, m in in_force if a.submission.provider == provider]
        files = [(one.layout.name, fingerprint_of(one.path(lake)), one.layout.settings) for one in held]
        rules = [
            (one.layout.name, rule.id, rule.predicate, rule.mostly)
            for scope in ("history", "peers")
            for one, rule in made.judging(standard, scope)
        ]
        about = standard.providers.get(provider, {}).get("demo")
        code = fingerprint.code(*CODE)
        late = [row["n_days_after_due"] for row in listed if row["provider"] == provider and row["is_newest"]]
        made_of = fingerprint.of(read, files, rules, beside.get(provider), places, about, late, code)
        found.append(dataclasses.replace(made, mark=made_of))
    return found


def _in_force(standard: Standard, lake: Lake, state: State) -> list[tuple[str, Arrival, str]]:
    """(layout, arrival, fingerprint) of every file in force that is harmonised, oldest first: what is not comes later."""
    found = []
    for submission in sorted(state.arrivals, key=lambda item: (item.period, item.provider)):
        for name, arrival in sorted(state.current(submission).items()):
            if name not in standard.layouts:
                continue
            # Of its three files the last to be written: with its mark all of them are there.
            said = fingerprint_of(lake.current_file("harmonised", "activity", submission, name))
            if said and Held(standard.layouts[name], arrival).path(lake).exists():
                found.append((name, arrival, said))
    return found


def _compare_one(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake, one: Work) -> int:
    """Make the three files of one provider. Returns the number of issues."""
    con.execute("set variable provider = ?", [one.provider])
    add_views(con, lake, standard, "harmonised", provider=one.provider)
    for name in EACH:
        run_file(con, HERE / "compared" / f"{name}.sql")
    judged = judge_beside(
        con, standard, lake, list(one.held), one.judging(standard, "history"), one.judging(standard, "peers")
    )
    parts = [
        f"select {place_of(held.arrival, held.layout.name)}, file_no, line, record_key, is_key_stable, {text(rule.id)} as rule from shaped "
        f"where {column} is false"
        for held, rule, column, result in judged
        if rule.scope == "history" and result["failed"]
    ]
    told = [{"column": column, **result} for _, _, column, result in judged]
    version = text(standard.version)
    queries = {"issue": parts, "figure": ["select * from compared.figure"], "rule_result": []}
    if told:
        add_table(con, "compared.told", told)
        queries["rule_result"] = [f'select * exclude ("column"), {version} as standard_version from compared.told']
    shapes = {table: columns for stage, table, columns in engine.fixed_shapes() if stage == "compared"}
    n_issues = 0
    with lake.workspace() as work:
        for table in TABLES:
            con.execute(f"create or replace temp table empty_shape ({shapes[table]})")
            query = " union all by name ".join(["select * from empty_shape", *queries[table]])
            n_written = copy(con, query, work / table, one.mark)
            n_issues += n_written if table == "issue" else 0
        for table in TABLES:
            install(work / table, lake.provider_file("compared", table, one.provider))
    return n_issues
