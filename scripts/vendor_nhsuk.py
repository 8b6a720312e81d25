"""The NHS.UK frontend package -> transforms/pages/nhsuk.css: the rules that our pages use, and nothing that is fetched.

    npm pack nhsuk-frontend@10.6.1
    python scripts/vendor_nhsuk.py nhsuk-frontend-10.6.1.tgz

Promise: the same package and the same templates give the same file. A rule is kept when every class in its selector
stands in a template of transforms/pages; fonts and every url(...) are left out, because a page asks nobody for
anything. The whole file is 278 kB and each page carries its style with it: so little of it is used that a page would be
ten times as large for nothing.
"""

import json
import re
import sys
import tarfile
from pathlib import Path

PAGES = Path(__file__).resolve().parent.parent / "transforms" / "pages"
CLASS = re.compile(r"\.((?:nhsuk|app)-[\w-]+)")
# Elements that no page of ours has; their rules name no class and would stay.
ABSENT = re.compile(r"\b(button|input|textarea|iframe|video|img)\b")


def main(package: Path) -> None:
    """Read the package, write the style. The version and the licence are the package's own."""
    with tarfile.open(package) as archive:
        about = json.loads(read(archive, "package/package.json"))
        style = read(archive, "package/dist/nhsuk/nhsuk-frontend.min.css")
    used = {name for path in PAGES.glob("*.html") for name in re.findall(r"nhsuk-[\w-]+", path.read_text("utf-8"))}
    kept = "".join(keep(block, used) for block in blocks(style))
    kept = drop_unused_variables(kept)
    head = f"/* nhsuk-frontend {about['version']}, {about['license']} licence, (c) NHS England: see NOTICE. Made by scripts/vendor_nhsuk.py. */\n"
    (PAGES / "nhsuk.css").write_text(head + kept.replace("}", "}\n").replace("}\n}", "}}") + "\n", encoding="utf-8")
    print(f"{len(head + kept)} of {len(style)} characters kept, for {len(used)} classes")


def read(archive: tarfile.TarFile, name: str) -> str:
    """The text of one file of the package."""
    found = archive.extractfile(name)
    if found is None:
        raise SystemExit(f"{name} is not in the package: is it nhsuk-frontend?")
    return found.read().decode()


def blocks(style: str) -> list[tuple[str, str]]:
    """A style sheet as (what stands before a brace, what stands inside), without comments; @charset falls away."""
    style = re.sub(r"/\*.*?\*/|@charset[^;]*;", "", style, flags=re.DOTALL)
    found, depth, start, head = [], 0, 0, ""
    quote = ""
    for place, sign in enumerate(style):
        if quote:
            quote = "" if sign == quote and style[place - 1] != "\\" else quote
        elif sign in "\"'":
            quote = sign
        elif sign == "{":
            if depth == 0:
                head, start = style[start:place].strip(), place + 1
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                found.append((head, style[start:place]))
                start = place + 1
    return found


def keep(block: tuple[str, str], used: set[str]) -> str:
    """What stays of a block: of a condition the rules inside it, of a rule the selectors whose classes are all used."""
    head, body = block
    if head.startswith(("@font-face", "@keyframes")):
        return ""
    if head.startswith(("@media", "@supports", "@container")):
        inner = "".join(keep(one, used) for one in blocks(body))
        return f"{head}{{{inner}}}" if inner else ""
    kept = [one for one in split(head) if is_used(one, used)]
    said = ";".join(line for line in body.split(";") if "url(" not in line)
    return f"{','.join(kept)}{{{said}}}" if kept and said.strip() else ""


def split(selectors: str) -> list[str]:
    """A list of selectors at its commas, but not at those inside brackets."""
    return [one.strip() for one in re.split(r",(?![^(\[]*[)\]])", selectors) if one.strip()]


def is_used(selector: str, used: set[str]) -> bool:
    return set(CLASS.findall(selector)) <= used and not ABSENT.search(CLASS.sub("", selector))


def drop_unused_variables(style: str) -> str:
    """Variables that no rule that was kept reads."""
    read = set(re.findall(r"var\((--[\w-]+)", style))
    return re.sub(r"(--nhsuk-[\w-]+):[^;}]*(;|(?=\}))", lambda found: found[0] if found[1] in read else "", style)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
