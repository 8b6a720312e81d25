"""The standard's pages and the release's index: they say what the files say, in whose words, and what is missing."""

import re

import duckdb
import pytest

from tests.test_feedback import read_structure
from transforms.document import document
from transforms.site import site


@pytest.fixture(scope="module")
def pages(standard, tmp_path_factory):
    folder = tmp_path_factory.mktemp("standard")
    assert document(standard, folder) == len(list(folder.iterdir()))
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_there_is_a_page_for_each_code_system_and_an_index_that_leads_there(standard, pages):
    systems = {row["system"] for row in standard.codes}
    assert set(pages) == {f"{name}.html" for name in systems} | {"index.html"}
    assert all(f'href="{name}.html"' in pages["index.html"] for name in systems)


def test_every_code_has_its_place_and_its_definition(standard, pages):
    from markupsafe import escape

    for row in standard.codes:
        if row["kind"] != "detail":
            text = pages[f"{row['system']}.html"]
            assert f'id="{row["code"]}"' in text
            assert str(escape(row["definition"])) in text


def test_every_mapped_value_stands_on_the_page(standard, pages):
    from markupsafe import escape

    for row in standard.code_maps:
        if row["value"]:
            assert f'<th scope="row">{escape(row["value"])}</th>' in pages[f"{row['system']}.html"]


def test_words_that_are_not_ours_are_quoted(standard, pages):
    from markupsafe import escape

    third = {(row["system"], row["classification"]) for row in standard.sets if row["wording"] == "third_party"}
    assert third
    for row in standard.classifications:
        if (row["system"], row["classification"]) in third and row["label"]:
            assert f"“{escape(row['label'])}”" in pages[f"{row['system']}.html"]


def test_what_is_contested_says_why(standard, pages):
    contested = [row for row in standard.code_maps if row["reason"].startswith("contested")]
    assert contested
    for row in contested:
        why = row["reason"].partition(":")[2].strip()
        assert f"Contested</span>: {why}" in pages[f"{row['system']}.html"]


def test_pages_are_accessible_load_nothing_and_lead_somewhere(pages):
    for name, text in pages.items():
        found = read_structure(text)
        tags = [tag for tag, _ in found.seen]
        assert ("html", {"lang": "en"}) in found.seen and tags.count("h1") == 1, name
        assert all(facts.get("scope") for tag, facts in found.seen if tag == "th"), name
        assert tags.count("table") == tags.count("caption"), name
        assert not found.loads and "script" not in tags, name
        assert len(found.ids) == len(set(found.ids)), name
        for _, facts in found.seen:
            if facts.get("href", "").startswith("#"):
                assert facts["href"][1:] in found.ids, (name, facts["href"])


def test_writing_twice_changes_nothing(standard, tmp_path):
    document(standard, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    document(standard, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


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
