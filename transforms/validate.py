"""bronze -> validated, quarantine, results: a delivery is judged before it counts.

Promise: Great Expectations decides, DuckDB counts and fetches; every failing row is in results/issue, never a value. A
rejected delivery is data, not a fault: its predecessor stays in force, and the ledger says why.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from transforms import engine, fingerprint, keys, ledger
from transforms.arrivals import Arrival, File, read_state
from transforms.engine import fingerprint_of, reuse
from transforms.ingest import bronze_file, bronze_fingerprint, relevant
from transforms.lake import Lake, Submission, install, remove, write_text
from transforms.parquet import copy
from transforms.resolve import resolved_fingerprint
from transforms.shape import Shaped, shape
from transforms.sqltext import text
from transforms.standard import Layout, Standard
from transforms.values import count_values, place_of, result_file, values_mark

CODE = (
    "validate.py",
    "values.py",
    "shape.py",
    "sqltext.py",
    "rules.py",
    "resolve.py",
    "duckdb_expectations.py",
    "macros.sql",
    "stages.sql",
)
MANY_PEOPLE = 100  # from so many on a lower bound is enough


@dataclass(frozen=True)
class Judged:
    """One judged file: where its parts lie, and its results row by row."""

    file: File
    layout: Layout
    shaped: Shaped
    mark: str
    results: list[dict]
    rejecting: list[str]


def full_mark(standard: Standard, lake: Lake, arrival: Arrival, file: File, resolved: str) -> str:
    """Exactly what judging this file reads: its rows, layout, fields, rules in force, and what the maps say of it."""
    layout = standard.layouts[file.layout]
    rules = standard.rules_in_force(layout.name, arrival.submission.period)
    said = [(r.id, r.predicate, r.mostly, r.rejects) for r in rules]
    provider = standard.providers.get(arrival.submission.provider, {})
    return fingerprint.of(
        *(bronze_fingerprint(file, layout), layout.settings, said, resolved, arrival.received_on),
        *([(r["field"], r["type"]) for r in standard.fields_of(layout.table)], provider.get("demo")),
        *(standard.settings["nhs_number"], keys.known_ids(lake).get("pseudonym"), fingerprint.code(*CODE)),
    )


def open_connection(standard: Standard, lake: Lake) -> duckdb.DuckDBPyConnection:
    """A connection with the standard and the record key's pads."""
    con = reuse(lake)
    engine.add_standard(con, standard)
    keys.arm(con, lake, "record")
    return con


def mark_now(standard: Standard, lake: Lake, arrival: Arrival, file: File) -> str:
    """The mark that judging this file now would leave, found without judging it; "" when its values are not counted.

    Its few distinct values tell whether an edited map matters to it. What they tell is remembered for as long as
    neither the standard nor our code changes, so that a sweep does not look at every file again.
    """
    remembered, when = _memory(standard, lake, arrival, file)
    known = remembered.read_text(encoding="utf-8").split() if remembered.exists() else []
    if len(known) == 2 and known[0] == when:
        return known[1]
    if fingerprint_of(result_file(lake, "value_count", arrival, file.layout)) != values_mark(standard, arrival, file):
        return ""
    con = reuse(lake)
    engine.add_standard(con, standard)
    count_values(con, standard, lake, arrival, file)
    mark = full_mark(standard, lake, arrival, file, resolved_fingerprint(con))
    write_text(remembered, f"{when} {mark}\n")
    return mark


def _memory(standard: Standard, lake: Lake, arrival: Arrival, file: File) -> tuple[Path, str]:
    """Where a file's mark is remembered, and what it is remembered for."""
    key = keys.known_ids(lake).get("pseudonym")
    code = fingerprint.code(*CODE)
    when = fingerprint.of(standard.version, code, values_mark(standard, arrival, file), arrival.received_on, key)
    return result_file(lake, "mark", arrival, file.layout).with_suffix(".txt"), when


def is_fresh(standard: Standard, lake: Lake, arrival: Arrival, file: File, is_current: bool) -> bool:
    """Whether a file was judged as it would be judged now."""
    table = standard.layouts[file.layout].table
    targets = [result_file(lake, name, arrival, file.layout) for name in ("rule_result", "issue")]
    if any(rule.rejects == "record" for rule in standard.rules_in_force(file.layout, arrival.submission.period)):
        targets.append(lake.arrival_file("quarantine", table, arrival.submission, arrival.no, file.layout))
    if is_current:
        targets.append(lake.current_file("validated", table, arrival.submission, file.layout))
    marks = {fingerprint_of(target) for target in targets}
    return len(marks) == 1 and "" not in marks and marks == {mark_now(standard, lake, arrival, file)}


