"""Change over time: issues between deliveries, the provider's history, quarters, and when rules changed."""

import dataclasses
import json
import random
from collections import Counter

import duckdb
import pytest

from tests.lakes import copied_standard, judged_by_counts, new_lake, replace
from tests.synthetic import deliver
from transforms import engine, history, progress, scorecard
from transforms.arrivals import read_state
from transforms.engine import connect
from transforms.faults import Faults
from transforms.ingest import bronze_file, ingest
from transforms.lake import Submission, write_text
from transforms.receive import receive
from transforms.standard import load
from transforms.validate import validate
from transforms.values import result_file

PERIOD, EARLIER = "2026-09", "2026-08"
PATIENTS = {"pas_patient": 30}
FUTURE = "pas_patient patient.birth_date.not_in_future"
MISSING = "pas_patient patient.birth_date.present"
KEPT = {"n_new": 0, "n_fixed": 0, "n_open": 0, "n_gone": 0, "n_unknown": 0}
UNKNOWN = dict.fromkeys(KEPT)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("transforms.duckdb_expectations.judge", judged_by_counts)


def born(lines, value, column="DATE_OF_BIRTH"):
    """An edit: what stands as the birth date in some lines, counted from 1."""
    return lambda _, rows: [row | ({column: value} if n in lines else {}) for n, row in enumerate(rows, start=1)]


def send(standard, lake, edit=None, period=PERIOD, layouts=PATIENTS, provider="ZZ1", **how):
    """One more delivery, judged. Returns what was sent."""
    place = Submission(provider, period)
    n = len(list(lake.path("landing", provider, period).glob("*")))
    sent = deliver(lake.path("landing"), provider, period, layouts, edit=edit, name=f"{n:02d}", **how)
    receive(standard, lake)
    ingest(place, standard, lake)
    validate(place, standard, lake)
    return sent


def parts(standard, lake, period=PERIOD, provider="ZZ1"):
    return scorecard.parts(Submission(provider, period), standard, lake, read_state(lake))


def moved(standard, lake, period=PERIOD, provider="ZZ1"):
    con = connect(lake)
    return progress.progress(con, parts(standard, lake, period, provider), lake)


def test_every_issue_of_two_deliveries_is_new_open_fixed_or_gone(standard, lake):
    send(standard, lake, born({1, 2, 3, 4}, "01/01/2090"))

    def then(layout, rows):
        return born({2, 9, 10}, "01/01/2090")(layout, rows)[:2] + born({9, 10}, "01/01/2090")(layout, rows)[3:]

    send(standard, lake, then)  # line 3 is left out; 1 and 4 are mended, 9 and 10 newly wrong
    found = moved(standard, lake)
    assert found[FUTURE] == {"n_new": 2, "n_open": 1, "n_fixed": 2, "n_gone": 1, "n_unknown": 0}
    assert found[MISSING] == KEPT


def test_the_same_rows_in_another_order_change_nothing(standard, lake):
    edit = born({1, 5, 9}, "01/01/2090")
    send(standard, lake, edit)

    def shuffled(layout, rows):
        rows = edit(layout, rows)
        random.Random(1).shuffle(rows)
        return [dict(reversed(list(row.items()))) for row in rows]  # the columns too

    send(standard, lake, shuffled)
    found = moved(standard, lake)
    assert found[FUTURE] == KEPT | {"n_open": 3}
    assert {counts[name] for counts in found.values() for name in ("n_new", "n_fixed", "n_gone")} == {0}


def by_hand(lake, standard, sent, arrivals):
    """The same counts from what was sent and where issues are, record by record in Python."""
    failing = []
    for delivery, arrival in zip(sent, arrivals, strict=True):
        path = result_file(lake, "issue", arrival, "pas_patient")
        rows = duckdb.sql(f"select rule, line from read_parquet('{path}', hive_partitioning = false)").fetchall()
        keys = [row["PATIENT_ID"] for row in delivery.rows["pas_patient"]]
        failing.append([(rule, keys[line - 1]) for rule, line in rows])
    before, now = failing
    sent_now = {row["PATIENT_ID"] for row in sent[1].rows["pas_patient"]}
    told = Counter()
    for rule, key in now:
        told[rule, "n_unknown" if not key else "n_open" if (rule, key) in before else "n_new"] += 1
    for rule, key in before:
        if key and (rule, key) not in now:
            told[rule, "n_fixed" if key in sent_now else "n_gone"] += 1
    return told


