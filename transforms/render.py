"""Facts -> a page that opens anywhere: one file, nothing fetched from elsewhere.

Promise: every text is escaped, what would turn it round is shown as what it is, and a browser runs nothing and loads
nothing but the style, and on one page the search, that stand in the page: their hashes are in its content security policy.
"""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent / "pages"
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


# Signs that turn the order of what follows round, and control signs: what somebody typed would look like something else.
UNSEEN = re.compile("[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
STYLES = {"style": ("style.css",), "nhs": ("nhsuk.css", "page.css"), "search": ("search.js",)}
LONGEST = 120  # a name longer than that is cut: nobody reads 10,000 letters, and a page must stay one


def visible(value: Any) -> Any:
    """A text in which nothing is hidden: U+202E and its like stand as their number."""
    from markupsafe import Markup

    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", value)


def short(name: Any) -> str:
    """The beginning of a name that somebody else chose, and how long it is in all when that is too long."""
    said = str(name)
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}… ({len(said):,} characters)"


def lower_first(words: str) -> str:
    """Words that go on in a sentence. "NHS number" stays as it is."""
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def points(number: float | None) -> str:
    """1.25 -> "1.3"; what is not nothing is never said to be."""
    if number is None:
        return "–"
    return "under 0.1" if 0 < number < 0.05 else f"{number:.1f}"


def count(number: int | None) -> str:
    """1234 -> "1,234"; None -> an en dash: nothing was counted."""
    return "–" if number is None else f"{number:,}"


def per_cent(part: float | None, whole: float | None) -> str:
    """1, 3 -> "33.3%". Never rounds to 0% or 100% what is not quite that."""
    if not whole or part is None:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "under 0.1%"
    if 99.9 < share < 100:
        return "over 99.9%"
    return f"{share:.1f}%" if 0 < share < 100 else f"{share:.0f}%"


def month(period: str) -> str:
    """ "2026-09" -> "September 2026"; anything else stays as it is."""
    year, _, number = period.partition("-")
    return f"{MONTHS[int(number) - 1]} {year}" if number.isdigit() and 1 <= int(number) <= 12 else period


def day(text: str) -> str:
    """ "2026-09-03" -> "3 September 2026"."""
    parts = text[:10].split("-")
    return f"{int(parts[2])} {month(text[:7])}" if len(parts) == 3 else text


def sentence(words: str) -> str:
    """Words with one full stop at their end."""
    return words if words.endswith((".", "?", "!")) else f"{words}."


def breakable(name: str) -> Any:
    """A long identifier as text that a narrow column may break after a dot or an underscore, and nowhere else."""
    from markupsafe import Markup, escape

    return Markup(str(escape(visible(name))).replace("_", "_<wbr>").replace(".", ".<wbr>"))


@cache
def _environment() -> Any:
    import jinja2
    from markupsafe import Markup

    loader = jinja2.FileSystemLoader(HERE)
    made = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=visible
    )
    made.filters |= {"count": count, "month": month, "day": day, "breakable": breakable, "sentence": sentence}
    made.filters |= {"short": short, "lower_first": lower_first, "points": points}
    made.globals |= {"per_cent": per_cent}
    for name, files in STYLES.items():
        text = "".join((HERE / file).read_text(encoding="utf-8") for file in files)
        made.globals[name] = Markup(text)
        made.globals[f"{name}_hash"] = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return made


def render(template: str, **facts: Any) -> str:
    """One of the templates in pages/ with its facts. A fact that the template needs and nobody gave is an error."""
    return _environment().get_template(template).render(**facts)
