"""Sound files, spoilt at random -> a recorded outcome each. What was found once stands in tests/hostile.py by its name.

Promise: the same seed spoils in the same way, so that what fails can be had again: `spoilt(kind, seed)`.
"""

import contextlib
import random
from functools import cache
from pathlib import Path

import pytest

from tests import lakes
from tests.hostile import GOOD, PLAIN, RESOURCES, SOMEBODY, lines, packed, parquet, text, workbook
from tests.lakes import events
from tests.scanner import Scanner
from transforms import work
from transforms.receive import receive
from transforms.standard import load

KINDS = ("text", "marked", "utf-16", "windows-1252", "quoted", "resources", "manifest", "zip", "workbook", "parquet")
PIECES = (b'"', b"|", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"{", b"}", b"[", b"\\", b"\\u0000", b"NULL", b"1e999",
          b"\xed\xa0\x80", b"\x1a", b",", b'""', b"\x1f", b"'", b":", b"\xff\xfe")  # fmt: skip
MANIFEST = b'{"files": [{"name": "export.csv", "sha256": null, "n_rows": 6}], "opt_out_applied_on": "2026-01-01"}'


@cache
def sound(kind: str) -> bytes:
    return {
        "text": lambda: GOOD.encode(),
        "marked": lambda: text(end="\r\n").encode("utf-8-sig"),
        "utf-16": lambda: GOOD.encode("utf-16"),
        "windows-1252": lambda: GOOD.encode("cp1252"),
        "quoted": lambda: "".join("|".join(f'"{cell}"' for cell in line.split("|")) + "\n" for line in GOOD.splitlines()).encode(),
        "resources": lambda: lines().encode(),
        "manifest": lambda: MANIFEST,
        "zip": lambda: packed(("export.csv", GOOD.encode())),
        "workbook": workbook,
        "parquet": lambda: parquet(f"select '{SOMEBODY.names[1]}' as PATIENT_ID, range as SEX from range(50)"),
    }[kind]()  # fmt: skip


def spoilt(kind: str, seed: int) -> bytes:
    """One to four times: bytes flipped, cut out, doubled, put in, moved; the head or the tail lost; two files in one."""
    draw = random.Random(f"{kind} {seed}")
    data = bytearray(sound(kind))
    for _ in range(draw.randint(1, 4)):
        at, n = draw.randrange(len(data) + 1), draw.choice((1, 1, 2, 8, 64, 500))
        match draw.randrange(8):
            case 0:
                for place in range(at, min(at + n, len(data))):
                    data[place] ^= 1 << draw.randrange(8)
            case 1:
                del data[at : at + n]
            case 2:
                data[at:at] = data[at : at + n] * draw.choice((1, 2, 50))
            case 3:
                data[at:at] = draw.choice(PIECES) * draw.choice((1, 1, 1, 3, 5000))
            case 4:
                data[at:at] = draw.randbytes(n)
            case 5:
                del data[at:]
            case 6:
                del data[: draw.choice((1, 2, 3, at))]
            case _:
                other = sound(draw.choice(KINDS))
                data[at : at + n] = other[: draw.randrange(len(other))]
    return bytes(data)


def run(folder: Path, seeds: range, is_judged: bool) -> None:
    """Each kind with each seed, all in one lake; then every one has an outcome or rows, and no fault is ours."""
    standard, lake = load(), lakes.new_lake(folder)
    names = {}
    for kind in KINDS:
        provider = RESOURCES if kind == "resources" else PLAIN
        for seed in seeds:
            number = len(names)
            period = f"{1100 + number // 12}-{number % 12 + 1:02d}"
            drop = lake.path("landing", provider, period, "1")
            drop.mkdir(parents=True)
            file, ready = (GOOD.encode(), spoilt(kind, seed)) if kind == "manifest" else (spoilt(kind, seed), b"")
            (drop / "export.csv").write_bytes(file)
            (drop / "_READY").write_bytes(ready)
            names[f"{provider}/{period}"] = (kind, seed)
    receive(standard, lake)
    for name in work.pending(standard, lake):
        with contextlib.suppress(work.StageCrashed):  # the ledger says so too
            work.run_chunk("ingest", [name], standard, lake)
            if is_judged:
                work.run_chunk("validate", [name], standard, lake)
    assert [names[f"{e['provider']}/{e['period']}"] for e in events(lake, "crashed")] == []
    told = {f"{e['provider']}/{e['period']}" for e in events(lake, "accepted", "rejected", "unchanged")}
    there = {
        "/".join(part.partition("=")[2] for part in path.parent.parts[-2:])
        for path in lake.path("bronze").rglob("*.parquet")
    }
    assert {names[name] for name in names.keys() - told - there} == set()
    kept = ("landing", "received", "bronze", "validated", "quarantine", "results/value_count", "results/value_meaning")
    assert Scanner([SOMEBODY]).folder(lake.root, skip=[lake.path(name) for name in kept]) == []
    assert list(lake.path(".work").iterdir()) == []


def test_the_same_seed_spoils_in_the_same_way_and_another_differently():
    assert spoilt("text", 1) == spoilt("text", 1) != spoilt("text", 2)
    assert all(sum(spoilt(kind, seed) != sound(kind) for seed in range(20)) > 15 for kind in KINDS)


def test_what_is_spoilt_ends_in_an_outcome(tmp_path, monkeypatch):
    lakes.hasten(monkeypatch)
    run(tmp_path, range(25), is_judged=False)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(start, start + 100) for start in range(1000, 1500, 100)], ids=str)
def test_what_is_spoilt_ends_in_an_outcome_five_thousand_times(tmp_path, monkeypatch, seeds):
    lakes.hasten(monkeypatch)
    run(tmp_path, seeds, is_judged=seeds.start == 1000)
