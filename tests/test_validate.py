"""validate.py, shape.py: a delivery is judged before it counts; every failing row is named, and counted once."""

from collections import defaultdict
from pathlib import Path

import duckdb
import pytest

from tests import lakes
from tests.lakes import PERIOD, Made, ask, outcomes, replace, submission
from tests.synthetic import deliver
from tests.test_standard import RULE
from transforms import duckdb_expectations, validate, work
from transforms.arrivals import read_state
from transforms.lake import Lake
from transforms.receive import receive
from transforms.rules import Rule
from transforms.standard import Standard, load

# Which rules a fault of tests/synthetic.py breaks, for each layout of the small lake; what is not here breaks none.
BREAKS = {
    "pas_patient": {
        "blank": ["ethnic_category.present"],
        "lone_9": ["ethnic_category.one_letter_for_all"],
        "not_known": ["ethnic_category.one_letter_for_all"],
        "not_stated": ["ethnic_category.not_refused_by_most"],
        "unrecognised": ["ethnic_category.recognised"],
        "word": ["ethnic_category.recognised"],
        "missing_nhs_number": ["nhs_number.present", "nhs_number_status.agrees"],
        "malformed_nhs_number": ["nhs_number.passes_check"],
        "placeholder_nhs_number": ["nhs_number.passes_check"],
        "missing_birth_date": ["birth_date.present"],
        "unreadable_birth_date": ["birth_date.parses", "birth_date.mostly_readable"],
        "future_birth_date": [
            "birth_date.not_in_future",
            "ethnic_category_recorded_on.after_birth",
            "language_recorded_on.after_birth",
            "carer_recorded_on.after_birth",
        ],
        "future_date": ["ethnic_category_recorded_on.not_in_future"],
        "duplicate_key": [
            "local_patient_id.unique",
            "birth_date.one_per_local_id",
            "nhs_number.one_per_local_id",
        ],
        "test_record": ["is_test_record.not_sent"],
        "hostile_name": ["family_name.no_digits"],
    },
    "sus_outpatient": {
        "missing_key": ["appointment_id.known", "appointment_id.present"],
        "missing_local_id": ["local_patient_id.present"],
        "unrecognised": ["ethnic_category.recognised"],
        "unreadable_birth_date": ["birth_date.parses"],
    },
    "emis_patient": {
        "unrecognised": ["ethnic_category.recognised"],
        "missing_key": ["local_patient_id.present", "local_patient_id.mostly_present"],
    },
    "emis_observation": {
        "missing_key": ["observation_id.present"],
        "unrecognised": ["code.names_a_concept"],
    },
}
Lines = dict[tuple[str, str], set[int]]


@pytest.fixture(scope="module")
def small() -> Made:
    return lakes.small()


@pytest.fixture
def lake(tmp_path: Path, monkeypatch) -> Lake:
    """Of one's own, judged by counts."""
    lakes.hasten(monkeypatch)
    return lakes.new_lake(tmp_path)


def send(lake: Lake, provider: str = "ZZ1", period: str = PERIOD, rows: int = 12, faults: dict | None = None, **more):
    return deliver(lake.path("landing"), provider, period, {"pas_patient": rows}, faults, **more)


def injected(made: Made, name: str) -> Lines:
    """(layout, rule) -> the lines that break it, as the faults that were put in say."""
    sent, found = made.sent[name], defaultdict(set)
    for fault in sent.faults:
        table = made.standard.layouts[fault.layout].table
        for claim in BREAKS[fault.layout].get(fault.fault, ()):
            found[fault.layout, f"{table}.{claim}"].add(fault.line)
            if fault.fault == "duplicate_key":
                found[fault.layout, f"{table}.{claim}"].add(1)  # whose key they have
    return dict(found)


def issues(made: Made, provider: str) -> Lines:
    """What was found, without the rules on trial, and those that ask how old an answer is: invented people answered long ago."""
    wanted = {item.id for item in made.standard.rules if item.severity != "trial" and item.dimension != "timeliness"}
    found = defaultdict(set)
    for layout, rule, line in ask(made, f"select layout, rule, line from results.issue where provider = '{provider}'"):
        if rule not in wanted:
            continue
        assert line not in found[layout, rule], "a row breaks a rule once"
        found[layout, rule].add(line)
    return dict(found)


