"""A small demonstration from one end to the other: what is published, beside the truth, fault class by fault class."""

import csv
import gzip
import re
import shutil
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from tests.lakes import replace
from transforms import keys
from transforms.arrivals import read_state
from transforms.compare import compare
from transforms.demo_data import STANDARDS, demo_data
from transforms.demo_people import Source
from transforms.demo_report import as_text, demo_report
from transforms.feedback import read_scorecard
from transforms.geography import import_postcodes
from transforms.lake import Lake
from transforms.publish import publish
from transforms.receive import receive
from transforms.standard import load
from transforms.work import pending, run_chunk

# Every special delivery, and every fault that one provider alone has, in as few submissions as can be.
PROVIDERS = ("ZZ1", "ZZ2", "ZZ3", "ZZ4", "ZZ8", "ZP005", "ZP007", "ZP009", "ZP014", "ZP022")
PROVIDERS += ("ZP025", "ZM01", "ZC01", "ZL01", "ZV01", "ZF01")  # a sender of each other layout
# What is seldom, and who is small: in few rows it happens often enough only if it happens more often.
SELDOM = {
    "placeholder_nhs_number": "0.02",
    "future_birth_date": "0.02",
    "future_date": "0.01",
    "lone_9": "0.02",
    "malformed_nhs_number": "0.03",
    "trailing_space": "0.06",
    "unrecognised_value": "0.03",
    "missing_postcode": "0.03",
    "duplicate_registration": "0.03",
}
SMALL = ("ecds", "tpp_patient", "tpp_code", "mhsds_patient", "csds_patient", "social_care", "small_csv", "fhir_patient")
# Stays, emergencies, waits and refusals, and those of people who died, happen more often here too.
OFTEN = {
    "died: {over_70: 0.012, others: 0.0006}": "died: {over_70: 0.3, others: 0.1}",
    "admissions_per_patient_and_month: 0.008": "admissions_per_patient_and_month: 0.08",
    "attendances_per_patient_and_month: 0.02": "attendances_per_patient_and_month: 0.2",
    "  referrals_per_patient_and_month: 0.03": "  referrals_per_patient_and_month: 0.2",
    "cancer_referrals_per_patient_and_month: 0.008": "cancer_referrals_per_patient_and_month: 0.1",
    "is_cancer: 0.16": "is_cancer: 0.7",
    "refusals_per_person_and_month: 0.06": "refusals_per_person_and_month: 2",
}
HARMLESS = (
    "spaced_nhs_number",
    "postcode_spelling",
    "lower_case_code",
    "local_list_code",
    "local_second_character",
    "own_words",
    "different_value",
    "general_value",
    "later_refusal",
    "old_address",
    "wrong_date_order",
    "borrowed_nhs_number",
    "duplicate_registration",
    "confidential_record",
    "trailing_space",
)


