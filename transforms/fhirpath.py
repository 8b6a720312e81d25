"""A path into a FHIR resource, as a layout writes it -> DuckDB SQL that gives the first value found there, as text.

Promise: of FHIRPath exactly this, and nothing else is guessed at:

    birthDate                                   an element; of a repeated one, every repetition
    name.given                                  an element inside an element
    name[0]   name.first()                      one repetition
    name.where(use='official').family           the repetitions in which an element has this text, or is true or false
    meta.lastUpdated.substring(0, 10)           a part of a text
    name.where(use='official').family | name.family    the first of these that is there

What is not there is null. Where several values remain the first counts.
"""

import re
from dataclasses import dataclass

from transforms.sqltext import quoted, text

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
LITERAL = r"'(?P<text>[^']*)'|(?P<truth>true|false)"
STEP = re.compile(
    rf"(?P<first>first\(\))|where\((?P<criterion>{NAME}(?:\.{NAME})*)\s*=\s*(?:{LITERAL})\)"
    rf"|substring\((?P<start>\d+),\s*(?P<length>\d+)\)|(?P<name>{NAME})(?:\[(?P<at>\d+)\])?"
)


class BadPath(ValueError):
    """A path that is not of the documented subset; says where it stops being one."""


@dataclass(frozen=True)
class Step:
    """One step of a path: `kind` is name, at, where or substring."""

    kind: str
    name: str = ""
    value: str = ""
    start: int = 0
    length: int = 0


def parse(path: str) -> list[list[Step]]:
    """The alternatives of a path, each a list of steps. Raises BadPath."""
    alternatives, rest = [], path.strip()
    while True:
        steps: list[Step] = []
        while True:
            found = STEP.match(rest)
            if not found or (not steps and not found["name"]):
                raise BadPath(f"not a path that is understood here, from '{rest[:40]}' on")
            steps += _steps(found)
            rest = rest[found.end() :]
            if not rest.startswith("."):
                break
            rest = rest[1:]
        if any(step.kind == "substring" for step in steps[:-1]):
            raise BadPath("substring() is the last step of a path")
        alternatives.append(steps)
        rest = rest.lstrip()
        if not rest:
            return alternatives
        if not rest.startswith("|"):
            raise BadPath(f"not a path that is understood here, from '{rest[:40]}' on")
        rest = rest[1:].lstrip()


def _steps(found: re.Match[str]) -> list[Step]:
    if found["first"]:
        return [Step("at", start=0)]
    if found["criterion"]:
        return [Step("where", found["criterion"], found["truth"] or found["text"])]
    if found["start"]:
        return [Step("substring", start=int(found["start"]), length=int(found["length"]))]
    return [Step("name", found["name"]), *([Step("at", start=int(found["at"]))] if found["at"] else [])]


def root_of(path: str) -> set[str]:
    """The elements of the resource in which a path begins."""
    return {steps[0].name for steps in parse(path)}


def query(paths: list[str], elements: dict[str, str], source: str) -> str:
    """A query over a JSON column `resource`: a column for what each path finds, the first value as text or null, and one
    for each of some whole elements (column -> element).

    Reading JSON is what costs: a resource is read once, for all elements in which paths begin, and then only these.
    """
    roots = sorted(set(elements.values()).union(*(root_of(path) for path in paths)))
    pointers = ", ".join(text("/" + root.replace("~", "~0").replace("/", "~1")) for root in roots)
    found = [f"{_first(parse(path), roots)} as {quoted(path)}" for path in paths]
    found += [f"roots[{roots.index(name) + 1}] ->> '$' as {quoted(column)}" for column, name in elements.items()]
    return f"select {', '.join(found)} from (select *, json_extract(resource, [{pointers}]) as roots from {source})"


def _first(alternatives: list[list[Step]], roots: list[str]) -> str:
    """What the first alternative that finds something finds."""
    values = []
    for steps in alternatives:
        inner = [step for step in steps[1:] if step.kind != "substring"]
        begin = _parts(f"roots[{roots.index(steps[0].name) + 1}]", "r")
        value = f"({_list(inner, begin)})[1] ->> '$'"
        if steps[-1].kind == "substring":
            value = f"substring({value}, {steps[-1].start + 1}, {steps[-1].length})"
        values.append(f"nullif({value}, '')")
    return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"


def _parts(value: str, variable: str) -> str:
    """FHIR's own rule: an element that may repeat is a list, also when it stands there once. Both are read."""
    parts = f"case json_type({variable}) when 'ARRAY' then {variable}::json[] when 'NULL' then [] else [{variable}] end"
    return f"list_transform(list_filter([{value}], lambda {variable}: {variable} is not null), lambda {variable}: {parts})[1]"


def _list(steps: list[Step], items: str, depth: int = 0) -> str:
    """The JSON values that are left of `items` after these steps. Each step has a variable of its own."""
    for step in steps:
        depth, e = depth + 1, f"e{depth}"
        if step.kind == "name":
            child = f"""{e} -> '$."{step.name}"'"""
            items = f"flatten(list_transform({items}, lambda {e}: {_parts(child, f'c{depth}')}))"
        elif step.kind == "at":
            items = f"({items})[{step.start + 1}:{step.start + 1}]"
        elif (
            "." not in step.name
        ):  # the usual case, told apart without another list: a text, or a list of this one text
            same = f"""({e} ->> '$."{step.name}"') in ('{step.value}', '["{step.value}"]')"""
            items = f"list_filter({items}, lambda {e}: {same})"
        else:
            wanted = _list([Step("name", name) for name in step.name.split(".")], f"[{e}]", depth)
            said = f"list_transform({wanted}, lambda v{depth}: v{depth} ->> '$')"
            items = f"list_filter({items}, lambda {e}: list_contains({said}, '{step.value}'))"
    return items
