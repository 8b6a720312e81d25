"""results -> provider/<code>/<period>/: one page and its files for the people who can mend the extract.

Promise: made right after validation, also for a delivery that was rejected or refused at the door; exact, only the
provider's own, and without any patient's value: rows are named by file, line and column.
"""

import contextlib
import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import duckdb

from transforms import engine, fingerprint, ledger, scorecard
from transforms.arrivals import State, read_state
from transforms.engine import fingerprint_of
from transforms.lake import Lake, Submission, UsageError, install, write_text
from transforms.render import render
from transforms.scorecard import Facts, Part
from transforms.standard import Standard
from transforms.validate import result_file

CODE = ("feedback.py", "scorecard.py", "resolve.py", "shape.py", "render.py", "pages")
MOST_LINES = 1_000_000
FILES = ("index.html", "issues.parquet", "issues.csv.gz", "rules.csv", "scorecard.json")
RULE_COLUMNS = "rule layout column severity at_least checked failed failed_before is_met what_to_do why what_happens"
STATUS_COLUMNS = ("layout", "column", "field", "is_partial", "n_records", *scorecard.VODIM)


def feedback(submission: Submission, standard: Standard, lake: Lake) -> dict[str, int]:
    """Make the submission's page and files, unless they say all that there is to say already. Returns counts."""
    counts = {"pages": 0, "unchanged": 0, "issues": 0}
    with ledger.lock(lake, f"submission {submission}"):
        listed = scorecard.deliveries(submission, standard, lake)
        told = [item for item in listed if item["outcome"]]
        if not told:
            return counts
        state = read_state(lake)
        shown = scorecard.parts(submission, standard, lake, state)
        folder = lake.path("provider", submission.provider, submission.period)
        mark = _mark(told, shown, standard, lake)
        is_whole = all((folder / name).exists() for name in FILES)
        if is_whole and read_scorecard(folder).get("fingerprint") == mark:
            counts["unchanged"] = 1
            return counts
        _private(lake, submission, folder)
        facts = _gather(submission, told, shown, state, standard, lake)
        with lake.workspace() as work:
            con = connection(standard, lake)
            facts["n_issues"], facts["n_listed"] = _write_issues(con, work, facts["rules"], shown, lake)
            counts["issues"] = facts["n_issues"]
            _write_rest(work, facts, mark)
            for name in FILES:  # scorecard.json is last: a crash before it makes the page again
                install(work / name, folder / name)
    _write_provider_page(submission.provider, standard, lake)
    counts["pages"] = 1
    return counts


_held: dict[tuple[Path, str], duckdb.DuckDBPyConnection] = {}


def connection(standard: Standard, lake: Lake) -> duckdb.DuckDBPyConnection:
    """One connection a process with the standard in it: to open one costs more than a small page does."""
    wanted = (lake.root, standard.version)
    if wanted not in _held:
        while _held:
            _held.popitem()[1].close()
        made = engine.connect(lake)
        engine.add_standard(made, standard)
        _held[wanted] = made
    return _held[wanted]


def read_scorecard(folder: Path) -> Facts:
    """What scorecard.json of a page says, or nothing when there is none."""
    path = folder / "scorecard.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def owed(standard: Standard, lake: Lake) -> list[Submission]:
    """Submissions whose page does not tell of the newest outcome yet: refused at the door, or interrupted by a crash."""
    newest: dict[tuple[str, str], int] = {}
    for entry in ledger.entries(lake):
        if entry["event"] in ("accepted", "rejected") and entry.get("provider") in standard.providers:
            newest[entry["provider"], entry["period"]] = entry["no"]
    found = []
    for (provider, period), number in newest.items():
        with contextlib.suppress(UsageError):  # a delivery can be refused because its period is none
            submission = Submission.parse(f"{provider}/{period}")
            if _told_up_to(lake.path("provider", provider, period, "scorecard.json")) < number:
                found.append(submission)
    return found


def _told_up_to(path: Path) -> int:
    """The ledger's line of the newest outcome that a page tells, from the first bytes of its scorecard.json."""
    try:
        with open(path, encoding="utf-8") as handle:
            match = re.search(r'"last_no": (\d+)', handle.read(200))
    except FileNotFoundError:
        return 0
    return int(match[1]) if match else 0


def _mark(told: list[Facts], shown: list[Part], standard: Standard, lake: Lake) -> str:
    """Exactly what the page is made from."""
    read = [
        (part.layout.name, arrival.no, fingerprint_of(result_file(lake, name, arrival, part.layout.name)))
        for part in shown
        for arrival in (part.arrival, part.before)
        if arrival
        for name in ("rule_result", "issue")
    ]
    return fingerprint.of(standard.version, told, read, fingerprint.code(*CODE))


