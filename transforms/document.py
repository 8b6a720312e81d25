"""standards/ -> pages for people who own, collect or read a code, and files for those who build on it.

Promise: the pages say what the files say and nothing else. Words that are not ours stand in quotation marks; what is
contested says why and by which step. Writing them twice changes nothing.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transforms.comparison import disagreements
from transforms.downloads import downloads, has_template, template_name
from transforms.faults import Reader, grouped
from transforms.guidance import layout_guidance, plain, publication, topics
from transforms.lake import rename
from transforms.render import render
from transforms.scorecard import not_collected
from transforms.search import a_to_z, search_entries
from transforms.standard import Layout, Standard

Facts = dict[str, Any]
CODE = (
    *(
        "document.py",
        "comparison.py",
        "crosscheck_rules.py",
        "data_contract.py",
        "downloads.py",
        "guidance.py",
        "render.py",
    ),
    *("rules.py", "scorecard.py", "search.py", "suites.py", "terminology.py", "macros.sql", "pages"),
)
CONTESTED = "contested"
_LAST: list[tuple[Standard, dict[str, str]]] = []  # a process that makes several releases makes the pages once


def document(standard: Standard, folder: Path) -> int:
    """Write the pages, and the files that they lead to, into a folder. Returns how many pages there are."""
    if not _LAST or _LAST[0][0] is not standard:
        _LAST[:] = [(standard, contents(standard))]
    files = _LAST[0][1]
    for name, text in files.items():
        target = Path(folder) / name
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{target.name}.new")
            beside.write_text(text, encoding="utf-8")
            rename(beside, target)  # a release makes its whole tree durable at once: hundreds of fsyncs take seconds
    return sum(name.endswith(".html") for name in files)


def contents(standard: Standard) -> dict[str, str]:
    """Every page and every download: path -> text."""
    reader = Reader(standard.folder.parent)  # what it would note was refused when the standard was loaded
    about, guidance = plain(publication(reader, standard)), plain(topics(reader, standard))
    files = downloads(standard, about)
    systems = describe_all(standard, guidance)
    by_system = {facts["system"]: facts for facts in systems}
    layouts = [
        describe_layout(standard, layout, plain(layout_guidance(reader, standard, layout.name)))
        for layout in standard.layouts.values()
    ]
    contested, compared = disagreements(standard, about, by_system)
    shared: Facts = {"about": about, "standard_version": standard.version, "say": sayer(standard)}
    pages = {
        "index.html": render(
            "standard.html",
            **shared,
            groups=[{"topic": topic, "systems": [by_system[name] for name in topic["about"]]} for topic in guidance],
            rest=[facts for facts in systems if not facts["topic"]],
            layouts=layouts,
            contracts=[name for name in files if name.endswith(".odcs.yaml")],
            suites=sorted(name for name in files if name.startswith("expectations/")),
            resources=sorted(name for name in files if name.startswith("fhir/")),
            n_contested=len(contested),
            letters=a_to_z(systems),
            entries=search_entries(systems, guidance, layouts),
        ),
        "record.html": render(
            "record.html",
            **shared,
            topics=guidance,
            named=labels_of(standard),
            systems=standard.characteristics(),
            columns=columns_of_settings(standard),
        ),
        "contested.html": render("contested.html", **shared, rows=contested, compared=compared),
    }
    for facts in systems:
        name = facts["system"]
        its_files = [file for file in files if file.startswith(f"{name}.")]
        pages[f"{name}.html"] = render("system.html", **shared, **facts, files=its_files)
    for facts in layouts:
        pages[f"layouts/{facts['layout']}.html"] = render("layout.html", **shared, **facts)
    return {**pages, **{f"downloads/{name}": text for name, text in files.items()}}


def describe_all(standard: Standard, guidance: list[Facts]) -> list[Facts]:
    """Everything that the files say about each code system."""
    codes, maps = grouped(standard.codes, "system"), grouped(standard.code_maps, "system")
    sets, labels = grouped(standard.sets, "system"), grouped(standard.classifications, "system")
    titles = {item["vocabulary"]: item["title"] for item in standard.tables["vocabularies"]}
    return [
        describe(standard, system, rows, [_mapped(titles, row) for row in maps[system]], sets[system], labels[system])
        | {"topic": next((topic for topic in guidance if system in topic["about"]), None)}
        for system, rows in codes.items()
    ]


def describe(
    standard: Standard, system: str, rows: list[Facts], maps: list[Facts], sets: list[Facts], labels: list[Facts]
) -> Facts:
    """Everything that the files say about one code system."""
    codes = [row for row in rows if row["kind"] != "detail"]
    by_code = grouped([row for row in maps if row["code"]], "code")
    named = {row["code"]: row["label"] for row in codes}
    for_code = grouped([_labelled(row, sets) for row in labels], "code")
    absent = grouped([row for row in maps if not row["code"]], "status")
    return {
        "system": system,
        "title": title_of(standard, system),
        "fields": _items([row for row in standard.tables["fields"] if row["code_system"] == system]),
        "sets": sets,
        "vocabularies": _vocabularies(standard, maps),
        "codes": [
            {"valid_from": "", "valid_to": "", **row, "parent_label": named.get(row["parent"], ""), "maps": by_code[row["code"]],
             "labels": for_code[row["code"]], "n_values": len(absent.get(row["code"], ()) if row["kind"] == "absence" else by_code[row["code"]])}
            for row in codes
        ],
        "absent": {status: sorted(held, key=lambda row: (row["reason"], row["vocabulary"])) for status, held in absent.items()},
        "contested": sorted((row for row in maps if row["why"]), key=lambda row: -(row["people"] or 0)),
        "details": [row for row in rows if row["kind"] == "detail"],
        "named": named,
        "sources": sorted({part.strip() for row in (*rows, *maps, *sets) for part in row["source"].split(";") if part.strip()}),
        "n_values": len(maps),
        "has_people": any(row["people"] is not None for row in maps),
        "n_proposed": sum(row["status"] == "proposed" for row in codes),
    }  # fmt: skip


def _items(fields: list[Facts]) -> list[Facts]:
    """Fields of several tables that are one item stand once, with their tables."""
    return [{**rows[0], "tables": [row["table"] for row in rows]} for rows in grouped(fields, "field").values()]


def title_of(standard: Standard, system: str) -> str:
    """What people call a code system: the heading of its README, or its name."""
    path = standard.folder / "code_systems" / system / "README.md"
    heading = path.read_text(encoding="utf-8").splitlines()[0] if path.exists() else ""
    return heading.removeprefix("# ").partition(" (")[0] or system.replace("_", " ").capitalize()


def labels_of(standard: Standard) -> dict[str, dict[str, str]]:
    """Code system -> code or detail -> its label."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in standard.codes:
        found[row["system"]][row["code"]] = row["label"]
    return found


