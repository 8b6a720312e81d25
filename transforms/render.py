"""Facts -> a page that opens anywhere: one file, nothing fetched from elsewhere.

Promise: every text is escaped, and a browser runs nothing and loads nothing but the style, and on one page the search,
that stand in the page: their hashes are in its content security policy.
"""

import base64
import hashlib
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

    return Markup(str(escape(name)).replace("_", "_<wbr>").replace(".", ".<wbr>"))


@cache
def _environment() -> Any:
    import jinja2
    from markupsafe import Markup

    loader = jinja2.FileSystemLoader(HERE)
    made = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    made.filters |= {"count": count, "month": month, "day": day, "breakable": breakable, "sentence": sentence}
    made.globals |= {"per_cent": per_cent}
    for name, file in (("style", "style.css"), ("search", "search.js")):
        text = (HERE / file).read_text(encoding="utf-8")
        made.globals[name] = Markup(text)
        made.globals[f"{name}_hash"] = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return made


def render(template: str, **facts: Any) -> str:
    """One of the templates in pages/ with its facts. A fact that the template needs and nobody gave is an error."""
    return _environment().get_template(template).render(**facts)
