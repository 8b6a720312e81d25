"""objections.py, objecting.py, withdraw.py: who objects is left out with all their records, and leaves no trace."""

import csv
import hashlib
import json
import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests import lakes
from tests.lakes import PERIOD, copied_standard, events, replace
from tests.pictures import fill, picture, table
from tests.synthetic import deliver, nhs_number, person, write_postcodes
from transforms import engine, keys, ledger, objecting, objection_list, objections, publish, release, withdraw
from transforms.__main__ import main
from transforms.certificate import certificate
from transforms.engine import HERE, fixed_shapes
from transforms.geography import import_postcodes
from transforms.lake import Lake, UsageError
from transforms.link import link
from transforms.objection_state import ObjectionsLost, in_force, kept_file, read_state
from transforms.receive import manifest_of
from transforms.sent import opened
from transforms.sqlfolder import run_file
from transforms.standard import load
from transforms.status import objections_report
from transforms.verify import verify

SENDER = "ZL90"
HEADER = "nhs_number,provider,local_id,birth_date"
[PATIENT] = [columns for stage, name, columns in fixed_shapes() if (stage, name) == ("harmonised", "patient")]


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    lakes.hasten(monkeypatch)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Lake:
    """Two trusts and a practice that know the same people, and a release."""
    folder = tmp_path_factory.mktemp("objections")
    lake, standard = lakes.new_lake(folder), load()
    import_postcodes(write_postcodes(folder / "postcodes.csv"), lake)
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 40, "sus_outpatient": 40})
        deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 20}, first_person=10)
        deliver(lake.path("landing"), "ZP001", PERIOD, {"emis_patient": 30, "emis_observation": 30})
        lakes.run(standard, lake)
        assert publish.publish(standard, lake)["people"] == 40
    return lake


@pytest.fixture
def lake(first: Lake, tmp_path: Path) -> Lake:
    """A copy that a test may change, keys too."""
    shutil.copytree(first.root, tmp_path / "lake", symlinks=True, ignore=shutil.ignore_patterns("standard"))
    shutil.copytree(first.keys, tmp_path / "keys")
    return Lake(tmp_path / "lake", tmp_path / "keys")


@pytest.fixture
def bare(tmp_path: Path) -> Lake:
    """A lake into which nobody sent anything yet."""
    return lakes.new_lake(tmp_path)


@pytest.fixture
def command(lake: Lake, monkeypatch):
    monkeypatch.setenv("LAKE", str(lake.root))
    monkeypatch.setenv("KEYS", str(lake.keys))
    return main


