"""The standard's pages and the release's index: they say what the files say, in whose words, and what is missing."""

import base64
import csv
import dataclasses
import hashlib
import json
import re
from itertools import pairwise

import duckdb
import pytest
from markupsafe import escape

from tests.test_feedback import read_structure
from transforms.check import check
from transforms.comparison import disagreements
from transforms.document import contents, describe_all, document
from transforms.faults import Reader
from transforms.guidance import plain, publication
from transforms.site import site


@pytest.fixture(scope="module")
def written(standard, tmp_path_factory):
    """The folder with everything that `document` writes."""
    folder = tmp_path_factory.mktemp("standard")
    assert document(standard, folder) == len(list(folder.rglob("*.html")))
    return folder


@pytest.fixture(scope="module")
def pages(written):
    return {str(path.relative_to(written)): path.read_text(encoding="utf-8") for path in written.rglob("*.html")}


def test_there_is_a_page_for_each_code_system_and_layout_and_an_index_that_leads_there(standard, pages):
    systems = {f"{row['system']}.html" for row in standard.codes}
    layouts = {f"layouts/{name}.html" for name in standard.layouts}
    assert set(pages) == systems | layouts | {"index.html", "record.html", "contested.html"}
    assert all(f'href="{name}"' in pages["index.html"] for name in pages if name != "index.html")


def test_every_code_has_its_place_its_definition_and_its_source(standard, pages):
    for row in standard.codes:
        text = pages[f"{row['system']}.html"]
        if row["kind"] == "detail":
            assert f'id="detail-{row["code"]}"' in text
        else:
            assert f'id="{row["code"]}"' in text
            assert str(escape(row["definition"])) in text and str(escape(row["source"])) in text


def test_every_mapped_value_stands_on_the_page_with_where_it_comes_from(standard, pages):
    shown = {
        name: set(re.findall(r'<th scope="row">(?:<code>)?(.*?)(?:</code>)?</th><td>.*?href="#(from-\w+)"', text))
        for name, text in pages.items()
    }
    for row in standard.code_maps:
        assert (str(escape(row["value"] or "(blank)")), f"from-{row['vocabulary']}") in shown[f"{row['system']}.html"]
    for system, vocabulary in {(row["system"], row["vocabulary"]) for row in standard.code_maps}:
        assert f'id="from-{vocabulary}"' in pages[f"{system}.html"]


def test_words_that_are_not_ours_are_quoted_with_their_set_and_source(standard, pages):
    third = {(row["system"], row["classification"]): row for row in standard.sets if row["wording"] == "third_party"}
    assert third
    for row in standard.classifications:
        if found := third.get((row["system"], row["classification"])):
            text = pages[f"{row['system']}.html"]
            assert not row["label"] or f"“{escape(row['label'])}”" in text
            assert str(escape(found["title"])) in text and str(escape(found["source"])) in text


def test_a_label_of_ours_is_printed_as_ours(pages):
    """The heritage label stands without quotation marks, the national one of the same code with them."""
    text = pages["ethnic_category.html"].split('id="african"')[1].split("</section>")[0]
    assert "African heritage" in text and "“African heritage”" not in text
    assert "“Black or Black British - African”" in text and "<strong>N</strong>" in text


def test_what_is_contested_says_why_on_its_page_and_on_the_page_of_all(standard, pages):
    contested = [row for row in standard.code_maps if row["reason"].startswith("contested")]
    assert contested
    for row in contested:
        why = str(escape(row["reason"].partition(":")[2].strip()))
        assert f"Contested</span>: {why}" in pages[f"{row['system']}.html"]
        assert f'<th scope="row">{escape(row["value"])}</th>' in pages["contested.html"]
        assert why[1:] in pages["contested.html"]


def test_every_difference_from_gdppr_is_listed_with_its_people(standard):
    about = plain(publication(Reader(standard.folder.parent), standard))
    systems = {facts["system"]: facts for facts in describe_all(standard, [])}
    _, [gdppr] = disagreements(standard, about, systems)
    letters = {row["value"]: row["code"] or row["status"] for row in standard.code_maps if row["vocabulary"] == "gdppr"}
    ours = {row["value"]: row["code"] or row["status"] for row in standard.code_maps if row["vocabulary"] == "snomed_ct"
            and row["system"] == "ethnic_category"}  # fmt: skip
    with open(standard.folder / "guidance" / "comparisons.csv", encoding="utf-8") as handle:
        theirs = {row["value"]: letters[row["published"]] for row in csv.DictReader(handle) if row["list"] == "gdppr"}
    assert gdppr["n"] == len(theirs) == 489
    assert {row["value"] for row in gdppr["rows"]} == {value for value in theirs if theirs[value] != ours[value]}
    turkish = next(row for row in gdppr["rows"] if row["value"] == "110401000000103")
    assert (turkish["letter"], turkish["code"], turkish["people"]) == ("S", "any_other_c", 70_805)
    assert gdppr["people_differ"] == sum(row["people"] or 0 for row in gdppr["rows"])


