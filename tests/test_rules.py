"""expectations/: every rule that was written by hand, with a row that breaks it and one that keeps it; and what rules may be.

The rows stand in rule_examples.txt as `column=value`; a rule that is written once for many tables or fields stands there once,
and is tried in each of them.
"""

import dataclasses
import re
import shlex
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import duckdb
import pytest
import yaml

from tests import lakes
from tests.synthetic import deliver
from tests.test_standard import EXPECTATIONS, faults, rule, short, short_copy  # noqa: F401  the last two are fixtures
from transforms import duckdb_expectations, engine
from transforms.arrivals import Arrival, File
from transforms.crosscheck_rules import FIGURES, HISTORY, judged_columns
from transforms.lake import Submission
from transforms.rules import DIMENSIONS, Rule
from transforms.shape import typed_rows
from transforms.standard import ROOT, Standard, load

USUAL = {
    "provider": "ZZ1",
    "is_demo": "false",
    "is_repeated": "false",
    "received_on": "2026-10-05",
    "period_start": "2026-09-01",
    "period_end": "2026-09-30",
    "has_index": "true",
}
EXAMPLES = ROOT / "tests" / "rule_examples.txt"
# Rows of which a rule says nothing, where that is the point: few people, few peers, nobody whose dates could be compared.
SILENT = r"""
figure.{field}.known_below_peers: n_records=50 n_peers=2 share_known=0 peers_share_known=0.8
figure.delivery.in_time: n_records=100
figure.{field}.filled_at_all: n_records=19 n_not_recorded=19
figure.{field}.newly_recorded: n_newly_recorded=0 n_new_people=49 n_seen=49
figure.{field}.gypsy_roma_traveller_recorded: can_record_gypsy_roma_traveller=true n_gypsy_roma_traveller=0 n_gypsy_roma_traveller_expected=9.9
{table}.local_patient_id.in_index: local_patient_id=7 has_index=false
{table}.{event}.not_after_death: {event}=2026-09-03
{table}.sex.as_in_index: sex_code=male patient.sex_code=indeterminate
{table}.nhs_number.one_per_local_id: nhs_number=0000000000 one_nhs_number_per_local_patient_id=false
patient.is_young_carer.under_18: is_young_carer_code=young_carer
patient.is_carer.old_enough: is_carer_code_status=known is_carer_code=carer birth_date=2026-10-01
"""
by_hand = [item for item in load().rules if item.path.stem != "derived"]
Row = dict[str, str]


def examples(text: str) -> dict[str, list[Row]]:
    """Rule -> its rows; what is written for many is said for each."""
    words = yaml.safe_load((ROOT / "expectations" / "shared.yml").read_text(encoding="utf-8"))["words"]
    shared = {item.id for item in by_hand if item.path.stem in ("shared", "figure")}
    found: dict[str, list[Row]] = {}
    for line in filter(None, text.splitlines()):
        said = [line]
        if "{field}" in line:
            said = [line.replace("{field}", name) for name in load().characteristics()]
        elif "{table}" in line:
            said = [_filled(line, table, its) for table, its in words.items()]
        for item in said:
            name, _, rows = item.partition(": ")
            if item == line or name in shared:
                found.setdefault(name, []).extend(_row(row, name) for row in rows.split(" | "))
    return found