def columns_of_settings(standard: Standard) -> dict[str, dict[str, str]]:
    """Care setting -> field -> the name of its column, where all who send from there send one shape of file."""
    shapes: dict[str, list[Layout]] = defaultdict(list)
    for layout in standard.layouts.values():
        shapes[layout["care_setting"]].append(layout)
    return {
        setting: {entry["field"]: entry["column"] for entry in found[0].columns}
        for setting, found in shapes.items()
        if len(found) == 1
    }


def _mapped(titles: dict[str, str], row: Facts) -> Facts:
    """A row of a `from_` file with the name of its vocabulary and, where it is contested, the words that say why."""
    why = row["reason"].partition(":")[2].strip() if row["reason"].startswith(CONTESTED) else ""
    people = int(row["people"]) if row["people"].isdigit() else None
    title = titles.get(row["vocabulary"], row["vocabulary"])
    return {"valid_from": "", "valid_to": "", **row, "title": title, "why": why, "people": people}


def sayer(standard: Standard) -> Callable[[str], str]:
    """What says a reason as reasons.csv does, with what the row adds."""
    words = {row["reason"]: row["words"] for row in standard.tables["reasons"]}

    def say(reason: str) -> str:
        name, _, more = reason.partition(":")
        said = words.get(name, name.replace("_", " "))
        return f"{said}: {more.strip()}" if more else said

    return say


def _labelled(row: Facts, sets: list[Facts]) -> Facts:
    """A row of a `to_` file with its set, so that the page knows whose words they are."""
    named = next((item for item in sets if item["classification"] == row["classification"]), {})
    return {
        "group_label": "",
        **row,
        "set": named.get("title", row["classification"]),
        "set_source": named.get("source", ""),
        "is_quoted": named.get("wording") == "third_party",
    }


def _vocabularies(standard: Standard, maps: list[Facts]) -> list[Facts]:
    """The vocabularies that are mapped in, with how many values each has and how many of them have no code."""
    known = {item["vocabulary"]: item for item in standard.tables["vocabularies"]}
    return [
        {**known[name], "n": len(rows), "n_without": sum(not r["code"] for r in rows)}
        for name, rows in grouped(maps, "vocabulary").items()
    ]


def said_date(form: str) -> str:
    """ "%d/%m/%Y" -> "day/month/year"."""
    words = {"%Y": "year", "%m": "month", "%b": "month as three letters", "%d": "day"}
    words |= {"%H": "hour", "%M": "minute", "%S": "second"}
    if "%Y%m%d" in form:
        return form.replace("%Y%m%d", "year, month and day with nothing between them")
    for sign, word in words.items():
        form = form.replace(sign, word)
    return form


def describe_layout(standard: Standard, layout: Layout, guidance: Facts) -> Facts:
    """What one shape of file holds, and what is thrown away, left unread or not there."""
    fields = {row["field"]: row for row in standard.fields_of(layout.table)}
    titles = {item["vocabulary"]: item["title"] for item in standard.tables["vocabularies"]}

    def said(names: list[str]) -> list[str]:
        return [titles.get(name, name) for name in names]

    stated = [
        {**item, "column": column, "titles": said(item.get("vocabulary") or [])}
        for column, items in (layout["states"] or {}).items()
        for item in (items if isinstance(items, list) else [])
    ]
    return {
        "layout": layout.name,
        "title": layout["title"],
        "table": layout.table,
        "content": layout.content,
        "kind": layout["format"].get("kind", ""),
        "delimiter": layout["format"].get("delimiter", ","),
        "dates": [said_date(form) for form in layout["dates"] or []],
        "care_setting": layout["care_setting"],
        "columns": [
            {**entry, **fields[entry["field"]], "titles": said(entry.get("vocabulary") or [])}
            for entry in layout.columns
            if entry["field"] in fields
        ],
        "stated": stated,
        "dropped": list(layout.drop),
        "ignored": list(layout["ignore"] or ()),
        "not_collected": not_collected([layout], standard),
        "blank_file": template_name(layout) if has_template(layout) else "",
        "guidance": guidance,
    }
