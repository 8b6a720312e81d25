"""Scorecards in a real browser, as a tired analyst opens them: on a screen, a phone and paper, by keyboard, and hostile."""

import csv
import gzip
import json
import re

import duckdb
import pytest

from tests.browser import browser, program
from tests.lakes import copied_standard
from tests.synthetic import deliver
from tests.test_feedback import PERIOD, take_in
from transforms import keys
from transforms.lake import Lake
from transforms.quality import ALL
from transforms.render import render
from transforms.site import site
from transforms.standard import load

pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium: apt-get install chromium")

HOSTILE = "=1+1<script>alert(1)</script>{{ 7*7 }}{% raw %}\u202e\u2066txet"
LONG = HOSTILE + "x" * 10_000
FAULTS = {
    "future_birth_date": 4,
    "malformed_nhs_number": 5,
    "missing_key": 2,
    "unrecognised": 3,
    "blank": 16,
    "not_known": 9,
}
MONTHS = [f"{2024 + (9 + n) // 12}-{(9 + n) % 12 + 1:02d}" for n in range(23)]  # with this month they are 24
OPEN = (
    "period varchar, place_kind varchar, place varchar, layout varchar, field varchar, measure varchar, unit varchar, "
)
OPEN += "cell_status varchar, numerator bigint, denominator bigint, share double, value double"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Name -> path of one page of every kind."""
    root = tmp_path_factory.mktemp("scorecards")
    copy = copied_standard(root)
    providers = copy / "standards" / "providers.csv"
    with open(providers, encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(handle))
    for row in rows:
        row[1] = LONG if row[0] == "ZZ4" else row[1]
    with open(providers, "w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows(rows)
    standard = load(copy)
    lake = Lake(root / "lake", root / "keys").prepare()
    keys.initialise(lake)
    landing = lake.path("landing")
    earlier(lake, "ZZ1")
    deliver(landing, "ZZ1", PERIOD, {"pas_patient": 80, "sus_outpatient": 50}, FAULTS)
    deliver(landing, "ZZ2", PERIOD, {"pas_patient": 20}, edit=unreadable)
    deliver(landing, "ZZ3", PERIOD, {"pas_patient": 20}, {"wrong_hash": True})
    deliver(landing, "ZZ4", PERIOD, {"pas_patient": 30}, {"unknown_column": True, "not_stated": 12})
    spoil_columns(landing / "ZZ4" / PERIOD)
    take_in(standard, lake, "ZZ1", "ZZ2", "ZZ3", "ZZ4")
    deliver(landing, "ZZ1", PERIOD, {"pas_patient": 80, "sus_outpatient": 50}, FAULTS | {"blank": 6}, name="correction")
    take_in(standard, lake, "ZZ1")
    names = {"charts": "ZZ1", "rejected": "ZZ2", "refused at the door": "ZZ3", "first delivery, hostile": "ZZ4"}
    found = {name: lake.path("provider", code, PERIOD, "index.html") for name, code in names.items()}
    found |= {f"{name}, summary": path.with_name("summary.html") for name, path in found.items()}
    found |= {
        "provider": lake.path("provider", "ZZ1", "index.html"),
        "provider, hostile": lake.path("provider", "ZZ4", "index.html"),
    }
    a_release(standard, root / "release")
    return found | {
        "region": root / "release" / "site" / "providers.html",
        "site": root / "release" / "site" / "index.html",
    }


def earlier(lake, provider):
    """Scorecards of the 23 months before: a chart of 24 points, one of them out of the ordinary, one month not sent."""
    for n, period in enumerate(MONTHS):
        folder = lake.path("provider", provider, period)
        folder.mkdir(parents=True)
        index = {"value": 60 + (n * 7) % 5 - (14 if n == 9 else 0)}
        told = {"index": index, "usable": {"pas_patient ethnic_category": 0.8 + (n * 3) % 4 / 100}}
        told |= {"files": [{"n_records": 80}] if n != 4 else [], "n_issues": 90 - n, "standard_version": "before"}
        (folder / "scorecard.json").write_text(json.dumps(told if n != 4 else {}), encoding="utf-8")


def unreadable(_, rows):
    return [row | {"DATE_OF_BIRTH": "last spring"} for row in rows]


def spoil_columns(folder):
    """A file with columns that nobody would name so, and no manifest that would notice."""
    [path] = folder.glob("*/*.csv")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("SURPRISE", f'"{LONG}"', 1), encoding="utf-8")
    (path.parent / "_READY").write_text("", encoding="utf-8")


def a_release(standard, folder):
    """An open area with figures of two providers, one that is hidden, one that was silent this month."""
    (folder / "open").mkdir(parents=True)
    con = duckdb.connect(str(folder / "open" / "open.duckdb"))
    con.execute(f"create table provider_measure ({OPEN})")
    rows = [
        (PERIOD, "provider", "ZZ1", "every layout", "", "index", "points", "shown", None, None, None, 71.25),
        (
            PERIOD,
            "provider",
            "ZZ1",
            "pas_patient",
            "ethnic_category",
            "usable",
            "share",
            "shown",
            950,
            1000,
            0.95,
            0.95,
        ),
        (PERIOD, "provider", "ZZ1", "pas_patient", "", "coverage", "share", "shown", 2, 2, 1.0, 1.0),
        (
            PERIOD,
            "provider",
            "ZZ2",
            "pas_patient",
            "ethnic_category",
            "usable",
            "share",
            "suppressed",
            None,
            None,
            None,
            None,
        ),
        (
            "2026-08",
            "provider",
            "ZZ3",
            "pas_patient",
            "ethnic_category",
            "usable",
            "share",
            "shown",
            880,
            1000,
            0.88,
            0.88,
        ),
        # Told of a provider whatever it sent, and no sign of life.
        (PERIOD, "provider", "ZZ3", "pas_patient", "", "coverage", "share", "shown", 1, 2, 0.5, 0.5),
        (PERIOD, "provider", "ZZ3", ALL, "ethnic_category", "agreement", "share", "shown", 90, 100, 0.9, 0.9),
        (PERIOD, "provider_kind", "trust", "every layout", "", "index", "points", "shown", None, None, None, 65.5),
    ]
    con.executemany(f"insert into provider_measure values ({', '.join('?' * 12)})", rows)
    con.execute("create table rule_score as select 'ZZ1' as provider")
    con.close()
    site(standard, folder, {"release": 19, "made_at": "2026-10-03", "latest_period": PERIOD, "is_invented": True})


@pytest.fixture(scope="module")
def page():
    with browser() as found:
        yield found


KINDS = ("charts", "rejected", "refused at the door", "first delivery, hostile", "charts, summary", "rejected, summary",
         "refused at the door, summary", "first delivery, hostile, summary", "provider", "provider, hostile", "region", "site")  # fmt: skip
each = pytest.mark.parametrize("name", KINDS)
OPENED = "document.querySelectorAll('details').forEach(d => d.open = true); document.documentElement.scrollWidth"


@each
def test_no_barrier_is_found_on_any_screen_and_on_paper(page, pages, name):
    """axe with the rules of WCAG 2.2, A and AA: wide, 320 pixels, and as it prints; folded parts open."""
    for width, media in ((1200, ""), (320, ""), (760, "print")):
        page.width(width)
        page.open(pages[name])
        page.tell("Emulation.setEmulatedMedia", media=media)
        try:
            assert page.run(OPENED) <= page.run("document.documentElement.clientWidth"), (
                "nothing is wider than the screen"
            )
            assert not page.barriers(), (width, media)
        finally:
            page.tell("Emulation.setEmulatedMedia", media="")


@each
def test_a_page_asks_nobody_for_anything(page, pages, name):
    page.width(1200)
    page.open(pages[name])
    page.run("new Promise(done => setTimeout(done, 50))")
    assert page.asked_for() == [pages[name].resolve().as_uri()]
    assert page.complaints() == []
    assert pages[name].stat().st_size < 300_000
    assert "url(" not in re.search(r"<style>(.*?)</style>", pages[name].read_text(encoding="utf-8"), re.DOTALL)[1]


FOCUS = """(() => {
  const e = document.activeElement, s = getComputedStyle(e);
  window.reached = window.reached || new Set(); window.reached.add(e);
  const seen = (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 && s.outlineColor !== 'rgba(0, 0, 0, 0)') || s.boxShadow !== 'none';
  const box = e.getBoundingClientRect();
  return [seen, box.bottom > 0 && box.top < innerHeight, e.outerHTML.slice(0, 80)];
})()"""
STOPS = "[...document.querySelectorAll('a[href], summary, [tabindex=\"0\"]')].filter(e => e.checkVisibility({contentVisibilityAuto: true}))"


@pytest.mark.parametrize("name", ["charts", "region"])
def test_every_link_and_every_fold_is_reached_by_keyboard_and_seen(page, pages, name):
    page.width(1200)
    page.open(pages[name])
    if name == "charts":
        page.run("document.querySelector('summary').focus()")
        page.key("Enter")
        assert page.run("document.querySelector('details').open"), "a fold opens by keyboard"
        page.run("document.activeElement.blur()")
    page.run(OPENED)
    for _ in range(page.run(f"{STOPS}.length") + 1):
        page.key("Tab")
        seen, on_screen, what = page.run(FOCUS)
        assert (seen and on_screen) or what.startswith("<body"), what
    assert page.run(f"{STOPS}.filter(e => !window.reached.has(e)).map(e => e.outerHTML.slice(0, 80))") == []


def sheets(page, folder):
    """How many sheets the page prints on."""
    page.printed(folder / "page.pdf")
    return len(re.findall(rb"/Type\s*/Page\b", (folder / "page.pdf").read_bytes()))


@pytest.mark.parametrize(("name", "fits_one"), [("charts", False), ("charts, summary", True), ("rejected, summary", True),
                                                ("first delivery, hostile, summary", True), ("region", False)])  # fmt: skip
def test_a_page_prints_whole(page, pages, tmp_path, name, fits_one):
    """The summary on one sheet of A4, a page on a few; what is folded is named and left out, what was opened is there, and
    nothing stands beyond the margin."""
    page.width(688)  # A4 less its margins
    page.open(pages[name])
    n_sheets = sheets(page, tmp_path)
    assert n_sheets == 1 if fits_one else n_sheets <= 8
    page.tell("Emulation.setEmulatedMedia", media="print")
    try:
        cut = "[...document.querySelectorAll('table, svg, p, li, h1, h2')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
        assert page.run(f"{cut}.map(e => e.outerHTML.slice(0, 80))") == []
        seen = "[...document.querySelectorAll('details')].map(d => d.lastElementChild.checkVisibility({contentVisibilityAuto: true}))"
        assert not any(page.run(seen))
        page.run(OPENED)
        assert all(page.run(seen))
        if page.run("document.querySelectorAll('details').length"):
            assert sheets(page, tmp_path) > n_sheets
    finally:
        page.tell("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize(("width", "height"), [(1200, 900), (375, 812)])
def test_the_first_screen_says_the_index_and_the_first_thing_to_do(page, pages, width, height):
    page.width(width, height)
    page.open(pages["charts"])
    bottoms = page.run(
        "['.index .value', '.actions h3'].map(s => document.querySelector(s).getBoundingClientRect().bottom)"
    )
    assert max(bottoms) < height
    if width > 1000:
        assert (
            page.run(
                "Math.max(...[...document.querySelectorAll('.actions > li')].map(e => e.getBoundingClientRect().bottom))"
            )
            < height
        )


@pytest.mark.parametrize(
    "name", ["first delivery, hostile", "first delivery, hostile, summary", "provider, hostile", "region"]
)
def test_hostile_text_stands_as_text(page, pages, name):
    page.width(1200)
    page.open(pages[name])
    text = page.run("document.body.textContent")
    assert "<script>alert(1)</script>" in text and "{{ 7*7 }}" in text and "[U+202E]" in text
    assert "\u202e" not in text and "\u2066" not in text and "x" * 2000 not in text
    assert page.run("document.querySelectorAll('script').length") == 0


def test_hostile_text_opens_as_text_in_a_spreadsheet(pages):
    folder = pages["first delivery, hostile"].parent
    assert "SURPRISE" not in (folder / "scorecard.json").read_text(encoding="utf-8")
    for name in ("rules.csv", "scorecard.csv", "issues.csv.gz"):
        with (gzip.open if name.endswith("gz") else open)(folder / name, "rt", encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle))
        assert len({len(row) for row in rows}) == 1
        for cell in (cell for row in rows for cell in row):
            assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n")), cell
            assert not cell.startswith("-") or re.fullmatch(r"-[\d.]+(e-\d+)?", cell), cell
            assert not re.search("[\u202a-\u202e\u2066-\u2069]", cell)


def test_a_chart_stands_beside_a_sentence_and_a_table(pages):
    text = pages["charts"].read_text(encoding="utf-8")
    figures = re.findall(r"<figure>(.*?)</figure>", text, re.DOTALL)
    assert len(figures) == 3
    for figure in figures[:2]:
        assert 'role="img"' in figure and "<desc" in figure and len(re.findall(r"<tr>", figure)) == 25
        assert re.search(r"<figcaption><p><strong>[^<]+</strong> [A-Z][^<]+\.", figure)
    assert "unusually low" in figures[0] or "moves between" in figures[0]
    assert text.count("<rect") > 4


def test_the_region_shows_who_sent_nothing_and_no_count(pages):
    text = re.sub(
        r"<style>.*?</style>|<code>.*?</code>", "", pages["region"].read_text(encoding="utf-8"), flags=re.DOTALL
    )
    rows = {row.split("<th")[1]: row for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL) if "<th" in row}
    of = {name: row for row in rows.values() for name in ("Ashmere and", "Larkhall", "Soarbridge") if name in row}
    assert "Sent</span>" in of["Ashmere and"] and "95.0%" in of["Ashmere and"] and "71.2" in of["Ashmere and"]
    assert (
        "too few people to show" in of["Larkhall"]
        and "Sent nothing usable" in of["Soarbridge"]
        and "88" not in of["Soarbridge"]
    )
    cells = [re.sub(r"<.*?>", " ", cell) for cell in re.findall(r"<td[ >].*?</td>", text, re.DOTALL)]
    assert not re.findall(r"(?<![\d.,])\d+(?![\d.,%])", re.sub("August 2026", "", " ".join(cells))), (
        "shares and points, never a count"
    )


SYLLABLES = re.compile(r"[aeiouy]+")


def grade(text):
    """The Flesch-Kincaid grade of a text; five years more are the reading age."""
    sentences = [
        words for part in re.split(r"[.?!](?:\s|$)", text) if len(words := re.findall(r"[A-Za-z']+", part)) > 1
    ]
    words = [word for sentence in sentences for word in sentence]
    n = sum(max(1, len(SYLLABLES.findall(re.sub(r"(?<=[^aeiouyl])e$", "", word.lower())))) for word in words)
    return 0.39 * len(words) / len(sentences) + 11.8 * n / len(words) - 15.59


@pytest.mark.parametrize("name", ["charts, summary", "rejected, summary", "refused at the door, summary"])
def test_the_summary_is_read_at_about_twelve(pages, name):
    """Headings are no sentences, and are left out."""
    main = re.search(r"<main.*?</main>", pages[name].read_text(encoding="utf-8"), re.DOTALL)[0]
    main = re.sub(r"<h[12].*?</h[12]>|issues\.csv\.gz", "", main, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", re.sub(r"<.*?>", " ", main))
    assert grade(text) <= 7, text
    assert grade("The harmonisation of demographic characteristics necessitates interoperability.") > 15, "it can tell"


def test_the_style_holds_every_class_of_the_frontend_that_a_page_uses(pages):
    """scripts/vendor_nhsuk.py keeps what templates use: who uses another class runs it again."""
    from transforms.render import HERE

    used = {
        name for path in HERE.glob("*.html") for name in re.findall(r"nhsuk-[\w-]+", path.read_text(encoding="utf-8"))
    }
    style = (HERE / "nhsuk.css").read_text(encoding="utf-8")
    unknown = {name for name in used if f".{name}" not in style} - {"nhsuk-template", "nhsuk-details", "nhsuk-footer"}
    assert not unknown
    assert "http" not in style and "url(" not in style and "@font-face" not in style


def test_a_page_without_anything_is_still_a_page():
    text = render("provider.html", provider="X", provider_name="X", is_invented=False, periods=[])
    assert "<h1>X</h1>" in text