@pytest.mark.parametrize(("name", "provider"), [("index", "ZZ1"), ("outpatients", "ZZ2"), ("practice", "ZP001")])
def test_every_failing_row_is_an_issue_on_its_line_and_no_other(small, name, provider):
    assert issues(small, provider) == injected(small, name)


def test_failed_is_the_number_of_issues_and_never_more_than_checked(small):
    counted = ask(small, "select provider, layout, rule, checked, failed from results.rule_result")
    n_issues = {key: n for *key_, n in ask(small, "select provider, layout, rule, count(*) from results.issue group by all")
                for key in [tuple(key_)]}  # fmt: skip
    for *key, checked, failed in counted:
        assert failed == n_issues.get(tuple(key), 0), key
        assert failed <= checked, key


def test_checked_is_the_number_of_rows_where_a_rule_applies(small):
    [(checked,)] = ask(
        small, "select checked from results.rule_result where provider = 'ZZ1' and rule = 'patient.birth_date.parses'"
    )
    assert checked == 200 - len(small.sent["index"].lines("missing_birth_date"))
    every = ask(small, "select checked from results.rule_result where provider = 'ZZ1' and rule like '%.present'")
    assert set(every) == {(200,)}


def test_every_rule_in_force_has_one_result(small):
    found = ask(small, "select layout, list(rule order by rule) from results.rule_result group by provider, layout")
    for layout, rules in found:
        assert rules == sorted(rule.id for rule in small.standard.rules_in_force(layout, PERIOD))


def test_great_expectations_decides_as_the_counts_say(small):
    """`mostly` decides the verdict. The small lake was judged by Great Expectations itself."""
    mostly = {rule.id: rule.mostly for rule in small.standard.rules}
    found = ask(small, "select rule, checked, failed, is_met from results.rule_result")
    assert {is_met for *_, is_met in found} == {True, False}
    for rule, checked, failed, is_met in found:
        assert is_met == (checked - failed >= mostly[rule] * checked), (rule, checked, failed)


def judged(rows: str, *rules: str, counts: dict | None = None) -> dict[str, bool]:
    """Great Expectations over ten rows in plain text."""
    chosen = tuple(rule for name in rules for rule in load().rules if rule.id == name)
    con = duckdb.connect()
    columns, *lines = [[cell.strip() for cell in line.split("|")] for line in rows.strip().splitlines()]
    values = ", ".join("(" + ", ".join("null" if cell == "" else f"'{cell}'" for cell in line) + ")" for line in lines)
    column_of = {rule.id: f"rule_{place}" for place, rule in enumerate(chosen)}
    column_of |= {f"when {rule.id}": f"when_{place}" for place, rule in enumerate(chosen) if rule.when and rule.expect}
    extra = [f"{rule.predicate} as {column_of[rule.id]}" for rule in chosen]
    extra += [f"({rule.when}) as {column_of[f'when {rule.id}']}" for rule in chosen if f"when {rule.id}" in column_of]
    con.execute(
        f"create table shaped as select *, {', '.join(extra)} from (values {values}) as sent({', '.join(columns)})"
    )
    found = {
        rule.id: con.execute(
            f"select count({column_of[rule.id]}), count(*) filter ({column_of[rule.id]} is false) from shaped"
        ).fetchone()
        for rule in chosen
    }
    return duckdb_expectations.judge(con, chosen, column_of, counts or found)


INTERPRETER = "patient.main_language.when_interpreter"
IN_LIST = "patient.nhs_number_status.in_list"


def test_a_condition_decides_where_a_rule_applies():
    rows = """
        interpreter_required_code | main_language | nhs_number_status
        required                  | pl            | 01
        not_required              |               | 01
                                  |               |
    """
    assert judged(rows, INTERPRETER, IN_LIST) == {INTERPRETER: True, IN_LIST: True}
    assert judged(rows.replace("pl", "  "), INTERPRETER, IN_LIST) == {INTERPRETER: False, IN_LIST: True}


def test_a_rule_that_two_engines_count_differently_is_our_fault():
    rows = """
        nhs_number_status
        01
        99
    """
    assert judged(rows, IN_LIST) == {IN_LIST: False}
    with pytest.raises(duckdb_expectations.ExpectationFault, match="count its failures differently"):
        judged(rows, IN_LIST, counts={IN_LIST: (2, 0)})


