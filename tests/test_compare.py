"""compare.py, beside.py, follow.py, compared/*.sql: what only history and peers can tell, and when it is told again."""

import dataclasses
import json
import os
import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from tests import lakes
from tests.lakes import PERIOD, copied_standard, submission
from tests.synthetic import deliver, write_postcodes
from tests.test_crash import Cut, PowerCut
from transforms import compare, duckdb_expectations, engine, follow, ledger, maturity, publish
from transforms.engine import HERE, add_standard, connect, fixed_shapes
from transforms.geography import add_geography, import_postcodes
from transforms.lake import Lake, point, remove
from transforms.sqlfolder import run_file
from transforms.standard import Standard, load
from transforms.work import StageCrashed

SAID = "topic: ethnicity, dimension: consistency, message: Look., why: Because."
RULES = {
    "appointment": f"""
- {{id: appointment.appointment_id.known, sql: appointment_id is not null, rejects: record, {SAID}}}
- {{id: appointment.appointment_date.before_death, sql: appointment_date <= patient.death_date, when: patient.death_date is not null,
   scope: history, {SAID}}}
- {{id: appointment.local_patient_id.in_index, sql: patient.local_patient_id is not null, when: has_index, mostly: 0.9,
   scope: history, {SAID}}}
- {{id: appointment.ethnic_category.in_index, sql: "coalesce(patient.ethnic_category_code_status, '') = 'known'",
   when: patient.local_patient_id is not null and ethnic_category_code_status = 'known', scope: history, {SAID}}}
- {{id: appointment.birth_date.of_index, sql: birth_date = patient.birth_date, when: has_index, scope: history, {SAID}}}
- {{id: appointment.birth_date.later, sql: birth_date is null, from_period: 2027-01, scope: history, {SAID}}}
""",
    "patient": f"""
- {{id: patient.birth_date.not_in_future, sql: birth_date <= received_on, rejects: value, {SAID}}}
""",
    "figure": f"""
- {{id: figure.ethnic_category.not_stated_like_peers, sql: share_not_stated <= peers_share_not_stated + 0.2,
   when: field = 'ethnic_category', scope: peers, {SAID}}}
- {{id: figure.ethnic_category.not_one_for_all, sql: largest_value_share < 0.95, when: field = 'ethnic_category',
   scope: peers, {SAID}}}
- {{id: figure.ethnic_category.newly_recorded, sql: n_newly_recorded > 0,
   when: field = 'ethnic_category' and (n_new_people >= 5 or n_seen >= 5), scope: peers, {SAID}}}
- {{id: figure.ethnic_category.gypsy_roma_traveller, sql: n_gypsy_roma_traveller > 0,
   when: field = 'ethnic_category' and can_record_gypsy_roma_traveller and n_gypsy_roma_traveller_expected >= 0.05,
   scope: peers, {SAID}}}
""",
    "derived": "[]\n",
}
OTHERS = ("ZZ2", "ZZ3", "ZZ4")


