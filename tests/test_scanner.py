"""The whole service, scanned for planted people: nothing that identifies anybody leaves the identifiable stages."""

import contextlib
import dataclasses
import gzip
import hashlib
import hmac
import io
import json
import shutil
import sqlite3
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pytest

from tests import lakes
from tests.lakes import PERIOD
from tests.scanner import Canary, Hit, Scanner, spellings
from tests.synthetic import deliver, nhs_number, write_postcodes
from transforms import keys, ledger, withdraw, work
from transforms.certificate import certificate
from transforms.follow import follow
from transforms.geography import import_postcodes
from transforms.lake import Lake
from transforms.publish import publish
from transforms.standard import load

SECRET = "ab" * 32
# What a number might be hashed with by somebody who thinks that this hides it.
SALTS = (
    "ZZ1",
    "ZZ2",
    "ZZ3",
    "ZZ4",
    "ZP001",
    "ZL90",
    "salt",
    "nhs",
    "nhs_number",
    "n",
    "person",
    "record",
    "objection",
    PERIOD,
)
ONE = Canary(nhs_number(123_457), ("Quetzaline", "Xylophontova"), "ZQ9 9QZ", salts=SALTS)
TWO = Canary(nhs_number(765_431), ("Jabberwockia", "Vorpalsworda"), "ZV8 8VZ", salts=SALTS)
CLEAN = "Nobody is in here: 9990000000, Begum, ZX1 1AA"
# Identifiable stages, which may hold people; and the results that hold values.
MAY_HOLD = (
    "landing",
    "received",
    "bronze",
    "validated",
    "quarantine",
    "harmonised",
    "linked",
    "results/value_count",
    "results/value_meaning",
    "objections",
)


@pytest.fixture
def scanner() -> Scanner:
    return Scanner([ONE], SECRET)


def parquet(path: Path, query: str) -> None:
    duckdb.sql(f"copy ({query}) to '{path}' (format parquet, compression zstd)")


def database(path: Path, query: str, key: str = "") -> None:
    with duckdb.connect() as con:
        if key:
            extension = next(Path(duckdb_extension_httpfs.__file__).parent.rglob("*.duckdb_extension"))
            con.execute(f"load '{extension}'")
        con.execute(f"attach '{path}' as made" + (f" (encryption_key '{key}')" if key else ""))
        con.execute(f"create table made.main.t as {query}; checkpoint made; detach made")


