"""SECURITY.md: every promise names a test that is there."""

import ast
import re

import pytest

from transforms.standard import ROOT

TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
PROMISES = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.partition("## Promises")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| promise"))
]


def test_there_are_promises():
    assert len(PROMISES) > 20 and all(len(promise) == 2 for promise in PROMISES)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise[0][:40])
def test_a_promise_is_kept_by_tests_that_are_there(promise):
    named = re.findall(r"`(tests/\w+\.py)::(\w+)`", promise[1])
    assert named, "no test is named"
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"
