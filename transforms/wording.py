"""wording.csv -> checked: the labels of our own sets and of our codes, and the columns that everybody can open.

Promise: no colour word is used of people, and no category is called by a word for many communities. What is forbidden
and what is innocent are rows of wording.csv; sets of third-party wording are quotations and are left as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transforms.faults import LINE, Reader, Row, one_of

if TYPE_CHECKING:
    from transforms.standard import Standard

OPEN = Path(__file__).resolve().parent / "open"
CHECKS = ("colour", "over_general")
REFUSALS = ("refused_anywhere", "refused_alone")
VERDICTS = (*REFUSALS, "innocent", "quotation")
SAID = {"colour": "uses a colour word of people", "over_general": "is a word for many communities"}
HINTS = {
    "colour": "say it without a colour; a quotation belongs in a set of wording third_party; "
    "what is said of no person is a row in wording.csv, innocent",
    "over_general": "name the community; a word for many is for a code of kind group",
}


@dataclass(frozen=True)
class Wording:
    """The rows of wording.csv, ready to be held against a label."""

    rows: tuple[tuple[Row, re.Pattern[str]], ...]
    suspicious: re.Pattern[str]  # nearly no label has any of the words

    @classmethod
    def of(cls, rows: list[Row]) -> Wording:
        refused = "|".join(_pattern(row["words"]) for row in rows if row["verdict"] in REFUSALS)
        patterns = tuple((row, re.compile(_pattern(row["words"]), re.IGNORECASE)) for row in rows)
        return cls(patterns, re.compile(refused or "(?!)", re.IGNORECASE))

    def faults(self, label: str, may_be_broad: bool) -> list[tuple[str, str, str]]:
        """(check, words, reason) for each check that a label does not pass. `may_be_broad`: it is no category's."""
        found: list[tuple[str, str, str]] = []
        spaced = " ".join(re.split(r"[\s_\-\u2010-\u2015]+", label.strip()))
        for check in CHECKS if self.suspicious.search(spaced) else ():
            text, ours = spaced, [(row, words) for row, words in self.rows if row["check"] == check]
            for row, words in ours:
                if row["verdict"] == "innocent":
                    text = words.sub(" ", text)
            for row, words in ours:
                alone = row["verdict"] == "refused_alone" and not may_be_broad and words.fullmatch(text.strip(" .,"))
                if alone or (row["verdict"] == "refused_anywhere" and words.search(text)):
                    found.append((check, row["words"], row["reason"]))
                    break
        return found


def _pattern(words: str) -> str:
    """Whole words, hyphens as spaces, `*` for the rest of a word."""
    text = " ".join(re.split(r"[\s_\-]+", words.strip()))
    return r"(?<!\w)" + re.escape(text).replace(r"\*", r"\w*").replace(r"\ ", r"\s+") + r"(?!\w)"


def check_wording(reader: Reader, standard: Standard, published: Path = OPEN) -> None:
    """Note every label and every published column that does not pass. `published`: the SQL of the open tables."""
    path = standard.folder / "wording.csv"
    for row in standard.tables["wording"]:
        for column, known in (("check", CHECKS), ("verdict", VERDICTS)):
            if row[column] not in known:
                reader.fault(path, row[LINE], f"{column} '{row[column]}' is not known", one_of(row[column], known))
        if not row["words"].strip() or not row["reason"].strip():
            reader.fault(path, row[LINE], "words and the reason for them go together", "give both")
    wording = Wording.of([row for row in standard.tables["wording"] if row["words"].strip()])

    def hold(text: str, may_be_broad: bool, what: str, where: Path, line: int) -> None:
        for check, words, reason in wording.faults(text, may_be_broad):
            said = f"{what} '{text}' {SAID[check]}: '{words}' ({reason})"
            reader.fault(where, line, said, HINTS[check])

    # A detail is what people said of themselves: it may be a quotation, and its source then says so.
    quoted = tuple(row["words"] for row in standard.tables["wording"] if row["verdict"] == "quotation")
    kinds = {(row["system"], row["code"]): row["kind"] for row in standard.codes}
    ours = {(row["system"], row["classification"]) for row in standard.sets if row["wording"] == "ours"}
    for row in standard.codes:
        is_quoted = row["kind"] == "detail" and row["source"].startswith(quoted)
        if not is_quoted:
            is_broad = row["kind"] not in ("category", "residual")
            hold(row["label"], is_broad, "label", row["path"], row[LINE])
    for row in standard.sets:
        if row["wording"] == "ours":
            hold(row["title"], True, "title", standard.folder / "code_systems" / "sets.csv", row[LINE])
    for row in standard.classifications:
        if (row["system"], row["classification"]) in ours:
            is_broad = kinds.get((row["system"], row["code"])) in ("group", "absence")
            hold(row["label"], is_broad, "label", row["path"], row[LINE])
            hold(row.get("group_label") or "", True, "group label", row["path"], row[LINE])
    _check_groups(reader, standard, kinds, ours)
    for row in standard.tables["fields"]:
        if row["area"] == "open":
            hold(row["field"], True, "published column", standard.folder / "fields.csv", row[LINE])
    for file in sorted(published.glob("*.sql")):
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            for shown in re.findall(r"'([^']*)'|\bas\s+\"?(\w+)", re.sub(r"--.*", "", text)):
                hold("".join(shown), True, "published words", file, number)


def _check_groups(
    reader: Reader, standard: Standard, kinds: dict[tuple[str, str], str], ours: set[tuple[str, str]]
) -> None:
    """Note categories that carry the label of a group: the same words would stand for part and whole."""
    sets = [row for row in standard.classifications if (row["system"], row["classification"]) in ours]
    groups: dict[tuple[str, str], set[str]] = {}
    for row in (*standard.codes, *sets):
        place = (row["system"], row.get("classification", ""))
        names = [row["label"]] if kinds.get((row["system"], row["code"])) == "group" else []
        groups.setdefault(place, set()).update(
            name.casefold() for name in (*names, row.get("group_label") or "") if name
        )
    for row in (*standard.codes, *sets):
        is_real = kinds.get((row["system"], row["code"])) in ("category", "residual")
        if is_real and row["label"].casefold() in groups[row["system"], row.get("classification", "")]:
            what = f"label '{row['label']}' is a group's, and code '{row['code']}' is no group"
            reader.fault(row["path"], row[LINE], what, HINTS["over_general"])