def test_a_rule_that_cannot_be_evaluated_is_our_fault_and_names_no_value():
    rule: Rule = next(rule for rule in load().rules if rule.id == IN_LIST)
    with duckdb.connect() as con:
        con.execute("create table shaped as select 'Secret' as something_else, true as rule_0")
        with pytest.raises(duckdb_expectations.ExpectationFault, match="could not be evaluated") as caught:
            duckdb_expectations.judge(con, (rule,), {rule.id: "rule_0"}, {rule.id: (1, 0)})
    assert "Secret" not in str(caught.value)


def test_files_of_the_same_columns_share_a_plan_and_are_each_judged_by_their_own_rows():
    """The first decides nothing for those after it: not its rows, not their number, not where a condition holds."""
    columns = "interpreter_required_code | main_language | nhs_number_status"
    sent = ["required | pl | 01", "required | | 01", "not_required | | 99", "required | pl | 99", " | pl | 01"]
    expected = [(True, True), (False, True), (True, False), (True, False), (True, True)]
    judged(f"{columns}\n{sent[0]}", INTERPRETER, IN_LIST)
    planned = duckdb_expectations._plan.cache_info().misses
    for row, (has_language, is_listed) in zip(sent, expected, strict=True):
        for others in ([sent[0]], [sent[0]] * 7):  # neither rule allows any row to break it
            verdicts = judged("\n".join([columns, row, *others]), INTERPRETER, IN_LIST)
            assert verdicts == {INTERPRETER: has_language, IN_LIST: is_listed}, row
    assert duckdb_expectations._plan.cache_info().misses == planned


def test_of_many_rules_the_one_that_cannot_be_evaluated_is_named():
    rules = {rule.id: rule for rule in load().rules if rule.id in (IN_LIST, INTERPRETER)}
    counts = dict.fromkeys(rules, (1, 0))
    column_of = {INTERPRETER: "rule_0", IN_LIST: "rule_1", f"when {INTERPRETER}": "when_0"}
    with duckdb.connect() as con:
        con.execute(
            "create table shaped as select 'pl' as main_language, true as rule_0, true as rule_1, true as when_0"
        )
        with pytest.raises(duckdb_expectations.ExpectationFault, match=f"rule {IN_LIST} could not be evaluated"):
            duckdb_expectations.judge(con, tuple(rules.values()), column_of, counts)


# The four levels of rejection.


def test_nothing_a_row_that_breaks_a_rule_stays(small):
    lines = small.sent["index"].lines("malformed_nhs_number")
    kept = ask(small, f"select line from validated.patient where line in {tuple(lines)} and record_key in "
                      "(select record_key from harmonised.patient where provider = 'ZZ1')")  # fmt: skip
    assert sorted(line for (line,) in kept) == lines
    assert ask(small, "select count(*) from quarantine.patient") == [(0,)]


@pytest.mark.parametrize(
    ("fault", "field", "status"),
    [
        ("unreadable_birth_date", "birth_date", "unparsed"),
        ("future_birth_date", "birth_date", "not_in_future"),
        ("future_date", "ethnic_category_recorded_on", "not_in_future"),
    ],
)
def test_value_a_rejected_date_becomes_null_and_says_why(small, fault, field, status):
    no = read_state(small.lake).numbers[submission(f"ZZ1/{PERIOD}")]
    found = ask(
        small, f"select line, {field} from validated.patient where submission_no = {no} and {field}_status = '{status}'"
    )
    assert sorted(found) == [(line, None) for line in small.sent["index"].lines(fault)]


def test_value_a_blank_date_is_no_rejected_date(small):
    no = read_state(small.lake).numbers[submission(f"ZZ1/{PERIOD}")]
    lines = tuple(small.sent["index"].lines("missing_birth_date"))
    query = f"select distinct birth_date, birth_date_status from validated.patient where submission_no = {no} and line in {lines}"
    assert ask(small, query) == [(None, None)]


def test_record_goes_to_quarantine_with_its_line_and_not_to_validated(small):
    lines = small.sent["outpatients"].lines("missing_key")
    assert [line for (line,) in ask(small, "select line from quarantine.appointment order by line")] == lines
    assert ask(small, f"select count(*) from validated.appointment where line in {tuple(lines)}") == [(0,)]
    assert ask(small, "select count(*) from validated.appointment") == [(150 - len(lines),)]