def sqlite(path: Path, text: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as con:
        con.execute("create table log (message text)")
        con.execute("insert into log values (?)", [text])
        con.commit()


def zipped(path: Path, data: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.csv", data)


def tarred(path: Path, data: bytes) -> None:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("inside.csv")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


def made_parquet(folder: Path, text: str) -> bytes:
    parquet(folder / "made", f"select range, '{text}' as words from range(1000)")
    return (folder / "made").read_bytes()


N, S = ONE.number, f"{ONE.number[:3]} {ONE.number[3:6]} {ONE.number[6:]}"
TEXT = f"{CLEAN} {ONE.number}"
PLANTED = {
    "text": lambda p: p.write_text(TEXT),
    "text in UTF-16": lambda p: p.write_text(TEXT, encoding="utf-16"),
    "text in capitals": lambda p: p.write_text(ONE.names[0].upper()),
    "raw bytes": lambda p: p.write_bytes(bytes(range(256)) + ONE.names[1].encode() + bytes(range(256))),
    "an integer in raw bytes": lambda p: p.write_bytes(b"junk" + int(N).to_bytes(8, "little") + b"junk"),
    "page": lambda p: p.write_text(f"<html><td>{S}</td></html>"),
    "gzip": lambda p: p.write_bytes(gzip.compress(TEXT.encode())),
    "zip": lambda p: zipped(p, TEXT.encode()),
    "tar": lambda p: tarred(p, TEXT.encode()),
    "parquet inside zip": lambda p: zipped(p, made_parquet(p.parent, N)),
    "gzip inside gzip": lambda p: p.write_bytes(gzip.compress(gzip.compress(TEXT.encode()))),
    "sqlite": lambda p: sqlite(p, TEXT),
    "sqlite blob": lambda p: sqlite(p, gzip.compress(TEXT.encode())),
    "parquet text": lambda p: parquet(p, f"select range, '{N}' as t from range(1000)"),
    "parquet integer": lambda p: parquet(p, f"select {N}::bigint + range as t from range(1000)"),
    "parquet double": lambda p: parquet(p, f"select {N}::double as t from range(1000)"),
    "parquet list": lambda p: parquet(p, f"select ['a', '{S}'] as t"),
    "parquet struct": lambda p: parquet(p, f"select {{'a': {{'b': '{ONE.postcode}'}}}} as t"),
    "parquet blob": lambda p: parquet(p, f"select '{N}'::blob as t"),
    "parquet column name": lambda p: parquet(p, f"select 1 as \"{ONE.names[0]}\""),
    "parquet metadata": lambda p: duckdb.sql(f"copy (select 1 as a) to '{p}' (format parquet, kv_metadata {{k: '{N}'}})"),
    "sha256 in parquet": lambda p: parquet(p, f"select sha256('{N}') as t from range(100)"),
    "sha256 in capitals": lambda p: parquet(p, f"select upper(sha256('{N}')) as t from range(100)"),
    "md5 in parquet": lambda p: parquet(p, f"select md5('{N}') as t from range(100)"),
    "md5 of the spaced number": lambda p: parquet(p, f"select md5('{S}') as t from range(100)"),
    "sha1 in duckdb": lambda p: database(p, f"select sha1('{N}') as t"),
    "sha256 as bytes": lambda p: parquet(p, f"select unhex(sha256('{N}')) as t from range(100)"),
    "sha256 salted with the provider": lambda p: parquet(p, f"select sha256('ZZ1{N}') as t from range(100)"),
    "sha256 salted behind the spaced number": lambda p: parquet(p, f"select sha256('{S}:zz1') as t from range(100)"),
    "md5 with a salt, in text": lambda p: p.write_text(hashlib.md5(f"salt|{N}".encode()).hexdigest()),
    "sha1 keyed by the provider": lambda p: p.write_text(hmac.new(b"ZP001", N.encode(), "sha1").hexdigest()),
    "salted sha256 cut to a UUID": lambda p: parquet(p, f"select left(sha256('ZZ2-{N}'), 32)::uuid as t from range(100)"),
    "salted sha256 as bytes": lambda p: parquet(p, f"select unhex(sha256('{N}ZZ1')) as t from range(100)"),
    "sha256 in base64": lambda p: parquet(p, f"select base64(unhex(sha256('{N}'))) as t from range(100)"),
    "duckdb": lambda p: database(p, f"select range, '{ONE.names[1]}' as t from range(5000)"),
    "duckdb integer": lambda p: database(p, f"select {N}::bigint as t from range(5000)"),
    "encrypted duckdb": lambda p: database(p, f"select range, '{N}' as t from range(5000)", SECRET),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANTED)
def test_a_canary_is_found_in_every_format(tmp_path, scanner, what):
    PLANTED[what](tmp_path / "file")
    (tmp_path / "made").unlink(missing_ok=True)
    assert scanner.folder(tmp_path), what


EMPTY = {
    "text": lambda p: p.write_text(CLEAN),
    "gzip": lambda p: p.write_bytes(gzip.compress(CLEAN.encode())),
    "sqlite": lambda p: sqlite(p, CLEAN),
    "parquet": lambda p: parquet(p, f"select '{CLEAN}' as t, sha256('{CLEAN}') as h, 9990000000 as n from range(1000)"),
    "duckdb": lambda p: database(p, f"select '{CLEAN}' as t from range(1000)"),
    "encrypted duckdb": lambda p: database(p, f"select '{CLEAN}' as t from range(1000)", SECRET),
}


@pytest.mark.parametrize("what", EMPTY)
def test_nobody_is_found_where_nobody_is(tmp_path, scanner, what):
    EMPTY[what](tmp_path / "file")
    assert scanner.folder(tmp_path) == []


def test_a_file_is_searched_by_name_too(tmp_path, scanner):
    (tmp_path / f"{ONE.names[0]}.csv").touch()
    assert [hit.inside for hit in scanner.folder(tmp_path)] == ["file name"]


def test_a_database_that_cannot_be_opened_is_no_clean_one(tmp_path):
    database(tmp_path / "file", f"select '{N}' as t", SECRET)
    with pytest.raises(duckdb.Error):
        Scanner([ONE], "cd" * 32).folder(tmp_path)


def test_each_form_has_a_meaning():
    assert set(spellings(ONE).values()) >= {
        "number",
        "number, spaced",
        "number, sha256",
        "number, md5",
        "name",
        "postcode",
    }


# The whole service.


@dataclass
class Scanned:
    """A lake that went all the way, and everything that was said meanwhile."""

    lake: Lake
    secret: str
    said: str


def plant(layout: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Two people, in the places where they belong and where no person should be."""
    columns = {
        "pas_patient": ("NHS_NUMBER", "GIVEN_NAME", "FAMILY_NAME", "POSTCODE", "PATIENT_ID"),
        "sus_outpatient": ("NEWNHSNO", None, None, "HOMEADD", "LOPATID"),
        "emis_patient": ("NhsNumber", "GivenName", "Surname", "Postcode", None),
    }
    if layout not in columns:
        return rows
    number, given, family, postcode, local = columns[layout]
    for row, canary in zip(rows[1:], (ONE, TWO), strict=False):
        row[number], row[postcode] = canary.number, canary.postcode
        if given:
            row[given], row[family] = canary.names
        if local and canary is TWO:
            row[local] = canary.number  # some systems use the number as their own
    wrong = {
        "pas_patient": (
            "ETHNIC_CATEGORY",
            "SEX",
            "GP_PRACTICE",
            "LANGUAGE_CODE_PREFERRED",
            "DATE_OF_BIRTH",
            "CARER_NAME",
            "NOTES",
        ),
        "sus_outpatient": ("ETHNOS", "SITETRET", "TRETSPEF", "ATTENDED", "GPPRAC", "SEX", "OUTCOME", "ATTENDKEY"),
        "emis_patient": ("EthnicCode", "Sex", "DateOfRegistration", "CarerName"),
    }
    for place, column in enumerate(wrong[layout], start=5):
        rows[place][column] = TWO.number if place % 2 else f"{TWO.number[:3]} {TWO.number[3:6]} {TWO.number[6:]}"
        rows[place + 10][column] = TWO.names[1]
    return rows


@pytest.fixture(scope="module")
def scanned(tmp_path_factory) -> Scanned:
    """One lake with everything in it: sound deliveries, rejected ones, refused ones, a crash, and two releases."""
    folder = tmp_path_factory.mktemp("scanned")
    lake, standard = lakes.new_lake(folder), load()
    import_postcodes(write_postcodes(folder / "postcodes.csv"), lake)
    landing = lake.path("landing")
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        patch.setenv("READY_GRACE_HOURS", "0")
        lakes.hasten(patch)
        everything = {"pas_patient": 40, "sus_outpatient": 40}
        deliver(landing, "ZZ1", PERIOD, everything, edit=plant, name=ONE.names[0])
        deliver(landing, "ZP001", PERIOD, {"emis_patient": 40, "emis_observation": 40}, edit=plant)
        bad = deliver(landing, "ZZ2", PERIOD, {"pas_patient": 40}, {"unreadable_birth_date": 25}, edit=plant)
        deliver(landing, "ZZ4", PERIOD, {"pas_patient": 40}, {"ragged_row": True}, edit=plant)
        deliver(landing, "ZZ5", PERIOD, {"pas_patient": 40}, {"no_ready": True}, edit=plant)
        headless = deliver(landing, "ZZ6", PERIOD, {"pas_patient": 40}, edit=plant)
        for path in (*bad.path.glob("*.csv"), *headless.path.glob("*.csv")):
            if path.is_relative_to(headless.path):  # its first row stands where the header should be
                path.write_text("".join(path.read_text().splitlines(keepends=True)[2:]))
            path.rename(path.with_name(f"{ONE.names[1]} {ONE.number}.csv"))
            path.with_name("_READY").touch()
        deliver(landing, "ZZ3", PERIOD, {"pas_patient": 40}, edit=plant)
        with pytest.MonkeyPatch.context() as trouble:
            trouble.setitem(work.STAGES, "harmonise", _fail_aloud)
            with contextlib.suppress(work.StageCrashed):
                lakes.run(standard, lake, work.STAGES)
        patch.setattr(work, "RETRY_AFTER", (work.timedelta(0),) * 3)
        lakes.run(standard, lake, work.STAGES)
        publish(standard, lake)
        deliver(landing, "ZZ1", PERIOD, {"pas_patient": 45}, edit=plant, name="correction")
        lakes.run(standard, lake, work.STAGES)
        publish(standard, lake)
    return Scanned(lake, keys.load(lake, "protected").hex(), said.getvalue())


def _fail_aloud(submission, standard, lake):
    if submission.provider == "ZZ3":
        raise ValueError(f"cannot convert {ONE.number} of {ONE.names[0]} {ONE.postcode}")
    return work.harmonise(submission, standard, lake)


def look(scanned: Scanned, *skip: str) -> tuple[list[Hit], Scanner]:
    scanner = Scanner([ONE, TWO], scanned.secret)
    return scanner.folder(scanned.lake.root, [scanned.lake.path(name) for name in skip]), scanner


def test_the_planted_people_went_through(scanned):
    """Or finding nobody would mean nothing."""
    hits, _ = look(scanned)
    places = {hit.path.split("/")[0] for hit in hits}
    assert {"landing", "received", "bronze", "validated", "harmonised"} <= places
    events = {(e["event"], e.get("reason", "")) for e in ledger.entries(scanned.lake)}
    assert {("rejected", "rule_broken"), ("rejected", "unknown_layout"), ("rejected", "unreadable_rows"),
            ("rejected", "not_ready"), ("crashed", "")} <= events  # fmt: skip
    assert len([e for e in ledger.entries(scanned.lake) if e["event"] == "published"]) == 2


def test_nobody_is_found_outside_the_identifiable_stages(scanned):
    hits, scanner = look(scanned, *MAY_HOLD)
    assert hits == []
    assert {"parquet", "duckdb", "gzip"} <= set(scanner.opened)
    assert scanner.opened["duckdb"] == 4  # two releases, two areas


def test_nothing_that_was_printed_names_anybody(scanned):
    assert Scanner([ONE, TWO]).text(scanned.said) == []


def test_open_and_protected_areas_share_no_identifier(scanned):
    """No value of the protected area's keys stands anywhere in the open one."""
    current = scanned.lake.path("current")
    with duckdb.connect() as con:
        con.execute(
            f"attach '{current}/protected/protected.duckdb' as p (read_only, encryption_key '{scanned.secret}')"
        )
        identifiers = {row[0] for row in con.execute("select person_id from p.person").fetchall()}
        identifiers |= {str(row[0]) for row in con.execute("select record_key from p.activity").fetchall()}
        identifiers |= {
            row[0].replace("-", "") for row in con.execute("select record_key::text from p.activity").fetchall()
        }
    for path in (*current.joinpath("open").rglob("*"), *current.joinpath("site").rglob("*")):
        if path.suffix in (".csv", ".json", ".html"):
            text = path.read_text(encoding="utf-8")
            assert not [identifier for identifier in identifiers if identifier in text], path.name


def test_no_key_lies_in_the_lake(scanned):
    secrets = [keys.load(scanned.lake, name) for name in keys.NAMES]
    for path in scanned.lake.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            assert not any(secret in data or secret.hex().encode() in data for secret in secrets), path


def test_identifiable_stages_are_closed_to_others(scanned):
    for name in (*(part for part in MAY_HOLD if "/" not in part), "results", "ledger", ".work"):
        assert scanned.lake.path(name).stat().st_mode & 0o077 == 0, name
    assert scanned.lake.path("current", "protected").stat().st_mode & 0o077 == 0


# After an objection.


@dataclass
class Objected:
    """The same lake after one of the planted people objected, with all that stood for them in the releases before."""

    lake: Lake
    secret: str
    who: Canary
    said: str


@pytest.fixture(scope="module")
def objected(scanned, tmp_path_factory) -> Objected:
    """A list with the first planted person's number; the sweep, a release, the pages that follow, the certificate."""
    root = tmp_path_factory.mktemp("objected") / "lake"
    shutil.copytree(scanned.lake.root, root, symlinks=True)
    lake, standard = Lake(root, scanned.lake.keys), load()
    number, folder = ONE.number, lake.path("objections", "ZL90", ONE.names[0])
    stood_for = """select record_key::text from p.person_key semi join who using (person_no)
        union select record_key::text from p.activity semi join who using (person_no)
        union select person_id from p.person semi join who using (person_no)"""
    with duckdb.connect() as con:
        current = lake.path("current", "protected", "protected.duckdb")
        con.execute(f"attach '{current}' as p (read_only, encryption_key '{scanned.secret}')")
        patients = f"read_parquet('{lake.path('harmonised', 'patient')}/*/*/*.parquet')"
        who = f"select distinct person_no from p.person_key join {patients} using (record_key) where nhs_number = ?"
        con.execute(f"create table who as {who}", [number])
        stands_for = con.execute(stood_for).fetchall()
    folder.mkdir(parents=True)
    (folder / f"{ONE.names[1]} {number}.csv").write_text(
        f"NHS_NUMBER,name\n{number[:3]} {number[3:6]} {number[6:]},{ONE.names[1]}\n{TWO.number}1,{TWO.names[0]}\n"
    )
    (folder / "_READY").touch()
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        lakes.hasten(patch)
        print(withdraw.sweep(standard, lake))
        print(publish(standard, lake))
        print(follow(standard, lake))
        print(certificate(lake))
    who = dataclasses.replace(ONE, keys=tuple(key for (key,) in stands_for))
    return Objected(lake, scanned.secret, who, said.getvalue())


def test_what_stood_for_the_person_was_in_the_releases_before(objected, scanned):
    """Or finding nothing now would mean nothing."""
    assert len(objected.who.keys) >= 4  # three providers' records, and the person's identifier
    hits = Scanner([objected.who], scanned.secret).folder(scanned.lake.path("releases"))
    assert {hit.path.split("/")[1] for hit in hits} == {"protected"}
    assert {hit.what for hit in hits} == {"key"}


def test_after_an_objection_nothing_readable_holds_a_trace(objected):
    """Neither who they are nor what stood for them: not in any release, page, provider's file, ledger or certificate."""
    scanner = Scanner([objected.who], objected.secret)
    # objected/ keeps what stands for them on purpose, so that an old mart that holds them is found; the next test looks there.
    kept = (*MAY_HOLD, "results/issue", "compared", "withdrawn", "objected")
    private = [objected.lake.path(name) for name in kept]
    assert scanner.folder(objected.lake.root, private) == []
    assert scanner.opened["duckdb"] == 4  # three open marts, and the one protected mart that can be opened
    assert scanner.text(objected.said) == []
    [removed] = [e["removed"] for e in ledger.entries(objected.lake) if e.get("removed")]
    assert removed["objection"]["people"] >= 1


def test_what_is_kept_of_the_list_and_what_was_withdrawn_name_nobody(objected):
    scanner = Scanner([ONE, TWO], objected.secret)
    for name in ("objected", "withdrawn"):
        assert list(objected.lake.path(name).rglob("*.*"))
        assert scanner.folder(objected.lake.path(name)) == []
        assert objected.lake.path(name).stat().st_mode & 0o077 == 0
    answer = objected.lake.path("objections", "ZL90", f"{ONE.names[0]}.answer.csv").read_text()
    assert "the NHS number does not pass its check" in answer
    assert scanner.text(answer) == []


def test_the_provider_s_own_pages_still_count_them(objected, scanned):
    """They point at rows of the provider's own file, and at nobody: so they stay as they are."""
    for page in scanned.lake.path("provider").rglob("scorecard.json"):
        now = objected.lake.path(page.relative_to(scanned.lake.root))
        assert json.loads(now.read_text())["n_records"] == json.loads(page.read_text())["n_records"]
