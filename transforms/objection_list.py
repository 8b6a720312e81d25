"""One list of objections -> its names as keyed hashes, in objected/list/.

Promise: what is kept cannot be read without the key, and the plain list goes no further than this process.
"""

from pathlib import Path

import duckdb

from transforms import engine, keys, ledger, parse
from transforms.apart import Unreadable, apart
from transforms.engine import HERE
from transforms.finished import READY, newer
from transforms.ingest import engine_for
from transforms.lake import Lake, install, sha256
from transforms.objection_state import EMPTY, SHAPE, Facts, kept_file, read_state
from transforms.parquet import copy
from transforms.receive import manifest_of, today
from transforms.recognise import container
from transforms.sent import Refused, copy_file, is_file, opened
from transforms.sqlfolder import run_file
from transforms.standard import Standard


def take(
    standard: Standard, lake: Lake, folder: Path, sender: str, answers: list[tuple[int, str]], is_confirmed: bool
) -> Facts:
    """Read and keep a list. Returns counts; adds (line of the file, answer) for each bad row. Raises Refused, and
    ledger.Busy while it is being sent."""
    files = [f for f in folder.iterdir() if is_file(f) and f.name != READY and not f.name.startswith(".")]
    if len(files) != 1:
        raise Refused("one_file")
    said = next(iter(manifest_of(folder).get("files", [])), {})
    state = read_state(lake)
    former = state.lists.get(sender)
    number = state.n_lists.get(sender, 0) + 1
    con = engine.connect(lake)
    try:
        with lake.workspace() as work:
            n_rows = _read(con, standard, files[0], work / "list.csv", said)
            if newer(folder):  # it was changed meanwhile
                raise ledger.Busy("a list is being sent")
            if said.get("n_rows") is not None and said["n_rows"] != n_rows:
                raise Refused("wrong_row_count")
            if n_rows == 0 and not is_confirmed:
                raise Refused(EMPTY)
            _judge(con, standard, lake, sender)
            bad = con.execute("select line + 1, unnest(faults) from objected.said order by all").fetchall()
            answers += bad
            counts = _compare(con, lake, former, bool(bad))
            used = [row[0] for row in con.execute("select distinct key_id from objected.entry order by 1").fetchall()]
            copy(con, "select * from objected.entry order by all", work / "list.parquet", sender)
            target = kept_file(lake, {"sender": sender, "list_no": number})
            digest = sha256(work / "list.parquet")
            install(work / "list.parquet", target)
    finally:
        con.close()
    return {
        "list_no": number,
        "key_ids": used,
        "n_rows": n_rows,
        "n_bad": len({line for line, _ in bad}),
        **counts,
        "sha256": digest,
    }


def _read(con: duckdb.DuckDBPyConnection, standard: Standard, path: Path, copied: Path, said: Facts) -> int:
    """The list as table objected.sent, every cell as text; opened once, so that what is judged is what was hashed. Returns
    its rows. Raises Refused. `said`: what _READY says of it."""
    settings = standard.settings["objections"]
    wanted = {str(heading).casefold(): name for name, heading in settings["columns"].items() if name != "__line__"}
    delimiter, work = settings["delimiter"], copied.parent
    try:
        with opened(path, "") as reading:
            head = parse.first_lines(reading)
            digest, n_bytes, is_utf8 = copy_file(reading, copied, "")
    except Refused as refused:
        raise Refused("one_file" if refused.reason == "missing_file" else "not_text") from None
    if said.get("sha256") and str(said["sha256"]).lower() != digest:
        raise Refused("wrong_hash")
    asked = (copied, work, is_utf8, engine_for(), "", delimiter, (), (), True)
    try:
        offer = apart(parse.offered, head, [delimiter], n_bytes=len(head))
        names = [] if container(head, standard) else offer["headers"].get(delimiter, [])
        found = {
            wanted[name.strip().casefold()]: place
            for place, name in enumerate(names)
            if name.strip().casefold() in wanted
        }
        if not {"nhs_number", "local_id"} & set(found) or len(set(names)) < len(names):
            raise Refused("header")
        reason, _, n_rows = apart(parse.table, *asked, reads=[copied], folder=work, n_bytes=n_bytes)
    except Unreadable:
        raise Refused("unreadable") from None
    if reason:
        raise Refused("unreadable")
    cells = ", ".join(
        f"c{found[name]} as {name}" if name in found else f"null::varchar as {name}" for name in wanted.values()
    )
    con.execute("create schema if not exists objected")
    con.execute(f"""create table objected.sent as
                    select file_row_number + 1 as line, {cells} from read_parquet('{work / "parsed.parquet"}', file_row_number = true)""")
    return int(n_rows)


def _judge(con: duckdb.DuckDBPyConnection, standard: Standard, lake: Lake, sender: str) -> None:
    """Tables objected.said and objected.entry of the list that was read."""
    own = sender if sender in standard.providers else None
    con.execute("set variable own_code = ?", [own or ""])
    con.execute("set variable speaks_for = ?", [[own] if own else list(standard.providers)])
    con.execute("set variable date_forms = ?", [standard.settings["objections"]["dates"]])
    con.execute("set variable today = ?", [today()])
    for name in ("said", "named"):
        run_file(con, HERE / "objected" / f"{name}.sql")
    con.execute("alter table objected.named add column stands_for varchar")
    for purpose, key, kind in (
        ("record", "patient_key(provider, local_id)", "local_id"),
        ("person", "keyed(message)", "number"),
    ):
        keys.arm(con, lake, purpose)
        con.execute(f"update objected.named set stands_for = {key}::text where kind = ?", [kind])
    keys.arm(con, lake, "objection")
    run_file(con, HERE / "objected" / "entry.sql")


def _compare(
    con: duckdb.DuckDBPyConnection, lake: Lake, former: Facts | None, is_partial: bool
) -> dict[str, int | None]:
    """What is new and what is lifted beside the former list, which stays in force too where some rows were bad."""
    con.execute(f"create table objected.former ({SHAPE})")
    if former and kept_file(lake, former).exists():
        con.execute(f"insert into objected.former from read_parquet('{kept_file(lake, former)}')")
    if is_partial:
        con.execute("insert into objected.entry from (from objected.former except from objected.entry)")
    count = "select count(*) from (select kind, name_key from objected.{} {} select kind, name_key from objected.{})"
    [is_same_key] = con.execute(
        "select (select count(distinct key_id) from (from objected.entry union all from objected.former)) < 2"
    ).fetchone()
    return {
        "n_objections": con.execute("select count(distinct (kind, name_key)) from objected.entry").fetchone()[0],
        # Two keys cannot be compared: after a rotation the first list that is sent again says neither.
        "n_new": con.execute(count.format("entry", "except", "former")).fetchone()[0] if is_same_key else None,
        "n_lifted": con.execute(count.format("former", "except", "entry")).fetchone()[0] if is_same_key else None,
    }
