"""results, compared -> provider/<code>/<period>/: a page and its files for the people who can mend the extract.

Promise: made right after validation, also for a delivery that was rejected or refused at the door; exact, only the
provider's own, and without any patient's value: rows are named by file, line and column. Made again when, and only when,
it would say something else.
"""

import contextlib
import json
import re
from pathlib import Path

import duckdb

from transforms import compare, engine, fingerprint, ledger, scorecard
from transforms.arrivals import OUTCOMES, TAKEN_BACK, WITHDRAWN, State, read_state
from transforms.engine import fingerprint_of
from transforms.export import export
from transforms.gather import gather
from transforms.history import history
from transforms.issues import write_issues
from transforms.lake import Lake, Submission, UsageError, install, write_text
from transforms.prioritise import things_to_do
from transforms.progress import marks
from transforms.quality import published
from transforms.render import render
from transforms.scorecard import Facts, Part
from transforms.standard import Standard
from transforms.validate import result_file

CODE = (
    *(
        "feedback.py",
        "gather.py",
        "scorecard.py",
        "statuses.py",
        "issues.py",
        "issue_files.py",
        "prioritise.py",
        "export.py",
        "progress.py",
    ),
    *(
        "history.py",
        "xmr.py",
        "quality.py",
        "tally.py",
        "maturity.py",
        "values.py",
        "resolve.py",
        "shape.py",
        "render.py",
    ),
    "pages",
)
FILES = (
    *("index.html", "summary.html", "issues.parquet", "issues.csv.gz", "rules.csv", "scorecard.csv"),
    "scorecard.json",  # last: a crash before it makes the page again
)


def feedback(submission: Submission, standard: Standard, lake: Lake) -> dict[str, int]:
    """Make the submission's page and files, unless they say all that there is to say already. Returns counts; `news` is 1
    when the page tells of an outcome that the one before it did not."""
    counts = {"pages": 0, "unchanged": 0, "issues": 0, "news": 0}
    with ledger.lock(lake, f"submission {submission}"):
        told = [item for item in scorecard.deliveries(submission, standard, lake) if item["outcome"]]
        if not told:
            return counts
        state = read_state(lake)
        shown = scorecard.parts(submission, standard, lake, state)
        folder = lake.path("provider", submission.provider, submission.period)
        mark = _mark(submission, told, shown, state, standard, lake)
        is_whole = all((folder / name).exists() for name in FILES)
        before = read_scorecard(folder)
        if is_whole and before.get("fingerprint") == mark:
            counts["unchanged"] = 1
            return counts
        _private(lake, submission, folder)
        con = connection(standard, lake)
        facts = gather(con, submission, told, shown, state, standard, lake)
        with lake.workspace() as work:
            issue_file = compare.issue_file(lake, submission.provider)
            facts["n_issues"] = write_issues(con, work, facts["rules"], shown, lake, issue_file)
            counts["issues"] = facts["n_issues"]
            scoring = standard.settings["scorecard"]
            facts["first"] = things_to_do(facts, int(scoring["worst_first"]), scoring["unmet_points"])
            export(work, facts, mark)
            for name, template in (("index.html", "scorecard.html"), ("summary.html", "summary.html")):
                (work / name).write_text(render(template, **facts), encoding="utf-8")
            for name in FILES:
                install(work / name, folder / name)
    _write_provider_page(submission.provider, standard, lake)
    counts |= {"pages": 1, "news": int(before.get("last_no", 0) < max(item["no"] for item in told))}
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
        if entry["event"] in OUTCOMES and entry.get("provider") in standard.providers:
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


def _mark(
    submission: Submission, told: list[Facts], shown: list[Part], state: State, standard: Standard, lake: Lake
) -> str:
    """Exactly what the page is made from: deliveries and their results, what came before, and what others show."""
    read = [
        (part.layout.name, str(arrival.submission), arrival.no, fingerprint_of(path))
        for part in shown
        for arrival in (part.arrival, part.before)
        if arrival
        for name in ("rule_result", "issue")
        for path in (result_file(lake, name, arrival, part.layout.name),)
    ]
    con = connection(standard, lake)
    in_force = [
        (str(other), name, [(one.no, one.received_on) for one in state.arrivals[other] if one.file(name)], arrival.no)
        for other in sorted(state.arrivals)
        if other.provider == submission.provider and other.period <= submission.period
        for name, arrival in sorted(state.current(other).items())
    ]
    earlier = [one for one in history(submission, standard, lake) if one["period"] < submission.period]
    compared = compare.mark(lake, submission.provider) if shown else ""
    beside = published(con, submission, standard, lake)
    changes = marks(submission, lake, state)
    return fingerprint.of(
        standard.version, told, read, in_force, earlier, compared, repr(beside), changes, fingerprint.code(*CODE)
    )


def _private(lake: Lake, submission: Submission, folder: Path) -> None:
    """One provider's folder can be read by its owner only: hand it over whole, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (lake.path("provider", submission.provider), folder):
        path.chmod(0o700)


def _write_provider_page(provider: str, standard: Standard, lake: Lake) -> None:
    """provider/<code>/index.html: every period, what became of it, and its page. A pure function of the ledger."""
    with ledger.lock(lake, f"provider {provider}", wait=True):
        newest: dict[str, Facts] = {}
        for entry in ledger.entries(lake):
            if entry.get("provider") == provider and entry["event"] in OUTCOMES:
                is_accepted = entry["event"] == "accepted"
                reason = TAKEN_BACK if entry["event"] == WITHDRAWN else entry.get("reason", "")
                about = {"period": entry["period"], "on": entry["at"][:10], "reason": reason}
                about |= {"outcome": "accepted" if is_accepted else "rejected"}
                about |= {"words": standard.words(reason)["words"] if reason else ""}
                has_page = lake.path("provider", provider, entry["period"], "index.html").exists()
                newest[entry["period"]] = {**about, "has_page": has_page}
        row = standard.providers.get(provider, {})
        periods = [newest[period] for period in sorted(newest, reverse=True)]
        name, invented = row.get("name") or provider, row.get("demo") == "true"
        page = render("provider.html", provider=provider, provider_name=name, is_invented=invented, periods=periods)
        target = lake.path("provider", provider, "index.html")
        if not target.exists() or target.read_text(encoding="utf-8") != page:
            write_text(target, page)
