"""relink.py: whatever is sent, replaced, withdrawn or judged, linking what may be touched gives what linking everybody gives."""

import copy
import os
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import duckdb
import numpy as np
import pandas as pd
import pytest

from tests.linkage_population import records
from tests.synthetic import nhs_number
from transforms import fingerprint, keys, link, relink
from transforms.engine import connect
from transforms.lake import Lake, Submission
from transforms.standard import Standard, load

PROVIDERS = ("ZP001", "ZP002", "ZZ1", "ZZ2", "ZM01")
SENT = [(provider, period, "pas_patient") for provider in PROVIDERS for period in ("2026-08", "2026-09")]
SENT += [("ZZ1", "2026-08", "sus_outpatient"), ("ZZ1", "2026-09", "sus_outpatient")]  # the later holds all of the year
ANOTHER = ("ZZ3", "2026-09", "pas_patient")
NUMBERS = sorted({which[:2] for which in (*SENT, ANOTHER)})
AS_SENT = """
    select {number} as submission_no, provider, '{period}' as period, '{layout}' as layout,
           row_number() over (order by local_patient_id, birth_date)::integer as patient_no,
           md5(provider || '|' || local_patient_id)::uuid as record_key, true as is_key_stable, local_patient_id, nhs_number,
           nhs_number_status, given_name, family_name, birth_date::date as birth_date, null::date as death_date, sex,
           clean_postcode(postcode) as postcode, gp_practice_code, null::date as registered_on, null::date as deregistered_on,
           exclusion, 1::bigint as n_records
    from rows"""


@cache
def standard(at_most: int = 36) -> Standard:
    """The shipped one, by which as many are rehearsed as a small lake has, and sometimes more than are allowed."""
    loaded = load()
    settings = copy.deepcopy(loaded.settings)
    settings["linkage"] |= {"rehearsed_share": 0.2, "rehearsed_at_most": at_most}
    return replace(loaded, settings=settings)


@cache
def everybody() -> pd.DataFrame:
    """Records with more faults than life has, at five providers, some under a local id that somebody else has too."""
    found = records(91, {"pakistani": 50, "british": 50, "arab": 40}, times=3)
    # Namesakes of one birth date: numbers alone tell them apart, and whoever is rehearsed has none.
    double = found[found["person_no"] % 4 == 0].copy()
    fresh = {number: nhs_number(70_000 + n) for n, number in enumerate(sorted(set(double["nhs_number"].dropna())))}
    double["nhs_number"], double["local_patient_id"] = double["nhs_number"].map(fresh), "d" + double["local_patient_id"]
    found = pd.concat([found, double], ignore_index=True)
    found["provider"] = np.array(PROVIDERS, dtype=object)[np.arange(len(found)) % len(PROVIDERS)]
    again = found.sample(20, random_state=5)
    found.loc[again.index, "local_patient_id"] = found.loc[again.index[::-1], "local_patient_id"].to_numpy()
    found["exclusion"] = None
    found["exclusion"] = found["exclusion"].astype(object)
    return found


def choose(rng: np.random.Generator, provider: str) -> pd.DataFrame:
    """What a provider sends: most of its records, some of which say something else than before."""
    rows = everybody()[everybody()["provider"] == provider].copy()
    rows = rows[rng.random(len(rows)) < 0.9]
    for at in rows.index[rng.random(len(rows)) < 0.06]:
        other = everybody().iloc[int(rng.integers(len(everybody())))]
        name = rng.choice(
            ["nhs_number", "nhs_number_status", "birth_date", "given_name", "family_name", "postcode", "exclusion"]
        )
        rows.loc[at, name] = "withheld" if name == "exclusion" else other[name] if rng.random() < 0.7 else None
    return rows


def send(lake: Lake, which: tuple[str, str, str], rows: pd.DataFrame) -> None:
    """One harmonised file, as the stage would leave it."""
    provider, period, layout = which
    target = lake.current_file("harmonised", "patient", Submission(provider, period), layout)
    target.parent.mkdir(parents=True, exist_ok=True)
    con = connect(lake)
    con.register("rows", rows)
    query = AS_SENT.format(number=1 + NUMBERS.index(which[:2]), period=period, layout=layout)
    mark = fingerprint.of(rows.sort_values(["local_patient_id", "birth_date"]).to_dict("records"))
    con.execute(f"copy ({query}) to '{target}' (format parquet, kv_metadata {{fingerprint: '{mark}'}})")
    con.close()


def judge(lake: Lake, rng: np.random.Generator) -> None:
    """A reviewer's word about some pairs that linking told of, joined or not."""
    edges = duckdb.sql(f"from '{lake.path('linked', 'edge.parquet')}' order by all").df()
    chosen = edges[edges["basis"] == "score"].sample(4, random_state=int(rng.integers(1_000_000)))
    said = pd.DataFrame(
        {name: chosen[name] for name in ("record_key_a", "record_key_b", "values_key_a", "values_key_b")}
    )
    said = said.assign(is_same=rng.random(len(said)) < 0.5, line=range(1, len(said) + 1))
    number = len(list(lake.path("judged").glob("*.parquet"))) + 1
    named_with = keys.known_ids(lake)["pseudonym"]
    con = duckdb.connect()
    con.register("said", said)
    key = ", ".join(f"{name}::text::uuid as {name}" for name in said.columns[:4])
    query = f"select line::integer as line, {key}, is_same, '{named_with}' as key_id from said"
    target = lake.path("judged", f"{number:06d}.parquet")
    con.execute(f"copy ({query}) to '{target}' (format parquet, kv_metadata {{fingerprint: '{number}'}})")