@pytest.mark.parametrize("seed", [1, 2])
def test_counts_are_those_of_comparing_record_by_record(standard, lake, seed):
    draw = random.Random(seed)

    def mangled(_, rows):
        rows = [dict(row) for row in rows if draw.random() < 0.8]
        for row in rows:
            for column, value in (("DATE_OF_BIRTH", "01/01/2090"), ("NHS_NUMBER", "999"), ("ETHNIC_CATEGORY", "X7"),
                                  ("PATIENT_ID", ""), ("DATE_OF_BIRTH", "")):  # fmt: skip
                if draw.random() < 0.2:
                    row[column] = value
        draw.shuffle(rows)
        return [*rows, *rows[:2]]  # two records stand there twice

    sent = [send(standard, lake, mangled), send(standard, lake, mangled)]
    [part] = parts(standard, lake)
    expected = by_hand(lake, standard, sent, [part.before, part.arrival])
    assert expected.total() > 30
    found = moved(standard, lake)
    lake.current_file("validated", "patient", part.arrival.submission, "pas_patient").unlink()
    assert moved(standard, lake) == found  # the other way to look for what is gone
    for key, counts in found.items():
        rule = key.split(" ")[1]
        assert counts == {name: expected[rule, name] for name in KEPT}, rule
    for facts in scorecard.rule_facts(part, standard, lake, found):
        assert facts["n_new"] + facts["n_open"] + facts["n_unknown"] == facts["failed"]


def test_each_issue_says_whether_it_is_new(standard, lake):
    send(standard, lake, born({1, 2}, "01/01/2090"))

    def nameless(layout, rows):
        return born({7}, "", "PATIENT_ID")(layout, born({2, 3, 7}, "01/01/2090")(layout, rows))

    send(standard, lake, nameless)
    [part] = parts(standard, lake)
    rows = connect(lake).execute(progress.issues(part, lake)).fetchall()
    about = {line: since for layout, rule, line, since in rows if f"{layout} {rule}" == FUTURE}
    assert about == {2: "open", 3: "new", 7: None}


def test_the_first_delivery_has_nothing_to_be_compared_with(standard, lake):
    send(standard, lake, born({1}, "01/01/2090"))
    [part] = parts(standard, lake)
    assert part.before is None and progress.why_not(part) == "nothing_before"
    assert set(map(tuple, (counts.items() for counts in moved(standard, lake).values()))) == {tuple(UNKNOWN.items())}
    assert connect(lake).execute(f"select distinct since from ({progress.issues(part, lake)})").fetchall() == [(None,)]
    told = progress.comparison(part, standard, lake)
    assert told["period"] is None and told["words"] and told["new_rules"] == []
    facts = {rule["rule"]: rule for rule in scorecard.rule_facts(part, standard, lake, moved(standard, lake))}
    assert {rule["change"] for rule in facts.values()} == {""} and {rule["n_new"] for rule in facts.values()} == {None}


def test_nothing_delivered_is_nothing_changed(standard, lake):
    assert parts(standard, lake) == [] and moved(standard, lake) == {}
    assert history.history(Submission("ZZ1", PERIOD), standard, lake) == []
    assert progress.marks(Submission("ZZ1", PERIOD), lake, read_state(lake)) == []


def test_a_rejected_delivery_is_compared_too(standard, lake):
    send(standard, lake, born({1, 2}, "01/01/2090"))
    send(standard, lake, born(set(range(3, 31)), "last spring"))  # nearly every date unreadable
    assert read_state(lake).arrivals[Submission("ZZ1", PERIOD)][-1].outcome == "rejected"
    assert moved(standard, lake)[FUTURE] == KEPT | {"n_fixed": 2}
    send(standard, lake, born({2}, "01/01/2090"))
    [part] = parts(standard, lake)
    assert part.before.no == 2 and moved(standard, lake)[FUTURE] == KEPT | {"n_new": 1}


