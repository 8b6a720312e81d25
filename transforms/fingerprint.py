"""Fingerprints say what a stage read: input, layout, rules, map rows, and the stage's own code. They decide what is stale."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def of(*parts: Any) -> str:
    """Sixteen hexadecimal digits for any plain values."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def code(*names: str) -> str:
    """The fingerprint of files below transforms/: modules, SQL, and folders of SQL or of templates with all that is in them."""
    total = hashlib.sha256()
    for name in names:
        path = HERE / name
        for file in (
            sorted(item for item in path.rglob("*") if item.is_file() and item.suffix != ".pyc")
            if path.is_dir()
            else [path]
        ):
            total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()[:16]