def small_standards(folder: Path, providers=PROVIDERS, is_clean: bool = False) -> Path:
    """A copy of standards/ with few demo providers and two periods, and with more faults than usual, or with none drawn."""
    shutil.copytree(STANDARDS, folder)
    with open(folder / "providers.csv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    with open(folder / "providers.csv", "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"starts_on": "2026-09-01"} for row in rows if row["code"] in providers)
    with open(folder / "demo" / "faults.csv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        row["rate"] = SELDOM.get(row["fault"], row["rate"])
        if row["layout"] in SMALL and row["rate"]:
            row["rate"] = str(max(float(row["rate"]), 0.1))
        row["rate"] = "0" if row["rate"] and is_clean else row["rate"]
    with open(folder / "demo" / "faults.csv", "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    settings = folder / "demo" / "demo.yml"
    for old, new in ({"first_period: 2024-11": "first_period: 2026-09"} | OFTEN).items():
        replace(settings, old, new)
    return folder


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    lake, standard = Lake(root / "lake", root / "keys").prepare(), load()
    keys.initialise(lake)
    demo_data(lake.root, people=4000, standards=small_standards(root / "standards"))
    import_postcodes(lake.path("demo", "postcodes.csv"), lake)
    receive(standard, lake)
    names = pending(standard, lake)
    for stage in ("ingest", "validate", "harmonise"):
        run_chunk(stage, names, standard, lake)
    publish(standard, lake)
    compare(standard, lake)
    run_chunk("feedback", names, standard, lake)  # once is enough: with all that may be said
    return SimpleNamespace(lake=lake, standard=standard, report=demo_report(lake, standard))


@pytest.fixture(scope="module")
def report(demo):
    return demo.report


@pytest.fixture(scope="module")
def account(demo):
    """What the truth says should be found, and what was: {(provider, period, layout, rule): {fault: lines}}, and {...: lines}.

    Made without the report: from demo/truth, faults.csv and the results of the deliveries in force.
    """
    lake, standard, con = demo.lake, demo.standard, duckdb.connect()
    field = {(layout.name, e["column"]): e["field"] for layout in standard.layouts.values() for e in layout.columns}
    rules = named_rules(standard)
    in_force = {
        (s.provider, s.period, name, arrival.no)
        for s, arrivals in read_state(lake).arrivals.items()
        for name, arrival in read_state(lake).current(s).items()
    }
    judged, found, wrong = set(), defaultdict(set), defaultdict(lambda: defaultdict(set))
    for stage in ("results", "compared"):
        for table, keep in (("rule_result", "0 as line"), ("issue", "line")):
            query = f"""select provider, period, layout, arrival, rule, {keep}
                        from read_parquet({lake.files(stage, table)!r}, union_by_name = true, hive_partitioning = false)"""
            for *place, arrival, rule, line in con.execute(query).fetchall():
                if (*place, arrival) in in_force:
                    judged.add((*place, rule)) if table == "rule_result" else found[*place, rule].add(line)
    truth = lake.path("demo", "truth", "fault.parquet")
    for *place, line, column, fault in con.execute(
        f"""select provider, period, layout, line, "column", fault from read_parquet('{truth}')"""
    ).fetchall():
        for rule in rules[fault, place[2], field[place[2], column]]:
            if (*place, rule) in judged:  # what is compared is the newest delivery only
                wrong[*place, rule][fault].add(line)
    named = {(layout, rule) for (_, layout, _), some in rules.items() for rule in some}
    found = {key: lines for key, lines in found.items() if key[2:] in named}
    return SimpleNamespace(wrong=wrong, found=defaultdict(set, found), named=named, judged=judged)


def named_rules(standard):
    """(fault, layout, field) -> the rules that faults.csv says must find it there; none for what no rule can tell."""
    found = {}
    for row in Source(standard.folder).faults:
        for layout in (row["layout"], *row["taken_over_by"].split()):
            of_layout = (*standard.rules_of_layout[layout], *standard.compared_of_layout[layout])
            claims = {f"{standard.layouts[layout].table}.{claim}" for claim in row["rules"].split()}
            found[row["fault"], layout, row["field"]] = claims & {rule.id for rule in of_layout}
    return found


def test_every_delivery_became_what_was_expected(report):
    assert all(row["expected"] == row["outcome"] for row in report["delivery"])
    assert {row["expected"] for row in report["delivery"]} == {"accepted", "rejected", "unchanged"}
    assert all(row["why"] for row in report["refusal"] if row["expected"] == "rejected")


def test_no_two_people_became_one(report):
    counts = {row["what"]: row["n"] for row in report["person"]}
    assert counts["published people who are two or more people"] == 0
    assert counts["people who became exactly one published person"] > 0.9 * counts["of these, in what may be linked"]


def test_every_coded_fault_is_read_as_it_should_be(report):
    coded = [row for row in report["fault"] if row["n_read_rightly"] is not None]
    assert len({row["fault"] for row in coded}) > 12
    assert [row for row in coded if row["n_read_rightly"] != row["n_rows"]] == []


def test_every_row_with_a_fault_is_found_by_every_rule_that_the_fault_names(account):
    missed = {
        (*key, fault): sorted(lines - account.found[key])
        for key, by_fault in account.wrong.items()
        for fault, lines in by_fault.items()
        if not lines <= account.found[key]
    }
    assert missed == {}
    assert len(account.wrong) > 300  # of so many rules and files


def test_rules_that_find_faults_find_nothing_else(account):
    more = {
        key: sorted(lines - set().union(*account.wrong.get(key, {}).values())) for key, lines in account.found.items()
    }
    assert {key: lines for key, lines in more.items() if lines} == {}


def test_every_fault_that_a_rule_finds_happens_here(account, demo):
    happened = {(fault, key[2]) for key, by_fault in account.wrong.items() for fault in by_fault}
    named = {(fault, layout) for (fault, layout, _), rules in named_rules(demo.standard).items() if rules}
    assert {fault for fault, _ in named} == {fault for fault, _ in happened}
    assert named - happened == set()


def test_pages_and_their_files_count_exactly_what_was_injected(account, demo):
    wrong = {key: set().union(*by_fault.values()) for key, by_fault in account.wrong.items()}
    places = {key[:2] for key in account.judged}
    assert len(places) > 25
    for provider, period in sorted(places):
        folder = demo.lake.path("provider", provider, period)
        expected = {key[2:]: wrong.get(key, set()) for key in account.judged if key[:2] == (provider, period)}
        expected = {key: lines for key, lines in expected.items() if key in account.named}
        counts = {key: len(lines) for key, lines in expected.items()}
        assert on_card(folder) | counts == on_card(folder)
        assert in_rules_file(folder) | counts == in_rules_file(folder)
        assert on_page(folder) | counts == on_page(folder)
        rows = in_issue_file(folder)
        assert {key: rows.get(key, []) for key in expected} == {key: sorted(lines) for key, lines in expected.items()}


def on_card(folder):
    """(layout, rule) -> rows that fail, as each of the files of a page says it."""
    return {(rule["layout"], rule["rule"]): rule["failed"] for rule in read_scorecard(folder)["rules"]}


def in_rules_file(folder):
    with open(folder / "rules.csv", encoding="utf-8", newline="") as handle:
        return {(row["layout"], row["rule"]): int(row["failed"]) for row in csv.DictReader(handle)}


def in_issue_file(folder):
    lines = defaultdict(list)
    with gzip.open(folder / "issues.csv.gz", "rt", encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            lines[row["file_role"], row["rule"]].append(int(row["line"]))
    return {key: sorted(some) for key, some in lines.items()}


def on_page(folder):
    """As a reader sees it in the table of all rules."""
    text = (folder / "index.html").read_text(encoding="utf-8").replace("<wbr>", "")
    found = {}
    rules = text.partition('id="rules"')[2].partition("<h2")[0]
    for table in rules.split("<caption>")[1:]:
        layout = re.match(r"[^<]*\((\w+)\), delivery", table)[1]
        rows = re.findall(r"<code>([\w.]+)</code>.*?<td>.*?</td>\s*<td class=\"n\">([\d,]+)<br>", table, re.DOTALL)
        found |= {(layout, rule): int(failed.replace(",", "")) for rule, failed in rows}
    return found


def test_the_report_says_the_same(report, account):
    n_wrong, n_found = defaultdict(int), defaultdict(int)
    for key, by_fault in account.wrong.items():
        n_wrong[key[2:]] += len(set().union(*by_fault.values()))
    for key, lines in account.found.items():
        n_found[key[2:]] += len(lines)
    told = {(row["layout"], row["rule"]): row for row in report["rule"]}
    assert {key: row["n_made_wrong"] for key, row in told.items()} == n_wrong
    assert {key: row["n_found"] for key, row in told.items()} == n_found
    assert all(row["n_made_wrong"] == row["n_found"] == row["n_both"] for row in told.values())
    assert [row for row in report["fault"] if row["n_to_find"] != row["n_found"]] == []
    assert [
        row
        for row in report["fault"]
        if row["rules"] and row["fault"] != "after_death" and row["n_to_find"] != row["n_rows"]
    ] == []


@pytest.mark.parametrize("fault", HARMLESS)
def test_no_rule_blames(report, fault):
    rows = [row for row in report["fault"] if row["fault"] == fault]
    assert rows
    assert all(row["n_found"] == row["n_to_find"] == 0 and not row["rules"] for row in rows)


@pytest.mark.parametrize("fault", ["test_record", "confidential_record"])
def test_left_out_of_what_is_published(report, fault):
    rows = [row for row in report["fault"] if row["fault"] == fault]
    assert rows
    assert all(row["n_left_out"] == row["n_rows"] for row in rows)


def test_what_is_published_is_mostly_true(report):
    shares = {row["characteristic"]: row["share_right_of_answers"] for row in report["characteristic"]}
    assert shares["ethnic_category"] > 0.88  # wrong entries by design: about one in twenty
    assert all(share > 0.97 for name, share in shares.items() if name != "ethnic_category")


def test_attendance_is_close_to_the_truth(report):
    rows = [
        row for row in report["attendance"] if row["breakdown"] == "everyone" and row["published_share"] is not None
    ]
    assert len(rows) == 1
    assert abs(rows[0]["published_share"] - rows[0]["true_share"]) < 0.02


def test_the_report_says_that_it_is_invented(report):
    assert "invented" in as_text(report).splitlines()[0]