def test_a_delivery_that_could_not_be_read_is_passed_over(standard, lake):
    send(standard, lake, born({1}, "01/01/2090"))
    deliver(lake.path("landing"), "ZZ1", PERIOD, PATIENTS, {"ragged_row": True}, name="hopeless")
    receive(standard, lake)
    ingest(Submission("ZZ1", PERIOD), standard, lake)
    send(standard, lake)
    [part] = parts(standard, lake)
    assert (part.before.no, part.arrival.no) == (1, 3) and moved(standard, lake)[FUTURE] == KEPT | {"n_fixed": 1}


def test_what_is_gone_is_known_from_what_is_in_force_or_else_from_what_was_sent(standard, lake):
    send(standard, lake, born({1, 2, 3}, "01/01/2090"))
    send(standard, lake, lambda layout, rows: rows[1:])
    [part] = parts(standard, lake)
    expected = KEPT | {"n_fixed": 2, "n_gone": 1}
    assert moved(standard, lake)[FUTURE] == expected
    lake.current_file("validated", "patient", part.arrival.submission, "pas_patient").unlink()
    assert moved(standard, lake)[FUTURE] == expected
    bronze_file(lake, part.before, "pas_patient").unlink()  # nobody can say what is gone
    assert moved(standard, lake)[FUTURE] == KEPT | {"n_fixed": 3, "n_gone": None}


def test_issues_from_before_keys_said_whether_they_last_can_be_read(standard, lake):
    send(standard, lake, born({1, 2}, "01/01/2090"))
    send(standard, lake, born({2}, "01/01/2090"))
    [part] = parts(standard, lake)
    path = result_file(lake, "issue", part.before, "pas_patient")
    duckdb.sql(f"copy (select * exclude is_key_stable from read_parquet('{path}')) to '{path}.new' (format parquet)")
    path.with_name(f"{path.name}.new").rename(path)
    assert moved(standard, lake)[FUTURE] == KEPT | {"n_fixed": 1, "n_open": 1}


# The period before.


def test_the_first_delivery_of_a_period_is_compared_with_the_last_of_the_one_before(standard, lake):
    send(standard, lake, born({1, 2}, "01/01/2090"), period="2026-06")
    send(standard, lake, born({5}, "01/01/2090"), period=EARLIER)
    send(standard, lake, born({1, 2, 3}, "01/01/2090"), period=EARLIER)
    send(standard, lake, born({3, 4}, "01/01/2090"))
    [part] = parts(standard, lake)
    assert (part.before.submission.period, part.before.no) == (EARLIER, 2)
    assert moved(standard, lake)[FUTURE] == KEPT | {"n_new": 1, "n_open": 1, "n_fixed": 2}
    told = progress.comparison(part, standard, lake)
    assert told["period"] == EARLIER and not told["is_same_period"] and told["is_same_standard"] and not told["why_not"]
    [older] = parts(standard, lake, "2026-06")
    assert older.before is None


def test_another_provider_and_a_later_period_are_never_compared_with(standard, lake):
    send(standard, lake, period=EARLIER, provider="ZZ2")
    send(standard, lake, period="2026-10")
    send(standard, lake)
    assert parts(standard, lake)[0].before is None


def test_a_cumulative_file_is_compared_within_its_year_only(standard, lake):
    rule = "sus_outpatient appointment.birth_date.not_in_future"
    layouts = {"sus_outpatient": 10}

    def same_keys(_, rows):
        return [
            row | {"ATTENDKEY": f"A{n}", "DOB": "2090-01-01" if n < 3 else row["DOB"]} for n, row in enumerate(rows)
        ]

    for period in ("2026-02", "2026-03", "2026-04"):
        send(standard, lake, same_keys, period=period, layouts=layouts)
    assert moved(standard, lake, "2026-03")[rule] == KEPT | {"n_open": 3}
    [part] = parts(standard, lake, "2026-04")
    assert part.before.submission.period == "2026-03" and progress.why_not(part) == "restarted"
    assert moved(standard, lake, "2026-04")[rule] == UNKNOWN
    assert "started again" in progress.comparison(part, standard, lake)["words"]


