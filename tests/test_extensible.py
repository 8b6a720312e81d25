"""The table "where a newcomer adds things": each is done in a copy by touching only what it says, and all of it runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.lakes import PERIOD, add_line, replace
from tests.synthetic import deliver, write_postcodes
from transforms import keys
from transforms.lake import Lake
from transforms.standard import ROOT, load

ABSENT = """not_stated,absence,,Not stated,other,agreed,Asked and not said,invented
not_known,absence,,Not known,default,agreed,Not asked,invented
unrecognised,absence,,Not recognised,invalid,agreed,Not in a map,invented
not_recorded,absence,,Not recorded,missing,agreed,Blank,invented
"""
LAYOUT = """# What a community service sends.
title: List of people of a community service
table: patient
care_setting: community
content: snapshot
key: [local_patient_id]
format: {kind: csv, delimiter: ";"}
dates: ["%Y%m%d"]
nhs_number_traced: true
stated_by: staff
collected_how: visit
columns:
  - {column: Client, field: local_patient_id}
  - {column: Number, field: nhs_number}
  - {column: Status, field: nhs_number_status}
  - {column: Born, field: birth_date}
  - {column: Post code, field: postcode}
  - {column: Ethnicity, field: ethnic_category, vocabulary: [ons_2021]}
  - {column: Diet, field: diet, vocabulary: [diet_list]}
drop: [Notes]
"""
RULE = """
- id: patient.diet.asked
  sql: diet_code_status <> 'not_known'
  when: diet_sent is not null
  mostly: 0.9
  dimension: completeness
  topic: diet
  message: Ask people what they eat.
  why: People who cannot eat what is served stay hungry.