def happens(lake: Lake, rng: np.random.Generator) -> str:
    """One thing that changes what is to be linked."""
    there = [
        which for which in SENT if lake.current_file("harmonised", "patient", Submission(*which[:2]), which[2]).exists()
    ]
    what = rng.choice(["send", "send", "send", "withdraw", "judge"])
    if what == "withdraw" and len(there) > 6:
        provider, period, layout = there[int(rng.integers(len(there)))]
        lake.current_file("harmonised", "patient", Submission(provider, period), layout).unlink()
    elif what == "judge":
        judge(lake, rng)
    else:
        which = SENT[int(rng.integers(len(SENT)))]
        send(lake, which, choose(rng, which[0]))
    return str(what)


def outcome(lake: Lake) -> dict[str, list[tuple]]:
    """All that linking wrote, with the message of a person for the number, which means nothing beyond one linking."""
    con, folder = duckdb.connect(), lake.path("linked")
    for path in folder.glob("*.parquet"):
        con.execute(f"create view {path.stem} as from read_parquet('{path}')")
    con.execute(f"create view known as from read_parquet('{folder}/known/*.parquet')")
    queries = {
        name: f"from {name} order by all" for name in ("edge", "conflict", "in_force", "scored_pair", "draw", "known")
    }
    for name in ("person_record", "rehearsal"):
        queries[name] = (
            f"select message, r.* exclude person_no from {name} as r join person using (person_no) order by all"
        )
    queries["person"] = "select * exclude person_no from person order by all"
    return {name: con.execute(query).fetchall() for name, query in queries.items()}


def anew(lake: Lake, folder: Path, standard: Standard) -> dict[str, list[tuple]]:
    """What comes of linking the same from an empty stage."""
    shutil.rmtree(folder, ignore_errors=True)
    other = Lake(folder, lake.keys).prepare()
    for stage in ("harmonised", "judged", "ledger"):
        shutil.copytree(lake.path(stage), other.path(stage), dirs_exist_ok=True)
    link.link(standard, other)
    return outcome(other)


@pytest.fixture(scope="module")
def linked_once(tmp_path_factory) -> Path:
    """Most of what there is, linked."""
    folder = tmp_path_factory.mktemp("linked")
    lake = Lake(folder / "lake", folder / "keys").prepare()
    keys.initialise(lake)
    rng = np.random.default_rng(7)
    for which in SENT[:-4]:
        send(lake, which, choose(rng, which[0]))
    link.link(standard(), lake)
    return folder


@pytest.fixture
def begun(linked_once, tmp_path, monkeypatch):
    """A lake that is linked, and a list of how each later linking went: whether it was of those alone who may be touched."""
    monkeypatch.setattr(relink, "MOST", 1.0)
    went = []

    def told(con, standard, lake, before, *rest):
        counts = relink.relink(con, standard, lake, before, *rest)
        if before:
            went.append(bool(counts))
        return counts

    monkeypatch.setattr(link, "relink", told)
    shutil.copytree(linked_once, tmp_path, dirs_exist_ok=True)
    return Lake(tmp_path / "lake", tmp_path / "keys"), went