def test_events_of_two_months_are_other_records(standard, lake):
    layouts = {"emis_observation": 10}
    for period in (EARLIER, PERIOD, PERIOD):
        send(standard, lake, period=period, layouts=layouts, provider="ZP001", faults={"unrecognised": 2})
        [part] = parts(standard, lake, period, "ZP001")
        reason = progress.why_not(part)
        assert reason == ("nothing_before" if period == EARLIER else reason)
        if part.before and part.before.submission.period == EARLIER:
            assert reason == "other_events" and UNKNOWN in moved(standard, lake, period, "ZP001").values()
    assert reason == "" and UNKNOWN not in moved(standard, lake, PERIOD, "ZP001").values()


# Rules that came, went or changed.


LONG_NAMES = "patient.family_name.not_long"


def with_one_more_rule(standard):
    """The standard with a rule about patients that nearly nobody keeps."""
    rules = standard.rules_of_layout["pas_patient"]
    more = dataclasses.replace(rules[0], id=LONG_NAMES, expect="", arguments={}, sql="length(family_name) < 3", when="")  # fmt: skip
    return dataclasses.replace(standard, version="later", rules_of_layout=standard.rules_of_layout | {"pas_patient": (*rules, more)})  # fmt: skip


def test_a_rule_that_is_new_is_listed_and_its_issues_are_not_new(standard, lake):
    send(standard, lake, born({1}, "01/01/2090"), period=EARLIER)
    later = with_one_more_rule(standard)
    send(later, lake, born({1, 2}, "01/01/2090"))
    [part] = parts(later, lake)
    told = progress.comparison(part, later, lake)
    assert told["new_rules"] == [LONG_NAMES] and not told["is_same_standard"]
    found = moved(later, lake)
    assert found[f"pas_patient {LONG_NAMES}"] == UNKNOWN
    assert found[FUTURE] == KEPT | {"n_new": 1, "n_open": 1}
    fact = next(r for r in scorecard.rule_facts(part, later, lake, found) if r["rule"] == LONG_NAMES)
    assert fact["change"] == "new" and fact["failed"] and fact["failed_before"] is None and fact["n_new"] is None
    [mark] = progress.marks(Submission("ZZ1", PERIOD), lake, read_state(lake))
    assert (mark["period"], mark["what"], mark["new_rules"]) == (PERIOD, "1 rule new", told["new_rules"])
    send(standard, lake, born({2}, "01/01/2090"), period="2026-10")  # and back: the rule is gone
    assert (
        progress.comparison(parts(standard, lake, "2026-10")[0], standard, lake)["removed_rules"] == told["new_rules"]
    )
    marks = progress.marks(Submission("ZZ1", "2026-10"), lake, read_state(lake))
    assert [one["what"] for one in marks] == ["1 rule new", "1 rule taken away"]


def test_a_rule_that_claims_something_else_is_not_compared(standard, lake):
    send(standard, lake, born({1, 2}, "01/01/2090"), period=EARLIER)
    name = FUTURE.split(" ")[1]

    def stricter(rule):
        """The same rule with one more condition."""
        return dataclasses.replace(rule, when="true") if rule.id == name else rule

    of_layout = {layout: tuple(map(stricter, rules)) for layout, rules in standard.rules_of_layout.items()}
    later = dataclasses.replace(standard, version="later", rules_of_layout=of_layout)
    send(later, lake, born({2}, "01/01/2090"))
    [part] = parts(later, lake)
    assert progress.comparison(part, later, lake)["changed_rules"] == [name]
    assert moved(later, lake)[FUTURE] == UNKNOWN and moved(later, lake)[MISSING] == KEPT
    [mark] = progress.marks(Submission("ZZ1", PERIOD), lake, read_state(lake), "pas_patient")
    assert mark["what"] == "1 rule changed" and mark["is_standard_changed"]
    assert progress.marks(Submission("ZZ1", PERIOD), lake, read_state(lake), "sus_outpatient") == []


def test_a_standard_that_changed_without_its_rules_is_marked(standard, lake):
    send(standard, lake, period=EARLIER)
    send(dataclasses.replace(standard, version="later"), lake)
    [mark] = progress.marks(Submission("ZZ1", PERIOD), lake, read_state(lake))
    assert mark["what"] == "the standard changed, its rules did not"


