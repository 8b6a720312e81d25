"""A file anywhere -> what the service would make of it, in words; before it is sent, and without a lake.

Promise: the verdict is the service's own: the file goes through receive, ingest and validate in a private folder that is
gone afterwards (in memory where the machine allows it). Nothing of it is shown but column names, counts, and coded
values that no map knows and that stand there as often as disclosure.yml asks.
"""

import contextlib
import dataclasses
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from transforms import keys, parse, scorecard
from transforms.advise import Values, advise, plain
from transforms.apart import Unreadable, apart
from transforms.arrivals import Arrival, read_state
from transforms.disk import stop_if_full
from transforms.faults import Row, nearest, one_of
from transforms.finished import READY
from transforms.ingest import engine_for, ingest
from transforms.lake import Lake, Submission, UsageError
from transforms.receive import receive
from transforms.recognise import columns_of, container, fit, head_of, offered
from transforms.render import count, per_cent
from transforms.standard import Layout, Standard
from transforms.validate import open_connection, validate

LISTED = 20  # values of one column; a column with more of them is in another list of codes altogether
NOTHING = {"reason": "unreadable", "headers": {}, "resource": "", "elements": []}  # of a file that offers nothing
HELPS = "What would help most:"
IN_MEMORY = Path("/dev/shm")  # a file system that is no disk, on the machines that have one


def check(file: Path, standard: Standard, layout: str | None = None) -> str:
    """A report for people. `layout` names the one to judge by, else the nearest. Raises UsageError."""
    file = Path(file)
    if not file.is_file():
        raise UsageError(f"{file} is not a file")
    if layout is not None and layout not in standard.layouts:
        raise UsageError(f"layout '{layout}' is not known: {one_of(layout, standard.layouts)}")
    head = head_of(file)
    offer, is_text = dict(NOTHING), bool(head.strip()) and not container(head, standard)
    if is_text:
        with contextlib.suppress(Unreadable):  # the verdict says so too
            offer = offered(head, standard)
        is_text = not offer["reason"]
    names = [layout] if layout else list(standard.layouts)
    ranked = sorted((_fit(standard.layouts[name], offer) for name in names), key=lambda fit: -fit[0])
    share, best, header = ranked[0]
    lines = [f"{file.name}: {count(file.stat().st_size)} bytes", ""]
    if is_text:
        lines += _about_header(best, share, header, ranked, layout is not None, standard)
    with _scratch(file) as folder:
        lake = Lake(Path(folder) / "lake", Path(folder) / "keys").prepare()
        try:
            lines += _judge(file, standard, best, share, lake)
        except Exception as error:
            stop_if_full(error, lake)  # this one: it is not where the service's own lake is
            raise
    return "\n".join(lines) + "\n"


def _fit(layout: Layout, offer: dict[str, Any]) -> tuple[float, Layout, tuple[str, ...]]:
    """How much of a layout's mapped columns a file has, and its header as that layout would read it."""
    header = columns_of(offer, layout)
    return fit(header, layout), layout, header


def _about_header(
    best: Layout,
    share: float,
    header: tuple[str, ...],
    ranked: list[tuple[float, Layout, tuple[str, ...]]],
    is_given: bool,
    standard: Standard,
) -> list[str]:
    """Which layout, how sure, and what its header lacks or has too much."""
    n_found = sum(e["column"] in header for e in best.columns)
    certainty = "given" if is_given else "certain" if share >= 0.9 else "likely" if share >= 0.5 else "a guess"
    lines = [f"Layout: {best.name} ({best['title']}), {certainty}: {n_found} of {len(best.columns)} columns found"]
    lines += [f"        next {fit[1].name}: {per_cent(fit[0], 1)}" for fit in ranked[1:2] if fit[0]]
    unmapped = [name for name in header if name not in best.known_columns]
    free = [e["column"] for e in best.columns if e["column"] not in header]
    if not n_found:  # the first line may be a person, not a header
        return [*lines, "", "No column of it is known. Is the first line a header?", ""]
    lines += ["", f"Columns that the layout does not know: {len(unmapped) or 'none'}"]
    for name in unmapped:
        hint = nearest(name, free) or nearest(name.upper(), free) or _field_near(name, best, standard)
        lines.append(f"    {plain(name)}    {hint}")
    lines += ["", f"Columns of the layout that the file does not have: {len(free) or 'none'}"]
    lines += [f"    {entry['column']}    {entry['field']}" for entry in best.columns if entry["column"] in free]
    return [*lines, ""]


def _field_near(name: str, layout: Layout, standard: Standard) -> str:
    """A field of the standard that the layout does not fill and that is called like this column."""
    free = [row["field"] for row in standard.fields_of(layout.table) if row["field"] not in layout.fields]
    found = nearest("_".join(re.findall(r"[a-z0-9]+", name.lower())), free)
    return (
        f"the layout could fill a field with it: {found}"
        if found
        else "no name is near: add it to `columns:` or `ignore:`"
    )


def _scratch(file: Path) -> tempfile.TemporaryDirectory[str]:
    """A private folder for the while: in memory if there is six times the room, else where temporary files go."""
    roomy = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > 6 * file.stat().st_size + (1 << 26)
    return tempfile.TemporaryDirectory(prefix="check-", dir=IN_MEMORY if roomy else None)


