"""A built release against expectations/contracts.yml: what consumers may expect of us.

Promise: Great Expectations judges every contract on the built tables before anybody can read them.
"""

import duckdb

from transforms import ledger
from transforms.lake import Lake
from transforms.standard import Standard

FAILED = "audit_failed"


class ContractBroken(Exception):
    """A built release is not what consumers may expect: the last good one stays. The command line ends with code 12."""


def failed_last(lake: Lake) -> ledger.Entry | None:
    """The line that says that the newest release that was built may not be read, unless one was since."""
    told = (e for e in reversed(ledger.entries(lake)) if e["event"] in (FAILED, "published", "rolled_back"))
    last = next(told, None)
    return last if last and last["event"] == FAILED else None


def record_failure(lake: Lake, fingerprint: str) -> None:
    """A line of the ledger, once for what is tried again and again and stays as it is."""
    last = failed_last(lake)
    if not last or last["fingerprint"] != fingerprint:
        ledger.append(lake, FAILED, fingerprint=fingerprint)


def audit(con: duckdb.DuckDBPyConnection, standard: Standard, schema: str = "") -> int:
    """Judge every contract, or those of the tables of one schema. Returns their number; raises ContractBroken with all that are broken."""
    from transforms.duckdb_expectations import counted, judge

    broken = []
    contracts = [rule for rule in standard.contracts if schema in ("", rule.table.split(".")[0])]
    for table in dict.fromkeys(rule.table for rule in contracts):
        rules = tuple(rule for rule in contracts if rule.table == table)
        column_of = {rule.id: f"rule_{place:03d}" for place, rule in enumerate(rules, start=1)}
        verdicts = ", ".join(f"({rule.predicate}) as {column_of[rule.id]}" for rule in rules)
        # Judged once, and then counted and read by both engines: a verdict can cost a sort of the whole table.
        named = dict.fromkeys(rule.arguments["column"] for rule in rules if "column" in rule.arguments)
        con.execute(f"create or replace table shaped as select {', '.join([*named, verdicts])} from {table}")
        counts = counted(con, column_of)
        met = judge(con, rules, column_of, counts)
        broken += [f"{rule.id}: {rule.message} ({counts[rule.id][1]} rows)" for rule in rules if not met[rule.id]]
    con.execute("drop table if exists shaped")
    if broken:
        raise ContractBroken("The release was not published; the last good one stays.\n" + "\n".join(broken))
    return len(contracts)