def test_a_rule_on_trial_weighs_nothing_and_comes_last(standard, lake):
    trial = {"patient.birth_date.not_in_future"}
    rules = tuple(dataclasses.replace(r, severity="trial") if r.id in trial else r for r in standard.rules)
    of_layout = dict(standard.rules_of_layout)
    of_layout["pas_patient"] = tuple(
        dataclasses.replace(r, severity="trial") if r.id in trial else r
        for r in standard.rules_of_layout["pas_patient"]
    )
    tried = dataclasses.replace(standard, rules=rules, rules_of_layout=of_layout)
    send(tried, lake, born({1, 2, 3}, "01/01/2090"))
    [part] = parts(tried, lake)
    facts = scorecard.rule_facts(part, tried, lake)
    [fact] = [rule for rule in facts if rule["rule"] in trial]
    assert (fact["is_scored"], fact["weight"], fact["is_met"], fact["failed"]) == (False, 0, False, 3)
    unmet = [rule for rule in facts if rule["is_scored"] and not rule["is_met"]]
    assert unmet and facts.index(fact) > max(map(facts.index, unmet))


def test_rules_judged_after_publishing_are_told_like_others(standard):
    some = [(layout, rules[0]) for layout, rules in standard.compared_of_layout.items() if rules]
    if not some:
        pytest.skip("no rule is judged after publishing")
    layout, rule = some[0]
    row = {
        "provider": "ZZ1",
        "period": PERIOD,
        "layout": layout,
        "rule": rule.id,
        "checked": 10,
        "failed": 4,
        "is_met": False,
    }
    other = row | {"period": EARLIER}
    [fact] = scorecard.compared_facts(Submission("ZZ1", PERIOD), [row, other, row | {"rule": "no.such.rule"}], standard)
    assert (fact["rule"], fact["failed"], fact["scope"], fact["n_new"]) == (rule.id, 4, rule.scope, None)


# Points, quarters.


def card(index, n_issues=10, n_records=100, **more):
    return {"index": {"value": index}, "n_issues": n_issues, "files": [{"n_records": n_records}], **more}


def keep(lake, cards, provider="ZZ1"):
    for period, told in cards.items():
        write_text(lake.path("provider", provider, period, "scorecard.json"), json.dumps(told))


def test_history_is_read_from_the_scorecards_of_earlier_periods(standard, lake):
    usable = {"usable": {"pas_patient ethnic_category": 0.75, "pas_patient main_language": None}}
    keep(lake, {"2026-05": card(60.5, **usable), "2026-08": card(70), "2026-10": card(99)})
    keep(lake, {"2026-07": card(1)}, provider="ZZ2")
    told = history.history(Submission("ZZ1", PERIOD), standard, lake)
    assert [(one["period"], one["index"], one["is_sent"]) for one in told] == [
        ("2026-05", 60.5, True), ("2026-06", None, False), ("2026-07", None, False), ("2026-08", 70, True)]  # fmt: skip
    assert told[0]["usable"] == {"pas_patient ethnic_category": 0.75} and told[0]["n_records"] == 100
    now = history.history(Submission("ZZ1", PERIOD), standard, lake, card(80))
    assert [one["index"] for one in now[-2:]] == [70, 80]
    keep(lake, {PERIOD: card(75)})  # what is being made counts, not what was made before
    assert history.history(Submission("ZZ1", PERIOD), standard, lake, card(80)) == now


def test_a_page_of_an_earlier_shape_and_one_that_nobody_can_read_are_gaps(standard, lake):
    old = {"files": [{"n_records": 8}], "n_issues": 3, "fields": [
        {"layout": "pas_patient", "field": "ethnic_category", "n_records": 8, "valid": 6},
        {"layout": "pas_patient", "field": "main_language", "n_records": 0, "valid": 0}]}  # fmt: skip
    keep(lake, {"2026-06": old, "2026-07": [], "2026-08": {"files": "rubbish"}})
    write_text(lake.path("provider", "ZZ1", "2026-09", "scorecard.json"), '{"index": ')
    write_text(lake.path("provider", "ZZ1", "notes", "scorecard.json"), "{}")
    told = history.history(Submission("ZZ1", PERIOD), standard, lake)
    assert [one["period"] for one in told] == ["2026-06", "2026-07", "2026-08", "2026-09"]
    assert told[0]["usable"] == {"pas_patient ethnic_category": 0.75} and told[0]["index"] is None
    assert [one["is_sent"] for one in told] == [True, False, False, False]
    assert history.quarters(told, standard)[-1]["is_no_progress"] is None


