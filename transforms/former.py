"""What the last linking read and made, for the next: recalled only if all of it is there as it was left.

Promise: the note of what was read is taken away before anything is replaced and written when all is; after a crash between
the two nothing is recalled, and everybody is linked and weighed anew.
"""

import json
from pathlib import Path
from typing import Any

from transforms import fingerprint
from transforms.engine import fingerprint_of
from transforms.lake import Lake, install, remove, write_text

NOTE = "read.json"
KEPT = ("edge", "conflict", "person", "person_record", "in_force", "rehearsal")
REMEMBERED = ("scored_pair", "draw")  # what came of comparing, and who may be rehearsed: nobody else reads it
READ = ("patients", "judged", "rest")  # the facts that say what linking reads; `model` is part of the rest


def mark_of(facts: dict[str, Any]) -> str:
    """One fingerprint for all that linking reads."""
    return fingerprint.of({name: facts[name] for name in READ})


def providers(facts: dict[str, Any]) -> list[str]:
    """Everybody who has sent a file of people."""
    return sorted({path.split("provider=")[1].split("/")[0] for path in facts["patients"]})


def known_file(lake: Lake, provider: str) -> Path:
    """What is known of one provider's people."""
    return lake.path("linked", "known", f"{provider}.parquet")


def recall(lake: Lake) -> dict[str, Any]:
    """What the last linking read, or {} if what it made is not all there."""
    try:
        before: dict[str, Any] = json.loads(lake.path("linked", NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = all(
        fingerprint_of(lake.path("linked", f"{name}.parquet")) == mark_of(before) for name in (*KEPT, *REMEMBERED)
    )
    known = {provider: fingerprint_of(known_file(lake, provider)) for provider in providers(before)}
    return before if whole and known == before["known"] else {}


def keep(lake: Lake, work: Path, facts: dict[str, Any]) -> None:
    """Move what was made to its place, and note what it was made from."""
    remove(lake.path("linked", NOTE))
    for name in (*KEPT, *REMEMBERED):
        install(work / f"{name}.parquet", lake.path("linked", f"{name}.parquet"))
    for path in sorted(work.glob("known/*.parquet")):
        install(path, known_file(lake, path.stem))
    here = providers(facts)
    for folder, names in (("linked", (*KEPT, *REMEMBERED)), ("linked/known", here)):
        for path in lake.path(folder).glob("*.parquet"):
            if path.stem not in names:
                remove(path)
    known = {provider: fingerprint_of(known_file(lake, provider)) for provider in here}
    write_text(lake.path("linked", NOTE), json.dumps(facts | {"known": known}))