def _judge(file: Path, standard: Standard, layout: Layout, share: float, lake: Lake) -> list[str]:
    """Let a passing lake judge the file, and tell what came of it."""
    keys.initialise(lake)
    standard, submission, said = _as_sent(file, standard, layout)
    drop = lake.path("landing", submission.provider, submission.period, "1")
    drop.mkdir(parents=True)
    shutil.copyfile(file, drop / "file")
    (drop / READY).touch()
    receive(standard, lake)
    state = read_state(lake)
    if state.refused:
        return _refused(standard, state.refused[0]["reason"], state.refused[0]["detail"])
    ingest(submission, standard, lake)
    if not _newest(lake, submission).outcome:
        validate(submission, standard, lake)
    arrival = _newest(lake, submission)
    part = scorecard.parts(submission, standard, lake, read_state(lake))
    if not part:
        return _refused(standard, arrival.reason, arrival.detail)
    facts = scorecard.file_facts(part[0], lake, read_state(lake))
    rules = scorecard.rule_facts(part[0], standard, lake)
    lines = [f"Records: {count(facts['n_records'])}, judged {said}", ""]
    codes, advice = _codes(standard, lake, part[0], rules, facts)
    lines += codes
    failing = [rule for rule in rules if rule["failed"]]
    n_unmet = sum(not rule["is_met"] for rule in rules)
    lines += [f"Rules: {len(rules)}, of which not met: {n_unmet or 'none'}; with failing records:"]
    for rule in failing:
        mark = "met    " if rule["is_met"] else "NOT MET"
        share_failed = per_cent(rule["failed"], rule["checked"])
        lines.append(
            f"    {mark} {count(rule['failed']):>9} of {count(rule['checked']):>9} ({share_failed})  {rule['rule']}"
        )
        lines.append(f"            {rule['what_to_do']}")
    lines += ["" if failing else "    none", f"Set aside: {count(facts['n_set_aside'])} records"]
    aside = [rule for rule in failing if rule["what_happens"] == scorecard.CONSEQUENCE["record"]]
    lines += [*(f"    {count(rule['failed']):>9} by {rule['rule']}" for rule in aside), ""]
    lines += [*_verdict(standard, arrival.reason, arrival.detail), "", HELPS]
    return lines + (advice or ["    nothing more: every record says all that is asked for"])


def _newest(lake: Lake, submission: Submission) -> Arrival:
    return read_state(lake).arrivals[submission][-1]


def _as_sent(file: Path, standard: Standard, layout: Layout) -> tuple[Standard, Submission, str]:
    """Who would send it, and for when: by the folder if it lies in a landing one, else nobody in particular, now."""
    folders = file.resolve().parts
    if len(folders) > 4 and folders[-4] in standard.providers and re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", folders[-3]):
        row, period = standard.providers[folders[-4]], folders[-3]
    else:
        row = {**dict.fromkeys(standard.tables["providers"][0], ""), "code": "CHECK", "demo": "false"}
        period = _latest_month(file, layout) or f"{datetime.now(UTC):%Y-%m}"
    said = f"as if {row['name'] or 'some provider'} sent it for {period}"
    row = {**row, "layouts": layout.name}
    others = [other for other in standard.tables["providers"] if other["code"] != row["code"]]
    tables = {**standard.tables, "providers": [*others, row]}
    return dataclasses.replace(standard, tables=tables), Submission(row["code"], period), said


def _latest_month(file: Path, layout: Layout) -> str:
    """The month of the latest event that is not in the future, or "" for a layout without events or dates."""
    if not layout["event_date"] or layout["format"]["kind"] != "csv":
        return ""
    column, delimiter = layout.fields[layout["event_date"]]["column"], layout["format"]["delimiter"]
    size = file.stat().st_size
    with contextlib.suppress(Unreadable):  # what cannot be read is ingest's business
        asked = (file.resolve(), engine_for(), column, delimiter, layout["dates"])
        return str(apart(parse.latest_month, *asked, reads=[file.resolve()], n_bytes=size))
    return ""


def _codes(
    standard: Standard, lake: Lake, part: scorecard.Part, rules: list[Row], facts: Row
) -> tuple[list[str], list[str]]:
    """Values of coded columns that no map knows, those that are rare only counted; and what would help most."""
    layout = part.layout
    con = open_connection(standard, lake)
    try:
        scorecard.status_facts(con, part, facts["n_records"], standard, lake)
        values = Values(con, standard, layout, part.arrival.submission.provider)
    except duckdb.Error as error:  # an engine's message may repeat a value
        raise RuntimeError(f"coded values could not be counted: {type(error).__name__}") from None
    finally:
        con.close()
    lines = [f"Codes that no map knows: {'' if values.of_field else 'none'}".rstrip()]
    for name, listed in values.of_field.items():
        total = sum(n for _, n in listed)
        lines.append(
            f"    {layout.fields[name]['column']}: {count(total)} records, {count(len(listed))} different values"
        )
        shown = values.shown(name)
        for value, n in shown[:LISTED]:
            lines.append(f"        {plain(value)}    {count(n)}    {values.near(name, value)}".rstrip())
        if shown[LISTED:]:
            lines.append(f"        and {count(len(shown) - LISTED)} more")
        rare = [n for _, n in listed if n < values.least(name)]
        if rare:
            lines.append(
                f"        {count(len(rare))} values, each fewer than {values.least(name)} times, are not shown: {count(sum(rare))} records"
            )
    return [*lines, ""], advise(values, rules, facts["absent"], facts["n_records"])


def _verdict(standard: Standard, reason: str, detail: str) -> list[str]:
    """Accepted or rejected, why, and what to do."""
    if not reason:
        return ["Verdict: it would be accepted."]
    said = standard.words(reason)
    where = f" ({plain(detail)})" if detail else ""
    return [f"Verdict: it would be REJECTED. {said['words']}{where}.", f"What to do: {said['what_to_do']}."]


def _refused(standard: Standard, reason: str, detail: str) -> list[str]:
    """The verdict on a file of which nothing could be read: only one thing helps."""
    return [
        *_verdict(standard, reason, detail),
        "",
        HELPS,
        f"    1. every record: {standard.words(reason)['what_to_do']}",
    ]