def points(indices, issues=None, first=1, year=2026):
    months = [year * 12 + first - 1 + n for n in range(len(indices))]
    issues = issues or [100] * len(indices)
    return [
        history.point(f"{m // 12}-{m % 12 + 1:02d}", card(index, n) if index is not None else {})
        for m, index, n in zip(months, indices, issues, strict=True)
    ]


def test_a_quarter_says_where_it_began_and_ended(standard):
    first, second = history.quarters(points([60, 61, 65, 65, 66, 70], [9, 8, 7, 6, 5, 4]), standard)
    assert (first["quarter"], second["quarter"]) == ("2026-Q1", "2026-Q2")
    assert (first["index_before"], first["index_first"], first["index_last"]) == (None, 60, 65)
    assert (second["index_before"], second["index_first"], second["index_last"]) == (65, 65, 70)
    assert (second["n_issues_first"], second["n_issues_last"], second["n_periods"]) == (6, 4, 3)
    assert first["is_no_progress"] is second["is_no_progress"] is False


@pytest.mark.parametrize(
    ("indices", "issues", "expected"),
    [
        ([60, 60, 60], None, [True]),
        ([60, 60.9, 60.9], None, [True]),
        ([60, 70, 60.5], None, [True]),
        ([60, 60, 61], None, [False]),
        ([60, 60, 60], [100, 95, 90], [False]),  # a tenth fewer issues
        ([60, 60, 60], [100, 95, 91], [True]),
        ([60, 60, 60], [0, 0, 0], [False]),  # nothing is left to mend
        ([90, 80, 61], [100, 95, 50], [True]),  # fewer issues, and worse all the same
        ([96, 96, 95], None, [False]),  # good enough
        ([60, 60], None, [None]),  # the quarter is not over
        ([None, None, 60], None, [None]),  # one value, and none before
        ([60, 70, 70, None, None, 70], None, [False, True]),  # since the quarter before
        ([60, 70, 70, None, None, None, 72], None, [False, None, None]),  # nothing was sent
        ([70, 70, 70, 71, 71], None, [True, None]),
    ],
)
def test_no_progress_is_what_the_standard_says_it_is(standard, indices, issues, expected):
    told = history.quarters(points(indices, issues), standard)
    assert [one["is_no_progress"] for one in told] == expected


def test_a_fault_of_the_engine_repeats_no_value(standard, lake):
    send(standard, lake, born({1}, "01/01/2090"))
    send(standard, lake)
    [part] = parts(standard, lake)
    result_file(lake, "issue", part.before, "pas_patient").write_bytes(
        result_file(lake, "value_count", part.before, "pas_patient").read_bytes()
    )
    with pytest.raises(engine.EngineFault) as caught:
        progress.progress(connect(lake), [part], lake)
    assert "value" not in str(caught.value).replace("without", "")


def test_a_small_lake_is_compared_without_its_own_keys(standard, tmp_path):
    lake = new_lake(tmp_path)
    send(standard, lake, born({1}, "01/01/2090"))
    send(standard, lake, born({1}, "01/01/2090", "DATE_OF_BIRTH"), faults={"blank": 1})
    for path in lake.keys.iterdir():
        path.unlink()
    assert moved(standard, lake)[FUTURE]["n_open"] == 1


def test_every_reason_not_to_compare_has_words(standard):
    words = standard.settings["scorecard"]["not_compared"]
    assert all(words[reason].endswith(".") for reason in ("nothing_before", "other_events", "restarted"))


def test_what_counts_as_progress_is_checked_when_the_standard_loads(tmp_path):
    folder = copied_standard(tmp_path)
    line = replace(folder / "standards" / "scorecard.yml", "smallest_gain: 1,", "smallest_gain: a lot,")
    with pytest.raises(Faults) as caught:
        load(folder)
    assert f"standards/scorecard.yml:{line}: smallest_gain of progress 'a lot' is no number" in str(caught.value)
