"""The standard's pages in a real browser: opened from disk, by keyboard, in a narrow window, on paper, without a script."""

import re

import pytest

from tests.browser import browser, program
from transforms.document import document

pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium: apt-get install chromium")

# One of each template; a small page and the largest ones.
PAGES = [
    "index.html", "record.html", "contested.html", "is_carer.html", "ethnic_category.html", "language.html",
    "layouts/small_csv.html", "layouts/fhir_patient.html",
]  # fmt: skip
# The engine's time grows with the page: of long tables and lists it gets the first rows, which are all alike.
TRIM = """
document.querySelectorAll('tbody').forEach(b => [...b.rows].slice(12).forEach(r => r.remove()));
document.querySelectorAll('section.code').forEach((s, i) => i > 5 && s.remove());
document.querySelectorAll('ul.columns').forEach(u => [...u.children].slice(12).forEach(l => l.remove()));
document.querySelectorAll('details').forEach(d => d.open = true);
"""


@pytest.fixture(scope="module")
def folder(standard, tmp_path_factory):
    made = tmp_path_factory.mktemp("pages")
    document(standard, made)
    return made


@pytest.fixture(scope="module")
def page():
    with browser() as found:
        yield found


@pytest.mark.parametrize("name", PAGES)
def test_no_barrier_is_found(page, folder, name):
    """The rules of WCAG 2.2, A and AA, and good practice: contrast, names, landmarks, headings, tables."""
    page.width(1200)
    page.open(folder / name)
    page.run(TRIM + "0")
    assert not page.barriers()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_only_itself_and_the_browser_has_nothing_against_it(page, folder, name):
    page.open(folder / name)
    page.run("new Promise(done => setTimeout(done, 50))")
    assert page.asked_for() == [(folder / name).resolve().as_uri()]
    assert page.complaints() == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_window_of_320_pixels(page, folder, name):
    """WCAG 1.4.10: only tables may be wider, and they scroll in a box of their own."""
    page.width(320)
    page.open(folder / name)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("name", ["index.html", "ethnic_category.html"])
def test_what_is_pressed_is_large_enough(page, folder, name):
    """WCAG 2.2, 2.5.8: 24 pixels, for what does not stand in a sentence."""
    page.width(1200)
    page.open(folder / name)
    lowest = page.run(
        "Math.min(...[...document.querySelectorAll('summary, input, .links li')].filter(e => e.offsetHeight)"
        ".map(e => e.getBoundingClientRect().height))"
    )
    assert lowest >= 24


def test_a_code_is_linked_to_by_its_name(page, folder):
    page.open(folder / "ethnic_category.html", "roma")
    assert page.run("document.querySelector(':target').textContent") == "Roma"
    assert page.run("Math.abs(document.querySelector(':target').getBoundingClientRect().top) < 200")


def said(page):
    return page.run("document.getElementById('search-said').textContent")


def focused(page):
    return page.run("(document.activeElement.getAttribute('href') || document.activeElement.id || '')")


def test_the_search_works_by_keyboard_alone(page, folder):
    page.width(1200)
    page.open(folder / "index.html")
    for _ in range(3):
        page.key("Tab")
        if focused(page) == "search-words":
            break
    assert focused(page) == "search-words", "the search is one of the first stops"
    page.type("Somali")
    assert page.run("document.getElementById('search-said').getAttribute('aria-live')") == "polite"
    assert "result" in said(page) and "“Somali”" in said(page)
    page.key("ArrowDown")
    first = focused(page)
    assert first == "record.html#somali-woman-own-words", "worked examples come first"
    page.key("ArrowDown")
    assert focused(page) != first
    page.key("ArrowUp")
    page.key("ArrowUp")
    assert focused(page) == "search-words"
    page.key("Enter")
    assert focused(page) == first
    page.key("Enter")
    page.run("new Promise(done => setTimeout(done, 300))")
    assert page.run("location.href").endswith(first)


@pytest.mark.parametrize(
    ("words", "leads_to"),
    [
        ("92711000000100", "ethnic_category.html#african"),
        ("roma", "ethnic_category.html#roma"),
        ("braille", "information_format.html#braille"),
        ("young carer", "is_young_carer.html#young_carer"),
        ("mirpuri", "language.html#phr"),
        ("gujerati", "language.html#guj"),
        ("jewish man", "record.html#jewish-man"),
    ],
)
def test_the_search_finds_codes_values_spellings_and_examples(page, folder, words, leads_to):
    page.open(folder / "index.html")
    page.run("document.getElementById('search-words').focus()")
    page.type(words)
    found = page.run("[...document.querySelectorAll('#search-results a')].map(a => a.getAttribute('href'))")
    assert leads_to in found


def test_nothing_found_is_said(page, folder):
    page.open(folder / "index.html")
    page.run("document.getElementById('search-words').focus()")
    page.type("zzzz no such thing")
    assert said(page).startswith("Nothing found")


def test_without_a_script_there_is_a_list_from_a_to_z_and_no_dead_box(page, folder, tmp_path):
    text = (folder / "index.html").read_text(encoding="utf-8")
    (tmp_path / "index.html").write_text(re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL), encoding="utf-8")
    page.open(tmp_path / "index.html")
    assert page.run("document.getElementById('search').offsetHeight") == 0
    assert page.run("document.querySelectorAll('#a-to-z ~ details a').length") > 100


def test_on_paper_nothing_is_folded_away(page, folder):
    page.width(1200)
    page.open(folder / "is_carer.html")
    shown = "document.querySelector('details table, details figure').checkVisibility({contentVisibilityAuto: true})"
    before = page.run("document.documentElement.scrollHeight")
    page.tell("Emulation.setEmulatedMedia", media="print")
    try:
        assert page.run("document.documentElement.scrollHeight") > before
        assert page.run(shown)
    finally:
        page.tell("Emulation.setEmulatedMedia", media="")