def test_submission_a_file_that_breaks_a_guarding_rule_is_rejected_whole(lake):
    standard = load()
    send(lake, faults={"unreadable_birth_date": 8})
    send(lake, "ZZ2")
    counts = lakes.run(standard, lake)
    assert (counts["validate"]["accepted"], counts["validate"]["rejected"]) == (1, 1)
    assert outcomes(lake)[0] == (f"ZZ1/{PERIOD}", "rejected", "rule_broken", "patient.birth_date.mostly_readable")
    made = (standard, lake)
    assert ask(made, "select distinct provider from harmonised.patient") == [("ZZ2",)]
    assert ask(
        made, "select failed from results.rule_result where rule = 'patient.birth_date.mostly_readable' and not is_met"
    ) == [(8,)]
    assert len(ask(made, "select * from results.issue where rule = 'patient.birth_date.mostly_readable'")) == 8
    assert not lake.path("validated", "patient", "provider=ZZ1").exists()
    assert work.pending(standard, lake) == []


def test_value_a_rejected_code_keeps_its_text_and_becomes_unrecognised(lake, tmp_path):
    folder = lakes.copied_standard(tmp_path / "standard")
    path = folder / "expectations" / "patient.yml"
    what = "sql: ethnic_category <> 'J'\n  rejects: value"
    path.write_text(path.read_text() + RULE.format(id="patient.ethnic_category.not_default", what=what))
    standard = load(folder)

    def two_defaults(layout, rows):
        for row, code in zip(rows, "JJABCDEFGHKL", strict=True):
            row["ETHNIC_CATEGORY"] = code
        return rows

    send(lake, edit=two_defaults)
    lakes.run(standard, lake)
    query = """select source_value, code, status, reason, sum(n_records) from harmonised.characteristic
               where characteristic = 'ethnic_category' and source_value in ('J', 'A') group by all order by 1"""
    assert ask((standard, lake), query) == [
        ("A", "british", "known", None, 1),
        ("J", None, "unrecognised", "not_default", 2),
    ]


# Which delivery is in force.


def test_a_rejected_correction_leaves_its_predecessor_in_force_and_says_so(lake):
    standard = load()
    send(lake)
    lakes.run(standard, lake)
    before = lakes.content(lake, "validated", "harmonised")
    send(lake, name="correction", seed=2, faults={"unreadable_birth_date": 9})
    lakes.run(standard, lake)
    assert [outcome[1:3] for outcome in outcomes(lake)] == [("accepted", ""), ("rejected", "rule_broken")]
    assert lakes.content(lake, "validated", "harmonised") == before
    assert read_state(lake).current(submission(f"ZZ1/{PERIOD}"))["pas_patient"].no == 1
    assert work.pending(standard, lake) == []


def test_a_corrected_delivery_replaces_exactly_its_own_provider_period_and_layout(lake):
    standard = load()
    for provider, period in (("ZZ1", PERIOD), ("ZZ1", "2026-08"), ("ZZ2", PERIOD)):
        deliver(lake.path("landing"), provider, period, {"pas_patient": 5, "sus_outpatient": 5})
    lakes.run(standard, lake)
    before, stamps = lakes.content(lake, "validated", "harmonised"), lakes.written(lake, "validated", "harmonised")
    send(lake, name="correction", seed=2, rows=7)
    lakes.run(standard, lake)
    after = lakes.content(lake, "validated", "harmonised")
    changed = {name for name in after if after[name] != before[name]}
    assert set(after) == set(before)
    assert changed == {
        name for name in before if f"provider=ZZ1/period={PERIOD}/pas_patient" in name and "activity" not in name
    }
    assert {
        name for name, at in lakes.written(lake, "validated", "harmonised").items() if at != stamps[name]
    } - changed == {
        f"harmonised/activity/provider=ZZ1/period={PERIOD}/pas_patient.parquet"  # written again, empty as before
    }
    assert ask((standard, lake), f"select count(*) from harmonised.patient where provider = 'ZZ1' and period = '{PERIOD}'"
               " and layout = 'pas_patient'") == [(7,)]  # fmt: skip


