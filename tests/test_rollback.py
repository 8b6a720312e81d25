"""rollback.py, release.py: readers go back to what they had before, without who objects by now; what is pinned stays."""

import json
import shutil
import threading
import time
from pathlib import Path

import duckdb
import pytest

from tests import lakes
from tests.abrupt import PowerCut
from tests.lakes import PERIOD, events
from tests.synthetic import deliver, person
from transforms import keys, ledger, publish, release, rollback, withdraw
from transforms.__main__ import main
from transforms.audit import ContractBroken
from transforms.certificate import certificate
from transforms.engine import connect
from transforms.lake import Lake, UsageError
from transforms.standard import load
from transforms.status import report, summary
from transforms.verify import verify


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    lakes.hasten(monkeypatch)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Lake:
    """A lake with two releases: the second knows ten people more, and more of the others."""
    folder = tmp_path_factory.mktemp("rollback")
    lake, standard = lakes.new_lake(folder), load()
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        for provider, first_person, layouts in (("ZZ1", 0, {"pas_patient": 30}), ("ZZ2", 10, {"sus_outpatient": 30})):
            deliver(lake.path("landing"), provider, PERIOD, layouts, first_person=first_person)
            lakes.run(standard, lake)
            publish.publish(standard, lake)
    assert [entry["release"] for entry in events(lake, "published")] == [1, 2]
    return lake


def copied(first: Lake, folder: Path, *left_out: str) -> Lake:
    shutil.copytree(first.root, folder / "lake", symlinks=True, ignore=shutil.ignore_patterns(*left_out))
    shutil.copytree(first.keys, folder / "keys")
    return Lake(folder / "lake", folder / "keys")


@pytest.fixture
def lake(first: Lake, tmp_path: Path) -> Lake:
    """A copy that a test may change, keys too; without the hundreds of pages that most tests are not about."""
    return copied(first, tmp_path, "site")


def object_to_use(lake: Lake, *people: int, name: str = "list") -> None:
    """A list of objections waits: of these people, by their numbers."""
    folder = lake.path("objections", "ZL90", name)
    folder.mkdir(parents=True)
    rows = "".join(f"{person(one).nhs_number},,,\n" for one in people)
    (folder / "who.csv").write_text(f"nhs_number,provider,local_id,birth_date\n{rows}", encoding="utf-8")
    (folder / "_READY").touch()


def ask(lake: Lake, query: str, number: int | None = None) -> list[tuple]:
    """Of the protected mart of a release, or of the one that is read."""
    number = number or release.current_number(lake) or 0
    secret = keys.held(lake, "protected", release.key_of(lake, number)).hex()
    with duckdb.connect() as con:
        con.execute(f"attach '{withdraw.mart(lake, number)}' as p (read_only, encryption_key '{secret}'); use p")
        return con.execute(query).fetchall()


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_readers_have_again_what_they_had_before(first, tmp_path):
    lake, standard = copied(first, tmp_path), load()
    made = rollback.roll_back(standard, lake, 1)
    assert made == {"release": 3, "rolled_back_to": 1, "people": 30, "people_left_out": 0}
    assert release.current_number(lake) == release.current_manifest(lake)["release"] == 3
    for area in ("open", "site"):
        assert content(lake.path("releases", 3, area)) == content(lake.path("releases", 1, area))
    tables = "select table_name, comment from duckdb_tables() order by 1"
    columns = "select table_name, column_name, data_type, comment from duckdb_columns() where database_name = 'p' order by all"
    for query in (tables, columns, *(f"from {name} order by all" for (name, _) in ask(lake, tables, 1))):
        assert ask(lake, query) == ask(lake, query, 1)
    assert "tables are what was published" in verify(lake)
    assert "release: 3, which is 1 again" in report(summary(standard, lake))


def test_nothing_newer_is_published_until_somebody_asks(lake):
    standard = load()
    rollback.roll_back(standard, lake, 1)
    deliver(lake.path("landing"), "ZZ3", PERIOD, {"pas_patient": 5}, first_person=60)
    lakes.run(standard, lake)
    assert not publish.is_due(standard, lake)
    assert publish.publish(standard, lake, is_asked=False) == {"release": None}
    assert publish.publish(standard, lake)["release"] == 4
    assert ask(lake, "select count(*) from person") == [(45,)]
    assert not publish.is_due(standard, lake)
    assert publish.publish(standard, lake)["release"] is None


