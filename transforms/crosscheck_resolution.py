"""resolution.yml -> checked: every test, method, characteristic, code and care setting that it names is there.

Promise: what chooses between records is never a misspelt word that quietly chooses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transforms.choose import CODES, RECORD_TESTS, VALUE_TESTS
from transforms.crosscheck_fields import CONTENTS
from transforms.faults import LINE, Reader, Row, one_of

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
    told = _Told(reader, path, standard)
    for name, tests in _items(said["methods"]):
        _tests(told, name, tests, RECORD_TESTS, said["methods"][LINE])
    _word(told, "default", said["default"], dict(_items(said["methods"])), "method", said[LINE])
    for name, method in _items(said.get("method_of")):
        _word(told, name, name, standard.characteristics(), "characteristic", said["method_of"][LINE])
        _word(told, name, method, dict(_items(said["methods"])), "method", said["method_of"][LINE])
    for name in said.get("keeps_specific") or ():
        _word(told, "keeps_specific", name, standard.characteristics(), "characteristic", said[LINE])
    for name, codes in _items(said.get("needs")):
        if _word(told, name, name, standard.characteristics(), "characteristic", said["needs"][LINE]):
            for code in codes:
                _word(told, name, code, _codes_of(told, name), "code", said["needs"][LINE])
    for item in said.get("derived") or ():
        for key in ("from", "to"):
            _word(told, key, item.get(key), standard.characteristics(), "characteristic", item[LINE])
        vocabularies = {vocabulary for _, vocabulary in standard.maps_of_vocabularies()}
        _word(told, "vocabulary", item.get("vocabulary"), vocabularies, "vocabulary", item[LINE])
    for name, method in _items(said["published"]):
        _published(told, name, method)


def _items(mapping: Row | None) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in (mapping or {}).items() if name != LINE]


@dataclass(frozen=True)
class _Told:
    """The file that is checked, and what it is checked against."""

    reader: Reader
    path: Path
    standard: Standard


def _fault(told: _Told, key: str, start: int, what: str, hint: str) -> None:
    told.reader.fault(told.path, told.reader.line_of(told.path, key, start), what, hint)


def _word(told: _Told, key: str, word: object, known: Any, kind: str, start: int) -> bool:
    if word not in known:
        _fault(
            told, key, start, f"{kind} '{word}' is not known", one_of(word, sorted(known)) if len(known) < 40 else ""
        )
    return word in known


def _codes_of(told: _Told, characteristic: str) -> set[str]:
    system = told.standard.characteristics()[characteristic]
    absences = ("absence", "detail")
    return {row["code"] for row in told.standard.codes if row["system"] == system and row["kind"] not in absences}


def _tests(told: _Told, name: str, tests: object, known: dict[str, int], start: int) -> None:
    """The tests of one method: each known, each once, and together no more than a number can hold."""
    listed = tests if isinstance(tests, list) else []
    if not listed:
        _fault(told, name, start, f"method '{name}' has no tests", f"a list of {', '.join(known)}")
    for test in listed:
        _word(told, name, test, known, "test", start)
    if len(set(listed)) < len(listed):
        _fault(told, name, start, f"method '{name}' has a test twice", "the first one decides: take the other away")
    elif prod(known.get(test, 1) for test in listed) > LARGEST:
        _fault(told, name, start, f"method '{name}' has more tests than one number can hold", "take one away")


def _published(told: _Told, name: str, method: object) -> None:
    """One published method."""
    start = told.standard.settings["resolution"]["published"][LINE]
    if not isinstance(method, dict):
        _fault(told, name, start, f"method '{name}' says nothing", f"give it {', '.join(PUBLISHED)}")
        return
    start = method[LINE]
    told.reader.keys(told.path, method, (*PUBLISHED, *PUBLISHED_OPTIONAL), PUBLISHED)
    _tests(told, "tests", method.get("tests"), VALUE_TESTS, start)
    settings = told.standard.settings["resolution"]["care_settings"]
    for seen in method.get("sees") or ():
        setting, _, content = str(seen).partition(" ")
        _word(told, "sees", setting, settings, "care setting", start)
        if content:
            _word(told, "sees", content, CONTENTS, "content", start)
    sets = _letters(told, method, start)
    years = method.get("years") or {}
    if years:
        told.reader.keys(told.path, years, ("of", "n", "start_in"), ("of", "n", "start_in"))
        for setting in years.get("of") or ():
            _word(told, "of", setting, settings, "care setting", years[LINE])
        for key, most in (("n", 200), ("start_in", 12)):
            if not str(years.get(key)).isdigit() or not 1 <= int(years[key]) <= most:
                _fault(told, key, years[LINE], f"{key} '{years.get(key)}' is no number", f"from 1 to {most}")
    if left_out := method.get("leaves_out"):
        told.reader.keys(told.path, left_out, ("has_died", "elsewhere_than"))
    for test, key in (("held_back_last", "held_back"), ("letter", "letters")):
        if (test in (method.get("tests") or ())) != bool(method.get(key)):
            _fault(told, "tests", start, f"method '{name}': test {test} and key {key} go together", "give both")
    if "letter" in (method.get("tests") or ()) and sets and set(method.get("letters") or ()) != sets:
        _fault(told, "letters", start, f"method '{name}' does not order every letter", f"each once: {sorted(sets)}")


def _letters(told: _Told, method: Row, start: int) -> set[str]:
    """The letters that a method speaks in, after looking that they are there; none where it speaks in our codes."""
    says, system = (
        method.get("says"),
        told.standard.characteristics().get(told.standard.settings["publishing"].get("ethnicity") or ""),
    )
    known = {row["classification"] for row in told.standard.classifications if row["system"] == system}
    both = known & {name for of, name in told.standard.maps_of_vocabularies() if of == system}
    if not _word(told, "says", says, {CODES, *both}, "what a method says", start) or says == CODES:
        if says == CODES and (method.get("letters") or method.get("held_back")):
            _fault(told, "says", start, "codes have no letters to order or to hold back", "say a classification")
        return set()
    kinds = {row["code"] for row in told.standard.codes if row["system"] == system and row["kind"] == "absence"}
    rows = [row for row in told.standard.classifications if (row["system"], row["classification"]) == (system, says)]
    letters = {row["value"] for row in rows if row["code"] not in kinds and row["value"]}
    for key in ("letters", "held_back"):
        for letter in method.get(key) or ():
            _word(told, key, letter, letters, "letter", start)
    return letters