def test_earlier_deliveries_remain_to_compare_with(lake):
    standard = load()
    send(lake)
    lakes.run(standard, lake)
    send(lake, name="correction", seed=2)
    lakes.run(standard, lake)
    assert ask((standard, lake), "select distinct arrival from results.rule_result order by 1") == [(1,), (2,)]
    assert len(list(lake.path("bronze").rglob("*.parquet"))) == 2


@pytest.mark.parametrize(("waiting", "processors", "sizes"), [
    (3, 2, [1, 1, 1]), (9, 2, [3, 3, 3]), (201, 2, [51, 51, 51, 48]), (201, 8, [26] * 7 + [19]), (1000, 2, [60] * 16 + [40]),
])  # fmt: skip
def test_pending_work_is_handed_out_in_few_pieces(lake, monkeypatch, waiting, processors, sizes):
    names = [f"ZZ{number}/{PERIOD}" for number in range(waiting)]
    monkeypatch.setattr(work, "pending", lambda standard, lake: names)
    monkeypatch.setattr(work.os, "cpu_count", lambda: processors)
    pieces = work.chunks(load(), lake)
    assert [len(piece) for piece in pieces] == sizes and [name for piece in pieces for name in piece] == names


# Fingerprints decide what is stale.


def everything(lake: Lake) -> dict[str, int]:
    return lakes.written(lake, "bronze", "validated", "quarantine", "results", "harmonised")


def test_a_second_run_does_nothing(lake):
    standard = load()
    for provider in ("ZZ1", "ZZ2"):
        send(lake, provider)
    lakes.run(standard, lake)
    before = everything(lake)
    assert work.pending(standard, lake) == []
    for stage in ("ingest", "validate", "harmonise"):  # nor when somebody insists
        work.run_chunk(stage, [f"ZZ1/{PERIOD}", f"ZZ2/{PERIOD}"], standard, lake)
    assert everything(lake) == before


def with_codes(*codes: str):
    def edit(layout, rows):
        for place, row in enumerate(rows):
            row["ETHNIC_CATEGORY"] = codes[place % len(codes)]
        return rows

    return edit


@pytest.fixture
def three(lake, tmp_path) -> tuple[Path, Lake]:
    """A standard of one's own, and three submissions: only the first two hold a J, only the third an X7."""
    for period, codes in (("2026-07", "AJ"), ("2026-08", "JB"), ("2026-09", ("A", "X7"))):
        send(lake, period=period, rows=4, edit=with_codes(*codes))
    folder = lakes.copied_standard(tmp_path / "standard")
    lakes.run(load(folder), lake)
    return folder, lake


NATIONAL = "standards/code_systems/ethnic_category/from_national_2001.csv"


def touched(folder: Path, lake: Lake) -> tuple[list[str], set[str]]:
    """What is pending after an edit; and the periods whose harmonised files are written by running it."""
    standard, before = load(folder), everything(lake)
    names = work.pending(standard, lake)
    lakes.run(standard, lake)
    assert work.pending(standard, lake) == []
    changed = {name for name, at in everything(lake).items() if at != before.get(name)}
    # What values mean is remembered for one version of the standard: looked up again, and nothing made of it.
    changed = {name for name in changed if "/value_meaning/" not in name}
    return names, {
        part.removeprefix("period=") for name in changed for part in name.split("/") if part.startswith("period=")
    }


def test_a_map_edit_runs_only_what_holds_an_edited_value(three):
    folder, lake = three
    replace(folder / NATIONAL, ",pakistani,,known,exact,,", ",indian,,known,broad,wider_than_category,")
    assert touched(folder, lake) == (["ZZ1/2026-07", "ZZ1/2026-08"], {"2026-07", "2026-08"})
    query = "select distinct period, code from harmonised.characteristic where source_value = 'J' order by all"
    assert ask((load(folder), lake), query) == [("2026-07", "indian"), ("2026-08", "indian")]


def test_a_new_map_row_runs_only_what_holds_the_value_it_adds(three):
    folder, lake = three
    lakes.add_line(folder / NATIONAL, "X7,A local code,irish,,known,narrow,narrower_term,,invented")
    assert touched(folder, lake) == (["ZZ1/2026-09"], {"2026-09"})
    assert ask(
        (load(folder), lake), "select distinct code from harmonised.characteristic where source_value = 'X7'"
    ) == [("irish",)]