def pairs() -> dict[str, list[Row]]:
    """Rule -> the row that breaks it, and the one that keeps it."""
    lines = [line for line in EXAMPLES.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    written = []
    for name, broken, kept in zip(*[iter(lines)] * 3, strict=True):
        assert broken.startswith("    breaks ") and kept.startswith("    keeps  "), name
        written.append(f"{name}: {broken.removeprefix('    breaks ')} | {kept.removeprefix('    keeps  ')}")
    return examples("\n".join(written))


def _filled(line: str, table: str, words: Row) -> str:
    for name, word in {"table": table, **words}.items():
        line = line.replace("{" + name + "}", word)
    return line


def _row(text: str, name: str) -> Row:
    row = dict(item.split("=", 1) for item in shlex.split(text))
    return row | ({"field": name.split(".")[1]} if name.startswith("figure.") else {})


@cache
def connection() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute((ROOT / "transforms" / "macros.sql").read_text(encoding="utf-8"))
    con.execute("set variable inner_pad = ''::blob; set variable outer_pad = ''::blob")
    return con


def verdict(item: Rule, row: Row) -> bool | None:
    """What a rule's own predicate says of one row that has every column which the rule may name."""
    if item.scope == "peers":
        kinds = dict(FIGURES)
    else:
        kinds = judged_columns(load().fields_of(item.table)) | HISTORY
        kinds |= {item.one_column: "boolean"} if item.one_per else {}
    index = judged_columns(load().fields_of("patient"))
    said = {name: value for name, value in {**USUAL, **row}.items() if value != "null"}
    unknown = {name for name in row if name not in kinds and name.removeprefix("patient.") not in index}
    assert not unknown, unknown
    words = set(re.findall(r"\w+", item.predicate))
    columns = [f"{_cell(said.get(name), kind)} as {name}" for name, kind in kinds.items() if name in words] or [
        "1 as n"
    ]
    if item.scope == "history":
        beside = {name.removeprefix("patient."): value for name, value in said.items() if name.startswith("patient.")}
        index = {name: kind for name, kind in index.items() if name in words}
        packed = ", ".join(f"{name} := {_cell(beside.get(name), kind)}" for name, kind in index.items())
        columns.append(f"{f'struct_pack({packed})' if beside else 'null::struct(' + _kinds(index) + ')'} as patient")
    return connection().execute(f"select {item.predicate} from (select {', '.join(columns)})").fetchone()[0]


def _cell(value: str | None, kind: str) -> str:
    return f"null::{kind}" if value is None else f"'{value.replace(chr(39), chr(39) * 2)}'::{kind}"


def _kinds(columns: Row) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


PAIRS = pairs()


def test_every_rule_that_was_written_by_hand_has_its_two_rows():
    assert sorted(PAIRS) == sorted(item.id for item in by_hand)
    assert {len(rows) for rows in PAIRS.values()} == {2}


@pytest.mark.parametrize("item", by_hand, ids=lambda item: item.id)
def test_a_row_breaks_the_rule_and_another_keeps_it(item):
    broken, kept = PAIRS[item.id]
    assert verdict(item, broken) is False
    assert verdict(item, kept) is True


@pytest.mark.parametrize(("name", "rows"), examples(SILENT).items(), ids=str)
def test_a_rule_says_nothing_where_it_does_not_apply(name, rows):
    [item] = [item for item in by_hand if item.id == name]
    assert [verdict(item, row) for row in rows] == [None] * len(rows)


def test_a_row_of_nulls_is_only_told_what_is_missing():
    """Except for what must be there, a rule has nothing to say of a row in which nothing stands."""
    told = {
        item.id for item in by_hand if verdict(item, {} if item.scope == "peers" else {"has_index": "false"}) is False
    }
    completeness = {item.id for item in by_hand if item.dimension == "completeness"}
    assert told <= completeness


# What is shipped.


def test_there_are_rules_enough_in_all_dimensions_and_tables():
    assert len({(item.path.name, item.line) for item in by_hand}) >= 90, "a template counts once"
    assert {item.dimension for item in by_hand} == set(DIMENSIONS)
    counted = Counter(item.table for item in by_hand)
    assert set(counted) == {row["table"] for row in load().tables["fields"]} | {"figure"}
    assert {item.scope for item in by_hand} == {"submission", "history", "peers"}
    assert {item.severity for item in by_hand} == {"critical", "warning", "info", "trial"}
    assert {item.severity for item in by_hand if "MHSDS" in item.source}, "national rules that fit"


def test_every_rule_has_words_a_reason_and_somebody_who_can_act():
    for item in load().rules:
        assert item.message.endswith(".") and item.why.endswith("."), item.id
        assert not re.search(r"\{[a-z_]+\}", item.message + item.why + item.predicate), item.id
        assert item.responsibility in ("provider", "us"), item.id
        assert 0 < item.mostly <= 1, item.id


def test_no_rule_about_people_with_bad_records_rejects_them_and_national_ones_never_do():
    for item in load().rules:
        if item.source:
            assert item.rejects == "nothing", item.id


def test_no_two_rules_say_the_same():
    said = defaultdict(list)
    for item in load().rules:
        said[item.table, item.scope, item.message].append(item.id)
    assert [ids for ids in said.values() if len(ids) > 1 and not ids[0].startswith("figure.")] == []


def test_every_rule_binds_to_a_layout_that_is_shipped():
    standard = load()
    bound = {item.id for rules in standard.rules_of_layout.values() for item in rules}
    bound |= {item.id for rules in standard.compared_of_layout.values() for item in rules}
    assert [item.id for item in by_hand if item.id not in bound] == []


def test_a_weight_is_given_to_every_severity_and_none_to_trial():
    weights = load().settings["scorecard"]["weights"]
    assert weights["trial"] == 0 and all(weights[item.severity] > 0 for item in by_hand if item.severity != "trial")


# Scopes.


def test_rules_of_history_and_peers_are_given_to_the_layouts_that_can_be_judged():
    standard = load()
    history = {item.id for item in standard.compared_rules("history", "sus_outpatient", "2026-09")}
    assert "appointment.appointment_date.not_after_death" in history
    assert not any(item.scope != "submission" for rules in standard.rules_of_layout.values() for item in rules)
    assert standard.compared_rules("history", "pas_patient", "2026-09") == ()
    peers = {item.id for item in standard.compared_rules("peers", "sus_outpatient", "2026-09")}
    assert "figure.ethnic_category.not_stated_above_peers" in peers
    assert not any(".main_language." in name for name in peers), "the feed has no language"
    coded = {item.id for item in standard.compared_rules("peers", "emis_observation", "2026-09")}
    assert "figure.main_language.newly_recorded" in coded, "its codes state it, in no column of its own"
    assert standard.compared_rules("peers", "nobody", "2026-09") == ()


OF_FIGURE = "sql: share_known > 0\n  scope: peers"
SPOILED = {
    "a rule without a reason": (lambda folder: _without_why(folder), "key 'why' is missing", ""),
    "a cause that is not known": (
        rule("patient.sex.form", "sql: sex is not null\n  follows: [patient.sexx.present]"),
        "follows 'patient.sexx.present', which is not known",
        "",
    ),
    "a cause in another table": (
        rule("patient.sex.form", "sql: sex is not null\n  follows: [appointment.sex.recognised]"),
        "follows 'appointment.sex.recognised', which is about another table",
        "a cause fails on the same row",
    ),
    "a rule that follows itself": (
        rule("patient.sex.form", "sql: sex is not null\n  follows: [patient.sex.form]"),
        "rule 'patient.sex.form' follows itself",
        "take one `follows:`",
    ),
    "a circle of three": (
        lambda folder: [
            rule("patient.sex.a", "sql: length(sex) > 1\n  follows: [patient.sex.b]")(folder),
            rule("patient.sex.b", "sql: length(sex) > 2\n  follows: [patient.sex.c]")(folder),
            rule("patient.sex.c", "sql: length(sex) > 3\n  follows: [patient.sex.a]")(folder),
        ][-1],
        "rule 'patient.sex.c' follows itself",
        "take one `follows:`",
    ),
    "causes that are no list": (
        rule("patient.sex.form", "sql: sex is not null\n  follows: patient.sex.recognised"),
        "`follows:` is no list",
        "",
    ),
    "a rule of history that rejects": (
        rule("patient.sex.form", "sql: sex is not null\n  scope: history\n  rejects: record"),
        "a rule of scope history may not reject a record",
        "rejects: nothing",
    ),
    "a rule of history that names no field of the index": (
        rule("patient.sex.form", "sql: sex = patient.sexx\n  scope: history"),
        "does not compile",
        "patient.<field>",
    ),
    "a rule of one file that names the index": (
        rule("patient.sex.form", "sql: sex = patient.sex"),
        "rule 'patient.sex.form' does not compile",
        "",
    ),
    "a rule of peers in a table of records": (
        rule("patient.sex.form", OF_FIGURE),
        "table 'patient' is not known to a rule of scope peers",
        "figure",
    ),
    "a rule of one file about figures": (
        rule("figure.sex.form", "sql: share_known > 0", name="figure"),
        "table 'figure' is not known",
        "one of patient",
    ),
    "a figure that there is not": (
        rule("figure.sex.form", "sql: share_knwn > 0\n  scope: peers", name="figure"),
        "does not compile",
        "columns of a figure",
    ),
    "one_per without a key": (
        rule("patient.sex.one", "one_per: {of: sex}"),
        "`one_per:` needs `key` and `of`",
        "one_per: {key: field, of: field}",
    ),
    "one_per of a field that there is not": (
        rule("patient.sex.one", "one_per: {key: local_patient_id, of: sexx}"),
        "rule 'patient.sex.one' does not compile",
        "",
    ),
    "one_per and a predicate": (
        rule("patient.sex.one", "one_per: {key: local_patient_id, of: sex}\n  sql: sex is not null"),
        "a rule needs either `expect:` or `sql:` or `one_per:`",
        "",
    ),
    "one_per afterwards": (
        rule("patient.sex.one", "one_per: {key: local_patient_id, of: sex}\n  scope: history"),
        "`one_per:` is about the rows of one file",
        "",
    ),
    "a status that there is not": (
        rule("patient.sex.form", "sql: sex is not null\n  about_status: blank"),
        "about_status 'blank' is not known",
        "one of missing",
    ),
    "a template for no field": (
        lambda folder: _add(folder, "derived", "- {claim: odd, for: {type: [dates]}, sql: '{field} is null'}"),
        "template 'odd' fits no field",
        "",
    ),
    "a template by a column that there is not": (
        lambda folder: _add(folder, "derived", "- {claim: odd, for: {typ: [date]}, sql: '{field} is null'}"),
        "'typ' is no column of fields.csv",
        "did you mean 'type'?",
    ),
    "a template that says why for a field that there is not": (
        lambda folder: _add(
            folder,
            "derived",
            "- {claim: odd, for: {type: [date]}, sql: '{field} is null', why_for: {birth_dat: Because.}}",
        ),
        "'birth_dat' is no field of fields.csv",
        "did you mean 'birth_date'?",
    ),
    "a template for nothing": (
        lambda folder: _add(folder, "derived", "- {claim: odd, sql: '{field} is null'}"),
        "a template needs `claim:` and `for:`",
        "",
    ),
    "a shared rule for a table without words": (
        lambda folder: _add(folder, "shared", "  - {claim: sex.odd, tables: [apointment], sql: sex is null}"),
        "table 'apointment' has no words",
        "did you mean 'appointment'?",
    ),
    "a shared rule for no table": (
        lambda folder: _add(folder, "shared", "  - {claim: sex.odd, sql: sex is null}"),
        "a shared rule needs `claim:` and `tables:`",
        "",
    ),
}


def _add(folder: Path, name: str, line: str) -> str:
    path = folder / "expectations" / f"{name}.yml"
    text = path.read_text(encoding="utf-8").rstrip() + "\n" + line + "\n"
    path.write_text(text, encoding="utf-8")
    return f"expectations/{name}.yml:{text.count(chr(10))}"


def _without_why(folder: Path) -> str:
    where = rule("patient.sex.form", "sql: sex is not null")(folder)
    path = folder / "expectations" / "patient.yml"
    path.write_text(path.read_text(encoding="utf-8").removesuffix("  why: A reason.\n"), encoding="utf-8")
    return where


@pytest.mark.parametrize("what", SPOILED)
def test_a_rule_that_cannot_be_is_refused_with_where_what_and_what_to_do(short_copy, what):  # noqa: F811
    spoil, said, hint = SPOILED[what]
    where = spoil(short_copy)
    found = [fault for fault in faults(short_copy) if said in fault.what]
    assert found, what
    assert where in {fault.where for fault in found}
    assert all(fault.hint for fault in found) and any(hint in fault.hint for fault in found)


# One value for each key.


@pytest.fixture
def divided(tmp_path):
    """Judges rows of an outpatient feed in plain text by rules that say `one_per`."""

    def judge(rows: str, *rules: Rule, layout: str = "sus_outpatient") -> list[dict]:
        standard = load()
        con = connection()
        lines = [dict(item.split("=", 1) for item in shlex.split(row)) for row in rows.strip().splitlines()]
        names = list(dict.fromkeys(name for line in lines for name in line))
        engine.add_table(con, "sent", [{name: line.get(name) for name in names} for line in lines])
        path = tmp_path / "bronze.parquet"
        con.execute(f"copy sent to '{path}' (format parquet)")
        mapped = "meaning_no integer, field varchar, value varchar, code varchar, status varchar, valid_from date, valid_to date"
        con.execute(f"create or replace table resolved ({mapped})")
        file = File(1, layout, "a" * 64, 1, True)
        arrival = Arrival(Submission("ZZ1", "2026-09"), 1, 1, "2026-10-05", "one", (file,))
        query = typed_rows(con, standard, arrival, file, path, rules)
        columns = ", ".join(f"{item.predicate} as rule_{place}" for place, item in enumerate(rules))
        said = con.execute(f"select is_repeated, {columns} from ({query}) order by line")
        return [dict(zip(("is_repeated", *range(len(rules))), row, strict=True)) for row in said.fetchall()]

    return judge


def named(name: str) -> Rule:
    return next(item for item in load().rules if item.id == name)


def test_rows_of_one_key_have_one_value_and_blank_ones_say_nothing(divided):
    rows = """
        ATTENDKEY=1 LOPATID=7 DOB=1980-03-05
        ATTENDKEY=2 LOPATID=7 DOB=1980-05-03
        ATTENDKEY=3 LOPATID=8 DOB=1980-03-05
        ATTENDKEY=4 LOPATID=8 DOB=19800305
        ATTENDKEY=5 LOPATID=9
        ATTENDKEY=6 DOB=1980-03-05
        ATTENDKEY=7 LOPATID=' 7 ' DOB=1980-03-05
        ATTENDKEY=8 LOPATID=8 DOB=soon
    """
    found = [row[0] for row in divided(rows, named("appointment.birth_date.one_per_local_id"))]
    assert found == [False, False, True, True, None, None, False, None]


def test_several_rules_over_two_keys_are_judged_together(divided):
    rows = """
        ATTENDKEY=1 LOPATID=7 NEWNHSNO=9434765919 DOB=1980-03-05
        ATTENDKEY=2 LOPATID=8 NEWNHSNO='943 476 5919' DOB=1980-03-05
        ATTENDKEY=3 LOPATID=9 NEWNHSNO=9434765919 DOB=1980-03-05
        ATTENDKEY=4 LOPATID=9 NEWNHSNO=9434765870 DOB=1980-03-05
        ATTENDKEY=5 LOPATID=5 NEWNHSNO=0000000000 DOB=1990-03-05
        ATTENDKEY=6 LOPATID=6 NEWNHSNO=0000000000 DOB=1991-03-05
    """
    claims = ("local_patient_id.one_per_nhs_number", "nhs_number.one_per_local_id", "birth_date.one_per_local_id")
    rules = [named(f"appointment.{name}") for name in claims]
    found = divided(rows, *rules)
    assert [row[0] for row in found] == [False, False, False, True, None, None]  # a placeholder is nobody's number
    assert [row[1] for row in found] == [True, True, False, False, None, None]
    assert [row[2] for row in found] == [True] * 6


def test_a_key_of_the_file_is_looked_at_only_where_it_stands_twice(divided):
    rows = """
        PATIENT_ID=7 DATE_OF_BIRTH=05/03/1980
        PATIENT_ID='7 ' DATE_OF_BIRTH=06/03/1980
        PATIENT_ID=8 DATE_OF_BIRTH=05/03/1980
    """
    found = divided(rows, named("patient.birth_date.one_per_local_id"), layout="pas_patient")
    assert [row[0] for row in found] == [False, False, True]
    assert [row["is_repeated"] for row in found] == [True, True, False], "a space does not make another identifier"


def test_a_file_without_the_column_or_without_rows_breaks_nothing(divided):
    rule_ = named("appointment.birth_date.one_per_local_id")
    assert [row[0] for row in divided("ATTENDKEY=1 LOPATID=7\nATTENDKEY=2 LOPATID=7", rule_)] == [None, None]
    assert [row[0] for row in divided("DOB=1980-03-05\nDOB=1981-03-05", rule_)] == [None, None]


def test_great_expectations_judges_a_rule_of_one_value_like_any_other():
    item = named("appointment.birth_date.one_per_local_id")
    con = duckdb.connect()
    con.execute("create table shaped as select i > 1 as rule_001 from range(10) t(i)")
    found = duckdb_expectations.judge(con, (item,), {item.id: "rule_001"}, {item.id: (10, 2)})
    assert found == {item.id: False}


# What a rule says of itself.


def test_a_rule_describes_itself_in_text_for_tables():
    told = named("appointment.birth_date.one_per_local_id").describe()
    assert told["follows"] == "appointment.appointment_id.unique" and told["one_per"] == "local_patient_id birth_date"
    kinds = {type(value) for value in told.values()}
    assert kinds <= {str, float}


def test_rules_of_two_scopes_may_say_the_same_of_different_rows():
    item = named("patient.sex.asked")
    assert dataclasses.replace(item, scope="history").identity != item.identity


def test_issues_say_whether_their_key_will_be_found_again(tmp_path, monkeypatch):
    lakes.hasten(monkeypatch)
    lake, standard = lakes.new_lake(tmp_path), load()
    deliver(lake.path("landing"), "ZP001", lakes.PERIOD, {"emis_patient": 6}, {"missing_key": 2, "unrecognised": 2})
    lakes.run(standard, lake, ("ingest", "validate"))
    con = duckdb.connect()
    engine.add_views(con, lake, standard, "results")
    found = con.execute("select rule, bool_and(is_key_stable), bool_or(is_key_stable) from results.issue group by rule")
    said = {name.split(".", 1)[1]: told for name, *told in found.fetchall()}
    assert said["local_patient_id.present"] == [False, False] and said["ethnic_category.recognised"] == [True, True]
    [kind] = con.execute(
        "select column_type from (describe results.issue) where column_name = 'is_key_stable'"
    ).fetchone()
    assert kind == "BOOLEAN"


@pytest.mark.parametrize("path", EXPECTATIONS, ids=lambda path: path.name)
def test_words_are_for_tired_people(path):
    """No abbreviation that nobody has heard of, no shouting, no sentence that never ends."""
    for item in [*load().rules, *load().contracts]:
        if item.path == path:
            assert len(item.message) <= 200, item.id
            assert not re.search(r"\b(null|regex|boolean|varchar|NULL)\b", item.message), item.id


def test_the_standard_is_what_it_was_when_it_is_loaded_again():
    standard: Standard = load()
    assert [item.id for item in standard.rules] == [item.id for item in load().rules]