def check(lake: Lake, went: list[bool], folder: Path, seed: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    for step in range(steps):
        what = happens(lake, rng)
        link.link(standard(), lake)
        found, wanted = outcome(lake), anew(lake, folder, standard())
        for name in wanted:
            assert found[name] == wanted[name], f"{name}, seed {seed}, step {step}: {what}"
    assert sum(went) > steps / 2  # not only by linking everybody


def alone(provider: str, local_id: str, number: int, born: str, given: str, family: str) -> pd.DataFrame:
    """One record."""
    said = {
        "provider": provider,
        "local_patient_id": local_id,
        "nhs_number": nhs_number(number),
        "nhs_number_status": "01",
    }
    said |= {"given_name": given, "family_name": family, "birth_date": born, "sex": "2", "postcode": None}
    return pd.DataFrame([said | {"gp_practice_code": None, "exclusion": None}])


def test_whoever_is_rehearsed_from_now_on_is_compared_with_everybody(begun, tmp_path):
    """A third record confirms a number that one provider holds: who holds it is rehearsed, and fits a namesake of theirs who
    has nothing to do with that record."""
    lake, went = begun
    # Of two who hold a number the one whose key comes first is rehearsed.
    drawn = "select local_id from range(99) as t(n), (select n::varchar as local_id) where md5_number_upper(md5('{}|' || local_id)::uuid::text) {}"
    first, last = (
        duckdb.sql(drawn.format(provider, how)).fetchone()[0] for provider, how in (("ZZ1", "< (2^60)::hugeint"), ("ZZ2", "> (2^63)::hugeint"))
    )  # fmt: skip
    send(lake, SENT[4], alone("ZZ1", first, 80_001, "1980-03-05", "Xochitl", "Abernathy"))
    send(lake, SENT[8], alone("ZM01", "1", 80_002, "1980-03-05", "Xochitl", "Abernathy"))
    link.link(standard(), lake)
    send(lake, SENT[6], alone("ZZ2", last, 80_001, "1980-05-03", "Bronwen", "Quillfeather"))
    link.link(standard(), lake)
    assert went == [True, True]
    found, wanted = outcome(lake), anew(lake, tmp_path / "other", standard())
    keys_of = duckdb.sql(f"select md5('ZZ1|{first}')::uuid, md5('ZM01|1')::uuid").fetchone()
    assert [pair for pair in wanted["scored_pair"] if {pair[2], pair[3]} == set(keys_of)]  # nothing else joins them
    assert found == wanted


def test_what_is_kept_of_a_number_is_no_hash_that_somebody_without_the_key_can_make(begun):
    lake, _ = begun
    files = [str(path) for path in lake.path("linked", "known").glob("*.parquet")]
    numbers = list(everybody()["nhs_number"].dropna().unique())
    with connect(lake) as con:
        found = f"read_parquet({files!r})"
        assert con.execute(f"select count(mark_number) from {found}").fetchone()[0] > 100
        for form in ("n", "try_cast(n as bigint)"):
            plain = f"select (hash({form}) >> 32)::uinteger from (select unnest(?) as n)"
            query = f"select count(*) from {found} where mark_number in ({plain})"
            assert con.execute(query, [numbers]).fetchone()[0] == 0
        keys.arm(con, lake, "mark")
        keyed = "select (hash(concat_ws('|', keyed('mark'), n)) >> 32)::uinteger from (select unnest(?) as n)"
        assert (
            con.execute(f"select count(*) from {found} where mark_number in ({keyed})", [numbers]).fetchone()[0] > 100
        )


def test_an_empty_delivery_a_new_provider_and_one_who_is_gone(begun, tmp_path):
    lake, went = begun
    send(lake, SENT[0], everybody()[:0])
    link.link(standard(), lake)
    send(lake, ANOTHER, everybody()[:30].assign(provider="ZZ3"))
    link.link(standard(), lake)
    for which in SENT[:2]:
        lake.current_file("harmonised", "patient", Submission(*which[:2]), which[2]).unlink()
    link.link(standard(), lake)
    assert went == [True, True, True]
    assert outcome(lake) == anew(lake, tmp_path / "other", standard())


def test_where_much_has_changed_or_another_rule_holds_everybody_is_linked(begun, tmp_path, monkeypatch):
    lake, went = begun
    monkeypatch.setattr(relink, "MOST", 0.01)
    send(lake, SENT[3], choose(np.random.default_rng(3), "ZP002"))
    link.link(standard(), lake)
    settings = copy.deepcopy(standard().settings)
    settings["linkage"]["joined_from"] = 30
    monkeypatch.setattr(relink, "MOST", 1.0)
    strict = replace(standard(), settings=settings)
    assert link.link(strict, lake)["pairs compared"] == 0  # what was scored is not scored again
    assert went == [False, False]
    assert link.link(strict, lake) == {}


def test_where_more_would_be_rehearsed_than_may_be_everybody_is_linked(begun, tmp_path):
    lake, went = begun
    link.link(standard(32), lake)
    before = outcome(lake)["rehearsal"]
    send(lake, ANOTHER, everybody()[:30].assign(provider="ZZ3"))
    link.link(standard(32), lake)
    found = outcome(lake)
    assert went == [False, False] and len(found["rehearsal"]) < 0.8 * len(before)
    assert found == anew(lake, tmp_path / "other", standard(32))


@pytest.mark.parametrize("at", [2, 10])
def test_after_a_crash_while_files_are_replaced_everybody_is_linked_anew(begun, tmp_path, monkeypatch, at):
    lake, went = begun
    send(lake, SENT[3], choose(np.random.default_rng(at), "ZP002"))
    calls = []

    def cut(*given):
        calls.append(given)
        if len(calls) == at:
            raise KeyboardInterrupt
        return os.replace(*given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("transforms.lake.os", SimpleNamespace(**vars(os) | {"replace": cut}))
        link.link(standard(), lake)
    send(lake, SENT[5], choose(np.random.default_rng(at), "ZZ1"))
    link.link(standard(), lake)
    assert went == [True]  # and then nothing was recalled
    assert outcome(lake) == anew(lake, tmp_path / "other", standard())


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_linking_a_part_gives_what_linking_everybody_gives(begun, tmp_path, seed):
    check(*begun, tmp_path / "other", seed, 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_whatever_happens_for_long_linking_a_part_gives_what_linking_everybody_gives(begun, tmp_path, seed):
    check(*begun, tmp_path / "other", seed, 10)