def small_standard(folder: Path, **more: str) -> Standard:
    """The shipped standard with a handful of rules, so that a test can be told what each of them says."""
    copy = copied_standard(folder)
    for path in (copy / "expectations").glob("*.yml"):
        if path.stem != "contracts":
            path.unlink()
    items = copy / "standards" / "index_items.csv"  # each names the rules of its item
    items.write_text(items.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    for name, rules in (RULES | more).items():
        (copy / "expectations" / f"{name}.yml").write_text(rules, encoding="utf-8")
    return load(copy)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Standard:
    return small_standard(tmp_path_factory.mktemp("small-standard"))


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    lakes.hasten(monkeypatch)


GREAT_EXPECTATIONS = duckdb_expectations.judge


def new_lake(folder: Path, has_places: bool = True) -> Lake:
    lake = lakes.new_lake(folder)
    if has_places:
        import_postcodes(write_postcodes(folder / "postcodes.csv"), lake)
    return lake


def released(lake: Lake, picture: str, fingerprint: str = "") -> None:
    """A release that shows these figures: place, period, layout, field, measure, numerator, denominator[, suppressed]."""
    number = len(list(lake.path("releases").iterdir())) + 1
    folder = lake.path("releases", number, "open")
    folder.mkdir(parents=True)
    con = duckdb.connect()
    con.execute("""create table shown (place_kind varchar, place varchar, period varchar, layout varchar, field varchar,
        measure varchar, numerator bigint, denominator bigint, cell_status varchar)""")
    for line in picture.strip().splitlines():
        place, period, layout, field, measure, numerator, denominator, *status = line.split()
        kind = "region" if place == "midlands" else "provider"
        row = [kind, place, period, layout, field, measure, numerator, denominator, *(status or ["shown"])]
        con.execute("insert into shown values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    con.execute(f"copy shown to '{folder}/provider_measure.parquet' (format parquet)")
    (folder.parent / "release.json").write_text(json.dumps({"fingerprint": fingerprint}), encoding="utf-8")
    point(lake, lake.path("current"), f"releases/{number}")


def peers(share: float, layout: str = "pas_patient", others: tuple[str, ...] = OTHERS) -> str:
    """Figures of other trusts, of whom such a share is not stated."""
    said = [
        f"{name} {PERIOD} {layout} ethnic_category {measure} {numerator} 1000"
        for name in others
        for measure, numerator in (("valid", int(1000 - 1000 * share)), ("other", int(1000 * share)), ("default", 0))
    ]
    return "\n".join(said)


def send(
    lake: Lake, standard: Standard, provider: str = "ZZ1", period: str = PERIOD, layouts=None, faults=None, **more
):
    sent = deliver(lake.path("landing"), provider, period, layouts or {"pas_patient": 20}, faults, **more)
    lakes.run(standard, lake)
    return sent


def result(lake: Lake, rule: str, provider: str = "ZZ1", layout: str | None = None) -> tuple[int, int, bool]:
    [row] = [r for r in compare.results(lake, provider) if r["rule"] == rule and layout in (None, r["layout"])]
    return row["checked"], row["failed"], row["is_met"]


def figure(lake: Lake, provider: str = "ZZ1", layout: str = "pas_patient", field: str = "ethnic_category") -> dict:
    [row] = [r for r in compare.figures(lake, provider) if (r["layout"], r["field"]) == (layout, field)]
    return row


def issues(lake: Lake, rule: str, provider: str = "ZZ1") -> list[int]:
    source = f"read_parquet('{compare.issue_file(lake, provider)}')"
    return [line for (line,) in duckdb.sql(f"select line from {source} where rule = '{rule}' order by 1").fetchall()]


def made_now(lake: Lake) -> dict[str, list[tuple]]:
    return lakes.content(lake, "compared")


# Rules of history.


@pytest.fixture(scope="module")
def beside(tmp_path_factory, small) -> Lake:
    """A trust whose appointments contradict its index in several ways; judged by Great Expectations itself."""

    def edit(layout, rows):
        if layout == "pas_patient":
            for row in rows[:4]:
                row["DATE_OF_DEATH"] = "10/09/2026"
            rows[5]["ETHNIC_CATEGORY"], rows[6]["ETHNIC_CATEGORY"] = "", "X7"
            rows[7]["DATE_OF_BIRTH"] = "01/01/1901"
            rows[8]["DATE_OF_BIRTH"] = "01/01/2199"  # set aside: nothing to contradict
            return rows[:16]
        for row in rows:
            row["APPTDATE"] = "2026-09-10"
        rows[0]["APPTDATE"], rows[1]["APPTDATE"], rows[2]["APPTDATE"] = "2026-09-11", "2026-09-30", "2026-09-29"
        rows[2]["ATTENDKEY"] = ""  # the record is set aside, and nothing is said of it
        rows[9]["LOPATID"] = ""
        return rows

    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        lake = new_lake(tmp_path_factory.mktemp("beside"))
        send(lake, small, period="2026-08", layouts={"pas_patient": 20, "sus_outpatient": 20})
        send(lake, small, layouts={"pas_patient": 20, "sus_outpatient": 20}, edit=edit)
        patch.setattr(duckdb_expectations, "judge", GREAT_EXPECTATIONS)
        assert compare.compare(small, lake) == {"compared": 1, "unchanged": 0, "removed": 0, "issues": 2 + 5 + 2 + 1}
    return lake


@pytest.mark.parametrize(
    ("rule", "told", "lines"),
    [
        ("appointment.appointment_date.before_death", (3, 2, False), [1, 2]),
        ("appointment.local_patient_id.in_index", (19, 5, False), [10, 17, 18, 19, 20]),
        ("appointment.ethnic_category.in_index", (14, 2, False), [6, 7]),
        ("appointment.birth_date.of_index", (13, 1, False), [8]),
    ],
)
def test_a_record_in_force_is_judged_beside_the_newest_index_row_of_the_same_local_id(beside, rule, told, lines):
    assert result(beside, rule) == told
    assert issues(beside, rule) == lines


def test_only_the_newest_submission_is_judged_and_no_rule_before_its_period(beside):
    assert {(r["period"], r["arrival"]) for r in compare.results(beside, "ZZ1")} == {(PERIOD, 1)}
    assert "appointment.birth_date.later" not in {r["rule"] for r in compare.results(beside, "ZZ1")}
    assert {r["layout"] for r in compare.results(beside, "ZZ1") if r["rule"].startswith("appointment.")} == {
        "sus_outpatient"
    }


def test_people_are_counted_once(beside, small, tmp_path):
    [row] = [r for r in compare.results(beside, "ZZ1") if r["rule"] == "appointment.local_patient_id.in_index"]
    assert (row["n_people_failed"], row["n_people_passed"]) == (5, 14)
    lake = new_lake(tmp_path)

    def same(layout, rows):
        return [row | {"LOPATID": "ZZ1999999"} if layout == "sus_outpatient" else row for row in rows]

    send(lake, small, layouts={"pas_patient": 9, "sus_outpatient": 9}, edit=same)
    compare.compare(small, lake)
    [row] = [r for r in compare.results(lake, "ZZ1") if r["rule"] == "appointment.local_patient_id.in_index"]
    assert (row["failed"], row["n_people_failed"], row["n_people_passed"]) == (9, 1, 0)


def test_an_issue_points_to_its_row_as_those_of_validation_do(beside, small):
    columns = {table: shape for stage, table, shape in fixed_shapes() if stage in ("compared", "results")}
    found = duckdb.sql(f"describe from read_parquet('{compare.issue_file(beside, 'ZZ1')}')").fetchall()
    assert [f"{name} {kind.lower()}" for name, kind, *_ in found] == [
        part.strip() for part in columns["issue"].replace("integer", "integer").split(",")
    ]
    con = lakes.opened((small, beside))
    con.execute(f"create view told as from read_parquet('{compare.issue_file(beside, 'ZZ1')}')")
    joined = """select count(*), count(*) filter (i.is_key_stable) from told as i join validated.appointment as v
                on v.file_no = i.file_no and v.line = i.line and v.record_key = i.record_key"""
    assert con.execute(joined).fetchall() == [(10, 10)]


def test_without_an_index_nothing_is_said_to_contradict_it(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small, layouts={"sus_outpatient": 8})
    compare.compare(small, lake)
    assert result(lake, "appointment.appointment_date.before_death") == (0, 0, True)
    assert result(lake, "appointment.local_patient_id.in_index") == (0, 0, True)


def test_the_newest_index_row_counts_also_when_an_earlier_one_says_otherwise(small, tmp_path):
    lake = new_lake(tmp_path)

    def dies(layout, rows):
        return [row | {"DATE_OF_DEATH": "01/09/2026"} if "DATE_OF_DEATH" in row else row for row in rows]

    send(lake, small, period="2026-08", edit=dies)
    send(lake, small, layouts={"sus_outpatient": 8})
    compare.compare(small, lake)
    assert result(lake, "appointment.appointment_date.before_death")[:2] == (8, 8)
    send(lake, small, layouts={"pas_patient": 20})
    compare.compare(small, lake)
    assert result(lake, "appointment.appointment_date.before_death")[:2] == (0, 0)


# Figures, and rules about them.


def test_a_figure_says_what_the_newest_submission_holds(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small, period="2026-08", layouts={"pas_patient": 40})
    faults = {"not_stated": 6, "not_known": 4, "blank": 3, "unrecognised": 2, "test_record": 1}
    dates = {"pas_patient": {"ETHNIC_CATEGORY_DATE": ["01/09/2026", "30/09/2026", "31/08/2026", "01/10/2026"]}}
    sent = send(lake, small, layouts={"pas_patient": 50, "sus_outpatient": 30}, faults=faults, overrides=dates, seed=3)
    compare.compare(small, lake)
    row = figure(lake)
    assert (row["kind"], row["period"], row["n_records"]) == ("trust", PERIOD, 50)
    per_file = {"n_not_stated": 6, "n_not_known": 4, "n_not_recorded": 3, "n_unrecognised": 2, "n_known": 35}
    assert {name: row[name] for name in per_file} == per_file
    assert row["share_known"] == 35 / 50 and row["share_not_stated"] == 6 / 50 and row["share_not_known"] == 4 / 50
    ill = set(sent.lines("not_known", "pas_patient")) | set(sent.lines("blank", "pas_patient"))
    ill |= set(sent.lines("unrecognised", "pas_patient"))
    assert row["n_newly_recorded"] == len({1, 2} - ill)  # a refusal is an answer; what was not asked is none
    known = [r["ETHNIC_CATEGORY"][:1] for r in sent.rows["pas_patient"]]
    most = max(known.count(letter) for letter in "ABCDHJKMNR")
    assert row["largest_value_share"] == most / 35
    assert row["n_new_people"] in (9, 10)  # one of them may be the test record
    assert row["n_seen"] in (29, 30)
    assert figure(lake, field="main_language")["n_gypsy_roma_traveller"] is None


def test_of_a_first_period_nobody_is_called_new_and_without_a_feed_nobody_is_counted_as_seen(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small)
    compare.compare(small, lake)
    assert (figure(lake)["n_new_people"], figure(lake)["n_seen"]) == (None, None)
    assert result(lake, "figure.ethnic_category.newly_recorded") == (0, 0, True)
    send(lake, small, period="2026-10", layouts={"pas_patient": 20})
    send(lake, small, layouts={"sus_outpatient": 20})  # a feed that is a month behind cannot say who was seen since
    compare.compare(small, lake)
    assert (figure(lake)["n_new_people"], figure(lake)["n_seen"]) == (0, None)
    assert figure(lake, layout="sus_outpatient")["n_seen"] == 20


def test_nothing_newly_recorded_although_people_are_new_or_were_seen(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small, period="2026-08")
    send(lake, small, layouts={"pas_patient": 30})
    compare.compare(small, lake)
    assert figure(lake)["n_new_people"] == 10
    assert result(lake, "figure.ethnic_category.newly_recorded") == (1, 1, False)
    mended = {"pas_patient": {"ETHNIC_CATEGORY_DATE": ["02/09/2026"]}}
    send(lake, small, layouts={"pas_patient": 30}, overrides=mended, name="again")
    compare.compare(small, lake)
    assert result(lake, "figure.ethnic_category.newly_recorded") == (1, 0, True)
    assert compare.results(lake, "ZZ1")[0]["arrival"] == 2


def test_one_value_for_nearly_everybody(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small, overrides={"pas_patient": {"ETHNIC_CATEGORY": ["A"] * 20}})
    compare.compare(small, lake)
    assert result(lake, "figure.ethnic_category.not_one_for_all") == (1, 1, False)
    send(lake, small, name="again", overrides={"pas_patient": {"ETHNIC_CATEGORY": ["A"] * 18 + ["B", "C"]}})
    compare.compare(small, lake)
    assert figure(lake)["largest_value_share"] == 0.9
    assert result(lake, "figure.ethnic_category.not_one_for_all") == (1, 0, True)


def gypsy_roma_traveller(standard: Standard, vocabulary: str) -> list[str]:
    """The codes of a vocabulary that mean somebody of that group, by the published classification."""
    group = standard.settings["publishing"]["watched_group"]
    codes = {r["code"] for r in standard.classifications if r["classification"] == "heritage" and r["group"] == group}
    assert codes
    found = [row for row in standard.code_maps if row["system"] == "ethnic_category" and row["code"] in codes]
    return [row["value"] for row in found if row["vocabulary"] == vocabulary]


def test_a_code_list_that_could_record_gypsy_roma_and_traveller_people_and_never_did(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small, "ZP001", layouts={"emis_patient": 30})
    send(lake, small, "ZZ1", layouts={"pas_patient": 30})
    compare.compare(small, lake)
    row, rule = figure(lake, "ZP001", "emis_patient"), "figure.ethnic_category.gypsy_roma_traveller"
    assert row["can_record_gypsy_roma_traveller"] and row["n_gypsy_roma_traveller"] == 0
    assert 0.05 < row["n_gypsy_roma_traveller_expected"] < 0.2  # of 30 people a third of a per cent
    assert result(lake, rule, "ZP001") == (1, 1, False)
    assert not figure(lake)["can_record_gypsy_roma_traveller"]  # the national letters of 2001 have no code for them
    assert result(lake, rule, "ZZ1") == (0, 0, True)
    once = {"emis_patient": {"EthnicCode": gypsy_roma_traveller(small, "emis")[:1]}}
    send(lake, small, "ZP001", "2026-10", layouts={"emis_patient": 30}, overrides=once)
    send(lake, small, "ZP001", "2026-11", layouts={"emis_patient": 30})
    compare.compare(small, lake)
    assert figure(lake, "ZP001", "emis_patient")["n_gypsy_roma_traveller"] == 1  # ever, not only this month
    assert result(lake, rule, "ZP001") == (1, 0, True)


def test_without_a_postcode_directory_nobody_is_expected(small, tmp_path):
    lake = new_lake(tmp_path, has_places=False)
    send(lake, small, "ZP001", layouts={"emis_patient": 30})
    compare.compare(small, lake)
    assert figure(lake, "ZP001", "emis_patient")["n_gypsy_roma_traveller_expected"] is None
    assert result(lake, "figure.ethnic_category.gypsy_roma_traveller", "ZP001") == (0, 0, True)
    import_postcodes(write_postcodes(tmp_path / "postcodes.csv"), lake)
    assert compare.stale(small, lake) == ["ZP001"]


def test_the_census_of_every_local_authority_is_there(small):
    con = duckdb.connect()
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    add_standard(con, small)
    lake = Lake(Path("nowhere"), Path("nowhere"))
    add_geography(con, small, lake)
    for name in ("ethnicity", "default_set", "watched_group"):
        con.execute(f"set variable {name} = ?", [small.settings["publishing"][name]])
    con.execute("create schema compared")
    for name in ("gypsy_roma_traveller", "resident"):
        run_file(con, HERE / "compared" / f"{name}.sql")
    query = """select count(*), min(r.share) > 0.0002, max(r.share) < 0.02, count(r.share)
               from (select distinct local_authority_code from standard.lsoa) left join compared.resident as r using (local_authority_code)"""
    assert con.execute(query).fetchall() == [(66, True, True, 66)]
    unknown = "select count(*) from standard.census where code not in (select code from standard.code where system = 'ethnic_category')"
    assert con.execute(unknown).fetchall() == [(0,)]


# Peers.


def not_stated(lake: Lake) -> tuple[int | None, float | None, float | None]:
    row = figure(lake)
    return row["n_peers"], row["peers_share_not_stated"], row["region_share_not_stated"]


def compared_with(lake: Lake, small: Standard, picture: str) -> tuple:
    released(lake, picture)
    compare.compare(small, lake)
    return not_stated(lake)


def test_far_above_its_peers_and_not(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small, faults={"not_stated": 10})
    assert compared_with(lake, small, peers(0.05)) == (3, 0.05, None)
    assert result(lake, "figure.ethnic_category.not_stated_like_peers") == (1, 1, False)
    assert compared_with(lake, small, peers(0.45)) == (3, 0.45, None)
    assert result(lake, "figure.ethnic_category.not_stated_like_peers") == (1, 0, True)


def test_peers_are_the_others_of_its_kind_as_the_open_release_shows_them(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small)
    assert compared_with(lake, small, peers(0.1)) == (3, 0.1, None)
    own = f"\nZZ1 {PERIOD} pas_patient ethnic_category valid 0 1000\nZZ1 {PERIOD} pas_patient ethnic_category other 1000 1000"
    assert compared_with(lake, small, peers(0.1) + own) == (3, 0.1, None)  # its own are taken off
    few = peers(0.1, others=("ZZ2", "ZZ3"))
    assert compared_with(lake, small, few) == (2, None, None)
    assert result(lake, "figure.ethnic_category.not_stated_like_peers") == (0, 0, True)
    practices = peers(0.1, others=("ZP001", "ZP002", "ZP003"))
    assert compared_with(lake, small, practices) == (0, None, None)
    hidden = peers(0.1).replace("default 0 1000", "default 0 1000 suppressed")
    assert compared_with(lake, small, hidden) == (3, 0.1, None)
    assert figure(lake)["peers_share_not_known"] is None
    other_layout = peers(0.1, layout="sus_outpatient")
    assert compared_with(lake, small, other_layout) == (0, None, None)
    assert compared_with(lake, small, "") == (0, None, None)


def test_every_peer_speaks_by_its_newest_period_that_is_no_later(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small)
    later = peers(0.9).replace(PERIOD, "2026-10")
    assert compared_with(lake, small, later) == (0, None, None)
    earlier = peers(0.2).replace(PERIOD, "2026-08")
    assert compared_with(lake, small, "\n".join([earlier, later])) == (3, 0.2, None)
    assert compared_with(lake, small, "\n".join([earlier, later, peers(0.3)])) == (3, 0.3, None)


def test_the_region_stands_beside_them(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small)
    region = (
        f"midlands {PERIOD} any ethnic_category other 250 1000\nmidlands {PERIOD} any ethnic_category valid 700 1000"
    )
    assert compared_with(lake, small, region) == (0, None, 0.25)
    assert figure(lake)["region_share_known"] == 0.7


def test_before_the_first_release_there_are_no_peers(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small)
    compare.compare(small, lake)
    assert not_stated(lake) == (0, None, None)
    assert figure(lake)["n_records"] == 20


# What is done, and when.


def test_an_empty_lake_and_one_in_which_everything_was_rejected(small, tmp_path):
    lake = new_lake(tmp_path)
    assert compare.compare(small, lake) == {"compared": 0, "unchanged": 0, "removed": 0, "issues": 0}
    assert compare.stale(small, lake) == [] and compare.results(lake, "ZZ1") == [] and compare.mark(lake, "ZZ1") == ""
    send(lake, small, faults={"header_only": True})
    send(lake, small, "ZZ2", faults={"empty_file": True})
    assert compare.compare(small, lake)["compared"] == 0
    assert made_now(lake) == {}


def test_a_file_of_which_every_record_was_set_aside_has_figures_of_nobody(small, tmp_path):
    lake = new_lake(tmp_path)
    send(lake, small, layouts={"sus_outpatient": 5}, overrides={"sus_outpatient": {"ATTENDKEY": [""] * 5}})
    compare.compare(small, lake)
    row = figure(lake, layout="sus_outpatient")
    assert (row["n_records"], row["share_known"], row["largest_value_share"]) == (0, None, None)
    assert result(lake, "appointment.local_patient_id.in_index") == (0, 0, True)


@pytest.fixture(scope="module")
def three_of_all(small, tmp_path_factory) -> Lake:
    """Two trusts and a practice, compared."""
    lake = new_lake(tmp_path_factory.mktemp("three"))
    for name in ("ZZ1", "ZZ2"):
        deliver(lake.path("landing"), name, PERIOD, {"pas_patient": 20, "sus_outpatient": 10}, {"blank": 2})
    deliver(lake.path("landing"), "ZP001", PERIOD, {"emis_patient": 10, "emis_observation": 10})
    lakes.run(small, lake)
    released(lake, peers(0.1, others=("ZZ3", "ZZ4", "ZZ5")))
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        assert compare.compare(small, lake)["compared"] == 3
    return lake


@pytest.fixture
def three(three_of_all, tmp_path) -> Lake:
    """The same, for a test that changes it."""
    shutil.copytree(three_of_all.root, tmp_path / "lake", symlinks=True)
    return Lake(tmp_path / "lake", three_of_all.keys)


def test_nothing_is_done_where_nothing_changed(small, three):
    before = lakes.written(three, "compared")
    assert len(before) == 9
    released(three, peers(0.1, others=("ZZ3", "ZZ4", "ZZ5")))  # another release that shows the same
    assert compare.compare(small, three) == {"compared": 0, "unchanged": 3, "removed": 0, "issues": 0}
    assert lakes.written(three, "compared") == before


def test_two_runs_are_equal(small, three):
    before = made_now(three)
    shutil.rmtree(three.path("compared"))
    assert compare.stale(small, three) == ["ZP001", "ZZ1", "ZZ2"]
    compare.compare(small, three)
    assert made_now(three) == before


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("a delivery", ["ZZ1"]),
        ("a delivery with more of the same", ["ZZ1"]),
        ("a rejected delivery", []),
        ("peers of trusts", ["ZZ1", "ZZ2"]),
        ("a region of trusts' field", ["ZP001", "ZZ1", "ZZ2"]),
        ("a lost file", ["ZP001"]),
        ("a damaged file", ["ZP001"]),
    ],
)
def test_only_what_changed_is_compared_again(small, three, change, again):
    if change == "a delivery":
        send(three, small, layouts={"pas_patient": 21}, name="again")
    elif change == "a delivery with more of the same":
        send(three, small, period="2026-10", layouts={"pas_patient": 20})
    elif change == "a rejected delivery":
        send(three, small, faults={"header_only": True}, name="again")
    elif change == "peers of trusts":
        released(three, peers(0.2, others=("ZZ3", "ZZ4", "ZZ5")))
    elif change == "a region of trusts' field":
        region = f"\nmidlands {PERIOD} any ethnic_category other 250 1000"
        released(three, peers(0.1, others=("ZZ3", "ZZ4", "ZZ5")) + region)
    elif change == "a lost file":
        three.provider_file("compared", "figure", "ZP001").unlink()
    else:
        three.provider_file("compared", "issue", "ZP001").write_bytes(b"PAR1 half a file")
    assert compare.stale(small, three) == again
    assert compare.compare(small, three)["compared"] == len(again)
    assert compare.stale(small, three) == []


