"""Every status and reason from what a provider sends to what is published, for every layout and coded field of the standard.

What is sent is taken from the maps themselves: of each layout and coded field one value for each status and reason (and
each relation of a known one), a blank, and something that no map knows. So a new field, layout or map is followed too.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import pytest

from tests import lakes
from tests.lakes import PERIOD, add_line, copied_standard, replace
from tests.synthetic import deliver
from tests.synthetic_layouts import column_for
from tests.test_publish import new_lake, opened
from transforms import publish
from transforms.engine import characteristics
from transforms.ingest import bronze_file
from transforms.lake import Lake
from transforms.standard import Standard, load

STANDARD = load()
TIMES = 12  # so often is each value sent: enough to be shown, also where an item is sensitive
UNKNOWN = "Zq7"  # what no map knows
CONFIDENTIAL = 9
VODIM = {
    "known": "valid", "not_stated": "other", "not_known": "default", "unrecognised": "invalid", "not_recorded": "missing",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One value as it is sent, and what the standard's own rows say that it means."""

    value: str
    status: str
    reason: str = ""
    code: str = ""
    detail: str = ""


@cache
def cases(layout: str, field: str) -> tuple[Case, ...]:
    """A value for each status and reason that a coded field of a layout can have."""
    standard = STANDARD
    system = standard.characteristics()[field]
    layout_ = standard.layouts[layout]
    entry = layout_.fields.get(field) or {}
    partial = [i for items in (layout_["states"] or {}).values() if isinstance(items, list) for i in items]
    vocabularies = entry.get("vocabulary") or next(i["vocabulary"] for i in partial if i["characteristic"] == field)
    about = {row["vocabulary"]: row for row in standard.tables["vocabularies"]}
    taken: set[str] = set()
    found: dict[tuple, Case] = {}
    for vocabulary in vocabularies:
        is_exact = about[vocabulary]["is_case_sensitive"] == "true"
        rows = [r for r in standard.code_maps if (r["system"], r["vocabulary"]) == (system, vocabulary)]
        mine = Counter(_folded(row["value"], is_exact) for row in rows)
        for row in rows:
            sent = _folded(row["value"], is_exact)
            if sent in taken or mine[sent] > 1 or row["valid_from"] or row["valid_to"] or "\n" in row["value"]:
                continue  # read with an earlier vocabulary, or by its date
            slug = row["reason"].split(":")[0]
            kind = (
                (row["status"], row["relation"], row["detail"] in _faiths()) if row["code"] else (row["status"], slug)
            )
            case = Case(row["value"], row["status"], row["reason"], row["code"], row["detail"])
            found.setdefault(kind, case)
        taken |= set(mine)
        if about[vocabulary]["matching"] == "first_of_two":
            taken |= {v + c for v in mine if len(v) == 1 for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"}
    if entry:
        found["unknown",] = Case(UNKNOWN, "unrecognised", "not_in_map")
        found["blank",] = Case("", "not_recorded", "blank")
    return tuple(found.values())


@cache
def _faiths() -> frozenset[str]:
    return frozenset(r["value"] for r in STANDARD.code_maps if r["vocabulary"] == "ethnic_detail")


def _folded(value: str, is_exact: bool) -> str:
    return value.strip() if is_exact else value.strip().upper()


@cache
def coded(layout: str) -> tuple[tuple[str, str], ...]:
    """(field, the column of the extract that holds it) of a layout's own coded columns."""
    made = STANDARD.layouts[layout]
    return tuple((name, entry["column"]) for name, entry in made.fields.items() if entry.get("vocabulary"))


@cache
def stated(layout: str) -> tuple[str, ...]:
    """The characteristics that codes in another column may state."""
    items = (STANDARD.layouts[layout]["states"] or {}).values()
    return tuple(item["characteristic"] for listed in items if isinstance(listed, list) for item in listed)


LAYOUTS = sorted(name for name in STANDARD.layouts if coded(name) or stated(name))
OWN = [(layout, field) for layout in LAYOUTS for field, _ in coded(layout)]
CODES = [layout for layout in LAYOUTS if stated(layout) and not coded(layout)]
PROVIDER = {layout: f"ZY{place:02d}" for place, layout in enumerate(LAYOUTS)}
TWIN = "ZX99"  # sends what ZY.. of small_csv sends, with other answers


def said(layout: str, field: str, line: int) -> Case:
    """What line 1, 2, … of a layout says of a field."""
    listed = cases(layout, field)
    return listed[(line - 1) // TIMES % len(listed)]


def n_rows(layout: str) -> int:
    """Every value of every field often enough, and some confidential records at the end."""
    if layout in CODES:
        return TIMES * sum(len(cases(layout, name)) for name in stated(layout))
    return TIMES * max(len(cases(layout, field)) for field, _ in coded(layout)) + CONFIDENTIAL


def entries(layout: str) -> list[tuple[str, Case]]:
    """What each line of a file of dated codes says: a characteristic, and the value."""
    return [(name, case) for name in stated(layout) for case in cases(layout, name) for _ in range(TIMES)]


def says_something(case: Case) -> bool:
    """Whether a dated code says something of the item, or is about something else, such as next of kin beside carers."""
    about = {row["reason"] for row in STANDARD.tables["reasons"] if row["is_about_the_item"] == "true"}
    return case.status != "unrecognised" or case.reason.split(":")[0] in about


@dataclass
class Followed:
    """A published lake in which everything was sent."""

    lake: Lake
    standard: Standard
    con: duckdb.DuckDBPyConnection
    first: dict[str, int]

    def ask(self, query: str) -> list[tuple]:
        return self.con.execute(query).fetchall()


def with_providers(folder: Path) -> Standard:
    """The standard with an invented provider for each layout."""
    copy = copied_standard(folder)
    for layout, code in [*PROVIDER.items(), ("small_csv", TWIN)]:
        row = dict.fromkeys(
            (copy / "standards/providers.csv").read_text(encoding="utf-8").splitlines()[0].split(","), ""
        )
        row |= {
            "code": code,
            "name": f"Test of {layout} (invented)",
            "kind": "trust",
            "layouts": layout,
            "demo": "true",
        }
        row |= {"icb": "QHL", "cadence": "monthly", "due_day": "10", "starts_on": "2024-11-01"}
        add_line(copy / "standards/providers.csv", ",".join(row.values()))
        first = (copy / "standards/agreements.csv").read_text(encoding="utf-8").splitlines()
        example = dict(zip(first[0].split(","), next(line for line in first if line.startswith("ZZ1,")).split(",")))
        add_line(copy / "standards/agreements.csv", ",".join((example | {"provider": code}).values()))
    # Two thousand people with a dozen names between them look alike: here only numbers say who is one person.
    replace(copy / "standards/linkage/linkage.yml", "joined_from: 3 ", "joined_from: 999 ")
    return load(copy)


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> Followed:
    folder = tmp_path_factory.mktemp("followed")
    lake, standard = new_lake(folder), with_providers(folder / "standard")
    landing, first = lake.path("landing"), {}
    with pytest.MonkeyPatch.context() as patch:
        for place, layout in enumerate(LAYOUTS):
            first[layout] = 1000 * place
            send(landing, layout, PROVIDER[layout], first[layout])
        # The same people, of the same day and kind of source, whose answers are others.
        send(landing, "small_csv", TWIN, first["small_csv"], others=True)
        lakes.hasten(patch, is_audited=False)
        patch.setattr("transforms.site.document", lambda standard, folder: 0)
        lakes.run(standard, lake, (*lakes.QUICK, "feedback"))
        publish.publish(standard, lake)
    con = opened(lake)
    for stage, table in (("harmonised", "characteristic"), ("harmonised", "patient")):
        con.execute(f"create schema if not exists {stage}")
        con.execute(
            f"create view {stage}.{table} as from read_parquet({lake.files(stage, table)!r}, union_by_name = true)"
        )
    linked = lake.path("linked", "person_record.parquet")
    con.execute(f"create schema linked; create view linked.person_record as from read_parquet('{linked}')")
    return Followed(lake, standard, con, first)


def send(landing: Path, layout: str, provider: str, first: int, others: bool = False) -> None:
    """One file in which every line says what `said` or `entries` says of it; the last records are confidential."""
    n = n_rows(layout)
    flag = next((e["column"] for e in STANDARD.layouts[layout].columns if e["field"] in ("is_confidential", "is_withheld")), None)  # fmt: skip

    def edit(_: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        for line, row in enumerate(rows, start=1):
            if layout in CODES:
                name, case = entries(layout)[line - 1]
                row[column_for(layout, name)] = case.value
                continue
            for field, column in coded(layout):
                row[column] = other(field, line).value if others else said(layout, field, line).value
            if flag and line > n - CONFIDENTIAL:
                row[flag] = "true"
        return rows

    deliver(landing, provider, PERIOD, {layout: n}, first_person=first, edit=edit)


def other(field: str, line: int) -> Case:
    """What the twin says of a line: a known answer to the same question that differs, and the same where there is none."""
    return twin(field, said("small_csv", field, line))


@cache
def twin(field: str, now: Case) -> Case:
    system = STANDARD.characteristics()[field]
    codes = {r["code"]: r for r in STANDARD.codes if r["system"] == system and r["kind"] not in ("detail", "absence")}
    [vocabulary] = STANDARD.layouts["small_csv"].fields[field]["vocabulary"]
    for row in STANDARD.code_maps:
        known = (row["system"], row["vocabulary"]) == (system, vocabulary) and row["code"] and now.code
        if known and row["code"] != now.code and not row["valid_from"] and not row["valid_to"]:
            one, two = codes[now.code], codes[row["code"]]
            is_equal = (one["kind"] == "category") == (two["kind"] == "category")
            if is_equal and one["code"] != two["parent"] and two["code"] != one["parent"]:
                return Case(row["value"], row["status"], row["reason"], row["code"], row["detail"])
    return now


# Sent -> bronze -> harmonised.


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bronze_holds_what_was_sent(followed, layout):
    from transforms.arrivals import read_state
    from transforms.lake import Submission

    arrival = read_state(followed.lake).current(Submission(PROVIDER[layout], PERIOD))[layout]
    path = bronze_file(followed.lake, arrival, layout)
    for field, column in coded(layout):
        found = [row[0] for row in duckdb.sql(f"select \"{column}\" from read_parquet('{path}')").fetchall()]
        assert [(value or "").strip() for value in found] == [
            said(layout, field, line).value for line in range(1, n_rows(layout) + 1)
        ], field


@pytest.mark.parametrize(("layout", "field"), OWN)
def test_each_value_is_harmonised_as_its_map_says(followed, layout, field):
    found = followed.ask(f"""select first_line, source_value, status, reason, code, detail from harmonised.characteristic
        where provider = '{PROVIDER[layout]}' and layout = '{layout}' and characteristic = '{field}' order by 1""")
    lines = {row[0]: row[1:] for row in found}
    assert len(lines) == n_rows(layout), "a record of its own for everybody"
    for line, (value, *meaning) in lines.items():
        case = said(layout, field, line)
        assert (value or "") == case.value
        assert [item or "" for item in meaning] == [case.status, case.reason, case.code, case.detail], case


@pytest.mark.parametrize("layout", CODES)
def test_each_dated_code_is_harmonised_as_its_map_says(followed, layout):
    found = followed.ask(f"""select first_line, characteristic, status, reason, code from harmonised.characteristic
        where provider = '{PROVIDER[layout]}' and layout = '{layout}'""")
    lines = defaultdict(dict)
    for line, name, *meaning in found:
        lines[line][name] = tuple(item or "" for item in meaning)
    for line, (name, case) in enumerate(entries(layout), start=1):
        assert lines[line].get(name) == ((case.status, case.reason, case.code) if says_something(case) else None), case


# Harmonised -> protected.


def people(followed: Followed, layout: str) -> dict[int, int]:
    """The person of each line of a layout's file: everybody has one line."""
    query = f"""select h.patient_no, r.person_no from harmonised.patient as h
                join linked.person_record as r using (submission_no, layout, patient_no)
                where h.provider = '{PROVIDER[layout]}' and h.layout = '{layout}' and h.exclusion is null"""
    return dict(followed.ask(query))


def chosen(followed: Followed, field: str) -> dict[int, tuple]:
    query = f"select person_no, status, reason, code, detail, derived_from from protected.person_characteristic where characteristic = '{field}'"
    return {row[0]: row[1:] for row in followed.ask(query)}


@pytest.mark.parametrize(("layout", "field"), [pair for pair in OWN if pair[0] != "small_csv"])
def test_each_person_has_the_status_and_the_reason_of_their_record(followed, layout, field):
    who, values = people(followed, layout), chosen(followed, field)
    assert len(who) >= n_rows(layout) - CONFIDENTIAL
    for line, person in who.items():
        case = said(layout, field, line)
        status, reason, code, detail, derived = values[person]
        if derived:  # an answer to another question says more than an absence here
            assert case.status not in ("known", "not_stated")  # nobody answers for who declined
            continue
        assert (status, reason or "", code or "", detail or "") == (case.status, case.reason, case.code, case.detail)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_a_layout_lacks_is_not_collected_and_what_no_code_says_is_not_recorded(followed, layout):
    who = people(followed, layout).values()
    lacking = set(followed.standard.characteristics()) - {name for name, _ in coded(layout)}
    for field in lacking:
        values = chosen(followed, field)
        found = {values[person][:2] for person in who if not values[person][4]}
        if field in stated(layout):
            assert {status for status, _ in found} <= {*VODIM} and found - {("known", None)}
        else:
            assert found == {("not_collected", "no_feed")}, field


@pytest.mark.parametrize("field", [name for layout, name in OWN if layout == "small_csv"])
def test_answers_of_equal_standing_conflict_unless_there_may_be_many(followed, field):
    facts = next(row for row in characteristics(followed.standard) if row["characteristic"] == field)
    who, values = people(followed, "small_csv"), chosen(followed, field)
    pairs = {line: (said("small_csv", field, line), other(field, line)) for line in who}
    differ = [line for line, (one, two) in pairs.items() if one.code != two.code]
    if facts["cardinality"] == "many":
        assert {values[who[line]][0] for line in differ} <= {"known"}
        query = f"select person_no, list(code order by code) from protected.person_characteristic_value where characteristic = '{field}' group by 1"
        held = dict(followed.ask(query))
        assert all(held[who[line]] == sorted({c.code for c in pairs[line]}) for line in differ)
    elif needs := (followed.standard.settings["resolution"]["needs"].get(field) or ()):
        assert {values[who[line]][2] for line in differ} <= set(needs)  # of one day the need wins
    else:
        assert {values[who[line]][:3] for line in differ} <= {("conflicting", "equal_standing", None)}
    for line in who.keys() - set(differ):
        case = pairs[line][0]
        if not values[who[line]][4]:
            assert values[who[line]][0] == case.status
    assert differ


def test_the_statuses_that_must_never_be_merged_are_all_followed():
    """Z, 99, a lone 9, a blank, X7, a bare "British", a heading, and a faith in answer to the ethnicity question."""
    known = {(case.status, case.reason.split(":")[0]) for layout, field in OWN for case in cases(layout, field)}
    wanted = {
        ("not_stated", "not_stated"), ("not_known", "not_known"), ("not_known", "withdrawn_2004"), ("not_recorded", "blank"),
        ("unrecognised", "not_in_map"), ("unrecognised", "british_alone"), ("unrecognised", "aggregate_label"),
    }  # fmt: skip
    assert wanted <= known
    assert any(case.detail in _faiths() for layout, field in OWN if field == "ethnic_category" for case in cases(layout, field))  # fmt: skip


def test_a_faith_given_as_ethnicity_is_written_to_religion_and_says_so(followed):
    """Of everybody whose stated religion is not known; who states one keeps it."""
    query = """select distinct e.detail, r.code, r.reason, r.derived_from, r.relation
        from protected.characteristic_record as e
        join protected.characteristic_record as r on r.record_key = e.record_key and r.derived_from = e.characteristic
        where e.characteristic = 'ethnic_category'"""
    found = followed.ask(query)
    maps = {r["value"]: r["code"] for r in followed.standard.code_maps if r["vocabulary"] == "ethnic_detail"}
    assert found
    for detail, code, reason, derived, _ in found:
        assert (code, reason, derived) == (maps[detail], "derived: from ethnic_category", "ethnic_category")
    both = """select p.derived_from, count(*) from protected.person_characteristic as p
        where p.characteristic = 'religion' and p.status = 'known' and p.person_no in
            (select person_no from protected.characteristic_record where characteristic = 'religion' and derived_from is not null)
          and p.person_no in (select person_no from protected.characteristic_record
                              where characteristic = 'religion' and derived_from is null and status = 'known')
        group by 1"""
    assert {derived for derived, _ in followed.ask(both)} <= {None}
    assert followed.ask("select count(*) > 0 from protected.person_characteristic where derived_from is not null") == [(True,)]  # fmt: skip


def test_every_detail_of_a_faith_has_a_religion():
    path = STANDARD.folder / "code_systems" / "ethnic_category" / "details.csv"
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    assert {line[0] for line in lines if line[2] == "faith"} <= _faiths()


def test_confidential_records_are_withheld_and_nobody_has_a_status_for_them(followed):
    n = sum(
        CONFIDENTIAL for layout in LAYOUTS if {"is_confidential", "is_withheld"} & set(STANDARD.layouts[layout].fields)
    )
    assert n
    assert followed.ask("select count(*) from harmonised.patient where exclusion = 'withheld'") == [(n,)]
    shown = followed.ask("select n_people, cell_status from open.coverage where breakdown = 'withheld'")
    assert shown == [(round(n / 5) * 5, "shown")]
    keys = "select record_key from harmonised.patient where exclusion = 'withheld'"
    assert followed.ask(f"select count(*) from protected.characteristic_record where record_key in ({keys})") == [(0,)]


def test_every_event_of_a_feed_of_events_is_published_once(followed):
    bringing = {kind: layout for layout in LAYOUTS for kind in STANDARD.layouts[layout].events}
    assert set(bringing) >= {"appointment", "admission", "emergency_attendance", "waiting", "cancer_diagnosis"}
    found = dict(followed.ask("select kind, count(*) from protected.activity group by 1"))
    withheld = {
        layout: CONFIDENTIAL if {"is_confidential", "is_withheld"} & set(STANDARD.layouts[layout].fields) else 0
        for layout in bringing.values()
    }
    assert found == {kind: n_rows(layout) - withheld[layout] for kind, layout in bringing.items()}


# Protected -> open, and scorecards.


def test_of_what_nobody_records_as_absent_no_coverage_is_told(followed):
    listed = ", ".join(f"'{name}'" for name in STANDARD.settings["publishing"]["not_covered"])
    assert followed.ask(f"select count(*) from open.coverage where characteristic in ({listed})") == [(0,)]


@pytest.mark.parametrize(
    "field", sorted(set(STANDARD.characteristics()) - set(STANDARD.settings["publishing"]["not_covered"]))
)
def test_coverage_keeps_every_status_apart(followed, field):
    facts = next(row for row in characteristics(followed.standard) if row["characteristic"] == field)
    least, base = (10, 10) if facts["suppression"] == "sensitive" else (8, 5)
    counts = Counter(status for status, *_ in chosen(followed, field).values())
    query = f"""select category, cell_status, n_people from open.coverage
                where characteristic = '{field}' and place_kind = 'everyone' and breakdown = 'status'"""
    shown = {category: (status, n) for category, status, n in followed.ask(query)}
    assert set(shown) == {*VODIM, "conflicting", "not_collected"}
    for status, (cell, n) in shown.items():
        true = counts[status]
        if 0 < true < least or (true == 0 and base == 10 and status != "not_collected"):
            assert (cell, n) == ("suppressed", None), status
        else:
            assert (cell, n) == ("shown", duckdb.sql(f"select (round({true} / {base}) * {base})::bigint").fetchone()[0])
    reasons = followed.ask(f"select count(*) from open.coverage where characteristic = '{field}' and breakdown = 'status and reason'")  # fmt: skip
    assert (reasons[0][0] > 0) == (facts["area"] == "open")


def test_every_reason_that_is_published_has_plain_words(followed):
    query = "select distinct split_part(reason, ':', 1) from protected.person_characteristic where reason is not null"
    words = {row[0] for row in followed.ask("select reason from open.reason where words <> ''")}
    assert {row[0] for row in followed.ask(query)} <= words
    query = "select distinct split_part(category, ': ', 2) from open.coverage where breakdown = 'status and reason'"
    shown = {row[0] for row in followed.ask(query)}
    assert {
        "",
        "blank",
        "not_in_map",
        "no_feed",
        "no_entry",
        "equal_standing",
        "withdrawn_2004",
        "british_alone",
    } <= shown


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_provider_sees_every_status_of_its_own_exactly(followed, layout):
    path = followed.lake.path("provider", PROVIDER[layout], PERIOD, "scorecard.json")
    told = {row["field"]: row for row in json.loads(path.read_text())["fields"] if row["layout"] == layout}
    for field, _ in coded(layout):
        letters = Counter(VODIM[said(layout, field, line).status] for line in range(1, n_rows(layout) + 1))
        assert {letter: told[field][letter] for letter in VODIM.values()} == {letter: letters[letter] for letter in VODIM.values()}  # fmt: skip
    if layout in CODES:
        for name in stated(layout):
            letters = Counter(VODIM[c.status] for other, c in entries(layout) if other == name and says_something(c))
            assert all(told[name][letter] >= n for letter, n in letters.items())


@pytest.mark.parametrize(("layout", "field"), OWN)
def test_the_open_scorecard_says_the_same_rounded(followed, layout, field):
    query = f"""select vodim, cell_status, n_records, n_records_in_all from open.provider_scorecard
                where provider = '{PROVIDER[layout]}' and field = '{field}'"""
    shown = {letter: rest for letter, *rest in followed.ask(query)}
    letters = Counter(VODIM[said(layout, field, line).status] for line in range(1, n_rows(layout) + 1))
    assert set(shown) == set(VODIM.values())
    for letter, (cell, n, in_all) in shown.items():
        assert cell == "suppressed" or abs(n - letters[letter]) <= 5
        assert abs(in_all - n_rows(layout)) <= 5


def test_no_answer_of_a_protected_characteristic_is_in_the_open_area(followed):
    """No row of an open table about such a characteristic holds one of its codes; dictionaries say what codes mean."""
    hidden = [row for row in characteristics(followed.standard) if row["area"] != "open"]
    assert {row["characteristic"] for row in hidden if row["suppression"] == "sensitive"}
    dictionaries = {
        "code",
        "label",
        "code_map",
        "code_map_change",
        "reason",
        "place",
        "provider",
        "metric",
        "measure",
        "period",
        "method",
        "about",
    }
    tables = {name for (name,) in followed.ask("select table_name from duckdb_tables() where database_name = 'open'")}
    codes = defaultdict(set)
    for row in followed.standard.codes:
        if row["kind"] != "absence":
            codes[row["system"]].add(row["code"])
    for table in sorted(tables - dictionaries):
        columns = [row[0] for row in followed.ask(f"describe open.{table}") if row[1] == "VARCHAR"]
        about = next(
            (name for name in ("characteristic", "field", "rule", "metric", "measure") if name in columns), None
        )
        assert about, table
        for row in hidden:
            others = [name for name in columns if name not in (about, "message", "topic", "dimension", "severity")]
            query = f"select {', '.join(others)} from open.{table} where {about} = '{row['characteristic']}'"
            found = {value for line in followed.ask(query) for value in line if value}
            words = {part for value in found for part in value.replace(":", " ").replace("+", " ").split()}
            assert not (found | words) & codes[row["system"]], (table, row["characteristic"])


def test_sensitive_values_that_no_map_knows_need_more_people(followed):
    classes = {row["characteristic"]: row["suppression"] for row in characteristics(followed.standard)}
    found = followed.ask(
        "select characteristic, value, is_shown, n_people from protected.code_map_gap where value is not null"
    )
    assert {classes[name] for name, *_ in found} == {"standard", "sensitive"}
