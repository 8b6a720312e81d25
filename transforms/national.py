"""The national opt-out: numbers out for the check, and the list of those that came back as permitted in.

Promise: numbers leave the lake by this command only, into a file that its owner alone can read; of what comes back only
keyed hashes are kept, until their last day.
"""

import os
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from transforms import engine, keys, ledger
from transforms.engine import HERE, connect
from transforms.lake import Lake, UsageError, fsync, install, sha256
from transforms.link import link
from transforms.objecting import add_linked, add_objecting, to_check
from transforms.objection_state import read_state
from transforms.parquet import copy
from transforms.receive import today
from transforms.sqlfolder import run_file
from transforms.standard import Standard

MOST_NAMED = 20


def export(standard: Standard, lake: Lake, target: Path) -> int:
    """Write the numbers to be checked, one a line, into a new file outside the lake. Returns how many.

    Raises UsageError when the file is there or inside the lake, and KeyFault.
    """
    target = target.resolve()
    if target.is_relative_to(lake.root):
        raise UsageError(f"{target} is inside the lake: numbers for the national check go to a folder of their own")
    if target.exists():
        raise UsageError(f"{target} is there already: name a new file")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is not there: make it, readable by you only")
    lake.prepare()
    keys.load(lake, "pseudonym")
    if not to_check(standard, lake):
        return 0
    link(standard, lake)
    with engine.without_values("writing numbers for the national check"), lake.workspace() as work:
        con = connect(lake)
        try:
            add_linked(con, standard, lake)
            add_objecting(con, standard, lake)
            run_file(con, HERE / "objected" / "to_look_up.sql")
            query = f"copy objected.to_look_up to '{work / 'numbers'}' (format csv, header false)"
            n_numbers = con.execute(query).fetchone()[0]
        finally:
            con.close()
        # Who takes numbers out is on record before they are out.
        ledger.append(lake, "objection", what="numbers exported", n_numbers=n_numbers)
        with (
            open(work / "numbers", "rb") as source,
            open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as sink,
        ):
            shutil.copyfileobj(source, sink)
    fsync(target)
    return n_numbers


def last_day(standard: Standard, text: str) -> str:
    """The last day on which a permitted list counts. Raises UsageError when it is no day, over, or too far away."""
    longest = int(standard.settings["objections"]["national"]["longest_days"])
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError("--expires needs a day, like 2026-10-21: the last on which the list may be used") from None
    if not date.fromisoformat(today()) <= day <= date.fromisoformat(today()) + timedelta(days=longest):
        raise UsageError(f"--expires must be between today and {longest} days from now (standards/objections.yml)")
    return day.isoformat()


def import_permitted(standard: Standard, lake: Lake, source: Path, expires: str, is_confirmed: bool) -> dict[str, Any]:
    """Bring the numbers that came back into force, in place of the former ones. Returns counts.

    The file has one number a line; a heading and further columns are passed over. Raises UsageError, and KeyFault; then
    the former list stays.
    """
    expires_on = last_day(standard, expires)
    if not source.is_file():
        raise UsageError(f"{source} is not there: give the file that came back from the national check")
    lake.prepare()
    keys.load(lake, "pseudonym")
    with (
        ledger.lock(lake, "objections", wait=True),
        engine.without_values("reading the permitted list"),
        lake.workspace() as work,
    ):
        copied = work / "list.csv"
        shutil.copyfile(source, copied)
        con = connect(lake)
        try:
            con.execute(f"""create table sent as select row_number() over () as line, clean_number(split_part(cell, ',', 1)) as number
                from read_csv('{copied}', columns = {{cell: 'VARCHAR'}}, delim = chr(31), quote = '', escape = '',
                              header = false, auto_detect = false)""")
            con.execute(
                "delete from sent where number is null or line = 1 and lower(replace(number, chr(65279), '')) = 'nhs_number'"
            )
            wrong = [
                row[0]
                for row in con.execute("select line from sent where not is_nhs_number(number) order by 1").fetchall()
            ]
            if wrong:
                lines = ", ".join(map(str, wrong[:MOST_NAMED])) + (" …" if wrong[MOST_NAMED:] else "")
                raise UsageError(
                    f"{len(wrong)} lines hold no NHS number that passes its check (line {lines}): nothing was imported"
                )
            keys.arm(con, lake, "objection")
            query = """select distinct 'number' as kind, keyed(part('n') || part(number)) as name_key from sent order by all"""
            n_numbers = copy(con, query, work / "permitted.parquet", expires_on)
            if n_numbers == 0 and not is_confirmed:
                raise UsageError("the list permits nobody: say that it is meant with --confirm")
            [key_id] = con.execute("select getvariable('armed_key')").fetchone()
        finally:
            con.close()
        number = read_state(lake).permitted.get("list_no", 0) + 1
        facts = {"list_no": number, "key_id": key_id, "n_numbers": n_numbers, "expires_on": expires_on}
        facts["sha256"] = sha256(work / "permitted.parquet")
        install(work / "permitted.parquet", lake.path("objected", "permitted", f"{number}.parquet"))
        ledger.append(lake, "objection", what="permitted list received", **facts)
    return {"permitted": n_numbers, "expires_on": expires_on}