def test_a_rule_that_changes_is_judged_again_where_it_applies(small, three, tmp_path):
    edited = RULES["appointment"].replace("mostly: 0.9", "mostly: 0.1")
    own = small_standard(tmp_path / "edited", appointment=edited)
    assert compare.stale(own, three) == ["ZZ1", "ZZ2"]
    another = RULES["figure"].replace("message: Look.", "message: Look again.")
    assert compare.stale(small_standard(tmp_path / "words", figure=another), three) == []  # words decide nothing


def test_what_left_the_standard_or_is_no_longer_in_force_is_forgotten(small, three):
    kept = {name: layout for name, layout in small.layouts.items() if name != "sus_outpatient"}
    less = dataclasses.replace(small, layouts=kept)
    assert compare.compare(less, three)["compared"] == 2
    assert {row["layout"] for row in compare.results(three, "ZZ1")} == {"pas_patient"}
    tables = small.tables | {"providers": [row for row in small.tables["providers"] if row["code"] != "ZZ2"]}
    compare.compare(dataclasses.replace(small, tables=tables), three)
    assert figure(three, "ZZ2")["kind"] is None and figure(three, "ZZ2")["n_peers"] == 0
    for table in ("patient", "characteristic", "activity"):
        for name in ("emis_patient", "emis_observation"):
            remove(three.current_file("harmonised", table, submission(f"ZP001/{PERIOD}"), name))
    assert compare.stale(small, three) == ["ZP001", "ZZ2"]
    assert compare.compare(small, three)["removed"] == 3
    assert compare.results(three, "ZP001") == []