"""
METRIC = """# The share of outpatient appointments that people came to.
title: Outpatient appointments attended
definition: Of the appointments that took place or should have, those to which the person came.
why_it_matters: It is the other side of non-attendance.
caveats: None.
direction: higher is better
source: invented
subject: activity
denominator: kind = 'appointment' and outcome_code in ('3', '5', '6', '7')
numerator: outcome_code in ('5', '6')
date: event_date
period: rolling_12_months
breakdowns: [everyone]
places: [region]
layouts: [sus_outpatient]
"""
MART = """-- One row per characteristic: the share of people in the region of whom it is known.
select metric as characteristic, share, status as cell_status
from measure.disclosed_cell
where "table" = 'coverage' and place_kind = 'region' and breakdown = 'status' and category = 'known'
"""


def add_provider(folder: Path) -> None:
    add_line(
        folder / "standards/providers.csv",
        "ZC1,Community Service (invented),trust,community_list,QHL,monthly,10,,true,,2026-08-01,",
    )
    add_line(folder / "standards/agreements.csv", "ZC1,equity,invented,true,true,2024-11-01,,not_required")


def add_layout(folder: Path) -> None:
    (folder / "standards/layouts/community_list.yml").write_text(LAYOUT)


def add_code_system(folder: Path) -> None:
    system = folder / "standards/code_systems/diet"
    system.mkdir()
    codes = "code,kind,parent,label,vodim,status,definition,source\n"
    codes += "halal_diet,category,,Halal,valid,proposed,Eats halal food,invented\nany_diet,category,,Any food,valid,proposed,Eats anything,invented\n"
    (system / "codes.csv").write_text(codes + ABSENT)
    fields = folder / "standards/fields.csv"
    row = "patient,diet,code,optional,diet,one,,open,standard,diet,What the person eats,equity measures,invented\n"
    text = fields.read_text()
    fields.write_text(text[: text.index("appointment,")] + row + text[text.index("appointment,") :])


def add_vocabulary(folder: Path) -> None:
    rows = "value,term,code,detail,status,relation,reason,people,source\n"
    rows += "S,Halal,halal_diet,,known,exact,,,invented\nN,None,any_diet,,known,exact,,,invented\n"
    rows += "U,Unknown,,,not_known,none,not_known,,invented\n"
    (folder / "standards/code_systems/diet/from_diet_list.csv").write_text(rows)
    add_line(folder / "standards/vocabularies.csv", "diet_list,A list of diets,whole,false,,,invented")


def add_grouping(folder: Path) -> None:
    rows = "code,value,label,relation,reason,status\nhalal_diet,F,Halal food,broad,wider_than_category,proposed\n"
    rows += "any_diet,N,Any food,exact,,proposed\n"
    rows += "".join(
        f"{name},,,none,absent,agreed\n" for name in ("not_stated", "not_known", "unrecognised", "not_recorded")
    )
    (folder / "standards/code_systems/diet/to_halal_or_any.csv").write_text(rows)
    add_line(folder / "standards/code_systems/sets.csv", "diet,halal_or_any,Halal or any,ours,2026,invented")


def add_spelling(folder: Path) -> None:
    add_line(
        folder / "standards/code_systems/ethnic_category/from_national_2001.csv",
        "X7,A local code,irish,,known,narrow,joined_spelling,,invented",
    )


def add_expectation(folder: Path) -> None:
    path = folder / "expectations/patient.yml"
    path.write_text(path.read_text() + RULE)


def add_metric(folder: Path) -> None:
    (folder / "standards/metrics/outpatient_attendance.yml").write_text(METRIC)


def add_mart(folder: Path) -> None:
    (folder / "transforms/open/known_share.sql").write_text(MART)


ADDED = [
    add_provider,
    add_layout,
    add_code_system,
    add_vocabulary,
    add_grouping,
    add_spelling,
    add_expectation,
    add_metric,
    add_mart,
]


def community(landing: Path, provider: str = "ZC1") -> None:
    """60 people in the new layout: 40 who eat halal food, 8 who eat anything, 12 not asked."""
    sent = deliver(landing, provider, PERIOD, {"emis_patient": 60}, first_person=1000)
    lines = ["Client;Number;Status;Born;Post code;Ethnicity;Diet;Notes"]
    for place, person in enumerate(sent.people["emis_patient"]):
        diet = "s" if place < 40 else "N" if place < 48 else "U"
        lines.append(f"{place};{person.nhs_number};01;{person.birth_date:%Y%m%d};{person.postcode};4;{diet};free text")
    [path] = sent.path.glob("*.csv")
    path.write_text("\n".join(lines) + "\n")
    (sent.path / "_READY").touch()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Lake, str]:
    """A copy of the service with everything added, and what came out of running it."""
    folder = tmp_path_factory.mktemp("extended")
    for name in ("standards", "expectations", "transforms"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for add in ADDED:
        add(folder)
    lake = Lake(folder / "lake", folder / "keys").prepare()
    keys.initialise(lake)
    community(lake.path("landing"))
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 80, "sus_outpatient": 80}, {"unrecognised": 12})
    write_postcodes(folder / "postcodes.csv")
    environment = {
        **os.environ,
        "LAKE": str(lake.root),
        "KEYS": str(lake.keys),
        "PYTHONPATH": "",
        "PYTHONDONTWRITEBYTECODE": "",
    }
    said = ""
    for command in (
        ["postcodes", "postcodes.csv"],
        ["run", "--all"],
        ["publish"],
        ["verify"],
        ["run", "--all"],
        ["publish"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "transforms", *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        said += done.stdout
    return folder, lake, said


@pytest.fixture(scope="module")
def con(made) -> duckdb.DuckDBPyConnection:
    _, lake, _ = made
    con = duckdb.connect()
    secret = keys.load(lake, "protected").hex()
    con.execute(f"attach '{lake.path('current')}/open/open.duckdb' as open (read_only)")
    con.execute(
        f"attach '{lake.path('current')}/protected/protected.duckdb' as protected (read_only, encryption_key '{secret}')"
    )
    return con


def test_a_provider_is_a_row(con):
    assert con.execute("select name, kind from open.provider where provider = 'ZC1'").fetchone() == (
        "Community Service (invented)",
        "trust",
    )
    assert con.execute("select count(*) > 0 from open.rule_score where provider = 'ZC1'").fetchone() == (True,)


def test_a_layout_is_a_file(con, made):
    assert con.execute("select count(*) from protected.person where n_records = 1").fetchone()[0] >= 60
    found = con.execute("""select code, count(*) from protected.characteristic_record
                           where layout = 'community_list' and characteristic = 'ethnic_category' group by 1""").fetchall()
    assert found == [("pakistani", 60)]  # 4 in the vocabulary that the layout declares
    bronze = next(made[1].path("bronze", "community_list").rglob("*.parquet"))
    names = [
        row[0] for row in duckdb.sql(f"describe from read_parquet('{bronze}', hive_partitioning = false)").fetchall()
    ]
    assert "Notes" not in names


def test_a_code_system_is_a_folder_and_a_row_in_fields(con):
    found = con.execute(
        "select status, code, count(*) from protected.person_characteristic where characteristic = 'diet' group by all order by all"
    )
    assert found.fetchall() == [
        ("known", "any_diet", 8),
        ("known", "halal_diet", 40),
        ("not_collected", None, 80),
        ("not_known", None, 12),
    ]
    assert con.execute("select count(*) from open.coverage where characteristic = 'diet'").fetchone()[0] > 0
    assert con.execute("select label from open.code where system = 'diet' and code = 'halal_diet'").fetchone() == (
        "Halal",
    )


def test_a_grouping_is_a_file(con):
    query = "select label, title from open.label where label_set = 'halal_or_any' and code = 'halal_diet'"
    assert con.execute(query).fetchone() == ("Halal food", "Halal or any")


def test_a_metric_and_a_mart_appear_on_the_pages_and_in_the_dictionary_by_themselves(con, made):
    site = made[1].path("current", "site")
    value = con.execute("select value from open.metric_value where metric = 'outpatient_attendance'").fetchone()[0]
    page = (site / "metrics" / "outpatient_attendance.html").read_text(encoding="utf-8")
    assert "Outpatient appointments attended" in page and f",{value}," in page
    assert 'href="outpatient_attendance.html"' in (site / "metrics" / "index.html").read_text(encoding="utf-8")
    assert 'id="open-known_share"' in (site / "dictionary.html").read_text(encoding="utf-8")


def test_a_spelling_is_a_row(con):
    assert con.execute(
        "select count(*) from protected.code_map_gap where provider = 'ZZ1' and value = 'X7'"
    ).fetchone() == (0,)
    query = "select count(*) from protected.characteristic_record where provider = 'ZZ1' and status = 'unrecognised'"
    assert con.execute(query).fetchone() == (0,)


def test_an_expectation_appears_on_scorecards_by_itself(con, made):
    # 12 of 60 were not asked: 10 of 60, rounded.
    query = "select n_failed, n_checked, message from open.rule_score where rule = 'patient.diet.asked' and provider = 'ZC1'"
    assert con.execute(query).fetchone() == (10, 60, "Ask people what they eat.")
    page = made[1].path("provider", "ZC1", PERIOD, "index.html").read_text()
    assert "Ask people what they eat." in page
    facts = json.loads(made[1].path("provider", "ZC1", PERIOD, "scorecard.json").read_text())
    assert facts


def test_a_metric_is_a_file(con):
    query = "select numerator, denominator from open.metric_value where metric = 'outpatient_attendance'"
    assert con.execute(query).fetchone() == (70, 80)
    assert con.execute("select title from open.metric where metric = 'outpatient_attendance'").fetchone() == (
        "Outpatient appointments attended",
    )


def test_a_mart_is_a_sql_file(con, made):
    assert con.execute("select count(*) > 3 from open.known_share").fetchone() == (True,)
    comment = con.execute("select comment from duckdb_tables() where table_name = 'known_share'").fetchone()[0]
    assert comment.startswith("One row per characteristic")
    assert made[1].path("open", "known_share.csv").exists()


def test_it_runs_once_and_then_there_is_nothing_to_do(made):
    _, _, said = made
    assert "tables are what was published" in said
    assert said.count("nothing to do") == 2


def test_nothing_but_what_the_table_says_was_touched(made):
    folder, _, _ = made
    changed = set()
    for name in ("standards", "expectations", "transforms"):
        for path in (folder / name).rglob("*"):
            relative = path.relative_to(folder)
            if path.is_file() and "__pycache__" not in path.parts:
                original = ROOT / relative
                if not original.exists() or original.read_bytes() != path.read_bytes():
                    changed.add(str(relative))
    assert not [name for name in changed if name.endswith(".py") or name.startswith("dags")]
    assert [name for name in changed if name.endswith(".sql")] == ["transforms/open/known_share.sql"]


def test_what_is_forgotten_is_named(tmp_path):
    """A provider without its layout, and a code system without its folder."""
    from tests.lakes import copied_standard
    from transforms.faults import Faults

    copy = copied_standard(tmp_path)
    add_provider(copy)
    replace(
        copy / "standards/fields.csv",
        "patient,is_carer,code,expected,is_carer",
        "patient,is_carer,code,expected,carers",
    )
    with pytest.raises(Faults) as caught:
        load(copy)
    text = str(caught.value)
    assert re.search(r"providers\.csv:\d+: layout 'community_list' is not known", text)
    assert "code system 'carers' has no folder" in text


def test_a_word_is_a_row(tmp_path):
    """A label that the wording checks refuse, and the row that makes it innocent."""
    from tests.lakes import copied_standard
    from transforms.faults import Faults

    copy = copied_standard(tmp_path)
    add_code_system(copy)
    replace(copy / "standards/code_systems/diet/codes.csv", "Any food", "Menu of White Lodge")
    with pytest.raises(Faults, match="label 'Menu of White Lodge' uses a colour word of people: 'white'"):
        load(copy)
    add_line(copy / "standards/wording.csv", "colour,innocent,White Lodge,A house")
    assert load(copy)
