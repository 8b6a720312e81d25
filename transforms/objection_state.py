"""The ledger -> what is known of objections: the lists in force, what was dealt with, what was withdrawn.

Promise: a pure function of the ledger's lines; and what is kept of a list in force is what was kept when it arrived.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transforms import ledger
from transforms.lake import Lake, sha256
from transforms.receive import today

Facts = dict[str, Any]
SHAPE = "key_id varchar, kind varchar, name_key varchar, birth_marks varchar[], stands_for varchar"
RECEIVED, REFUSED, EMPTY = "list received", "list refused", "empty_list"


class ObjectionsLost(Exception):
    """What is kept of a list that is in force is missing or changed: nothing is published until it is there again."""


@dataclass
class State:
    """What the ledger says of objections: the list in force of each sender, folders dealt with, the permitted list."""

    lists: dict[str, Facts] = field(default_factory=dict)
    n_lists: dict[str, int] = field(default_factory=dict)
    newest: dict[str, Facts] = field(default_factory=dict)
    drops: dict[str, Facts] = field(default_factory=dict)
    permitted: Facts = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    withdrawn: dict[int, Facts] = field(default_factory=dict)
    deleted_marts: set[int] = field(default_factory=set)


def read_state(lake: Lake) -> State:
    """Fold the ledger's lines about objections."""
    state = State()
    for entry in ledger.entries(lake):
        if entry["event"] != "objection":
            continue
        what = entry["what"]
        if what in (RECEIVED, REFUSED):
            state.drops[entry["drop_id"]] = state.newest[entry["sender"]] = entry
        if what == RECEIVED:
            state.lists[entry["sender"]] = entry
            state.n_lists[entry["sender"]] = entry["list_no"]
        elif what == "permitted list received":
            state.permitted = entry
        elif what == "list deleted":
            state.deleted.add(entry["drop_id"])
        elif what == "release withdrawn":
            state.withdrawn[entry["release"]] = entry
        elif what == "release deleted":
            state.deleted_marts.add(entry["release"])
    return state


def kept_file(lake: Lake, entry: Facts) -> Path:
    """What is kept of a list, or of the permitted list."""
    return lake.path("objected", "list", f"{entry['sender']}-{entry['list_no']}.parquet")


def in_force(lake: Lake) -> list[Path]:
    """The kept file of every list in force. Raises ObjectionsLost when one is not what the ledger says."""
    found = []
    for sender, entry in sorted(read_state(lake).lists.items()):
        path = kept_file(lake, entry)
        if not path.exists() or sha256(path) != entry["sha256"]:
            raise ObjectionsLost(
                f"objected/list/{path.name}, the objections that {sender} sent, is missing or changed: restore it from "
                "its backup, or have the list sent again. Nothing is published without it."
            )
        found.append(path)
    return found


def permitted_file(lake: Lake, state: State) -> Path:
    """What is kept of the permitted list. Raises ObjectionsLost when it is not what the ledger says."""
    path = lake.path("objected", "permitted", f"{state.permitted['list_no']}.parquet")
    if not path.exists() or sha256(path) != state.permitted["sha256"]:
        raise ObjectionsLost(f"objected/permitted/{path.name} is missing or changed: import the permitted list again")
    return path


def permitted_now(state: State) -> bool:
    """Whether a permitted list is there that has not expired: its last day is a day on which it counts."""
    return bool(state.permitted) and today() <= state.permitted["expires_on"]