N_WRITES = 9


def test_the_writes_that_are_cut_below_are_all_there_are(small, three, monkeypatch):
    shutil.rmtree(three.path("compared"))
    counter = Cut(os.replace, 0, False)
    monkeypatch.setattr("os.replace", counter)
    n_lines = len(ledger.entries(three))
    compare.compare(small, three)
    assert counter.calls == N_WRITES
    assert len(ledger.entries(three)) == n_lines  # nothing becomes due by it


def test_after_a_crash_anywhere_comparing_again_gives_the_same(small, three):
    released(three, peers(0.3, others=("ZZ3", "ZZ4", "ZZ5")))
    send(three, small, layouts={"pas_patient": 22}, name="again")
    whole = three.path("compared").with_name("before")
    shutil.copytree(three.path("compared"), whole)
    compare.compare(small, three)
    expected = made_now(three)
    for at in range(1, 7):  # of the two that are compared again
        shutil.rmtree(three.path("compared"))
        shutil.copytree(whole, three.path("compared"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("os.replace", Cut(os.replace, at, False))
            with pytest.raises(PowerCut):
                compare.compare(small, three)
        assert compare.stale(small, three) != []
        compare.compare(small, three)
        assert made_now(three) == expected, at
    assert list(three.path(".work").glob("*/*")) == []


def test_a_fault_of_ours_does_not_stop_the_others_and_says_no_value(small, three, monkeypatch):
    shutil.rmtree(three.path("compared"))
    real = compare.judge_beside

    def breaks(con, standard, lake, index, *rest):
        if index[0].arrival.submission.provider == "ZZ1":
            con.execute("select 'Begum 9991234567'::integer")
        return real(con, standard, lake, index, *rest)

    monkeypatch.setattr(compare, "judge_beside", breaks)
    with pytest.raises(StageCrashed, match=r"ZZ1 \(ConversionException\)") as caught:
        compare.compare(small, three)
    assert "Begum" not in str(caught.value)
    assert compare.mark(three, "ZZ2") and compare.mark(three, "ZP001") and not compare.mark(three, "ZZ1")
    monkeypatch.undo()
    lakes.hasten(monkeypatch)
    assert compare.compare(small, three)["compared"] == 1


def test_a_fault_before_any_provider_says_no_value_either(small, three, monkeypatch):
    def breaks(con, standard, lake):
        con.execute("select 'Begum 9991234567'::integer")

    monkeypatch.setattr(compare, "_work", breaks)
    with pytest.raises(engine.EngineFault) as caught:
        compare.compare(small, three)
    assert "Begum" not in str(caught.value)


def test_no_value_of_a_person_is_in_what_is_compared(beside):
    texts = [str(row) for rows in made_now(beside).values() for row in rows]
    assert texts
    con = duckdb.connect()
    source = f"read_csv('{beside.path('landing')}/*/*/*/*pas_patient*.csv', delim = '|', all_varchar = true, union_by_name = true)"
    people = con.execute(f"select PATIENT_ID, NHS_NUMBER, FAMILY_NAME, POSTCODE from {source}").fetchall()
    values = {value for row in people for value in row if value}
    assert len(values) > 30
    assert not [value for value in values if any(value in text for text in texts)]


def test_others_cannot_open_it(three):
    assert three.path("compared").stat().st_mode & 0o077 == 0


# The pages that tell of it.


@pytest.fixture
def pages(monkeypatch) -> list[str]:
    """Which pages were asked for."""
    asked: list[str] = []

    def page(item, standard, lake):
        asked.append(str(item))
        return {"pages": 1}

    monkeypatch.setitem(follow.STAGES, "feedback", page)
    return asked


def settle(lake: Lake, standard: Standard, picture: str = "") -> None:
    released(lake, picture, publish.release_fingerprint(standard, lake))


def test_a_release_is_followed_by_comparing_and_by_the_newest_page_of_each(small, three, pages):
    settle(three, small)
    send(three, small, period="2026-10")
    assert follow.is_followed(small, three)  # a release comes first
    settle(three, small)
    assert not follow.is_followed(small, three)
    assert compare.compare(small, three)["compared"] >= 1
    assert not follow.is_followed(small, three)  # no page tells of it yet
    assert follow.refresh(small, three) == {"pages": 4, "busy": 0}
    # The outpatients of ZZ1 came last in the month before: what is said of them stands on its page.
    assert pages == [f"ZP001/{PERIOD}", f"ZZ1/{PERIOD}", "ZZ1/2026-10", f"ZZ2/{PERIOD}"]
    assert follow.is_followed(small, three)
    counts = follow.follow(small, three)
    assert counts["compare"] == {"compared": 0, "unchanged": 3, "removed": 0, "issues": 0}
    assert follow.is_followed(small, three)


def test_a_page_that_is_busy_or_fails_is_asked_for_again(small, three, pages, monkeypatch):
    settle(three, small)
    compare.compare(small, three)

    def busy(item, standard, lake):
        raise ledger.Busy("elsewhere")

    def breaks(item, standard, lake):
        raise RuntimeError("Begum 9991234567")

    with monkeypatch.context() as patch:
        patch.setitem(follow.STAGES, "feedback", busy)
        assert follow.refresh(small, three) == {"pages": 0, "busy": 3}
        assert not follow.is_followed(small, three)
        patch.setitem(follow.STAGES, "feedback", breaks)
        with pytest.raises(StageCrashed, match="RuntimeError") as caught:
            follow.refresh(small, three)
    assert "Begum" not in str(caught.value)
    assert not follow.is_followed(small, three)
    follow.refresh(small, three)
    assert follow.is_followed(small, three)


def test_a_new_delivery_is_fed_back_without_waiting_for_any_of_it(small, three):
    """Comparing takes its time; what it found last stays until it has found something else."""
    before = compare.mark(three, "ZZ1")
    send(three, small, layouts={"pas_patient": 25}, name="again")
    assert compare.mark(three, "ZZ1") == before
    assert {row["arrival"] for row in compare.results(three, "ZZ1")} == {1}


def test_the_tables_have_the_columns_that_are_promised(small, three):
    shapes = {table: columns for stage, table, columns in fixed_shapes() if stage == "compared"}
    for table, columns in shapes.items():
        path = three.provider_file("compared", table, "ZZ1")
        found = duckdb.sql(f"describe from read_parquet('{path}')").fetchall()
        assert [name for name, *_ in found] == [part.split()[0] for part in columns.split(",")]
    con = connect(three)
    engine.add_views(con, three, small, "compared")
    assert con.execute("select count(distinct provider) from compared.figure").fetchone() == (3,)


def test_the_shipped_group_is_in_the_published_set(standard):
    assert gypsy_roma_traveller(standard, "ons_2021")


class Clock:
    """Stands in for `datetime` in the ledger: the day on which things arrive."""

    def __init__(self, day):
        self.day = day

    def now(self, _):
        return datetime.fromisoformat(f"{self.day}T09:00:00+00:00")


@pytest.mark.parametrize(
    ("began", "came", "days", "told"),
    [
        ("2026-10-05", "2026-10-10", 0, (1, 0, True)),  # due on the 10th (providers.csv)
        ("2026-10-05", "2026-10-13", 3, (1, 1, False)),
        ("2026-10-12", "2026-10-13", None, (0, 0, True)),  # the service began later: nothing could have come in time
    ],
)
def test_a_delivery_after_its_day_is_told(tmp_path, monkeypatch, began, came, days, told):
    shipped = (engine.HERE.parent / "expectations" / "figure.yml").read_text(encoding="utf-8")
    in_time = "- id: figure.delivery.in_time" + shipped.split("- id: figure.delivery.in_time")[1].split("\n- ")[0]
    monkeypatch.setattr(ledger, "datetime", Clock(began))
    standard, lake = small_standard(tmp_path / "standard", figure=in_time), new_lake(tmp_path)
    for day, provider, layouts in ((began, "ZZ2", {"pas_patient": 20}), (came, "ZZ1", {"pas_patient": 20, "ecds": 20})):
        monkeypatch.setattr(ledger, "datetime", Clock(day))
        send(lake, standard, provider, layouts=layouts)
    monkeypatch.setattr(ledger, "datetime", Clock("2026-10-30"))
    send(lake, standard, faults={"blank": 3}, name="correction")  # what came in time stays so
    compare.compare(standard, lake)
    for layout in ("pas_patient", "ecds"):
        assert result(lake, "figure.delivery.in_time", layout=layout) == told
        assert figure(lake, layout=layout, field="delivery")["n_days_after_due"] == days
    assert compare.stale(standard, lake) == []


def test_every_layout_can_be_late(standard):
    for rules in standard.compared_of_layout.values():
        assert "figure.delivery.in_time" in {rule.id for rule in rules}


@pytest.mark.parametrize(
    ("due_day", "period", "due"),
    [("10", "2026-12", "2027-01-10"), ("31", "2027-01", "2027-02-28"), ("", "2026-09", None)],
)
def test_files_are_due_in_the_month_after(due_day, period, due):
    found = maturity.due_on({"due_day": due_day}, period)
    assert (found and found.isoformat()) == due