def send(
    lake: Lake, rows: Iterable[str], sender: str = SENDER, name: str = "list", ready: str = "", header: str = HEADER
) -> Path:
    """Drop a list of objections: a header and rows as they stand."""
    folder = lake.path("objections", sender, name)
    folder.mkdir(parents=True)
    (folder / "who.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    (folder / "_READY").write_text(ready)
    return folder


def number_of(one: int) -> str:
    return person(one).nhs_number


def by_number(*people: int) -> list[str]:
    return [f"{number_of(one)},,," for one in people]


def mart(lake: Lake) -> duckdb.DuckDBPyConnection:
    con, secret = duckdb.connect(), keys.load(lake, "protected").hex()
    con.execute(
        f"attach '{lake.path('current')}/protected/protected.duckdb' as p (read_only, encryption_key '{secret}')"
    )
    con.execute("use p")
    return con


def n_people(lake: Lake) -> int:
    with mart(lake) as con:
        return con.execute("select count(*) from person").fetchone()[0]


def left_out(lake: Lake) -> int:
    """How many people a release made now would be without: as when publishing, and in a fraction of the time."""
    with engine.connect(lake) as con:
        objecting.add_linked(con, load(), lake)
        return sum(counts["people"] for counts in objecting.add_objecting(con, load(), lake).values())


def answers(folder: Path) -> list[tuple[str, str]]:
    """(line, what) of the answer that stands beside a list."""
    with open(objections.answer_file(folder), encoding="utf-8", newline="") as handle:
        return [(line, what) for line, what, _ in list(csv.reader(handle))[1:]]


# Lists arrive.


def test_a_list_is_kept_as_keyed_hashes_and_counted(lake):
    send(lake, [*by_number(3, 4), ",ZZ1,ZZ1000007,1980-01-01", *by_number(3)])
    counts = objections.receive(load(), lake)
    assert counts == {"lists": 1, "lists_refused": 0, "objections": 3, "lifted": 0, "bad_rows": 0}
    [entry] = events(lake, "objection")
    assert {key: entry[key] for key in ("what", "sender", "n_rows", "n_objections", "n_new", "n_lifted", "n_bad")} == {
        "what": "list received", "sender": SENDER, "n_rows": 4, "n_objections": 3, "n_new": 3, "n_lifted": 0, "n_bad": 0
    }  # fmt: skip
    kept = duckdb.sql(f"from read_parquet('{kept_file(lake, entry)}')").fetchall()
    assert len(kept) == 3
    whole = repr(kept).encode() + kept_file(lake, entry).read_bytes()
    for number in (number_of(3), number_of(4)):
        plain = [number, *(hashlib.new(kind, number.encode()).hexdigest() for kind in ("md5", "sha1", "sha256"))]
        assert not any(form.encode() in whole for form in plain)
    assert lake.path("objected").stat().st_mode & 0o077 == lake.path("objections").stat().st_mode & 0o077 == 0
    assert objections.receive(load(), lake)["lists"] == 0


def test_the_same_number_has_another_hash_in_a_list_than_anywhere_else(lake):
    send(lake, by_number(3))
    objections.receive(load(), lake)
    [kept] = duckdb.sql(f"select name_key from read_parquet('{in_force(lake)[0]}')").fetchall()
    with mart(lake) as con:
        assert kept not in con.execute("select person_id from person").fetchall()


def test_a_list_is_a_snapshot_a_shorter_one_lifts(lake):
    send(lake, by_number(1, 2, 3), name="a")
    objections.receive(load(), lake)
    send(lake, by_number(3, 5), name="b")
    assert objections.receive(load(), lake)["lifted"] == 2
    assert left_out(lake) == 2
    assert [(e["n_new"], e["n_lifted"]) for e in events(lake, "objection") if e["what"] == "list received"] == [
        (3, 0),
        (1, 2),
    ]


def test_lists_of_two_senders_are_two(lake):
    send(lake, by_number(1))
    send(lake, [",,ZZ1000002,"], sender="ZZ1")  # a provider need not say who it is
    objections.receive(load(), lake)
    assert left_out(lake) == 2


def test_an_empty_list_is_refused_until_it_is_meant(lake, command, capsys):
    send(lake, by_number(1, 2), name="a")
    send(lake, [], name="b")
    counts = objections.receive(load(), lake)
    assert (counts["lists"], counts["lists_refused"]) == (1, 1)
    assert "--confirm" in objections.answer_file(lake.path("objections", SENDER, "b")).read_text()
    assert command(["objections"]) == 0
    assert "refused: the list is empty" in capsys.readouterr().out
    assert left_out(lake) == 2
    assert command(["objections", "--confirm", "--sender", "ZZ1"]) == 2
    assert command(["objections", "--confirm"]) == 0
    assert "lifted 2" in capsys.readouterr().out
    assert left_out(lake) == 0
    assert command(["objections", "--confirm"]) == 2  # once


def test_a_list_that_came_after_an_empty_one_is_not_undone_by_confirming(lake, command):
    send(lake, by_number(1), name="a")
    objections.receive(load(), lake)
    send(lake, [], name="b")
    objections.receive(load(), lake)
    send(lake, by_number(1, 2), name="c")
    objections.receive(load(), lake)
    assert command(["objections", "--confirm"]) == 2
    assert read_state(lake).lists[SENDER]["n_objections"] == 2


BAD = {
    ",,,1980-01-01": "this row names nobody",
    "9990000078,,,": "the NHS number does not pass its check",
    ",ZZ1,,": "a local id and its provider belong together, and one of them is blank",
    ",,77,": "a local id and its provider belong together, and one of them is blank",
    ",ZZ99,77,": "this sender may not speak for that provider",
    f"{number_of(5)},,,31/31/1980": "the birth date cannot be read, or lies in the future",
    f"{number_of(5)},,,2999-01-01": "the birth date cannot be read, or lies in the future",
}


@pytest.mark.parametrize("row", BAD)
def test_a_bad_row_gets_an_answer_and_no_value_of_it_is_repeated(bare, row, capsys):
    folder = send(bare, [*by_number(1), row])
    assert objections.receive(load(), bare)["bad_rows"] == 1
    assert answers(folder) == [("3", BAD[row])]
    text = objections.answer_file(folder).read_text() + json.dumps(ledger.entries(bare))
    assert not any(cell in text for cell in row.split(",") if len(cell) > 3 and not cell.startswith("ZZ"))


def test_a_provider_may_not_speak_for_another(bare):
    folder = send(bare, [",ZZ2,ZZ2000012,"], sender="ZZ1")
    objections.receive(load(), bare)
    assert answers(folder) == [("2", "this sender may not speak for that provider")]
    assert read_state(bare).lists["ZZ1"]["n_objections"] == 0


def test_a_list_with_bad_rows_lifts_nothing(bare):
    send(bare, by_number(1, 2), name="a")
    objections.receive(load(), bare)
    send(bare, [*by_number(3), "1234567890,,,"], name="b")
    counts = objections.receive(load(), bare)
    assert (counts["objections"], counts["lifted"]) == (3, 0)
    assert "its former list stays in force too" in objections_report(load(), bare)


REFUSED = {
    "one_file": lambda f: (f / "second.csv").write_text(HEADER),
    "header": lambda f: (f / "who.csv").write_text("9990000077,,,\n"),
    "unreadable": lambda f: (f / "who.csv").write_text(f"{HEADER}\n9990000077,,,,x,y\n"),
    "manifest": lambda f: (f / "_READY").write_text("{"),
    "wrong_hash": lambda f: (f / "_READY").write_text('{"files": [{"name": "who.csv", "sha256": "00"}]}'),
    "wrong_row_count": lambda f: (f / "_READY").write_text('{"files": [{"name": "who.csv", "n_rows": 7}]}'),
    "empty_list": lambda f: (f / "who.csv").write_text(f"{HEADER}\n"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_list_that_cannot_be_read_is_refused_and_the_former_stays(bare, reason):
    send(bare, by_number(1), name="a")
    objections.receive(load(), bare)
    folder = send(bare, by_number(2), name="b")
    REFUSED[reason](folder)
    (folder / "_READY").touch()
    assert objections.receive(load(), bare)["lists_refused"] == 1
    assert events(bare, "objection")[-1]["reason"] == reason
    assert read_state(bare).lists[SENDER]["n_objections"] == 1
    assert answers(folder) == [("", load().settings["objections"]["answers"][reason]["what"])]


def test_an_unknown_sender_is_refused_and_not_repeated(bare):
    send(bare, by_number(1), sender="QUETZALINE")
    objections.receive(load(), bare)
    assert "quetzaline" not in json.dumps(ledger.entries(bare)).lower()
    assert events(bare, "objection")[-1]["reason"] == "unknown_sender"


def test_capitals_other_columns_a_byte_order_mark_and_windows_1252_are_read(bare):
    folder = send(bare, [f"{number_of(1)},Zoë"], header="\ufeffNHS_Number,name")
    (folder / "who.csv").write_bytes((folder / "who.csv").read_text().removeprefix("\ufeff").encode("windows-1252"))
    (folder / "_READY").touch()
    send(bare, [f"{number_of(2)},Zoë"], sender="ZZ1", header="\ufeffNHS_Number,name")
    assert objections.receive(load(), bare)["objections"] == 2


def test_half_a_list_under_the_ready_of_the_time_before_lifts_nothing(bare):
    folder = send(bare, by_number(1, 2, 3), name="a")
    objections.receive(load(), bare)
    time.sleep(0.02)
    whole = (folder / "who.csv").read_text()
    (folder / "who.csv").write_text(whole[: whole.index(number_of(2))])
    assert objections.receive(load(), bare)["lists"] == 0
    assert "1 list of objections waits for its _READY to be sent again" in objections_report(load(), bare)
    assert read_state(bare).lists[SENDER]["n_objections"] == 3
    time.sleep(0.02)
    (folder / "who.csv").write_text(whole)
    (folder / "_READY").touch()
    assert objections.receive(load(), bare)["lists"] == 1
    assert "waits for its _READY" not in objections_report(load(), bare)


@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        (lambda path, other: path.symlink_to(other), "one_file"),
        (lambda path, other: path.write_bytes(b"nhs_number\n\0\0\n"), "not_text"),
    ],
)
def test_a_list_is_opened_once_and_what_was_put_into_its_place_is_not(bare, monkeypatch, tmp_path, instead, reason):
    """Between the look at its folder and the opening of the list a sender can put there what it likes."""
    folder = send(bare, by_number(1, 2))
    other = tmp_path / "elsewhere.csv"
    other.write_text(f"{HEADER}\n{number_of(3)},,,\n")
    opens = []

    def exchanged(words):
        monkeypatch.setattr(objection_list, "manifest_of", manifest_of)
        (folder / "who.csv").unlink()
        instead(folder / "who.csv", other)
        return manifest_of(words)

    def counted(path, where):
        opens.append(path.name)
        return opened(path, where)

    monkeypatch.setattr(objection_list, "manifest_of", exchanged)
    monkeypatch.setattr(objection_list, "opened", counted)
    assert objections.receive(load(), bare)["lists_refused"] == 1
    assert events(bare, "objection")[-1]["reason"] == reason
    assert answers(folder) == [("", load().settings["objections"]["answers"][reason]["what"])]
    assert opens == ["who.csv"]


def test_a_list_that_changes_while_it_is_read_is_not_taken(bare, monkeypatch):
    folder = send(bare, by_number(1, 2))
    whole = objection_list.copy_file

    def meanwhile(reading, target, where):
        taken = whole(reading, target, where)
        time.sleep(0.02)
        (folder / "who.csv").write_text(HEADER)
        return taken

    monkeypatch.setattr(objection_list, "copy_file", meanwhile)
    objections.receive(load(), bare)
    assert events(bare, "objection") == [] and not list(bare.path("objected").rglob("*.parquet"))


def test_a_list_without_ready_waits(bare):
    (send(bare, by_number(1)) / "_READY").unlink()
    assert objections.receive(load(), bare)["lists"] == 0


@pytest.mark.parametrize("at", ["transforms.objections.ledger.append", "transforms.objection_list.install"])
def test_after_a_crash_a_list_is_read_again(bare, monkeypatch, at):
    send(bare, by_number(1))
    with monkeypatch.context() as patch:
        patch.setattr(at, lambda *values, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            objections.receive(load(), bare)
    assert read_state(bare).lists == {}
    assert objections.receive(load(), bare)["lists"] == 1
    assert len(in_force(bare)) == 1


# Who is left out.


def test_every_record_of_the_person_goes_wherever_it_came_from(lake):
    """Persons 12 and 13 are known to all three providers; the list names them by a local id of one. It waits when the
    release is made."""
    measure = """select max(denominator) from provider_measure
        where place = 'ZZ1' and layout = 'pas_patient' and field = 'ethnic_category'"""
    with mart(lake) as con:
        known = con.execute(
            "select person_no from person_key group by 1 having count(distinct provider) = 3"
        ).fetchall()
        assert len(known) == 20
        assert con.execute(measure).fetchone() == (40,)
    send(lake, [",ZZ2,ZZ2000012,", ",ZZ1,ZZ1000013,"])
    publish.publish(load(), lake)
    assert n_people(lake) == 38
    assert events(lake, "published")[-1]["removed"] == {"objection": {"people": 2, "records": 6}}
    with mart(lake) as con:
        for name in ("person_key", "characteristic_record"):
            query = f"select count(distinct person_no) from {name} where provider = 'ZZ2'"
            assert con.execute(query).fetchone() == (18,)
        assert con.execute("select count(distinct person_no) from activity").fetchone() == (38,)
        # Coded fields are counted without them; on the provider's own page they count.
        assert con.execute(measure).fetchone() == (38,)
        statuses = {row[0] for row in con.execute("select distinct status from person_characteristic").fetchall()}
        assert "withheld" not in statuses  # nobody gets a status
        assert con.execute("select count(*) from person_change").fetchone() == (0,)
    results = f"read_parquet('{lake.path('results', 'rule_result')}/provider=ZZ1/*/*.parquet')"
    assert duckdb.sql(f"select max(checked) from {results}").fetchone() == (40,)


def test_an_objection_makes_a_release_due_and_no_stage_run_again(lake):
    standard = load()
    assert not publish.is_due(standard, lake)
    before = lakes.written(lake, "bronze", "validated", "harmonised", "linked", "results")
    send(lake, by_number(3))
    objections.receive(standard, lake)
    assert publish.is_due(standard, lake)
    publish.publish(standard, lake)
    assert not publish.is_due(standard, lake)
    assert lakes.written(lake, "bronze", "validated", "harmonised", "linked", "results") == before


def test_without_what_was_kept_nothing_is_published(lake, command, capsys):
    send(lake, by_number(3))
    objections.receive(load(), lake)
    [path] = in_force(lake)
    path.write_bytes(path.read_bytes() + b"x")
    assert command(["publish"]) == 1
    assert "the objections that ZL90 sent" in capsys.readouterr().err
    path.unlink()
    with pytest.raises(ObjectionsLost):
        publish.publish(load(), lake)
    assert len(events(lake, "published")) == 1


def matched(entries: list[tuple[str, str, str | None]], text: str, lake: Lake) -> str:
    """The picture of who is left out. Entries are (kind, message, birth date); text is harmonised.patient with a person_no."""
    con = engine.connect(lake)
    keys.arm(con, lake, "objection")
    con.execute("create schema harmonised; create schema linked; create schema objected")
    fill(con, "harmonised.patient", f"{PATIENT}, person_no integer", text)
    con.execute("""update harmonised.patient set submission_no = 1, layout = 'pas_patient', patient_no = rowid,
                   record_key = record_key(rowid::text)""")
    con.execute("create view linked.person_record as select * from harmonised.patient where person_no is not null")
    con.execute(f"create table objected.listed ({objection_list.SHAPE})")
    for kind, message, day in entries:
        con.execute(
            "insert into objected.listed select 'k', ?, keyed(?), birth_marks(?, ?::date), null",
            [kind, message, message, day],
        )
    con.execute("set variable kinds_asked = ['number', 'local_id']; set variable numberless_stay = true")
    con.execute("create table objected.to_check (submission_no integer, layout varchar)")
    con.execute("create table objected.permitted (submission_no integer, layout varchar, patient_no integer)")
    for name in ("claim", "match"):
        run_file(con, HERE / "objected" / f"{name}.sql")
    con.execute("create table objected.matched as from objected.match")
    for name in ("person", "record"):
        run_file(con, HERE / "objected" / f"{name}.sql")
    query = """select h.person_no, h.family_name from objected.record as o join harmonised.patient as h using (patient_no) order by all"""
    return table(con.execute(query).fetchall())


N1, N2 = nhs_number(11), nhs_number(22)


def number(value: str) -> str:
    return f"1:n{len(value)}:{value}"


def local(provider: str, value: str) -> str:
    return f"1:l{len(provider)}:{provider}{len(value)}:{value}"


PEOPLE = f"""
    person_no | provider | local_patient_id | nhs_number | birth_date | family_name
    1         | ZZ1      | 7                | {N1}       | 1980-03-05 | A
    1         | ZZ2      | 9                |            | 1980-03-05 | B
    2         | ZZ1      | 8                | {N2}       | 1951-11-20 | C
    3         | ZZ2      | 7                | {N1}       | 1933-01-30 | D
              | ZZ1      | 5                | {N1}       | 1980-03-05 | E
"""


@pytest.mark.parametrize(
    ("entries", "left_out"),
    [
        # By number alone: whoever holds it, with all that is linked to them; and a record that nothing is linked to.
        ([("number", number(N1), None)], "1 | A\n1 | B\n3 | D\n | E"),
        # The birth date tells who is meant, by the parts that agree.
        ([("number", number(N1), "1980-03-05")], "1 | A\n1 | B\n | E"),
        ([("number", number(N1), "1980-05-03")], "1 | A\n1 | B\n | E"),
        ([("number", number(N1), "1980-03-06")], "1 | A\n1 | B\n | E"),
        ([("number", number(N1), "1901-12-31")], ""),
        # A local id is one provider's.
        ([("local_id", local("ZZ2", "9"), None)], "1 | A\n1 | B"),
        ([("local_id", local("ZZ1", "9"), None)], ""),
        ([("local_id", local("ZZ1", "7"), None), ("local_id", local("ZZ1", "8"), None)], "1 | A\n1 | B\n2 | C"),
        ([], ""),
    ],
)  # fmt: skip
def test_who_is_meant(bare, entries, left_out):
    assert matched(entries, PEOPLE, bare) == picture(left_out) if left_out else matched(entries, PEOPLE, bare) == ""


# What was published before.


def test_what_holds_them_cannot_be_opened_from_the_list_s_arrival_on(lake):
    standard = load()
    send(lake, by_number(3))
    assert withdraw.sweep(standard, lake)["withdrawn"] == 1
    folder = lake.path("current", "protected")
    assert sorted(path.name for path in folder.iterdir()) == ["WITHDRAWN.txt", "release.json"]
    assert "withdrawn for an objection" in objections_report(standard, lake)
    assert "withdrawn" in verify(lake)
    assert publish.publish(standard, lake)["people"] == 39
    assert n_people(lake) == 39
    assert "withdrawn for" not in objections_report(standard, lake)


def test_a_release_without_them_is_left_alone(lake):
    """Person 500 is nobody here; and who is left out already is not in the newest release."""
    standard = load()
    send(lake, by_number(500), name="a")
    assert withdraw.sweep(standard, lake)["withdrawn"] == 0
    send(lake, by_number(500, 3), name="b")
    assert withdraw.sweep(standard, lake)["withdrawn"] == 1
    publish.publish(standard, lake)
    send(lake, [*by_number(500, 3), ""], name="c")
    assert withdraw.sweep(standard, lake)["withdrawn"] == 0
    assert n_people(lake) == 39


@pytest.mark.parametrize("row", [f"{person(6).nhs_number},,,", ",ZZ1,ZZ1000007,"])
def test_a_release_is_withdrawn_although_the_lake_no_longer_holds_their_records(lake, row):
    """By the number, and by a local id; a birth date cannot be compared, and takes nothing away."""
    standard = load()
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 3, "sus_outpatient": 3}, name="again")
    deliver(lake.path("landing"), "ZP001", PERIOD, {"emis_patient": 3, "emis_observation": 3}, name="again")
    lakes.run(standard, lake)
    link(standard, lake)
    send(lake, [f"{number_of(6)},,,1901-01-01"], name="a")
    assert withdraw.sweep(standard, lake)["withdrawn"] == 0
    send(lake, [row], name="b")
    assert withdraw.sweep(standard, lake)["withdrawn"] == 1
    assert left_out(lake) == 0


