"""Scorecards: what a provider sees, exactly; nothing that is not theirs, no value, and also when a delivery fails."""

import base64
import csv
import gzip
import hashlib
import html
import json
import re
import uuid
from html.parser import HTMLParser

import duckdb
import pytest

from tests.lakes import copied_standard
from tests.synthetic import deliver
from transforms import issue_files, keys
from transforms.engine import fixed_shapes
from transforms.feedback import FILES, feedback, owed
from transforms.ingest import ingest
from transforms.issues import safe
from transforms.lake import Lake, Submission
from transforms.receive import receive
from transforms.render import per_cent, render
from transforms.standard import load
from transforms.validate import validate

PERIOD = "2026-09"
BOTH = {"pas_patient": 60, "sus_outpatient": 50}


def take_in(standard, lake, *providers):
    """Everything that lies in landing, up to the pages of these providers."""
    receive(standard, lake)
    counts = {}
    for provider in providers:
        submission = Submission(provider, PERIOD)
        ingest(submission, standard, lake)
        validate(submission, standard, lake)
        counts = feedback(submission, standard, lake)
    return counts


def page(lake, provider, name="index.html"):
    return lake.path("provider", provider, PERIOD, name).read_text(encoding="utf-8")


def card(lake, provider):
    return json.loads(page(lake, provider, "scorecard.json"))