def validate(submission: Submission, standard: Standard, lake: Lake) -> dict[str, int]:
    """Judge the submission's relevant arrivals that were not judged as they would be now. Returns counts."""
    counts = {"judged": 0, "accepted": 0, "rejected": 0, "records": 0, "quarantined": 0, "issues": 0}
    with ledger.lock(lake, f"submission {submission}"):
        seen: set[int] = set()
        while True:  # a rejection can bring an earlier arrival back into force, which may be stale in turn
            current = read_state(lake).current(submission)
            todo = [
                arrival
                for arrival in relevant(lake, submission)
                if arrival.no not in seen
                and (
                    arrival.outcome is None  # also after a crash between its results and its outcome
                    or not all(
                        is_fresh(standard, lake, arrival, f, current.get(f.layout) == arrival) for f in arrival.files
                    )
                )
            ]
            if not todo:
                break
            seen.add(todo[0].no)
            for name, number in _judge_arrival(todo[0], standard, lake).items():
                counts[name] += number
        _forget_replaced(submission, standard, lake)
    return counts


def _judge_arrival(arrival: Arrival, standard: Standard, lake: Lake) -> dict[str, int]:
    con = open_connection(standard, lake)
    try:
        with lake.workspace() as work:
            judged = [_judge_file(con, standard, lake, arrival, file, work) for file in arrival.files]
            return _settle(con, standard, lake, arrival, judged, work)
    finally:
        con.close()


def _judge_file(
    con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake, arrival: Arrival, file: File, work: Path
) -> Judged:
    from transforms.duckdb_expectations import counted, judge  # Great Expectations takes seconds to import

    layout = standard.layouts[file.layout]
    count_values(con, standard, lake, arrival, file)
    mark = full_mark(standard, lake, arrival, file, resolved_fingerprint(con))
    bronze = bronze_file(lake, arrival, file.layout)
    shaped = shape(con, standard, arrival, file, bronze, work, mark)
    con.execute(f"create or replace view shaped as select * from {shaped.source()}")
    counts = counted(con, {rule.id: shaped.column_of[rule.id] for rule in shaped.rules})
    verdicts = judge(con, shaped.rules, shaped.column_of, counts)
    people = _count_people(con, shaped, layout, counts)
    results = [
        {
            "rule": rule.id,
            "checked": counts[rule.id][0],
            "failed": counts[rule.id][1],
            "n_people_failed": people[rule.id][0],
            "n_people_passed": people[rule.id][1],
            "is_met": verdicts[rule.id],
        }
        for rule in shaped.rules
    ]
    rejecting = [rule.id for rule in shaped.rules if rule.rejects == "submission" and not verdicts[rule.id]]
    return Judged(file, layout, shaped, mark, results, rejecting)


