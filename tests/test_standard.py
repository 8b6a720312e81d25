"""standard.py, crosscheck.py, rules.py: what loads is consistent; what is not is refused, every fault named at once."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import yaml

from tests.lakes import add_line, copied_standard, replace
from transforms.faults import Fault, Faults
from transforms.standard import ROOT, load

EXPECTATIONS = sorted((ROOT / "expectations").glob("*.yml"))
LAYOUTS = sorted((ROOT / "standards" / "layouts").glob("*.yml"))
CODES = "standards/code_systems/ethnic_category"
RULE = """
- id: {id}
  {what}
  dimension: validity
  topic: identity
  message: A sentence.
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copied_standard(tmp_path)


def faults(folder: Path) -> list[Fault]:
    """What loading says is wrong."""
    with pytest.raises(Faults) as caught:
        load(folder)
    assert str(caught.value).endswith(f"{len(caught.value.found)} fault(s) in the standard. Nothing was run.")
    return caught.value.found


def change(name: str, old: str, new: str) -> Callable[[Path], str]:
    """Replace a text in a file; gives `file:line`."""
    return lambda folder: f"{name}:{replace(folder / name, old, new)}"


def add(name: str, line: str) -> Callable[[Path], str]:
    """Add a line to a file; gives `file:line`."""
    return lambda folder: f"{name}:{add_line(folder / name, line)}"


def rule(id: str, what: str, name: str = "patient") -> Callable[[Path], str]:
    """Add a rule to a table's file; gives `file:line`."""

    def make(folder: Path) -> str:
        path = folder / "expectations" / f"{name}.yml"
        text = path.read_text(encoding="utf-8") if path.exists() else "# A new table.\n"
        path.write_text(text + RULE.format(id=id, what=what), encoding="utf-8")
        return f"expectations/{name}.yml:{text.count(chr(10)) + 2}"

    return make


def _two_lines_on(where: str) -> str:
    name, _, line = where.partition(":")
    return f"{name}:{int(line) + 2}"


