"""explore.py, community.py, analysts.py: the pages of metrics and communities say what the open tables say, in a real browser."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from tests import lakes
from tests.browser import browser, program
from tests.lakes import PERIOD
from tests.synthetic import deliver, write_postcodes
from transforms import analysts, community, keys, publish
from transforms.explore import SCRIPTS
from transforms.geography import import_postcodes
from transforms.lake import Lake
from transforms.render import HERE
from transforms.standard import load

needs_browser = pytest.mark.skipif(program() is None, reason="no Chromium: apt-get install chromium")
METRIC = "outpatient_non_attendance"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Lake:
    folder = tmp_path_factory.mktemp("explore")
    lake, standard = lakes.new_lake(folder), load()
    import_postcodes(write_postcodes(folder / "postcodes.csv"), lake)
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 1500, "sus_outpatient": 6000})
        deliver(lake.path("landing"), "ZP001", PERIOD, {"emis_patient": 200, "emis_observation": 200}, first_person=100)
        lakes.run(standard, lake)
        publish.publish(standard, lake)
    return lake


@pytest.fixture(scope="module")
def site(made) -> Path:
    return made.path("current", "site").resolve()


@pytest.fixture(scope="module")
def opened(made) -> duckdb.DuckDBPyConnection:
    """As the page for analysts says: both marts attached, the open one in use."""
    con, secret = duckdb.connect(), keys.load(made, "protected").hex()
    con.execute(f"attach '{made.path('current')}/open/open.duckdb' as open (read_only)")
    con.execute(
        f"attach '{made.path('current')}/protected/protected.duckdb' as protected (read_only, encryption_key '{secret}')"
    )
    con.execute("use open")
    return con


class Text(HTMLParser):
    """The words of a page, and the facts that stand in it for a script."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.words, self.facts, self.links, self._inside = [], None, [], ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self._inside = tag if tag != "script" else told.get("id") or "script"
        self.links += [told[name] for name in ("href", "src") if told.get(name)]

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "facts":
            self.facts = json.loads(data)
        elif self._inside not in ("script", "style"):
            self.words.append(data)


def test_every_number_of_a_page_stands_in_the_open_tables(site, opened):
    collected = [name for (name,) in opened.execute("select metric from metric where status = 'collected'").fetchall()]
    pages = {path.stem: Text(path).facts for path in (site / "metrics").glob("*.html") if path.stem != "index"}
    published = {name for (name,) in opened.execute("select distinct metric from metric_value").fetchall()}
    assert set(pages) == published and set(pages) <= set(collected)
    n_rows = 0
    for metric, facts in pages.items():
        query = """select numerator, denominator, value, value_low, value_high from metric_value
                   where metric = ? and period = ? and place_kind in ('region', 'icb_of_residence', 'icb_of_registration', 'local_authority')"""
        known = opened.execute(query, [metric, facts["period_code"]]).fetchall()
        told = [tuple(row[3:8]) for row in facts["rows"]]
        assert sorted(map(str, told)) == sorted(map(str, known))
        n_rows += len(told)
    assert n_rows > 500


def test_what_is_hidden_has_no_number_on_its_page(site, opened):
    facts = Text(site / "metrics" / f"{METRIC}.html").facts
    hidden = [row for row in facts["rows"] if row[5] is None]
    assert hidden, "in so small a lake some are"
    assert all(value is None for row in hidden for value in (*row[6:9], *row[10:]))
    n_hidden = opened.execute(
        "select count(*) from metric_value where metric = ? and period = ? and cell_status <> 'shown'",
        [METRIC, facts["period_code"]],
    ).fetchone()[0]
    assert len(hidden) == n_hidden


def test_a_feed_that_brings_nothing_to_count_is_told_apart_from_one_that_nobody_sends(site, opened):
    query = "select title from metric where status = ? and metric not in (select metric from metric_value)"
    text = (site / "metrics" / "index.html").read_text(encoding="utf-8")
    absent, empty = text.split('<h2 id="absent">')[1].split('<h2 id="empty">')
    for status, part in (("not_collected", absent), ("collected", empty)):
        titles = {title for (title,) in opened.execute(query, [status]).fetchall()}
        assert titles and set(re.findall("<dt>(.*?)</dt>", part)) == titles


