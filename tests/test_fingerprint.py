"""fingerprint.py: what a stage's code is, so that an edit of any of it makes its partitions stale."""

import shutil
from pathlib import Path

import pytest

from transforms import compare, document, feedback, fingerprint, harmonise, publish, validate, values

STAGES = {
    "values": values.CODE,
    "validate": validate.CODE,
    "harmonise": harmonise.CODE,
    "feedback": feedback.CODE,
    "document": document.CODE,
    "publish": publish.CODE,
    "compare": compare.CODE,
}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Our code in a folder of its own."""
    here = tmp_path / "transforms"
    shutil.copytree(fingerprint.HERE, here, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprint, "HERE", here)
    fingerprint.code.cache_clear()
    yield here
    fingerprint.code.cache_clear()


@pytest.mark.parametrize("stage", STAGES)
def test_an_edit_of_any_file_that_a_stage_names_changes_its_fingerprint(copy, stage):
    before = fingerprint.code(*STAGES[stage])
    named = [copy / name for name in STAGES[stage]]
    files = [file for path in named for file in (filter(Path.is_file, path.rglob("*")) if path.is_dir() else [path])]
    assert len(files) >= len(named)
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content + b"\n")
        fingerprint.code.cache_clear()
        assert fingerprint.code(*STAGES[stage]) != before, file.name
        file.write_bytes(content)


def test_a_template_is_code_of_what_shows_it(copy):
    """A page is made of its template: a corrected word reaches everybody with the next run."""
    assert "pages" in feedback.CODE
    assert "pages" in publish.CODE
    before = fingerprint.code("pages")
    (copy / "pages" / "new.html").write_text("<p>New</p>", encoding="utf-8")
    fingerprint.code.cache_clear()
    assert fingerprint.code("pages") != before