def _count_people(
    con: duckdb.DuckDBPyConnection, shaped: Shaped, layout: Layout, counts: dict[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """Rule -> (people among the failing rows, people among the passing rows), each at least.

    Nobody has more rows than the person with most; where that does not settle that there are many, people are counted.
    """
    who = "coalesce(local_patient_id, line::text)" if "local_patient_id" in layout.fields else "line::text"
    most = con.execute(f"select max(n) from (select count(*) as n from shaped group by {who})").fetchone()[0] or 1
    verdicts = [
        (rule.id, verdict, rows)
        for rule in shaped.rules
        for verdict, rows in (("false", counts[rule.id][1]), ("true", counts[rule.id][0] - counts[rule.id][1]))
    ]
    found = {(rule, verdict): -(-rows // most) for rule, verdict, rows in verdicts}
    unsettled = [
        (rule, verdict) for (rule, verdict), at_least in found.items() if 0 < at_least < MANY_PEOPLE and most > 1
    ]
    if unsettled:
        # A row a person first: counting distinct people rule by rule builds as many tables of people as there are rules.
        said = ", ".join(
            f"bool_or({shaped.column_of[rule]} is {verdict}) as p{place}"
            for place, (rule, verdict) in enumerate(unsettled)
        )
        wanted = ", ".join(f"count(*) filter (p{place})" for place in range(len(unsettled)))
        row = con.execute(f"select {wanted} from (select {said} from shaped group by {who})").fetchone()
        found |= dict(zip(unsettled, row, strict=True))
    return {rule.id: (found[rule.id, "false"], found[rule.id, "true"]) for rule in shaped.rules}


def _settle(
    con: duckdb.DuckDBPyConnection,
    standard: Standard,
    lake: Lake,
    arrival: Arrival,
    judged: list[Judged],
    work: Path,
) -> dict[str, int]:
    """Write the results, then the outcome, then what is in force: in this order, so that a crash repeats and harms not."""
    n_issues = n_records = n_quarantined = 0
    for one in judged:
        n_issues += _write_results(con, standard, lake, arrival, one, work)
        if one.shaped.refused.exists():
            n_quarantined += _rows(con, one.shaped.refused)
            target = lake.arrival_file("quarantine", one.layout.table, arrival.submission, arrival.no, one.layout.name)
            install(one.shaped.refused, target)
        remembered, when = _memory(standard, lake, arrival, one.file)
        write_text(remembered, f"{when} {one.mark}\n")
    rejecting = [rule for one in judged for rule in one.rejecting]
    outcome = "rejected" if rejecting else "accepted"
    if arrival.outcome != outcome:
        facts: dict[str, object] = {"provider": arrival.submission.provider, "period": arrival.submission.period}
        facts |= {"submission_no": arrival.submission_no, "arrival": arrival.no, "standard": standard.version}
        why = {"reason": "rule_broken", "detail": ", ".join(rejecting)} if rejecting else {}
        ledger.append(lake, outcome, **facts, **why)
    current = read_state(lake).current(arrival.submission)
    for one in judged:
        n_records += _rows(con, one.shaped.kept)
        if outcome == "accepted" and current[one.layout.name].no == arrival.no:
            install(
                one.shaped.kept, lake.current_file("validated", one.layout.table, arrival.submission, one.layout.name)
            )
    return {"judged": 1, outcome: 1, "records": n_records, "quarantined": n_quarantined, "issues": n_issues}


def _rows(con: duckdb.DuckDBPyConnection, path: Path) -> int:
    return con.execute(f"select count(*) from read_parquet('{path}')").fetchone()[0]


def _write_results(
    con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake, arrival: Arrival, one: Judged, work: Path
) -> int:
    """results/rule_result and results/issue of one file. Returns the number of issues."""
    place = place_of(arrival, one.layout.name)
    con.execute(f"create or replace view shaped as select * from {one.shaped.source()}")
    failing = {row["rule"] for row in one.results if row["failed"]}
    listed = [rule for rule in one.shaped.rules if rule.id in failing]
    # In one pass, row by row: a select a rule reads the keys of a file as often as it has rules, and holds them all. Of an
    # enum a row holds a number, and Parquet the name once.
    kind = f"enum({', '.join(text(rule.id) for rule in listed) or text('')})"
    broken = [f"case when {one.shaped.column_of[r.id]} is false then {text(r.id)}::{kind} end" for r in listed]
    found = f"list_filter([{', '.join(broken)}]::{kind}[], lambda rule: rule is not null)"
    query = f"select {place}, file_no, line, record_key, is_key_stable, unnest({found}) as rule from shaped"
    n_issues = copy(con, query, work / "issue.parquet", one.mark)
    install(work / "issue.parquet", result_file(lake, "issue", arrival, one.layout.name))
    no_rule = {"rule": "", "checked": 0, "failed": 0, "n_people_failed": 0, "n_people_passed": 0, "is_met": True}
    no_rule["rule_version"] = ""
    # A verdict is compared with an earlier one of the same rule only while the rule claims the same.
    versions = {rule.id: fingerprint.of(rule.predicate) for rule in one.shaped.rules}
    judged_rules = [row | {"rule_version": versions[row["rule"]]} for row in one.results]
    engine.add_table(con, "judged_rules", judged_rules or [no_rule])
    query = f"select {place}, *, {text(standard.version)} as standard_version from judged_rules where rule <> ''"
    copy(con, query, work / "rule_result.parquet", one.mark)
    install(work / "rule_result.parquet", result_file(lake, "rule_result", arrival, one.layout.name))
    return n_issues


def _forget_replaced(submission: Submission, standard: Standard, lake: Lake) -> None:
    """Take away what is no longer in force: an arrival that a later rule rejects and that has no predecessor."""
    current = read_state(lake).current(submission)
    for layout in standard.layouts.values():
        if layout.name not in current:
            remove(lake.current_file("validated", layout.table, submission, layout.name))