def test_a_map_edit_writes_exactly_the_files_that_hold_an_edited_value(lake, tmp_path):
    """Counted file by file: of five files of one submission and its neighbours, the two that hold a J."""
    held = {("2026-08", "pas_patient"): "AJ", ("2026-08", "sus_outpatient"): "AB", ("2026-09", "pas_patient"): "AB"}
    held |= {("2026-09", "sus_outpatient"): ("j ", "A"), ("2026-07", "pas_patient"): "R"}
    for (period, layout), codes in held.items():
        column = "ETHNIC_CATEGORY" if layout == "pas_patient" else "ETHNOS"
        edit = lambda _, rows, column=column, codes=codes: [  # noqa: E731
            row | {column: codes[place % len(codes)]} for place, row in enumerate(rows)
        ]
        deliver(lake.path("landing"), "ZZ1", period, {layout: 4}, name=layout, edit=edit)
    folder = lakes.copied_standard(tmp_path / "standard")
    lakes.run(load(folder), lake)
    before = lakes.written(lake, "harmonised")
    replace(folder / NATIONAL, ",pakistani,,known,exact,,", ",indian,,known,broad,wider_than_category,")
    lakes.run(load(folder), lake)
    written = {name for name, at in lakes.written(lake, "harmonised").items() if at != before[name]}
    wanted = [("2026-08", "pas_patient"), ("2026-09", "sus_outpatient")]
    assert written == {
        f"harmonised/{table}/provider=ZZ1/period={period}/{layout}.parquet"
        for table in ("patient", "characteristic", "activity")
        for period, layout in wanted
    }


def test_a_row_that_stops_being_valid_runs_only_what_holds_it(lake, tmp_path):
    """The record's own date decides, not the month in which it is sent again."""
    dated = [{"ETHNIC_CATEGORY": "J", "ETHNIC_CATEGORY_DATE": day} for day in ("31/07/2026", "01/08/2026", "")]
    other = [{"ETHNIC_CATEGORY": "H", "ETHNIC_CATEGORY_DATE": ""}] * 3
    for period, answers in (("2026-08", dated), ("2026-09", other)):
        edit = lambda _, rows, answers=answers: [row | answer for row, answer in zip(rows, answers, strict=True)]  # noqa: E731
        send(lake, period=period, rows=3, edit=edit)
    folder = lakes.copied_standard(tmp_path / "standard")
    lakes.run(load(folder), lake)
    path = folder / NATIONAL
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    ends = [
        header + ",valid_from,valid_to",
        *(f"{row},,{'2026-07-31' if row.startswith('J,') else ''}" for row in rows),
    ]
    path.write_text("\n".join(ends) + "\n", encoding="utf-8")
    assert touched(folder, lake) == (["ZZ1/2026-08"], {"2026-08"})
    query = (
        "select recorded_on::text, code, reason from harmonised.characteristic where source_value = 'J' order by all"
    )
    assert ask((load(folder), lake), query) == [
        ("2026-07-31", "pakistani", None),
        ("2026-08-01", None, "not_valid_on_date"),
        ("2026-08-31", None, "not_valid_on_date"),
    ]
    failed = "select failed from results.rule_result where rule = 'patient.ethnic_category.recognised' and period = '2026-08'"
    assert ask((load(folder), lake), failed) == [(2,)]  # the rules read the value as the maps do


def test_an_edited_label_or_grouping_runs_nothing(three):
    folder, lake = three
    replace(
        folder / "standards/code_systems/ethnic_category/to_heritage.csv",
        "irish,irish,Irish,",
        "irish,irish,From Ireland,",
    )
    replace(folder / "standards/providers.csv", "Larkhall Vale Hospitals (invented)", "Larkhall Hospitals (invented)")
    assert touched(folder, lake) == ([], set())


def test_a_new_rule_judges_again_what_it_applies_to(three):
    folder, lake = three
    path = folder / "expectations" / "patient.yml"
    what = 'sql: gp_practice_code is not null\n  from_period: "2026-08"'
    path.write_text(path.read_text() + RULE.format(id="patient.gp_practice_code.known", what=what))
    names, periods = touched(folder, lake)
    assert names == ["ZZ1/2026-08", "ZZ1/2026-09"]  # history is not judged by later rules
    assert periods == {"2026-08", "2026-09"}
    query = "select distinct period from results.rule_result where rule = 'patient.gp_practice_code.known' order by 1"
    assert ask((load(folder), lake), query) == [("2026-08",), ("2026-09",)]