def test_a_layout_page_says_what_is_read_thrown_away_and_not_there(standard, pages):
    for name, layout in standard.layouts.items():
        text = pages[f"layouts/{name}.html"].replace("<wbr>", "")
        assert all(str(escape(entry["column"])) in text for entry in layout.columns)
        assert all(f"<code>{escape(column)}</code>" in text.split("Thrown away")[1] for column in layout.drop)
    lacking = pages["layouts/emis_patient.html"].split("<h2>Not collected</h2>")[1]
    assert "neither “no” nor zero" in lacking and "accommodation" in lacking
    assert "main language" not in pages["layouts/pas_patient.html"].split("<h2>Not collected</h2>")[1]


def test_pages_are_accessible_load_nothing_and_lead_somewhere(written, pages):
    ids = {name: set(read_structure(text).ids) for name, text in pages.items()}
    for name, text in pages.items():
        found = read_structure(text)
        tags = [tag for tag, _ in found.seen]
        assert ("html", {"lang": "en"}) in found.seen and tags.count("h1") == 1 and tags.count("main") == 1, name
        assert all(facts.get("scope") for tag, facts in found.seen if tag == "th"), name
        assert tags.count("table") == tags.count("caption"), name
        assert len(found.ids) == len(set(found.ids)), name
        levels = [int(tag[1]) for tag in tags if tag in ("h1", "h2", "h3", "h4", "h5", "h6")]
        assert all(below - above <= 1 for above, below in pairwise(levels)), name
        for tag, facts in found.seen:
            if tag == "a":
                address, _, anchor = facts["href"].partition("#")
                target = (written / name).parent / address if address else written / name
                assert target.exists(), (name, facts["href"])
                at = str(target.resolve().relative_to(written.resolve()))
                assert not anchor or anchor in ids[at] | {"main"}, (name, facts["href"])


def test_only_the_search_runs_and_only_as_it_stands(pages):
    for name, text in pages.items():
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)[1]
        scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        assert "default-src 'none'" in policy and "unsafe" not in policy
        if name != "index.html":
            assert not scripts and "<script" not in text and "script-src" not in policy, name
            continue
        [script] = scripts
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in policy
        assert text.count("<script") == 2  # the other is data


def test_the_search_and_the_list_lead_to_every_code(standard, pages):
    text = pages["index.html"]
    entries = json.loads(re.search(r'id="search-index">(.*?)</script>', text, re.DOTALL)[1])
    found = {entry[2] for entry in entries}
    listed = text.split('id="a-to-z"')[1]
    for row in standard.codes:
        detail = "detail-" if row["kind"] == "detail" else ""
        href = f"{row['system']}.html#{detail}{row['code']}"
        assert href in found
        assert row["kind"] in ("detail", "absence") or f'href="{href}"' in listed
    words = {entry[0] for entry in entries}
    assert any("92711000000100" in word and "Somali" in word for word in words)


def test_the_search_knows_the_shapes_of_file_and_the_other_words_for_an_example(pages):
    entries = json.loads(re.search(r'id="search-index">(.*?)</script>', pages["index.html"], re.DOTALL)[1])

    def found(words):
        hits = [e for e in entries if all(word in " ".join((e[0], e[1], *e[4:])).casefold() for word in words.split())]
        return [entry[2] for entry in sorted(hits, key=lambda entry: entry[3])]

    assert found("charity template") == [f"layouts/{name}.html#blank-file" for name in ("access_event", "small_csv")]
    for words, example in (
        ("declined", "person-declines-ethnicity"), ("refused", "person-declines-ethnicity"), ("nobody asked", "nobody-asked"),
        ("paid", "paid-care-worker"), ("young carer", "young-carer"), ("deaf", "bsl-user"), ("over-general", "only-asian"),
        ("british", "only-british"),
    ):  # fmt: skip
        first = found(words)[:8]
        assert f"record.html#{example}" in first and first[0].startswith("record.html#"), words


def test_what_the_files_say_is_never_run(standard):
    hostile = '</script><script>alert(1)</script><img src=x onerror="alert(1)">'
    row = next(row for row in standard.codes if row["system"] == "is_carer" and row["kind"] == "category")
    codes = [{**row, "label": hostile, "definition": hostile} if item is row else item for item in standard.codes]
    files = contents(dataclasses.replace(standard, codes=codes))
    for name in ("index.html", "is_carer.html"):
        assert "<script>alert" not in files[name] and "<img" not in files[name], name


