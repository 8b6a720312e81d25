"""The CSV files of a scorecard in a spreadsheet: whatever columns, rules and words are called, no cell is a formula.

What a spreadsheet would run is told by the list of OWASP (CSV injection), stricter than any one program: a cell that
begins, behind blanks and quotation marks, with = + - @ or their full-width forms, or with a tab or a line end.
"""

import csv
import gzip
import io
import json
import re

import pytest

from tests.lakes import copied_standard, replace
from tests.synthetic import deliver
from tests.test_feedback import PERIOD, take_in
from transforms import keys
from transforms.lake import Lake
from transforms.standard import load

FILES = ("issues.csv.gz", "rules.csv", "scorecard.csv")
LINK = '=HYPERLINK("http://trap.invalid","results")'
SCRIPT = "<script>alert(1)</script>{{ 7*7 }}{% raw %}"
TURNED = "\u202etxt.exe\u2066"
# What the columns of an extract could be called.
COLUMNS = {
    "NHS_NUMBER": LINK,
    "DATE_OF_BIRTH": "+1+cmd|' /C calc'!A0",
    "POSTCODE": "-2+3",
    "SEX": "@SUM(1,1)",
    "ETHNIC_CATEGORY": f"=1+1{SCRIPT}{TURNED}" + "x" * 10_000,
    "INTERPRETER_REQUIRED": "＝1+1",
    "IS_CARER": '"=1+1',
    "LANGUAGE_CODE_PREFERRED": f"{TURNED}{SCRIPT}",
}
# What somebody could write as the words of a rule: its message, why it matters, its source.
WORDS = ("\t=1+1", "\r\n=1+1", "  =1+1", "﹢1+1", "'=1+1", SCRIPT, TURNED)
STARTS = re.compile(r"""[\s"\u200b\ufeff]*[=+\-@＝＋－＠﹢﹣﹦﹫]|[\t\r\n]""")
A_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")


def would_run(text):
    """The cells of a CSV that a spreadsheet may take for a formula."""
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    return [cell for cell in cells if STARTS.match(cell) and not A_NUMBER.fullmatch(cell)]


def read(folder, name):
    content = (folder / name).read_bytes()
    return (gzip.decompress(content) if name.endswith(".gz") else content).decode("utf-8")


def hostile_scorecard(root):
    """The folder of a scorecard whose layout and rules are named to do harm."""
    copy = copied_standard(root)
    layout = copy / "standards" / "layouts" / "pas_patient.yml"
    for column, name in COLUMNS.items():
        replace(layout, f"{{column: {column}, field", f"{{column: {json.dumps(name)}, field")
    rules = copy / "expectations" / "patient.yml"
    text = rules.read_text(encoding="utf-8")
    for words in WORDS:
        for key in ("message", "why"):  # each in one rule more
            text = re.sub(rf"\n  {key}: [A-Z].*", lambda _, k=key, w=words: f"\n  {k}: {json.dumps(w)}", text, count=1)
    rules.write_text(text, encoding="utf-8")
    standard, lake = load(copy), Lake(root / "lake", root / "keys").prepare()
    keys.initialise(lake)
    faults = {"blank": 6, "unrecognised": 5, "malformed_nhs_number": 5, "future_birth_date": 4, "missing_key": 2}
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 60}, faults, edit=renamed)
    assert take_in(standard, lake, "ZZ1")["pages"] == 1
    return lake.path("provider", "ZZ1", PERIOD)


def renamed(_, rows):
    return [{COLUMNS.get(name, name): value for name, value in row.items()} for row in rows]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return hostile_scorecard(tmp_path_factory.mktemp("spreadsheets"))


@pytest.mark.parametrize("name", FILES)
def test_no_cell_of_a_file_is_a_formula(folder, name):
    text = read(folder, name)
    assert would_run(text) == []
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", text), "what turns the order round stands as its number"
    assert SCRIPT in text and "x" * 10_000 in text, "hostile text is there, whole"


def test_every_hostile_word_stands_in_the_files_as_text(folder):
    rows = list(csv.reader(io.StringIO(read(folder, "rules.csv"), newline="")))
    cells = {cell for row in rows for cell in row}
    for words in (*COLUMNS.values(), *WORDS):
        seen = re.sub("[\u202a-\u202e\u2066-\u2069]", lambda sign: f"[U+{ord(sign[0]):04X}]", words)
        assert {seen, "'" + seen} & cells, words


@pytest.mark.parametrize("name", FILES)
def test_without_the_quotation_mark_there_would_be_formulas(tmp_path, monkeypatch, name):
    """The test above can fail."""
    monkeypatch.setattr("transforms.issues.safe", lambda value: value)
    monkeypatch.setattr("transforms.export.safe", lambda value: value)
    assert would_run(read(hostile_scorecard(tmp_path), name))