def _private(lake: Lake, submission: Submission, folder: Path) -> None:
    """One provider's folder can be read by its owner only: hand it over whole, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (lake.path("provider", submission.provider), folder):
        path.chmod(0o700)


def _gather(
    submission: Submission, told: list[Facts], shown: list[Part], state: State, standard: Standard, lake: Lake
) -> Facts:
    """Everything that the page says."""
    files, rules, fields = [], [], []
    for part in shown:
        files.append(scorecard.file_facts(part, lake, state))
        rules += scorecard.rule_facts(part, standard, lake)
        con = connection(standard, lake)
        fields += scorecard.status_facts(con, part, files[-1]["n_records"], standard, lake)
    rules.sort(key=scorecard.urgency)
    provider = standard.providers.get(submission.provider, {})
    first = [r for r in rules if r["is_theirs"] and r["failed"] and (r["weight"] or r["rejected_all"])]
    return {
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
        "first": first[: int(standard.settings["scorecard"]["worst_first"])],
        "rules": rules,
        "fields": fields,
        "not_collected": scorecard.not_collected([part.layout for part in shown], standard),
        "change": _change(rules),
    }


def _change(rules: list[Facts]) -> Facts | None:
    """What became better and worse since the delivery before, or None when there was none."""
    compared = [rule for rule in rules if rule["failed_before"] is not None]
    if not compared:
        return None
    return {
        "n_mended": sum(rule["is_met"] and not rule["was_met"] for rule in compared),
        "n_broken": sum(rule["was_met"] and not rule["is_met"] for rule in compared),
        "n_failed": sum(rule["failed"] for rule in compared),
        "n_failed_before": sum(rule["failed_before"] for rule in compared),
        "changed": [rule for rule in compared if rule["failed"] != rule["failed_before"]],
    }


def _write_issues(
    con: duckdb.DuckDBPyConnection, work: Path, rules: list[Facts], shown: list[Part], lake: Lake
) -> tuple[int, int]:
    """issues.parquet and issues.csv.gz: one row per failing record and rule, a pointer and never a value.

    Returns how many rows each has: the second holds no more than a spreadsheet opens, the first lines of every rule.
    """
    named = [{key: safe(rule[key]) for key in ("layout", "rule", "column")} for rule in rules]
    engine.add_table(con, "named", named or [{"layout": "", "rule": "", "column": ""}])
    paths = [str(result_file(lake, "issue", part.arrival, part.layout.name)) for part in shown]
    source = f"read_parquet({paths!r})" if paths else "(select '' as layout, '' as rule, 0 as line limit 0)"
    query = f"""select layout as file_role, line, line + 1 as line_in_file, n."column", rule
                from {source} join named n using (layout, rule)"""
    whole = work / "issues.parquet"
    n_issues = con.execute(f"copy ({query}) to '{whole}' (format parquet)").fetchone()[0]
    lines = f"from read_parquet('{whole}')"
    if n_issues > MOST_LINES:
        broken = con.execute(f"select distinct file_role, rule {lines} order by all").fetchall()
        each = MOST_LINES // len(broken)
        wanted = [f"({lines} where file_role = '{role}' and rule = '{rule}' limit {each})" for role, rule in broken]
        lines = " union all ".join(wanted)
    options = "format csv, header, compression gzip"
    n_listed = con.execute(f"copy ({lines}) to '{work / 'issues.csv.gz'}' ({options})").fetchone()[0]
    return n_issues, n_listed


def safe(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    return "'" + value if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") and value else value


def _write_rest(work: Path, facts: Facts, mark: str) -> None:
    """rules.csv, index.html, and scorecard.json with the mark that makes a second run do nothing."""
    columns = RULE_COLUMNS.split()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([safe(rule[column]) for column in columns] for rule in facts["rules"])
    (work / "rules.csv").write_text(text.getvalue(), encoding="utf-8")
    (work / "index.html").write_text(render("scorecard.html", **facts), encoding="utf-8")
    kept = ("submission", "standard_version", "has_agreement", "is_invented", "deliveries", "files", "n_issues")
    told = {"fingerprint": mark, "last_no": facts["last_no"], **{key: facts[key] for key in kept}}
    told["rules"] = [{column: rule[column] for column in columns} for rule in facts["rules"]]
    told["fields"] = [{column: row[column] for column in STATUS_COLUMNS} for row in facts["fields"]]
    (work / "scorecard.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _write_provider_page(provider: str, standard: Standard, lake: Lake) -> None:
    """provider/<code>/index.html: every period, what became of it, and its page. A pure function of the ledger."""
    with ledger.lock(lake, f"provider {provider}", wait=True):
        newest: dict[str, Facts] = {}
        for entry in ledger.entries(lake):
            if entry.get("provider") == provider and entry["event"] in ("accepted", "rejected"):
                words = standard.words(entry["reason"])["words"] if entry.get("reason") else ""
                about = {"period": entry["period"], "on": entry["at"][:10], "outcome": entry["event"], "words": words}
                has_page = lake.path("provider", provider, entry["period"], "index.html").exists()
                newest[entry["period"]] = {**about, "has_page": has_page}
        row = standard.providers.get(provider, {})
        periods = [newest[period] for period in sorted(newest, reverse=True)]
        name, invented = row.get("name") or provider, row.get("demo") == "true"
        page = render("provider.html", provider=provider, provider_name=name, is_invented=invented, periods=periods)
        target = lake.path("provider", provider, "index.html")
        if not target.exists() or target.read_text(encoding="utf-8") != page:
            write_text(target, page)