def drop_file(name: str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        (folder / name).unlink()
        return name

    return make


PAS = "standards/layouts/pas_patient.yml"
METRIC = "standards/metrics/outpatient_non_attendance.yml"
# (what is done, what the fault says, what the hint says)
SPOILED = {
    # fields.csv
    "a field's type": (
        change("standards/fields.csv", "patient,birth_date,date,", "patient,birth_date,dat,"),
        "type 'dat' is not known",
        "did you mean 'date'?",
    ),
    "a field's requirement": (
        change("standards/fields.csv", "patient,nhs_number,nhs_number,expected", "patient,nhs_number,nhs_number,wanted"),
        "requirement 'wanted' is not known",
        "",
    ),
    "a code system without a folder": (
        change("standards/fields.csv", "patient,is_carer,code,expected,is_carer", "patient,is_carer,code,expected,is_caring"),
        "code system 'is_caring' has no folder",
        "did you mean 'is_carer'?",
    ),
    "a coded field without a system": (
        change("standards/fields.csv", "patient,is_carer,code,expected,is_carer", "patient,is_carer,code,expected,"),
        "type code and a code_system go together",
        "",
    ),
    "a field twice": (
        add("standards/fields.csv", "patient,postcode,postcode,expected,,identifiable,place,A place,use,source"),
        "field 'postcode' is here twice (line",
        "",
    ),
    "a row with too few values": (
        add("standards/fields.csv", "patient,shoe_size,text"),
        "this row has 3 values, the header has 10",
        "put quotation marks around a value that holds a comma",
    ),
    "a column's name": (
        change("standards/fields.csv", "table,field,type,requirement", "table,field,typ,requirement"),
        "column 'type' is missing",
        "did you mean 'typ'?",
    ),
    "a missing file": (drop_file("standards/agreements.csv"), "this file is missing", ""),
    # layouts
    "a field of a layout": (
        change(PAS, "field: ethnic_category,", "field: ethnic_categry,"),
        "field 'ethnic_categry' is not in fields.csv",
        "did you mean 'ethnic_category'?",
    ),
    "a table of a layout": (
        change(PAS, "table: patient", "table: patients"),
        "table 'patients' is not in fields.csv",
        "did you mean 'patient'?",
    ),
    "a vocabulary of a layout": (
        change(PAS, "vocabulary: [national_2001]", "vocabulary: [national_2011]"),
        "vocabulary 'national_2011' is not in vocabularies.csv",
        "did you mean 'national_2001'?",
    ),
    "a vocabulary that has no map for the field": (
        change(PAS, "vocabulary: [national_2001]", "vocabulary: [yes_no]"),
        "vocabulary 'yes_no' has no file code_systems/ethnic_category/from_yes_no.csv",
        "",
    ),
    "a coded column without a vocabulary": (
        change(PAS, "vocabulary: [national_2001], ", ""),
        "field 'ethnic_category' is coded: say which vocabulary the column uses",
        "",
    ),
    "a key of a layout": (
        change(PAS, "stated_by: inherited", "statedby: inherited"),
        "key 'statedby' is not known",
        "did you mean 'stated_by'?",
    ),
    "a key field without a column": (
        change(PAS, "key: [local_patient_id]", "key: [local_patientid]"),
        "key field 'local_patientid' has no column",
        "did you mean 'local_patient_id'?",
    ),
    "a mandatory field without a column": (
        change(PAS, "columns:\n  - {column: PATIENT_ID, field: local_patient_id}\n", "columns:\n"),
        "no column gives the mandatory field 'local_patient_id'",
        "",
    ),
    "the content of a layout": (
        change(PAS, "content: snapshot", "content: snapshots"),
        "content 'snapshots' is not known",
        "snapshot, events, cumulative",
    ),
    "a care setting": (
        change(PAS, "care_setting: patient_index", "care_setting: patients_index"),
        "care_setting 'patients_index' is not in resolution.yml",
        "did you mean 'patient_index'?",
    ),
    "a characteristic that codes state": (
        change("standards/layouts/emis_observation.yml", "characteristic: is_carer", "characteristic: is_carrer"),
        "characteristic 'is_carrer' is not known",
        "did you mean 'is_carer'?",
    ),
    # code systems
    "a map's target": (
        add(f"{CODES}/from_ons_2021.csv", "88,Invented,pakistany,,known,exact,,,invented"),
        "code 'pakistany' is not in codes.csv",
        "did you mean 'pakistani'?",
    ),
    "a map's detail": (
        add(f"{CODES}/from_ons_2021.csv", "88,Invented,african,somalian,known,exact,,,invented"),
        "detail 'somalian' is not in details.csv",
        "did you mean 'somali'?",
    ),
    "a value twice": (
        add(f"{CODES}/from_national_2001.csv", "a ,Again,british,,known,exact,,,invented"),
        "value 'A' is here twice (line 2)",
        "",
    ),
    "a map's status": (
        add(f"{CODES}/from_ons_2021.csv", "88,Invented,,,refused,none,said_no,,invented"),
        "status 'refused' is not known",
        "",
    ),
    "a map's relation": (
        add(f"{CODES}/from_ons_2021.csv", "88,Invented,african,,known,nearly,,,invented"),
        "relation 'nearly' is not known",
        "exact, broad, narrow, none",
    ),
    "known without a code": (
        add(f"{CODES}/from_ons_2021.csv", "88,Invented,,,known,none,why_not,,invented"),
        "a code goes with status known, and only with it",
        "",
    ),
    "a code without known": (
        add(f"{CODES}/from_ons_2021.csv", "88,Invented,african,,not_known,none,why_not,,invented"),
        "a code goes with status known, and only with it",
        "",
    ),
    "a blank target without a reason": (
        add(f"{CODES}/from_ons_2021.csv", "88,Invented,,,not_known,none,,,invented"),
        "value '88' has no code and no reason",
        "say why in the column reason",
    ),
    "a SNOMED identifier": (
        add(f"{CODES}/from_snomed_ct.csv", "92391000000109,Invented,british,,known,exact,,,invented"),
        "'92391000000109' is not a SNOMED CT identifier",
        "a spreadsheet may have damaged it: copy the identifier again as text",
    ),
    "a parent": (
        change(f"{CODES}/codes.csv", "irish,category,group_european", "irish,category,group_europe"),
        "parent 'group_europe' is not in codes.csv",
        "",
    ),
    "a code twice": (
        add(f"{CODES}/codes.csv", "irish,category,group_european,Irish,valid,agreed,Again,invented"),
        "code 'irish' is here twice",
        "",
    ),
    "a kind of code": (
        change(f"{CODES}/codes.csv", "irish,category,", "irish,categories,"),
        "kind 'categories' is not known",
        "",
    ),
    "a code that a classification lacks": (
        lambda folder: change(f"{CODES}/to_national_2001.csv", "irish,B,White - Irish,exact,,agreed\n", "")(folder)[: -len(":3")],
        "code 'irish' is missing",
        "every code stands in every to_ file once",
    ),
    "a code that a classification has twice": (
        add(f"{CODES}/to_national_2001.csv", "irish,B,White - Irish,exact,,agreed"),
        "code 'irish' is here twice",
        "",
    ),
    "a code that only a classification has": (
        add(f"{CODES}/to_national_2001.csv", "irsh,B,White - Irish,exact,,agreed"),
        "code 'irsh' is not in codes.csv",
        "did you mean 'irish'?",
    ),
    "a blank classification without a reason": (
        change(f"{CODES}/to_national_2001.csv", "irish,B,White - Irish,exact,,agreed", "irish,,White - Irish,none,,agreed"),
        "code 'irish' has no value and no reason",
        "",
    ),
    # providers, agreements
    "a provider's layout": (
        change("standards/providers.csv", "ZZ1,Ashmere and Tamebrook Hospitals (invented),trust,pas_patient",
               "ZZ1,Ashmere and Tamebrook Hospitals (invented),trust,pas_patients"),
        "layout 'pas_patients' is not known",
        "did you mean 'pas_patient'?",
    ),
    "a provider's local list": (
        change("standards/providers.csv", "ukcore_2001", "ukcore_2010"),
        "local_list 'ukcore_2010' is not a vocabulary",
        "did you mean 'ukcore_2001'?",
    ),
    "a provider twice": (
        add("standards/providers.csv", "ZZ1,Again,trust,pas_patient,QHL,monthly,10,,true,,2026-08-01,"),
        "provider 'ZZ1' is here twice",
        "",
    ),
    "an agreement's provider": (
        add("standards/agreements.csv", "ZZ11,purpose,basis,true,true,2024-11-01,"),
        "provider 'ZZ11' is not in providers.csv",
        "did you mean 'ZZ1'?",
    ),
    # metrics
    "a metric's predicate": (
        change(METRIC, "denominator: kind = 'appointment' and outcome_code in", "denominator: kind = 'appointment' and outcome_cod in"),
        "denominator does not compile: Binder Error",
        "",
    ),
    "a metric's predicate that is no claim": (
        change(METRIC, "numerator: outcome_code in ('3', '7')", "numerator: outcome_code"),
        "numerator does not compile: it gives VARCHAR, not boolean",
        "",
    ),
    "a metric's date": (
        change(METRIC, "date: event_date", "date: kind"),
        "date does not compile: it gives VARCHAR, not date",
        "",
    ),
    "a metric's breakdown": (
        change(METRIC, "breakdowns: [everyone, ethnic_group,", "breakdowns: [everyone, ethnic_grup,"),
        "breakdowns: 'ethnic_grup' is not known",
        "did you mean 'ethnic_group'?",
    ),
    "a metric's place": (
        change(METRIC, "places: [icb_of_residence, region]", "places: [icb_of_residense, region]"),
        "places: 'icb_of_residense' is not known",
        "did you mean 'icb_of_residence'?",
    ),
    "a metric's layout": (
        change(METRIC, "layouts: [sus_outpatient]", "layouts: [sus_outpatients]"),
        "layouts: 'sus_outpatients' is not known",
        "did you mean 'sus_outpatient'?",
    ),
    "a metric's subject": (
        change(METRIC, "subject: activity", "subject: activities"),
        "subject 'activities' is not known",
        "did you mean 'activity'?",
    ),
    "a metric's key": (
        change(METRIC, "caveats: Of", "caveat: Of"),
        "key 'caveat' is not known",
        "did you mean 'caveats'?",
    ),
    # rules
    "an unknown expectation": (
        rule("patient.sex.form", "expect: expect_column_values_to_match_regexp\n  column: sex"),
        "expectation 'expect_column_values_to_match_regexp' is not one about rows",
        "did you mean 'expect_column_values_to_match_regex'?",
    ),
    "a rule's column": (
        rule("patient.sex.form", "expect: expect_column_values_to_not_be_null\n  column: sexx"),
        "rule 'patient.sex.form' does not compile",
        "",
    ),
    "a rule's predicate": (rule("patient.sex.form", "sql: sex in ("), "rule 'patient.sex.form' does not compile", ""),
    "a predicate that is no claim": (rule("patient.sex.form", "sql: length(sex)"), "it gives BIGINT, not true or false", ""),
    "a rule's key": (
        lambda folder: _two_lines_on(rule("patient.sex.form", "sql: sex is not null\n  severty: critical")(folder)),
        "key 'severty' is not known",
        "did you mean 'severity'?",
    ),
    "what a rule rejects": (
        rule("patient.sex.form", "sql: sex is not null\n  rejects: records"),
        "rejects 'records' is not known",
        "did you mean 'record'?",
    ),
    "a rule without a claim": (rule("patient.sex.form", "why: Because."), "a rule needs either `expect:` or `sql:`", ""),
    "a rule's table": (
        rule("patients.sex.form", "sql: sex is not null", name="patients"),
        "table 'patients' is not known",
        "did you mean 'patient'?",
    ),
    "two rules of one name": (
        rule("patient.local_patient_id.unique", "sql: sex is not null"),
        "rule 'patient.local_patient_id.unique' is here twice",
        "",
    ),
    "two rules that say the same": (
        rule("patient.local_patient_id.once", "sql: not is_repeated\n  when: local_patient_id is not null"),
        "rule 'patient.local_patient_id.once' says the same as 'patient.local_patient_id.unique'",
        "",
    ),
    "YAML that is none": (add("expectations/patient.yml", "  - ["), "not valid YAML", ""),
    "layout YAML that is none": (add(PAS, "drop: ["), "not valid YAML", ""),
}  # fmt: skip
# The people with bad records are the ones being counted.
PROTECTED = [
    "ethnic_category",
    "main_language",
    "interpreter_required",
    "is_carer",
    "nhs_number",
    "family_name",
    "postcode",
]


def test_the_real_standard_loads():
    standard = load()
    assert len(standard.rules) >= 40
    assert set(standard.layouts) >= {"pas_patient", "sus_outpatient", "emis_patient", "emis_observation"}
    assert set(standard.characteristics()) >= {
        "ethnic_category", "main_language", "written_language", "interpreter_required", "is_carer", "has_carer",
    }  # fmt: skip
    assert set(standard.characteristics().values()) <= {row["system"] for row in standard.codes}
    assert {row["provider"] for row in standard.tables["agreements"]} < set(standard.providers)


def test_every_table_has_hand_written_rules_and_derived_ones():
    standard = load()
    for table in ("patient", "appointment", "observation"):
        kinds = {item.path.stem for item in standard.rules if item.table == table}
        assert kinds == {table, "derived"}


def test_every_rule_says_what_to_do_and_why():
    for item in load().rules:
        assert item.message.endswith("."), item.id
        assert item.why, item.id
        assert item.id.split(".")[0] == item.table


def test_all_four_levels_of_rejection_are_in_use():
    assert {item.rejects for item in load().rules} == {"nothing", "value", "record", "submission"}


def test_each_layout_gets_the_rules_whose_columns_it_collects():
    standard = load()
    of_layout = {name: {item.id for item in rules} for name, rules in standard.rules_of_layout.items()}
    assert "patient.main_language.when_interpreter" in of_layout["pas_patient"]
    assert "patient.main_language.when_interpreter" not in of_layout["emis_patient"]
    assert all(item.id in set().union(*of_layout.values()) for item in standard.rules if item.scope == "submission")


@pytest.mark.parametrize("what", SPOILED)
def test_each_fault_is_named_with_file_line_and_nearest_name(copy, what):
    spoil, said, hint = SPOILED[what]
    where = spoil(copy)
    found = [fault for fault in faults(copy) if said in fault.what]
    assert found, [str(fault) for fault in faults(copy)]
    if said != "not valid YAML":  # a parser gives up later than where the fault is
        assert where in [fault.where for fault in found]
    assert hint in [fault.hint for fault in found]


def test_all_faults_are_reported_at_once(copy):
    chosen = [SPOILED[name] for name in (
        "a field of a layout", "a map's target", "a value twice", "a provider's layout", "an agreement's provider",
        "a rule's key", "an unknown expectation", "a code that a classification has twice",
    )]  # fmt: skip
    for make, _, _ in chosen:
        make(copy)
    text = "\n".join(str(fault) for fault in faults(copy))
    assert all(said in text for _, said, _ in chosen)
    assert len(faults(copy)) == len(chosen)


def test_a_fault_reads_as_where_what_and_what_to_do(copy):
    line = replace(copy / PAS, "field: ethnic_category,", "field: ethnic_categry,")
    assert (
        f"{PAS}:{line}: field 'ethnic_categry' is not in fields.csv\n    HINT: did you mean 'ethnic_category'?"
        in map(str, faults(copy))
    )


@pytest.mark.parametrize("level", ["record", "submission"])
def test_no_rule_may_reject_a_person_for_a_bad_record(copy, level):
    """What a rule reads counts, not what it is called."""
    wheres = {
        rule(f"patient.{field}.known", f"sql: {field} is not null\n  rejects: {level}")(copy) for field in PROTECTED
    }
    wheres |= {
        rule(f"patient.record.{field}", f"sql: length({field}) > 1\n  rejects: {level}")(copy) for field in PROTECTED
    }
    sound = "sql: sex is not null\n  when: birth_date is not null\n  rejects: " + level
    rule("patient.sex.known", sound)(copy)
    found = faults(copy)
    assert {fault.where for fault in found} == wheres
    assert all(f"may not reject a {level}" in fault.what for fault in found)


def test_the_version_follows_every_file(copy):
    before = load(copy).version
    assert before == load().version
    replace(copy / "standards" / "disclosure.yml", "rounding_base: 5\nsensitive", "rounding_base: 6\nsensitive")
    assert load(copy).version != before


def test_a_standard_is_not_changed_after_loading():
    with pytest.raises(FrozenInstanceError):
        load().version = "another"


def test_a_local_list_is_tried_before_the_vocabulary_it_refines_and_only_there():
    standard = load()
    with_list = next(row["code"] for row in standard.tables["providers"] if row["local_list"])
    without = next(row["code"] for row in standard.tables["providers"] if not row["local_list"])
    assert standard.vocabularies(["national_2001"], with_list) == ("ukcore_2001", "national_2001")
    assert standard.vocabularies(["national_2001"], without) == ("national_2001",)
    assert standard.vocabularies(["emis"], with_list) == ("emis",)


def test_a_rule_judges_only_from_its_period_on(copy):
    rule("patient.sex.form", 'sql: sex is not null\n  from_period: "2026-08"')(copy)
    standard = load(copy)
    for period, holds in (("2026-07", False), ("2026-08", True), ("2026-09", True)):
        in_force = {item.id for item in standard.rules_in_force("pas_patient", period)}
        assert ("patient.sex.form" in in_force) is holds


@pytest.mark.parametrize("path", [*EXPECTATIONS, *LAYOUTS], ids=lambda path: path.name)
def test_every_yaml_file_begins_by_saying_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    yaml.safe_load(text)


def test_every_refusal_has_plain_words():
    for row in load().tables["outcomes"]:
        assert row["words"] and row["what_to_do"], row["reason"]