def test_a_later_rule_can_take_a_delivery_out_of_force_and_bring_its_predecessor_back(lake, tmp_path):
    folder = lakes.copied_standard(tmp_path / "standard")
    send(lake, rows=4, edit=with_codes("A"))
    lakes.run(load(folder), lake)
    send(lake, rows=6, name="correction", edit=lambda layout, rows: [row | {"GP_PRACTICE": ""} for row in rows])
    lakes.run(load(folder), lake)
    path = folder / "expectations" / "patient.yml"
    path.write_text(
        path.read_text()
        + RULE.format(
            id="patient.gp_practice_code.known", what="sql: gp_practice_code is not null\n  rejects: submission"
        )
    )
    standard = load(folder)
    lakes.run(standard, lake)
    assert outcomes(lake)[-1][1:] == ("rejected", "rule_broken", "patient.gp_practice_code.known")
    assert read_state(lake).current(submission(f"ZZ1/{PERIOD}"))["pas_patient"].no == 1
    assert ask((standard, lake), "select count(*) from harmonised.patient") == [(4,)]
    assert work.pending(standard, lake) == []


def test_what_nothing_is_in_force_of_disappears(lake, tmp_path):
    folder = lakes.copied_standard(tmp_path / "standard")
    send(lake, rows=4, edit=lambda layout, rows: [row | {"GP_PRACTICE": ""} for row in rows])
    lakes.run(load(folder), lake)
    path = folder / "expectations" / "patient.yml"
    path.write_text(
        path.read_text()
        + RULE.format(
            id="patient.gp_practice_code.known", what="sql: gp_practice_code is not null\n  rejects: submission"
        )
    )
    lakes.run(load(folder), lake)
    assert lakes.content(lake, "validated", "harmonised") == {}


def test_results_hold_no_value_but_value_count(small):
    """Words of people's records are nowhere in rule_result and issue."""
    people = small.sent["index"].people["pas_patient"]
    words = {person.nhs_number for person in people} | {person.postcode.replace(" ", "") for person in people}
    for table in ("rule_result", "issue"):
        cells = {str(cell) for row in ask(small, f"select * from results.{table}") for cell in row}
        assert not words & cells


def test_every_distinct_value_is_counted_once(small):
    found = ask(small, "select value, n from results.value_count where provider = 'ZZ1' and field = 'ethnic_category'")
    sent = defaultdict(int)
    for row in small.sent["index"].rows["pas_patient"]:
        sent[row["ETHNIC_CATEGORY"].strip() or None] += 1
    assert dict(found) == dict(sent)


def test_a_stage_that_somebody_else_works_on_is_left_alone(lake):
    from transforms import ledger

    standard = load()
    send(lake)
    receive(standard, lake)
    with ledger.lock(lake, f"submission ZZ1/{PERIOD}"):
        assert work.run_chunk("ingest", [f"ZZ1/{PERIOD}"], standard, lake)["busy"] == 1
        with pytest.raises(ledger.Busy):
            validate.validate(submission(f"ZZ1/{PERIOD}"), standard, lake)
    assert work.pending(standard, lake) == [f"ZZ1/{PERIOD}"]


def test_a_column_that_the_layout_does_not_know_and_columns_left_out_are_no_fault(lake):
    standard: Standard = load()
    sent = send(lake, faults={"unknown_column": True, "bom": True, "crlf": True})
    lakes.run(standard, lake)
    assert outcomes(lake)[0][1] == "accepted"
    assert ask((standard, lake), "select count(*) from validated.patient where nhs_number is not null") == [(12,)]
    bronze = next(lake.path("bronze").rglob("*.parquet"))
    columns = [
        row[0] for row in duckdb.sql(f"describe from read_parquet('{bronze}', hive_partitioning = false)").fetchall()
    ]
    assert "SURPRISE" in columns  # a faithful copy, but for what the layout drops
    assert not set(columns) & set(standard.layouts["pas_patient"].drop)
    assert "Thirdparty" not in str(lakes.content(lake, "bronze"))
    assert sent.rows["pas_patient"][0]["CARER_NAME"] == "A Thirdparty"
