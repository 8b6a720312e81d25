"""The ledger -> a certificate: which lists came, what was removed because of them and when, naming nobody.

Promise: a pure function of the ledger's lines, each of which it cites by number and hash, so that it can be checked.
"""

import json
from typing import Any

from transforms import ledger
from transforms.lake import Lake, write_text

FACTS = (
    "what",
    "sender",
    "list_no",
    "reason",
    "n_rows",
    "n_objections",
    "n_new",
    "n_lifted",
    "n_bad",
    "n_numbers",
    "expires_on",
)
TOLD = {
    "list received": "A list of {sender} was taken in: {n_objections} objections ({n_new} new, {n_lifted} lifted, {n_bad} rows could not be read).",
    "list refused": "A list of {sender} was refused ({reason}); the one before stayed in force.",
    "list deleted": "The file that {sender} had sent was deleted.",
    "numbers exported": "{n_numbers} NHS numbers were handed out for the national check.",
    "permitted list received": "The national check permits {n_numbers} numbers, up to and with {expires_on}.",
    "release withdrawn": "The protected mart of release {release} held somebody who is left out: from now on it could not be opened.",
    "release deleted": "The protected mart of release {release} was deleted.",
    "rolled_back": "Release {release} is release {rolled_back_to} again, without {n_people} people and {n_records} records of theirs.",
    "published": "Release {release} was made without {n_people} people and {n_records} records of theirs.",
}  # fmt: skip


def lines(lake: Lake) -> list[dict[str, Any]]:
    """What is certified, oldest first: one item a line of the ledger."""
    found = []
    for entry in ledger.entries(lake):
        is_removal = entry["event"] in ("published", "rolled_back") and entry.get("removed")
        if entry["event"] != "objection" and not is_removal:
            continue
        item = {
            "line": entry["no"],
            "at": entry["at"],
            "hash": entry["hash"],
            "what": entry.get("what", entry["event"]),
        }
        item |= {
            name: entry[name] for name in (*FACTS, "release", "rolled_back_to") if name in entry and name != "what"
        }
        if is_removal:
            item["left_out"] = entry["removed"]
            item |= {f"n_{name}": sum(c[name] for c in entry["removed"].values()) for name in ("people", "records")}
        found.append(item)
    return found


def certificate(lake: Lake) -> str:
    """Write ledger/certificate.json and ledger/certificate.txt. Returns the text. Raises LedgerDamaged."""
    n_lines = ledger.verify(lake)
    listed = lines(lake)
    last = ledger.entries(lake)[-1]["hash"] if n_lines else ledger.FIRST
    words = ["Certificate of removal", "", "Made from the ledger of this lake, whose chain of hashes holds:"]
    words += [
        f"{n_lines} lines, the last with the hash {last}.",
        "Nobody is named here, and no key of anybody stands here.",
        "",
    ]
    words += [f"{item['at'][:19]}Z  line {item['line']}: {_words(item)}" for item in listed]
    words += ["Nothing was removed: no list was ever taken in."] if not listed else []
    told = "\n".join(words) + "\n"
    content = {"n_lines": n_lines, "last_hash": last, "removals": listed}
    write_text(lake.path("ledger", "certificate.json"), json.dumps(content, indent=1) + "\n")
    write_text(lake.path("ledger", "certificate.txt"), told)
    return told


def _words(item: dict[str, Any]) -> str:
    known = {name: "an unknown number" if value is None else value for name, value in item.items()}
    return TOLD[item["what"]].format(**known)
