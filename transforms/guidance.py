"""standards/guidance/ -> how to ask and how to record, for people who do not program; worked examples, checked.

Promise: an example names only codes, details and outside values that the standard holds, and says of a value what the
maps say.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transforms.faults import LINE, Reader, Row, nearest

if TYPE_CHECKING:
    from transforms.standard import Standard

TOPIC = ("title", "order", "about", "why", "questions", "ask", "never", "settings", "examples")
PUBLICATION = (
    *("title", "publisher", "canonical", "copyright", "attribution", "addresses", "settings"),
    *("who_decides", "contested", "comparisons", "statuses", "properties"),
)
QUESTION = ("title", "words", "note", "options", "source", "said", "is_ours")
EXAMPLE = ("id", "keywords", "who", "do", "record", "sent", "elsewhere", "because")
SENT = ("in", "characteristic", "words", "vocabulary", "value", "code", "detail")


def check_guidance(reader: Reader, standard: Standard) -> None:
    """Note everything that is wrong in the guidance; a folder without guidance has nothing wrong."""
    path = standard.folder / "publication.yml"
    if (standard.folder / "guidance").is_dir():
        if not path.exists():
            reader.fault(path, None, "this file is missing", "it names the settings that guidance is for")
            return
        reader.keys(path, publication(reader, standard), PUBLICATION, PUBLICATION)
        topics(reader, standard)
        for path in sorted((standard.folder / "guidance" / "layouts").glob("*.yml")):
            if path.stem not in standard.layouts:
                reader.fault(path, None, f"layout '{path.stem}' is not known", nearest(path.stem, standard.layouts))
            layout_guidance(reader, standard, path.stem)


def topics(reader: Reader, standard: Standard) -> list[Row]:
    """Every topic in its order, each with its key. Notes what is wrong in the files."""
    found, settings = [], publication(reader, standard)["settings"]
    for path in sorted((standard.folder / "guidance").glob("*.yml")):
        topic = reader.yaml(path)
        before = len(reader.found)
        reader.keys(path, topic, TOPIC, TOPIC)
        if len(reader.found) == before:
            _check(reader, path, topic, standard, settings)
            found.append({**topic, "topic": path.stem})
    return sorted(found, key=lambda topic: topic["order"])


def layout_guidance(reader: Reader, standard: Standard, layout: str) -> Row:
    """What somebody who fills in a file of this layout by hand needs to know; empty where nobody does."""
    path = standard.folder / "guidance" / "layouts" / f"{layout}.yml"
    if not path.exists():
        return {}
    found = reader.yaml(path)
    reader.keys(path, found, ("title", "steps", "never"), ("title", "steps", "never"))
    return found


def publication(reader: Reader, standard: Standard) -> Row:
    """Names, addresses and words of the published standard."""
    return reader.yaml(standard.folder / "publication.yml")


def plain(value: Any) -> Any:
    """The same without the line numbers that the reader notes."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key != LINE}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _check(reader: Reader, path: Path, topic: Row, standard: Standard, settings: Row) -> None:
    systems = {row["system"] for row in standard.codes}
    for system in topic["about"]:
        if system not in systems:
            reader.fault(
                path, reader.line_of(path, "about"), f"code system '{system}' is not known", nearest(system, systems)
            )
    for question in topic["questions"]:
        reader.keys(path, question, QUESTION, ("title", "source"))
    for name, setting in topic["settings"].items():
        if name != LINE and name not in settings:
            reader.fault(
                path, topic["settings"][LINE], f"setting '{name}' is not in publication.yml", nearest(name, settings)
            )
        elif name != LINE:
            reader.keys(path, setting, ("ask", "record"), ("ask", "record"))
    for name in settings:
        if name != LINE and name not in topic["settings"]:
            reader.fault(path, topic["settings"][LINE], f"nothing is said for the setting '{name}'")
    for example in topic["examples"]:
        reader.keys(path, example, EXAMPLE, ("id", "who", "do", "record", "because"))
        for name in example.get("elsewhere") or ():
            if name != LINE and name not in settings:
                what = f"setting '{name}' is not in publication.yml"
                reader.fault(path, example["elsewhere"][LINE], what, nearest(name, settings))
        for entry in example.get("record") or ():
            reader.keys(path, entry, ("characteristic", "code", "detail"), ("characteristic", "code"))
            _check_target(reader, path, entry, standard)
        for entry in example.get("sent") or ():
            reader.keys(path, entry, SENT, ("in", "characteristic", "vocabulary", "value", "code"))
            if _check_target(reader, path, entry, standard):
                _check_sent(reader, path, entry, standard)


def _check_target(reader: Reader, path: Path, entry: Row, standard: Standard) -> bool:
    """Whether the characteristic, the code and the detail of an example are in the standard."""
    systems = standard.characteristics()
    name, line = str(entry.get("characteristic")), entry[LINE]
    if name not in systems:
        reader.fault(path, line, f"characteristic '{name}' is not known", nearest(name, systems))
        return False
    rows = [row for row in standard.codes if row["system"] == systems[name]]
    codes = {row["code"] for row in rows if row["kind"] != "detail"}
    details = {row["code"] for row in rows if row["kind"] == "detail"}
    if entry.get("code") not in codes:
        reader.fault(
            path,
            line,
            f"code '{entry.get('code')}' is not in {systems[name]}/codes.csv",
            nearest(str(entry.get("code")), codes),
        )
        return False
    if entry.get("detail") and entry["detail"] not in details:
        what = f"detail '{entry['detail']}' is not in {systems[name]}/details.csv"
        reader.fault(path, line, what, nearest(entry["detail"], details))
        return False
    return True


def _check_sent(reader: Reader, path: Path, entry: Row, standard: Standard) -> None:
    """What an example tells people to send must become what it says."""
    system = standard.characteristics()[entry["characteristic"]]
    rows = [
        row
        for row in standard.code_maps
        if row["system"] == system and row["vocabulary"] == entry["vocabulary"] and row["value"] == entry["value"]
    ]
    if not rows:
        reader.fault(path, entry[LINE], f"value '{entry['value']}' is not in {system}/from_{entry['vocabulary']}.csv")
    wanted = entry["code"], entry.get("detail", "")
    for row in rows:
        becomes = row["code"] or row["status"], row["detail"]
        if becomes[0] != wanted[0] or (wanted[1] and becomes[1] != wanted[1]):
            said, read = " + ".join(filter(None, wanted)), " + ".join(filter(None, becomes))
            reader.fault(path, entry[LINE], f"value '{entry['value']}' becomes {read} and not {said}")
