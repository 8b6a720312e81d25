"""Rows keyed by the paths of a layout -> FHIR resources, one a line, as a server's bulk export writes them.

Promise: reading a path of the layout finds the value that the row had for it.
"""

import json
from typing import Any

from transforms.fhirpath import Step, parse

# Elements of a resource that are lists wherever they stand.
LISTS = ("identifier", "name", "given", "address", "extension", "coding", "generalPractitioner", "communication")
TRUTH = {"true": True, "false": False}


def as_resources(rows: list[dict[str, str]], kind: str) -> str:
    """One resource a line."""
    return "".join(json.dumps(resource(row, kind), ensure_ascii=False) + "\n" for row in rows)


def resource(row: dict[str, str], kind: str) -> dict[str, Any]:
    """One resource: the first alternative of each path is built. What is blank is not there."""
    made: dict[str, Any] = {"resourceType": kind}
    for path, value in row.items():
        if value:
            _put(made, [step for step in parse(path)[0] if step.kind in ("name", "where")], value)
    return made


def _put(made: dict[str, Any], steps: list[Step], value: str) -> None:
    """Walk the steps, making what is missing, and leave the value at the last."""
    at: Any = made
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if step.kind == "where":
            wanted = TRUTH.get(step.value, step.value)
            found = [item for item in at if item.get(step.name) == wanted]
            at.extend([] if found else [{step.name: wanted}])
            at = found[0] if found else at[-1]
        elif following is None:
            typed = TRUTH.get(value, value) if step.name.endswith("Boolean") else value
            at[step.name] = [typed] if step.name in LISTS else typed
        elif following.kind == "where" or step.name in LISTS:
            at = at.setdefault(step.name, [])
            if following.kind == "name":
                at.extend([] if at else [{}])
                at = at[0]
        else:
            at = at.setdefault(step.name, {})