def test_writing_twice_changes_nothing(standard, tmp_path):
    document(standard, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    document(standard, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert contents(standard) == contents(standard)


# Files to take away.


def test_a_table_to_take_away_holds_every_row_and_no_formula(standard, written):
    def rows(name):
        with open(written / "downloads" / name, encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    for system in dict.fromkeys(row["system"] for row in standard.codes):
        n = sum(row["system"] == system and row["kind"] != "detail" for row in standard.codes)
        assert len(rows(f"{system}.codes.csv")) == n
        if maps := [row for row in standard.code_maps if row["system"] == system]:
            kept = [(row["vocabulary"], row["value"], row["code"]) for row in rows(f"{system}.maps_in.csv")]
            assert kept == [(row["vocabulary"], row["value"], row["code"]) for row in maps]
    for path in (written / "downloads").glob("*.csv"):
        with open(path, encoding="utf-8", newline="") as handle:
            cells = (cell for row in csv.reader(handle) for cell in row if cell)
            assert not [cell for cell in cells if cell[0] in "=+@\t\r" or re.match(r"-(?!\d*-?$)", cell)], path.name


def test_a_blank_file_has_the_columns_of_its_layout_and_is_taken_for_it(standard, written, tmp_path):
    layout = standard.layouts["small_csv"]
    path = written / "downloads" / "small_csv.template.csv"
    with open(path, encoding="utf-8", newline="") as handle:
        header, *examples = list(csv.reader(handle))
    assert header == [entry["column"] for entry in layout.columns]
    [example] = examples
    made_up = next(i for i, entry in enumerate(layout.columns) if entry["field"] == "is_test_record")
    assert example[made_up] == "yes", "an example must say that it is one"
    said = check(path, standard)
    assert "Layout: small_csv" in said and "Codes that no map knows: none" in said


def test_the_small_files_help_names_only_values_that_are_read(standard):
    """In the help of a coded column the words in parentheses, with commas between them, are values."""
    asked = 0
    for layout in standard.layouts.values():
        for entry in layout.columns:
            if not entry.get("vocabulary"):
                continue
            system = standard.characteristics()[entry["field"]]
            read = {
                row["value"].casefold()
                for row in standard.code_maps
                if row["system"] == system
                and row["vocabulary"] in entry["vocabulary"]
                and row["status"] != "unrecognised"
            }
            named = [part for words in re.findall(r"\(([^)]*)\)", entry.get("help", "")) for part in words.split(",")]
            for value in filter(None, (entry.get("example", ""), *named)):
                asked += 1
                assert value.strip().casefold() in read, (layout.name, entry["column"], value)
    assert asked > 80


def test_a_blank_file_is_named_for_the_sign_between_its_columns(standard, written, pages):
    for name, layout in standard.layouts.items():
        if layout["format"].get("kind") == "csv":
            ending = "csv" if layout["format"]["delimiter"] == "," else "txt"
            assert (written / "downloads" / f"{name}.template.{ending}").exists()
            text = pages[f"layouts/{name}.html"]
            assert text.index("Do not double-click") < text.index(f"{name}.template.{ending}")
            assert "%" not in text.split("Dates look like")[-1].split("</li>")[0]


def test_an_absence_counts_the_values_that_say_it(standard, pages):
    n = sum(row["system"] == "is_carer" and row["status"] == "not_stated" for row in standard.code_maps)
    row = re.search(r'<tr><th scope="row"><a href="#not_stated">.*?</tr>', pages["is_carer.html"])[0]
    assert n and row.endswith(f'<td class="n">{n}</td></tr>')
    assert (
        "over-general: ask again" in pages["ethnic_category.html"].split('id="group_asian"')[1].split("</section>")[0]
    )
    assert "“Black European”" in pages["ethnic_category.html"].split('id="the-details"')[1]


@pytest.fixture
def release(tmp_path):
    """A release whose open area has two tables, one number of which is hidden."""
    (tmp_path / "open").mkdir()
    con = duckdb.connect(str(tmp_path / "open" / "open.duckdb"))
    con.execute("create table coverage as select 'shown' as cell_status, 10 as n union all select 'suppressed', null")
    con.execute("comment on table coverage is 'One row per place.'")
    con.execute("create table rule_score as select 'ZZ1' as provider")
    for name in ("coverage", "rule_score"):
        con.execute(f"copy {name} to '{tmp_path}/open/{name}.parquet' (format parquet)")
    con.close()
    return tmp_path


def test_the_index_leads_to_every_table_and_says_what_is_missing(standard, release):
    site(standard, release, {"release": 7, "made_at": "2026-10-03T10:00:00+00:00", "is_invented": True})
    text = (release / "site" / "index.html").read_text(encoding="utf-8")
    assert "Release 7" in text and "3 October 2026" in text and "invented" in text
    assert "One row per place." in text and "1 numbers are hidden" in text
    silent = text.split('id="missing"')[1]
    assert standard.providers["ZZ2"]["name"] in silent and standard.providers["ZZ1"]["name"] not in silent
    for link in re.findall(r'href="([^#"]+)"', text):
        assert (release / "site" / link).resolve().exists(), link


def test_real_data_are_not_called_invented(standard, release):
    site(standard, release, {"release": 7, "made_at": "2026-10-03T10:00:00+00:00", "is_invented": False})
    assert "nvented data" not in (release / "site" / "index.html").read_text(encoding="utf-8")