def test_who_objected_since_is_left_out_and_leaves_no_trace(lake):
    one = 12  # known to both providers by the second release
    with connect(lake) as con:
        keys.arm(con, lake, "person")
        gone = con.execute("select keyed(part('n') || part(?))", [person(one).nhs_number]).fetchone()[0]
    [(number,)] = ask(lake, f"select person_no from person where person_id = '{gone}'", 2)
    object_to_use(lake, one)
    made = rollback.roll_back(load(), lake, 1)
    assert (made["people"], made["people_left_out"]) == (29, 1)
    records = {key for (key,) in ask(lake, f"select record_key from person_key where person_no = {number}", 2)}
    for table, column, kind in ask(
        lake, "select table_name, column_name, data_type from duckdb_columns() where database_name = 'p'"
    ):
        if kind in ("UUID", "VARCHAR"):
            found = {value for (value,) in ask(lake, f'select distinct "{column}" from "{table}"')}
            assert not found & (records | {gone}), f"{table}.{column}"
    raw = lake.path("releases", 3, "protected", "protected.duckdb").read_bytes()
    assert gone.encode() not in raw
    same = f"from person_characteristic where person_no <> (select person_no from person where person_id = '{gone}') order by all"
    assert ask(lake, "from person_characteristic order by all") == ask(lake, same, 1)
    # Both earlier ones held them: nobody can open those any more.
    assert withdraw.numbers(lake) == [3]
    assert "Release 3 is release 1 again, without 1 people" in certificate(lake)
    assert "tables are what was published" in verify(lake)


def test_who_objects_while_readers_are_held_back_is_left_out_by_itself(lake):
    standard = load()
    rollback.roll_back(standard, lake, 1)
    object_to_use(lake, 3)
    assert withdraw.sweep(standard, lake)["withdrawn"] == 3
    assert publish.is_due(standard, lake)
    assert publish.publish(standard, lake, is_asked=False)["people_left_out"] == 1
    assert ask(lake, "select count(*) from person") == [(29,)]
    assert not publish.is_due(standard, lake)
    assert "which is 3 again" in report(summary(standard, lake))


def test_an_empty_or_lost_release_is_no_place_to_go_back_to(lake):
    standard = load()
    with pytest.raises(UsageError, match="release 7 is not kept: releases to go back to are 1, 2"):
        rollback.roll_back(standard, lake, 7)
    object_to_use(lake, 3)
    withdraw.sweep(standard, lake)
    assert rollback.roll_back(standard, lake, 2)["release"] == 3  # withdrawn, and still there to be read by us
    withdraw.mart(lake, 1).unlink()
    before = lakes.listing(lake.path("releases"))
    with pytest.raises(UsageError, match="was deleted after an objection: releases to go back to are 2, 3"):
        rollback.roll_back(standard, lake, 1)
    assert lakes.listing(lake.path("releases")) == before


def test_another_pseudonym_key_would_not_tell_who_objects(lake):
    from transforms.rotate import rotate

    rotate(lake, "pseudonym")
    with pytest.raises(UsageError, match="another pseudonym key"):
        rollback.roll_back(load(), lake, 1)


def test_a_pinned_release_outlives_the_others_until_it_is_let_go(lake, monkeypatch, capsys):
    monkeypatch.setenv("LAKE", str(lake.root))
    monkeypatch.setenv("KEYS", str(lake.keys))
    assert main(["releases", "--pin", "1"]) == 0
    assert "pinned" in capsys.readouterr().out.splitlines()[0]
    standard = load()
    for _ in range(3):
        rollback.roll_back(standard, lake, 2 if 2 in release.kept(lake) else release.kept(lake)[-1])
    assert release.kept(lake) == [1, 3, 4, 5]
    assert main(["releases", "--unpin", "1"]) == 0
    rollback.roll_back(standard, lake, 5)
    assert release.kept(lake) == [4, 5, 6]
    assert main(["releases", "--pin", "1"]) == 2
    assert "release 1 is not kept: there are 4, 5, 6" in capsys.readouterr().err
    assert [e["event"] for e in events(lake, "pinned", "unpinned")] == ["pinned", "unpinned"]