def test_every_group_and_category_has_a_page_also_when_nothing_can_be_said(site):
    listed = community.profiles(load())
    assert {one["page"] for one in listed} == {path.name for path in (site / "communities").glob("*.html")} - {
        "index.html"
    }
    assert {one["code"] for one in listed} >= {"roma", "gypsy_or_irish_traveller", "african"}
    empty = " ".join(Text(site / "communities" / "category-roma.html").words)
    assert "What the data cannot say" in empty and "Nothing." in empty


def test_the_numbers_of_a_community_are_the_published_ones(site, opened):
    rows = opened.execute("""select numerator, denominator from metric_value where metric = 'language_known' and place_kind = 'region'
        and breakdown = 'ethnic_group' and cell_status = 'shown' and category like 'group%' order by category""").fetchall()
    assert rows
    pages = sorted((site / "communities").glob("group-*.html"))
    told = " ".join(" ".join(Text(path).words) for path in pages)
    for numerator, denominator in rows:
        assert f"{numerator:,} of {denominator:,}" in told


def test_every_link_of_a_page_leads_to_a_file(site):
    for path in [*site.glob("*.html"), *(site / "metrics").glob("*.html"), *(site / "communities").glob("*.html")]:
        for link in Text(path).links:
            place = link.partition("#")[0]
            if place and not place.startswith("data:"):
                assert (path.parent / place).exists() or (
                    "../open/" in place and (path.parent / place).resolve().exists()
                ), (path.name, link)


def test_the_dictionary_has_every_table_and_column_of_both_marts(site, opened):
    told = (site / "dictionary.html").read_text(encoding="utf-8").replace("<wbr>", "")
    for database, table, column in opened.execute(
        "select database_name, table_name, column_name from duckdb_columns() where database_name in ('open', 'protected')"
    ).fetchall():
        if (database, table) not in (("protected", "about"), ("open", "about")):
            part = told.partition(f'id="{database}-{table}"')[2].partition("</details>")[0]
            assert f'<th scope="row">{column}</th>' in part, (database, table, column)


@pytest.mark.parametrize("query", analysts.queries(), ids=lambda query: query["name"])
def test_each_worked_query_runs_as_it_stands(opened, query):
    found = opened.execute(query["sql"])
    assert query["words"].endswith(".") and found.description
    if query["name"] not in ("gaps", "slope", "early_warnings"):  # in so small a lake these may find nothing
        assert found.fetchall()


def test_there_are_ten_worked_queries_and_more():
    told = analysts.queries()
    assert len(told) >= 10 and sum(query["is_protected"] for query in told) >= 3


def test_hostile_words_of_a_metric_stay_words(tmp_path):
    from transforms.explore import _embedded

    text = str(_embedded({"title": "</script><script>alert(1)</script>", "amp": "&lt;"}))
    assert "<" not in text and ">" not in text and "&" not in text
    assert json.loads(text)["title"] == "</script><script>alert(1)</script>"


def test_the_library_is_the_one_that_notice_names():
    notice = (HERE.parents[1] / "NOTICE").read_text(encoding="utf-8")
    for name, version in (("d3", r"v(\d+\.\d+\.\d+)"), ("plot", r"plot v(\d+\.\d+\.\d+)")):
        head = (HERE / "vendor" / f"{name}.min.js").read_text(encoding="utf-8")[:200]
        assert re.search(version, head)[1] in notice
    assert all((HERE / script).is_file() for script in SCRIPTS)


@pytest.fixture(scope="module")
def page():
    with browser() as found:
        yield found


def text_of(page, name: str) -> str:
    return page.run(f"document.getElementById('{name}').textContent")


NAMES = [f"metrics/{METRIC}.html", "metrics/index.html", "communities/index.html", "communities/category-african.html",
         "dictionary.html", "analysts.html", "method.html", "index.html"]  # fmt: skip