def issues(lake, provider):
    with gzip.open(lake.path("provider", provider, PERIOD, "issues.csv.gz"), "rt", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def sent(standard, tmp_path_factory):
    """One lake with a delivery that is mostly good: its lake, and what was sent."""
    root = tmp_path_factory.mktemp("feedback")
    lake = Lake(root / "lake", root / "keys").prepare()
    keys.initialise(lake)
    faults = {"future_birth_date": 4, "malformed_nhs_number": 5, "missing_key": 2, "unrecognised": 3, "blank": 6}
    delivery = deliver(lake.path("landing"), "ZZ1", PERIOD, BOTH, faults)
    assert take_in(standard, lake, "ZZ1")["pages"] == 1
    return lake, delivery


def test_issues_point_at_exactly_the_faulty_lines(sent):
    lake, delivery = sent
    for layout, rule in (("pas_patient", "patient"), ("sus_outpatient", "appointment")):
        wanted = [i for i in issues(lake, "ZZ1") if i["rule"] == f"{rule}.birth_date.not_in_future"]
        assert sorted(int(i["line"]) for i in wanted) == delivery.lines("future_birth_date", layout)
        assert all(int(i["line_in_file"]) == int(i["line"]) + 1 for i in wanted)
        assert {i["file_role"] for i in wanted} == {layout}
    assert {i["column"] for i in wanted} == {"DOB"}


def test_every_failing_record_is_an_issue(sent):
    lake, _ = sent
    told = {(r["layout"], r["rule"]): r["failed"] for r in card(lake, "ZZ1")["rules"] if r["failed"]}
    folder = lake.path("provider", "ZZ1", PERIOD)
    rows = duckdb.sql(f"select file_role, rule, count(*) from read_parquet('{folder}/issues.parquet') group by all")
    assert {(layout, rule): n for layout, rule, n in rows.fetchall()} == told
    assert len(issues(lake, "ZZ1")) == sum(told.values())


def test_both_lists_say_the_same_however_long_they_are_and_whatever_a_name_holds(tmp_path, monkeypatch):
    """They are written in pieces; every reader of gzip reads them as one, and csv of Python reads what its own writer wrote."""
    named = [
        ("patients", 'Date, of "birth"', "patient.birth_date.present"),
        ("visits", "two\nlines", "a"),
        ("visits", "", "b"),
    ]
    rows = [(n % 3, n // 3 + 1, (n % 5) % 4, n % 3) for n in range(6000)]
    monkeypatch.setattr(issue_files, "ROWS_AT_ONCE", 2048)  # the fewest that the engine hands over at once
    con = duckdb.connect()
    con.execute("create table ordered (place integer, line integer, cause integer, since integer)")
    con.executemany("insert into ordered values (?, ?, ?, ?)", rows)
    issue_files.write_files(con, named, tmp_path)
    wanted = [
        (
            named[place][0],
            line,
            line + 1,
            *named[place][1:],
            ["", *(name for *_, name in named)][cause],
            ["", "new", "open"][since],
        )
        for place, line, cause, since in rows
    ]
    assert duckdb.sql(f"from read_parquet('{tmp_path}/issues.parquet')").fetchall() == wanted
    with gzip.open(tmp_path / "issues.csv.gz", "rt", encoding="utf-8", newline="") as handle:
        header, *told = csv.reader(handle)
    assert header == ["file_role", "line", "line_in_file", "column", "rule", "because_of", "since"]
    assert told == [[str(cell) for cell in row] for row in wanted]
    before = (tmp_path / "issues.csv.gz").read_bytes()
    issue_files.write_files(con, named, tmp_path)
    assert (tmp_path / "issues.csv.gz").read_bytes() == before


def test_a_row_that_follows_from_another_rule_names_it(standard, sent):
    """A date of birth in the future breaks every rule that compares with it: the first cause is named, line by line."""
    lake, _ = sent
    told = {rule["rule"]: rule for rule in card(lake, "ZZ1")["rules"] if rule["layout"] == "pas_patient"}
    listed = [row for row in issues(lake, "ZZ1") if row["file_role"] == "pas_patient"]
    broken = {(row["line"], row["rule"]) for row in listed}
    for row in listed:
        causes = [name for name in told[row["rule"]]["follows"] if (row["line"], name) in broken]
        assert row["because_of"] == (causes[0] if causes else "")
    assert any(row["because_of"] for row in listed)
    for name, rule in told.items():
        assert rule["n_caused"] == sum(1 for row in listed if row["rule"] == name and row["because_of"])


def test_statuses_add_up_to_the_records_and_match_what_was_sent(sent):
    lake, delivery = sent
    fields = {(row["layout"], row["field"]): row for row in card(lake, "ZZ1")["fields"]}
    for (layout, _), row in fields.items():
        assert sum(row[x] for x in ("valid", "other", "default", "invalid", "missing")) == BOTH[layout]
    for layout in BOTH:
        row = fields[layout, "ethnic_category"]
        assert row["missing"] == len(delivery.lines("blank", layout))
        assert row["invalid"] == len(delivery.lines("unrecognised", layout))


def test_a_code_counts_as_what_it_meant_on_the_day_of_the_record(standard, lake, tmp_path):
    def dated(_, rows):
        """The old digits for everybody; half of the admissions were when they were in use."""
        return [
            row | {"ETHNOS": "4", "ADMIDATE": "2000-05-01" if place % 2 else "2026-09-02"}
            for place, row in enumerate(rows)
        ]

    copy = copied_standard(tmp_path)
    path = copy / "standards" / "providers.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("pas_patient sus_outpatient,QHL", "sus_admitted,QHL", 1))
    provider = next(code for code, row in load(copy).providers.items() if row["layouts"] == "sus_admitted")
    deliver(lake.path("landing"), provider, PERIOD, {"sus_admitted": 20}, edit=dated)
    take_in(load(copy), lake, provider)
    [row] = [row for row in card(lake, provider)["fields"] if row["field"] == "ethnic_category"]
    assert (row["valid"], row["invalid"], row["n_records"]) == (10, 10, 20)


def test_the_page_names_three_things_to_fix_first_and_the_worst_is_first(sent):
    lake, _ = sent
    text = page(lake, "ZZ1")
    cards = re.findall(r"<h3>(.*?)</h3>", text.split('class="actions"')[1].split("</ol>")[0])
    actions = card(lake, "ZZ1")["actions"]
    assert [card.replace("&#39;", "'") for card in cards] == [action["what_to_do"] for action in actions]
    assert len(cards) == 3 and len(set(cards)) == 3
    effects = [round(action["effect"], 6) for action in actions if action["effect"] >= 0.05]
    assert effects == sorted(effects, reverse=True)
    rules = {(rule["layout"], rule["rule"]): rule for rule in card(lake, "ZZ1")["rules"]}
    for action in actions:
        for place in action["rules"]:
            rule = rules[place["layout"], place["rule"]]
            assert rule["is_theirs"] and rule["severity"] != "trial" and rule["failed"] > rule["n_caused"]


def test_what_no_layout_has_stands_in_one_line_a_topic(standard, sent):
    lines = re.findall(r"<li>(.*?)</li>", page(sent[0], "ZZ1").split('id="not-collected"')[1].split("<h")[0])
    items = [re.sub(r"<.*?>", "", item).strip() for line in lines for item in line.split(": ", 1)[1].split(",")]
    layouts = [standard.layouts[name] for name in BOTH]
    held = {field for layout in layouts for field in layout.fields}
    fields = [row for layout in layouts for row in standard.fields_of(layout.table)]
    coded = {row["field"] for row in fields if row["code_system"] or row["requirement"] != "optional"} - held
    assert sorted(items) == sorted(name.replace("_", " ") for name in coded)
    assert len(lines) == len({row["topic"] for row in fields if row["field"] in coded})
    assert all(f"<strong>{row['field'].replace('_', ' ')}</strong>" in "".join(lines) for row in fields
               if row["field"] in coded and row["requirement"] != "optional")  # fmt: skip


def test_no_value_of_a_patient_is_in_any_file(sent):
    lake, delivery = sent
    folder = lake.path("provider", "ZZ1", PERIOD)
    names = ("index.html", "summary.html", "rules.csv", "scorecard.csv", "scorecard.json")
    text = "".join(page(lake, "ZZ1", name) for name in names)
    text += gzip.decompress((folder / "issues.csv.gz").read_bytes()).decode()
    text += str(duckdb.sql(f"from read_parquet('{folder}/issues.parquet')").fetchall())
    for row in delivery.rows["pas_patient"]:
        for column in ("PATIENT_ID", "NHS_NUMBER", "POSTCODE", "DATE_OF_BIRTH"):
            assert not row[column].strip() or row[column] not in text, column
    assert not re.search(r"999[\s-]?\d{3}[\s-]?\d{4}", text)


def test_only_its_owner_can_open_the_folder(sent):
    lake, _ = sent
    for place in (lake.path("provider", "ZZ1"), lake.path("provider", "ZZ1", PERIOD)):
        assert place.stat().st_mode & 0o077 == 0


def test_a_second_run_changes_nothing(standard, sent):
    lake, _ = sent
    folder = lake.path("provider", "ZZ1", PERIOD)
    before = {name: (folder / name).stat().st_mtime_ns for name in FILES}
    assert feedback(Submission("ZZ1", PERIOD), standard, lake) == {"pages": 0, "unchanged": 1, "issues": 0, "news": 0}
    assert {name: (folder / name).stat().st_mtime_ns for name in FILES} == before
    assert owed(standard, lake) == []


def test_a_page_is_made_again_when_what_it_is_compared_with_has_changed_and_only_then(standard, sent, monkeypatch):
    lake, _ = sent
    submission, unchanged = Submission("ZZ1", PERIOD), {"pages": 0, "unchanged": 1, "issues": 0, "news": 0}
    peers = {
        "peers": {
            ("pas_patient", "sex", "usable"): {"share": 0.5, "low": 0.4, "high": 0.6, "value": 0.5, "period": PERIOD}
        }
    }
    others = {"region": {}, "own": {}, "units": {row["measure"]: row["unit"] for row in standard.tables["measures"]}}
    for name, stand_in in (
        ("compare.mark", lambda *_: "another"),
        ("published", lambda *_: others | peers),
        ("history", lambda *_: [{"period": "2026-01", "index": 50.0}]),
    ):
        assert feedback(submission, standard, lake) == unchanged
        with monkeypatch.context() as patch:
            patch.setattr(f"transforms.feedback.{name}", stand_in)
            assert feedback(submission, standard, lake)["pages"] == 1
        assert feedback(submission, standard, lake)["pages"] == 1


def test_what_only_history_and_peers_can_tell_stands_on_the_page_of_exactly_that_delivery(standard, lake):
    deliver(lake.path("landing"), "ZZ2", PERIOD, {"sus_outpatient": 20})
    take_in(standard, lake, "ZZ2")
    rules = standard.compared_of_layout["sus_outpatient"]
    history = next(rule for rule in rules if rule.scope == "history")
    peers = next(rule for rule in rules if rule.scope == "peers")
    shapes = {table: columns for stage, table, columns in fixed_shapes() if stage == "compared"}
    con = duckdb.connect()
    for name in ("rule_result", "issue"):
        con.execute(f"create table {name} ({shapes[name]})")
    for rule in (history, peers):
        about = [1, "ZZ2", PERIOD, 1, "sus_outpatient", rule.id, 20, 2, 2, 18, False, "x"]
        con.execute(f"insert into rule_result values ({', '.join('?' * len(about))})", about)
    for line, arrival in ((3, 1), (7, 1), (9, 2)):  # the last one was found in another delivery
        about = [1, "ZZ2", PERIOD, arrival, "sus_outpatient", 1, line, str(uuid.uuid4()), True, history.id]
        con.execute(f"insert into issue values ({', '.join('?' * len(about))})", about)
    for name in ("rule_result", "issue"):
        path = lake.provider_file("compared", name, "ZZ2")
        path.parent.mkdir(parents=True, exist_ok=True)
        con.execute(f"copy {name} to '{path}' (format parquet, kv_metadata {{fingerprint: 'compared once'}})")
    assert feedback(Submission("ZZ2", PERIOD), standard, lake)["pages"] == 1
    told = {rule["rule"]: rule for rule in card(lake, "ZZ2")["rules"]}
    assert (told[history.id]["scope"], told[history.id]["failed"]) == ("history", 2)
    assert told[peers.id]["scope"] == "peers"
    listed = [row for row in issues(lake, "ZZ2") if row["rule"] in (history.id, peers.id)]
    assert [(row["rule"], int(row["line"]), row["since"]) for row in listed] == [
        (history.id, 3, ""),
        (history.id, 7, ""),
    ]
    assert history.message in html.unescape(page(lake, "ZZ2"))


def test_a_hopeless_file_is_told_in_plain_words(standard, lake):
    deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 20}, {"ragged_row": True})
    take_in(standard, lake, "ZZ2")
    said = standard.words("unreadable_rows")
    text = page(lake, "ZZ2")
    assert said["words"][1:] in text and said["what_to_do"] in text and "Nothing of this period is in force" in text
    assert issues(lake, "ZZ2") == []


def test_a_delivery_refused_at_the_door_has_a_page_too(standard, lake):
    deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 20}, {"wrong_hash": True})
    receive(standard, lake)
    assert owed(standard, lake) == [Submission("ZZ2", PERIOD)]
    assert feedback(Submission("ZZ2", PERIOD), standard, lake)["pages"] == 1
    assert standard.words("wrong_hash")["what_to_do"] in page(lake, "ZZ2")
    assert owed(standard, lake) == []