def test_who_shares_a_local_id_with_somebody_who_objects_stays_and_so_does_the_release(lake):
    """Two people of one provider have the same local id, and so the same record key."""

    def shared(layout: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        rows[1]["PATIENT_ID"] = rows[0]["PATIENT_ID"]
        return rows

    standard = load()
    deliver(lake.path("landing"), "ZZ3", PERIOD, {"pas_patient": 2}, first_person=300, edit=shared)
    lakes.run(standard, lake)
    assert publish.publish(standard, lake)["people"] == 42
    send(lake, by_number(300))
    assert withdraw.sweep(standard, lake)["withdrawn"] == 1  # release 1 was made before they came
    assert publish.publish(standard, lake)["people"] == 41
    assert withdraw.withdraw_now(standard, lake) == []
    assert withdraw.numbers(lake) == [1, 3]


def test_of_whom_no_key_lasts_is_found_all_the_same(lake):
    """Without a local id a record's key is made of its place in the file; the number was never verified."""

    def nameless(layout: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        return [row | {"LOPATID": "", "NHSNOIND": "02"} for row in rows]

    standard = load()
    deliver(lake.path("landing"), "ZZ3", PERIOD, {"sus_outpatient": 2}, first_person=300, edit=nameless)
    lakes.run(standard, lake)
    publish.publish(standard, lake)
    send(lake, [f"{number_of(300)},,,{person(300).birth_date}"])
    assert withdraw.sweep(standard, lake)["withdrawn"] == 1


def test_a_mart_that_was_withdrawn_is_deleted_on_schedule_and_not_before_there_is_a_newer_one(lake, monkeypatch):
    standard = load()
    send(lake, by_number(3))
    withdraw.sweep(standard, lake)
    later = f"{datetime.now(UTC) + timedelta(days=8):%Y-%m-%d}"
    with monkeypatch.context() as patch:
        patch.setattr(withdraw, "today", lambda: later)
        assert withdraw.tidy(standard, lake)["marts_deleted"] == 0  # the next release is compared with it
    publish.publish(standard, lake)
    assert withdraw.tidy(standard, lake)["marts_deleted"] == 0
    monkeypatch.setattr(withdraw, "today", lambda: later)
    assert withdraw.tidy(standard, lake)["marts_deleted"] == 1
    assert not list(lake.path("withdrawn").rglob("*"))
    assert withdraw.tidy(standard, lake) == {"lists_deleted": 0, "marts_deleted": 0}


def test_a_list_is_deleted_on_schedule_and_stays_in_force(lake, monkeypatch):
    standard = load()
    folder = send(lake, [*by_number(3), "x,,,"])
    withdraw.sweep(standard, lake)
    assert withdraw.tidy(standard, lake)["lists_deleted"] == 0
    monkeypatch.setattr(withdraw, "today", lambda: f"{datetime.now(UTC) + timedelta(days=7):%Y-%m-%d}")
    assert withdraw.tidy(standard, lake)["lists_deleted"] == 1
    assert not folder.exists() and not objections.answer_file(folder).exists()
    assert events(lake, "objection")[-1]["what"] == "list deleted"
    assert left_out(lake) == 1


def test_of_former_lists_nothing_is_kept(bare):
    send(bare, by_number(3), name="a")
    withdraw.sweep(load(), bare)
    send(bare, by_number(4), name="b")
    withdraw.sweep(load(), bare)
    assert len(list(bare.path("objected", "list").iterdir())) == 1


@pytest.mark.parametrize("at", ["transforms.withdraw.ledger.append", "transforms.withdraw.install"])
def test_after_a_crash_what_holds_them_is_withdrawn_all_the_same(lake, monkeypatch, at):
    send(lake, by_number(3))
    objections.receive(load(), lake)
    with monkeypatch.context() as patch:
        patch.setattr(at, lambda *values, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            withdraw.withdraw_now(load(), lake)
    publish.publish(load(), lake)
    assert [e["release"] for e in events(lake, "objection") if e["what"] == "release withdrawn"] == [1]
    assert withdraw.numbers(lake) == [2]


def test_a_release_that_fails_its_audit_does_not_keep_the_old_one_open(lake, tmp_path):
    """What holds them goes first; then something new is tried."""
    copy = copied_standard(tmp_path / "copy")
    contract = copy / "expectations" / "contracts.yml"
    contract.write_text(
        contract.read_text()
        + """
- {id: person.person_no.none, table: protected.person, sql: false, dimension: validity, topic: identity, responsibility: us, message: Nobody.}
"""
    )
    send(lake, by_number(3))
    from transforms.audit import ContractBroken

    with pytest.raises(ContractBroken):
        publish.publish(load(copy), lake)
    assert withdraw.numbers(lake) == []
    assert release.current_number(lake) == 1


def test_the_certificate_lists_what_and_when_and_nobody(lake, command, capsys):
    send(lake, by_number(3))
    publish.publish(load(), lake)
    assert command(["objections", "--certificate"]) == 0
    said = capsys.readouterr().out
    assert "1 objections (1 new, 0 lifted, 0 rows could not be read)" in said
    assert "The protected mart of release 1 held somebody" in said
    assert (
        "Release 2 was made without 1 people and 3 records" in said
        or "Release 2 was made without 1 people and 2 records" in said
    )
    written = json.loads(lake.path("ledger", "certificate.json").read_text())
    known = {entry["no"]: entry["hash"] for entry in ledger.entries(lake)}
    assert all(known[item["line"]] == item["hash"] for item in written["removals"])
    assert lake.path("ledger", "certificate.txt").read_text() == said
    kept = duckdb.sql(f"select name_key from read_parquet('{in_force(lake)[0]}')").fetchall()
    assert not any(text in said + json.dumps(written) for text in (number_of(3), kept[0][0]))


def test_a_lake_without_objections_certifies_that(bare):
    assert "no list was ever taken in" in certificate(bare)


def test_a_sender_may_not_be_a_provider_and_every_agreement_says_how_the_opt_out_is_applied(tmp_path):
    from transforms.faults import Faults

    copy = copied_standard(tmp_path)
    replace(copy / "standards/objections.yml", "  ZL90:", "  ZZ1:")
    replace(copy / "standards/objections.yml", "keep_list_days: 7 ", "keep_list_days: soon ")
    replace(copy / "standards/objections.yml", "without_number: kept ", "without_number: perhaps ")
    rows = (copy / "standards/agreements.csv").read_text()
    (copy / "standards/agreements.csv").write_text(
        rows.replace("not_required", "", 1).replace("not_required", "check", 1)
    )
    with pytest.raises(Faults) as caught:
        load(copy)
    whats = [fault.what for fault in caught.value.found]
    assert whats == [
        "sender 'ZZ1' is a provider",
        "keep_list_days 'soon' is no whole number of days",
        "without_number 'perhaps' is not known",
        "national_opt_out of provider 'ZZ1' says nothing",
        "national_opt_out of provider 'ZZ2' says 'check'",
    ]


def test_no_list_is_confirmed_that_was_not_refused(bare):
    with pytest.raises(UsageError, match="there is none"):
        objections.unconfirmed(bare)
    with pytest.raises(UsageError):
        objections.receive(load(), bare, SENDER)


def test_what_decides_who_is_left_out_is_in_the_fingerprint(bare):
    before = objecting.objecting_fingerprint(load(), bare)
    send(bare, by_number(3))
    objections.receive(load(), bare)
    assert objecting.objecting_fingerprint(load(), bare) != before


def test_while_a_release_is_made_a_sweep_takes_lists_in_and_the_next_withdraws(lake):
    """Scorecards wait in the same task: it may not wait for a release, and what it left is not forgotten."""
    standard = load()
    send(lake, by_number(3))
    with ledger.lock(lake, "publish"):
        began = withdraw.sweep(standard, lake, wait=False)
    assert (began["lists"], began["withdrawn"]) == (1, 0)
    assert withdraw.sweep(standard, lake, wait=False)["withdrawn"] >= 1