@needs_browser
@pytest.mark.parametrize("name", NAMES)
def test_no_barrier_is_found_and_nothing_comes_from_elsewhere(page, site, name):
    page.width(1200)
    page.open(site / name)
    page.run("new Promise(done => setTimeout(done, 100))")
    asked = [Path(address.partition("#")[0]).name for address in page.asked_for()]
    scripts = [Path(script).name for script in SCRIPTS]
    assert asked == [Path(name).name, *(scripts if METRIC in name else [])]
    assert page.complaints() == []
    page.run("document.querySelectorAll('details').forEach((d, i) => d.open = i < 5); 0")
    assert not page.barriers()
    page.width(320)
    assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@needs_browser
def test_a_reader_picks_a_place_and_a_group_and_every_part_follows(page, site, opened):
    page.width(1200)
    page.open(site / "metrics" / f"{METRIC}.html")
    first = text_of(page, "said")
    assert first.startswith("In the Midlands, ") and "%" in first
    assert page.run("document.querySelector('#groups svg').getAttribute('role')") == "img"
    rows = "document.querySelectorAll('#groups-table tbody tr').length"
    facts = Text(site / "metrics" / f"{METRIC}.html").facts
    for by in ("Sex", "Age band", "Everyone"):
        no = facts["breakdowns"].index(by)
        page.run(
            f"(() => {{ const s = document.getElementById('breakdown'); s.value = {no}; s.dispatchEvent(new Event('change')); }})()"
        )
        assert page.run(rows) == sum(row[0] == 0 and row[1] == no for row in facts["rows"])
        assert (f"by {by.lower()}" in text_of(page, "groups-table")) and page.run("location.hash") == f"#0-{no}"
        shown = sum(row[0] == 0 and row[1] == no and row[5] is not None for row in facts["rows"])
        assert page.run("document.querySelectorAll('#groups svg circle').length") == shown
    icb = next(no for no, place in enumerate(facts["places"]) if place[0].startswith("Integrated"))
    page.run(
        f"(() => {{ const s = document.getElementById('place'); s.value = {icb}; s.dispatchEvent(new Event('change')); }})()"
    )
    assert facts["places"][icb][2] in text_of(page, "said") and text_of(page, "said") != first
    file = page.run("decodeURIComponent(document.getElementById('download').href.split(',').slice(1).join(','))")
    assert file.lstrip("\ufeff").startswith('"metric","period"') and facts["places"][icb][2] in file


@needs_browser
def test_the_choice_is_made_by_keyboard_and_kept_in_the_address(page, site):
    page.width(1200)
    page.open(site / "metrics" / f"{METRIC}.html", "0-0")
    assert page.run("document.getElementById('breakdown').value") == "0"
    for _ in range(8):
        page.key("Tab")
        if page.run("document.activeElement.id") == "place":
            break
    before = text_of(page, "said")
    page.key("ArrowDown")
    assert page.run("document.getElementById('place').selectedIndex") == 1
    assert text_of(page, "said") != before


@needs_browser
def test_without_a_script_the_page_still_tells_its_numbers(page, site, tmp_path):
    text = (site / "metrics" / f"{METRIC}.html").read_text(encoding="utf-8")
    (tmp_path / "plain.html").write_text(re.sub(r"<script src=[^>]*></script>", "", text), encoding="utf-8")
    page.open(tmp_path / "plain.html")
    assert page.run("document.getElementById('explorer').hidden")
    facts = Text(site / "metrics" / f"{METRIC}.html").facts
    wanted = sum(row[0] == 0 and row[1] in (0, facts["start"]) for row in facts["rows"])
    assert page.run("document.querySelectorAll('#plain tbody tr').length") == wanted > 3
    assert "Other places and groups are in" in text_of(page, "plain")


def test_the_notebook_runs_against_the_release(made, tmp_path):
    root = HERE.parents[1]
    environment = {**os.environ, "LAKE": str(made.root)}
    command = [sys.executable, str(root / "notebooks" / "release.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    environment["LAKE"] = str(tmp_path)
    assert subprocess.run(command, env=environment, capture_output=True, cwd=tmp_path, check=False).returncode != 0