def test_a_rejected_correction_says_what_stays_in_force(standard, lake):
    deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 20}, {"missing_birth_date": 3})
    take_in(standard, lake, "ZZ2")
    deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 20}, {"header_only": True}, name="correction")
    take_in(standard, lake, "ZZ2")
    text = page(lake, "ZZ2")
    assert "What you sent before stays in force" in text and "(delivery 1)" in text
    assert card(lake, "ZZ2")["files"][0]["n_records"] == 20


def test_a_correction_is_compared_with_the_delivery_before(standard, lake):
    deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 20}, {"future_birth_date": 3})
    take_in(standard, lake, "ZZ2")
    deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 20}, name="correction")
    take_in(standard, lake, "ZZ2")
    rule = next(r for r in card(lake, "ZZ2")["rules"] if r["rule"] == "patient.birth_date.not_in_future")
    assert (rule["failed_before"], rule["failed"], rule["n_fixed"]) == (3, 0, 3)
    assert "Compared with the delivery before" in page(lake, "ZZ2")
    for rule in card(lake, "ZZ2")["rules"]:  # what the page counts is what the rows say
        since = [row["since"] for row in issues(lake, "ZZ2") if row["rule"] == rule["rule"]]
        if rule["n_new"] is not None:
            assert (rule["n_new"], rule["n_open"]) == (since.count("new"), since.count("open"))


