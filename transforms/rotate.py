"""One key -> another: the new one is made, the ledger says so, and the old one stays beside it under its own id.

Promise: at every moment the keys folder holds the key that the ledger names; whatever was made with the old key is made
again by its fingerprint, and what cannot be made again (lists of objections, releases) is read with the old one.
"""

import contextlib
import os
import secrets
from pathlib import Path

import duckdb

from transforms import keys, ledger
from transforms.abort import reached
from transforms.arrivals import read_state
from transforms.keys import LENGTH, aside, key_id, load
from transforms.lake import Lake, fsync, remove


def rotate(lake: Lake, name: str) -> str:
    """Replace a key of keys.NAMES. Returns what was done and what is to be done, for the operator. Raises KeyFault.

    Waits until nobody works on anything: half a stage with one key and half with another would be no stage.
    """
    lake.prepare()
    with contextlib.ExitStack() as held:
        for lock in (
            "receive",
            "objections",
            "publish",
            *(f"submission {s}" for s in sorted(read_state(lake).arrivals)),
        ):
            held.enter_context(ledger.lock(lake, lock, wait=True))
        old = load(lake, name)
        new = secrets.token_bytes(LENGTH)
        _write(aside(lake, name, key_id(old)), old)
        _write(keys.coming(lake, name), new)
        ledger.append(lake, "key", name=name, key_id=key_id(new), replaces=key_id(old))
        load(lake, name)  # puts the new one in its place, as the next command would after a crash
    return "\n".join([f"{name}: {key_id(old)} was replaced by {key_id(new)}", *TO_DO[name], BACK_UP])


TO_DO = {
    "pseudonym": (
        "every submission is judged and harmonised again: python -m transforms run --all, then publish",
        "lists of objections that were hashed with the old key are still read with it, until they are sent again",
    ),
    "protected": (
        "the next release is encrypted with the new key: python -m transforms publish",
        "releases from before are read with the old one",
    ),
}
BACK_UP = "back up the new key, apart from the lake; python -m transforms keys says when an old one is no longer needed"


def unfinished(lake: Lake) -> list[str]:
    """Submissions in force that were last harmonised before the pseudonym key was rotated: their record keys are the old."""
    rotated = [
        e["no"] for e in ledger.entries(lake) if e["event"] == "key" and e["name"] == "pseudonym" and "replaces" in e
    ]
    if not rotated:
        return []
    state = read_state(lake)
    done = {(e["provider"], e["period"]): e["no"] for e in ledger.entries(lake) if e["event"] == "done"}
    return [
        str(submission)
        for submission in sorted(state.arrivals)
        if state.current(submission) and done.get((submission.provider, submission.period), 0) < rotated[-1]
    ]


def translate(con: duckdb.DuckDBPyConnection, lake: Lake, old: str) -> None:
    """Table rekeyed (old_key, record_key): what became of the record keys that were made with the key `old`. Needs
    harmonised.patient. What hangs on a record key, like the decision of a clerk, is carried over by it.

    A local id is all it takes, so that it can be made at any time while the old key is kept. A record without one has a
    key of its place in a file, which lasts no longer than the file: it is not here. The pads on the connection change.
    """
    named = (
        "from (select distinct provider, local_patient_id from harmonised.patient where local_patient_id is not null)"
    )
    for table, key in (("old_key", old), ("new_key", "")):
        keys.arm(con, lake, "record", key)
        con.execute(f"""create or replace temp table {table} as select provider, local_patient_id,
                        patient_key(provider::varchar, local_patient_id) as record_key {named}""")
    con.execute("""create or replace temp table rekeyed as select o.record_key as old_key, n.record_key
                   from old_key as o join new_key as n using (provider, local_patient_id)""")


def needed(lake: Lake) -> dict[str, str]:
    """The file of each key that was replaced and kept aside -> what still needs it, "" when nothing does."""
    from transforms.objection_state import read_state as read_objections
    from transforms.release import current_number, key_of
    from transforms.withdraw import MART, numbers

    found = {}
    releases = set(numbers(lake)) | {int(path.parent.name) for path in lake.path("withdrawn").glob(f"*/{MART}")}
    in_use = {key_of(lake, number) for number in releases}
    objections = read_objections(lake)
    hashed = {key for entry in objections.lists.values() for key in entry["key_ids"]}
    hashed |= {objections.permitted["key_id"]} if objections.permitted else set()
    known = keys.known_ids(lake)
    is_behind = (number := current_number(lake)) is not None and key_of(lake, number, "pseudonym") != known["pseudonym"]
    for path in sorted(lake.keys.glob("*-*.key")):
        name, _, held = path.stem.partition("-")
        if name not in keys.NAMES or held == known.get(name):
            continue
        reasons = ["releases"] if name == "protected" and held in in_use else []
        reasons += ["lists of objections"] if name == "pseudonym" and held in hashed else []
        reasons += ["decisions of reviewers"] if name == "pseudonym" and held in judged_with(lake) else []
        reasons += ["the release, which is to be made again"] if name == "pseudonym" and is_behind else []
        found[path.name] = " and ".join(reasons)
    return found


def judged_with(lake: Lake) -> set[str]:
    """The ids of the keys by which reviewers' decisions name records."""
    files = [str(path) for path in sorted(lake.path("judged").glob("*.parquet"))]
    with duckdb.connect() as con:
        query = "select distinct key_id from read_parquet(?)"
        return {row[0] for row in con.execute(query, [files]).fetchall()} if files else set()


def _write(path: Path, key: bytes) -> None:
    """Write a key for its owner only, durable before this returns; what a crash left is replaced."""
    remove(path)
    reached("write", path)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(key.hex() + "\n")
    fsync(path)
    fsync(path.parent)
