"""resolution.yml -> checked: every test, method, characteristic, code and care setting that it names is there.

Promise: what chooses between records is never a misspelt word that quietly chooses nothing.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transforms.crosscheck_fields import CONTENTS
from transforms.faults import LINE, Reader, Row, one_of
from transforms.weigh import CODES, RECORD_TESTS, VALUE_TESTS

if TYPE_CHECKING:
    from transforms.standard import Standard

KEYS = ("default", "methods", "care_settings", "specificity", "statuses", "stated_by", "published")
OPTIONAL = ("method_of", "keeps_specific", "needs", "derived")
PUBLISHED = ("title", "source", "says", "tests")
PUBLISHED_OPTIONAL = ("sees", "held_back", "letters", "years", "leaves_out")
LARGEST = 2**62  # what a standing may be


def check_resolution(reader: Reader, standard: Standard) -> None:
    """Note everything that is wrong in resolution.yml."""
    path, said = standard.folder / "resolution.yml", standard.settings["resolution"]
    reader.keys(path, said, (*KEYS, *OPTIONAL), KEYS)
    if any(not said.get(key) for key in KEYS):
        return
    check = _Check(reader, path, standard)
    for name, tests in _items(said["methods"]):
        check.tests(name, tests, RECORD_TESTS, said["methods"][LINE])
    check.word("default", said["default"], dict(_items(said["methods"])), "method", said[LINE])
    for name, method in _items(said.get("method_of")):
        check.word(name, name, standard.characteristics(), "characteristic", said["method_of"][LINE])
        check.word(name, method, dict(_items(said["methods"])), "method", said["method_of"][LINE])
    for name in said.get("keeps_specific") or ():
        check.word("keeps_specific", name, standard.characteristics(), "characteristic", said[LINE])
    for name, codes in _items(said.get("needs")):
        if check.word(name, name, standard.characteristics(), "characteristic", said["needs"][LINE]):
            for code in codes:
                check.word(name, code, check.codes_of(name), "code", said["needs"][LINE])
    for item in said.get("derived") or ():
        for key in ("from", "to"):
            check.word(key, item.get(key), standard.characteristics(), "characteristic", item[LINE])
        vocabularies = {vocabulary for _, vocabulary in standard.maps_of_vocabularies()}
        check.word("vocabulary", item.get("vocabulary"), vocabularies, "vocabulary", item[LINE])
    for name, method in _items(said["published"]):
        check.published(name, method)


def _items(mapping: Row | None) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in (mapping or {}).items() if name != LINE]


class _Check:
    """Notes faults of one file, each with the line of the key that it is about."""

    def __init__(self, reader: Reader, path: Path, standard: Standard):
        self.reader, self.path, self.standard = reader, path, standard
        self.ethnicity = standard.settings["publishing"].get("ethnicity")

    def fault(self, key: str, start: int, what: str, hint: str) -> None:
        self.reader.fault(self.path, self.reader.line_of(self.path, key, start), what, hint)

    def word(self, key: str, word: object, known: Any, kind: str, start: int) -> bool:
        if word not in known:
            self.fault(
                key, start, f"{kind} '{word}' is not known", one_of(word, sorted(known)) if len(known) < 40 else ""
            )
        return word in known

    def codes_of(self, characteristic: str) -> set[str]:
        system = self.standard.characteristics()[characteristic]
        absences = ("absence", "detail")
        return {row["code"] for row in self.standard.codes if row["system"] == system and row["kind"] not in absences}

    def tests(self, name: str, tests: object, known: dict[str, int], start: int) -> None:
        """The tests of one method: each known, each once, and together no more than a number can hold."""
        listed = tests if isinstance(tests, list) else []
        if not listed:
            self.fault(name, start, f"method '{name}' has no tests", f"a list of {', '.join(known)}")
        for test in listed:
            self.word(name, test, known, "test", start)
        if len(set(listed)) < len(listed):
            self.fault(name, start, f"method '{name}' has a test twice", "the first one decides: take the other away")
        elif prod(known.get(test, 1) for test in listed) > LARGEST:
            self.fault(name, start, f"method '{name}' has more tests than one number can hold", "take one away")

    def published(self, name: str, method: object) -> None:
        """One published method."""
        start = self.standard.settings["resolution"]["published"][LINE]
        if not isinstance(method, dict):
            self.fault(name, start, f"method '{name}' says nothing", f"give it {', '.join(PUBLISHED)}")
            return
        start = method[LINE]
        self.reader.keys(self.path, method, (*PUBLISHED, *PUBLISHED_OPTIONAL), PUBLISHED)
        self.tests("tests", method.get("tests"), VALUE_TESTS, start)
        settings = self.standard.settings["resolution"]["care_settings"]
        for seen in method.get("sees") or ():
            setting, _, content = str(seen).partition(" ")
            self.word("sees", setting, settings, "care setting", start)
            if content:
                self.word("sees", content, CONTENTS, "content", start)
        sets = self._letters(method, start)
        years = method.get("years") or {}
        if years:
            self.reader.keys(self.path, years, ("of", "n", "start_in"), ("of", "n", "start_in"))
            for setting in years.get("of") or ():
                self.word("of", setting, settings, "care setting", years[LINE])
            for key, most in (("n", 200), ("start_in", 12)):
                if not str(years.get(key)).isdigit() or not 1 <= int(years[key]) <= most:
                    self.fault(key, years[LINE], f"{key} '{years.get(key)}' is no number", f"from 1 to {most}")
        if left_out := method.get("leaves_out"):
            self.reader.keys(self.path, left_out, ("has_died", "elsewhere_than"))
        for test, key in (("held_back_last", "held_back"), ("letter", "letters")):
            if (test in (method.get("tests") or ())) != bool(method.get(key)):
                self.fault("tests", start, f"method '{name}': test {test} and key {key} go together", "give both")
        if "letter" in (method.get("tests") or ()) and sets and set(method.get("letters") or ()) != sets:
            self.fault("letters", start, f"method '{name}' does not order every letter", f"each once: {sorted(sets)}")

    def _letters(self, method: Row, start: int) -> set[str]:
        """The letters that a method speaks in, after looking that they are there; none where it speaks in our codes."""
        says, system = method.get("says"), self.standard.characteristics().get(self.ethnicity or "")
        known = {row["classification"] for row in self.standard.classifications if row["system"] == system}
        both = known & {name for of, name in self.standard.maps_of_vocabularies() if of == system}
        if not self.word("says", says, {CODES, *both}, "what a method says", start) or says == CODES:
            if says == CODES and (method.get("letters") or method.get("held_back")):
                self.fault("says", start, "codes have no letters to order or to hold back", "say a classification")
            return set()
        kinds = {row["code"] for row in self.standard.codes if row["system"] == system and row["kind"] == "absence"}
        rows = [
            row for row in self.standard.classifications if (row["system"], row["classification"]) == (system, says)
        ]
        letters = {row["value"] for row in rows if row["code"] not in kinds and row["value"]}
        for key in ("letters", "held_back"):
            for letter in method.get(key) or ():
                self.word(key, letter, letters, "letter", start)
        return letters