def test_a_guard_that_rejects_the_delivery_is_named(standard, lake):
    def unreadable(_, rows):
        return [row | {"DATE_OF_BIRTH": "last spring"} for row in rows]

    deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 20}, edit=unreadable)
    take_in(standard, lake, "ZZ2")
    top = page(lake, "ZZ2").split("What arrived")[0]
    assert "Rejected" in top and "Send dates in the format of the layout" in top


def test_a_provider_without_an_agreement_is_told_so(standard, lake, sent):
    without = sorted(set(standard.providers) - {row["provider"] for row in standard.tables["agreements"]})[0]
    deliver(lake.path("landing"), without, PERIOD, {"emis_patient": 10, "emis_observation": 10})
    take_in(standard, lake, without)
    assert "No agreement covers this period" in page(lake, without)
    assert "No agreement" not in page(sent[0], "ZZ1")


class Structure(HTMLParser):
    """What accessibility and the security policy ask of a page, as it is read."""

    def __init__(self):
        super().__init__()
        self.seen, self.ids, self.loads = [], [], []

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        self.seen.append((tag, facts))
        if "id" in facts:
            self.ids.append(facts["id"])
        for name in ("src", "href"):
            if facts.get(name, "").startswith(("http", "//", "javascript")):
                self.loads.append(facts[name])