def test_the_command_says_what_it_did_and_how_to_go_forward(lake, monkeypatch, capsys):
    monkeypatch.setenv("LAKE", str(lake.root))
    monkeypatch.setenv("KEYS", str(lake.keys))
    assert main(["releases", "--roll-back", "1"]) == 0
    told = capsys.readouterr().out
    assert "release 3, rolled back to 1" in told and "python -m transforms publish goes forward again" in told
    assert "is release 1 again, read now" in told.splitlines()[-1]


def test_readers_read_on_during_a_publish_a_failed_audit_and_a_roll_back(lake, monkeypatch):
    """A reader follows the pointer once and opens what lies there, again and again, while releases come and go."""
    standard, seen, faults, is_over = load(), set(), [], threading.Event()

    def read() -> None:
        while not is_over.is_set():
            try:
                folder = lake.path("current").resolve()
                made = json.loads((folder / "release.json").read_text(encoding="utf-8"))
                with duckdb.connect() as con:
                    con.execute(f"attach '{folder}/open/open.duckdb' as open (read_only)")
                    tables = {name: release.content_hash(con, name) for name in ("open.coverage", "open.metric_value")}
                seen.add((made["release"], all(made["tables"][name] == said for name, said in tables.items())))
                with duckdb.connect(str(lake.path("open", "open.duckdb")), read_only=True) as con:  # by the fixed path
                    con.execute("select count(*) from about").fetchone()
            except Exception as error:  # noqa: BLE001  whatever a reader meets
                faults.append(repr(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        deliver(lake.path("landing"), "ZZ3", PERIOD, {"pas_patient": 5}, first_person=60)
        lakes.run(standard, lake)
        with monkeypatch.context() as patch:
            patch.setattr(publish, "audit", _broken)
            with pytest.raises(ContractBroken):
                publish.publish(standard, lake)
        assert publish.publish(standard, lake)["release"] == 3
        assert rollback.roll_back(standard, lake, 1)["release"] == 4
        time.sleep(0.3)
    finally:
        is_over.set()
        reader.join()
    assert faults == []
    assert seen >= {(2, True), (4, True)} and all(is_whole for _, is_whole in seen)


def _broken(con, standard, schema="") -> int:
    raise ContractBroken("a contract is broken")


def test_a_roll_back_that_was_cut_off_is_read_before_anything_else_is_done(lake):
    standard, real = load(), release._point

    def cut(lake, number):
        if number == 3:
            raise PowerCut
        real(lake, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release, "_point", cut)
        with pytest.raises(PowerCut):
            rollback.roll_back(standard, lake, 1)
    assert release.current_number(lake) == 2 and rollback.held(lake)
    assert publish.publish(standard, lake, is_asked=False) == {"release": None}
    assert release.current_number(lake) == 3


@pytest.mark.parametrize(
    "place", ["transforms.release.ledger.append", "transforms.release._point", "transforms.rollback._copy_table"]
)
@pytest.mark.parametrize("is_after", [False, True])
def test_after_a_crash_readers_have_one_release_or_the_other(lake, monkeypatch, place, is_after):
    real = {"append": ledger.append, "_point": release._point, "_copy_table": rollback._copy_table}[
        place.rsplit(".", 1)[1]
    ]

    def cut(*values, **named):
        if values[-1] == 2:  # the release that is read already is settled first
            return real(*values, **named)
        if is_after:
            real(*values, **named)
        raise PowerCut

    standard = load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, cut)
        with pytest.raises(PowerCut):
            rollback.roll_back(standard, lake, 1)
    assert release.current_number(lake) == release.current_manifest(lake)["release"] in (2, 3)
    release.settle(lake)
    if release.current_number(lake) == 2:
        rollback.roll_back(standard, lake, 1)
    assert release.current_number(lake) == 3
    assert ask(lake, "select count(*) from person") == [(30,)]
    assert "tables are what was published" in verify(lake)