def read_structure(text):
    found = Structure()
    found.feed(text)
    return found


def test_the_page_is_accessible_and_loads_nothing(sent):
    text = page(sent[0], "ZZ1")
    found = read_structure(text)
    tags = [tag for tag, _ in found.seen]
    assert ("html", "en") in [(tag, facts.get("lang")) for tag, facts in found.seen]
    assert tags.count("h1") == 1 and tags.count("main") == 1
    assert all(facts.get("scope") in ("col", "row") for tag, facts in found.seen if tag == "th")
    assert tags.count("table") == tags.count("caption")
    assert len(found.ids) == len(set(found.ids))
    assert not found.loads and "script" not in tags and "style=" not in text
    anchors = [facts["href"][1:] for tag, facts in found.seen if tag == "a" and facts["href"].startswith("#")]
    assert set(anchors) <= set(found.ids)


def test_the_style_is_the_one_the_policy_allows(sent):
    text = page(sent[0], "ZZ1")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in text


def test_what_a_provider_types_is_never_run():
    hostile = "<script>alert(1)</script>"
    row = {"period": PERIOD, "on": "2026-10-01", "outcome": "rejected", "words": hostile, "has_page": False}
    text = render("provider.html", provider="X", provider_name=hostile, is_invented=False, periods=[row])
    assert "<script" not in text and text.count("&lt;script&gt;") == 3


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text):
    assert safe(text) == "'" + text
    assert safe("plain") == "plain" and safe("") == "" and safe(-1) == -1


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (1, 3, "33.3%"),
        (0, 5, "0%"),
        (5, 5, "100%"),
        (1, 100_000, "under 0.1%"),
        (99_999, 100_000, "over 99.9%"),
        (0, 0, "–"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(part, whole, said):
    assert per_cent(part, whole) == said
