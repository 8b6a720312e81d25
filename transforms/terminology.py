"""The standard's codes and maps -> FHIR R4 CodeSystem, ValueSet and ConceptMap resources.

Promise: a resource says what the files say. Every address of ours leads to a resource here; what a value is not known to
mean is said to be unmatched, never left out.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from transforms.faults import Row, grouped
from transforms.standard import Standard

Resource = dict[str, Any]
PARENT = "http://hl7.org/fhir/concept-properties#parent"
LONGEST_ID = 64
# `relation` says how wide the outside value is, seen from our code. FHIR says how wide the target is, seen from the
# source: on the way in our code is the target, so the words turn round; on the way out the outside value is. A value that
# names only a group, or a detail beside a wide code, overlaps with its target: FHIR calls that inexact.
IN = {"exact": "equivalent", "broad": "narrower", "narrow": "wider"}
OUT = {"exact": "equivalent", "broad": "wider", "narrow": "narrower"}


def terminology(standard: Standard, publication: dict[str, Any]) -> list[Resource]:
    """All resources, each with an id that no other resource of its type has."""
    made = _Made(standard, publication)
    found: list[Resource] = []
    for system in made.codes:
        found += [*made.code_systems(system), *made.value_sets(system)]
        found += [made.map_in(system, name) for name in made.rows_in[system]]
        found += [made.map_out(system, name) for name in made.rows_out[system]]
    return found + made.outside()


def identifier(name: str) -> str:
    """A name as FHIR allows it in an id; a long one is cut and keeps a mark of the whole."""
    plain = name.replace("_", "-")
    if len(plain) <= LONGEST_ID:
        return plain
    return f"{plain[: LONGEST_ID - 9]}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


class _Made:
    """What every resource of one standard shares. A resource is a draft as long as a code or a label in it is proposed."""

    def __init__(self, standard: Standard, publication: dict[str, Any]) -> None:
        self.standard, self.publication = standard, publication
        self.vocabularies = {row["vocabulary"]: row for row in standard.tables["vocabularies"]}
        self.sets = {(row["system"], row["classification"]): row for row in standard.sets}
        self.codes = grouped(standard.codes, "system")
        self.rows_in = _by_system(standard.code_maps, self.codes, "vocabulary")
        self.rows_out = _by_system(standard.classifications, self.codes, "classification")
        self.values: dict[str, dict[str, Resource]] = {}  # of a vocabulary or set: folded -> as it is first written
        outside = [(row["vocabulary"], row["value"], row["term"]) for row in standard.code_maps]
        outside += [(row["classification"], row["value"], row["label"]) for row in standard.classifications]
        for name, value, words in outside:
            if value.strip():
                self.values.setdefault(name, {}).setdefault(self.folded(name, value), _concept(_spaced(value), words))

    def folded(self, name: str, value: str) -> str:
        is_sensitive = self.vocabularies.get(name, {}).get("is_case_sensitive", "true") == "true"
        return _spaced(value) if is_sensitive else _spaced(value).casefold()

    def spelled(self, name: str, value: str) -> str:
        """One spelling for values that a vocabulary does not tell apart: FHIR wants a code to stand once."""
        return self.values[name][self.folded(name, value)]["code"]

    def is_proposed(self, name: str) -> bool:
        """Whether a vocabulary or a set says that nobody has agreed to it yet."""
        known = [
            self.vocabularies.get(name, {}),
            *(row for (_, set_name), row in self.sets.items() if set_name == name),
        ]
        return any("propos" in f"{row.get('title', '')} {row.get('source', '')}" for row in known)

    def address(self, kind: str, name: str) -> str:
        return f"{self.publication['canonical']}/{kind}/{identifier(name)}"

    def outside_address(self, name: str) -> str:
        """Where a vocabulary or a set of somebody else lives: its own address, or one of ours that describes it."""
        known = self.publication["addresses"].get(name)
        return known or self.address("CodeSystem", f"outside_{name}")

    def resource(
        self, kind: str, name: str, title: str, words: str, rows: Iterable[dict[str, Any]], about: str = ""
    ) -> Resource:
        checked = self.vocabularies.get(about, {}).get("identifier_check", "")
        attribution = self.publication["attribution"].get(checked, "")
        return {
            "resourceType": kind,
            "id": identifier(name),
            "url": self.address(kind, name),
            "version": self.standard.version,
            "name": "".join(part.capitalize() for part in identifier(name).split("-")),
            "title": title,
            "status": "draft"
            if any(row.get("status") == "proposed" for row in rows) or self.is_proposed(about)
            else "active",
            "experimental": False,
            "publisher": self.publication["publisher"],
            "description": words,
            "copyright": " ".join(filter(None, (self.publication["copyright"], attribution))),
        }

    def code_systems(self, system: str) -> list[Resource]:
        rows = self.codes[system]
        codes = [row for row in rows if row["kind"] != "detail"]
        details = [row for row in rows if row["kind"] == "detail"]
        labels: dict[str, list[Resource]] = {}
        for name, out in self.rows_out[system].items():
            if named := self.sets.get((system, name)):
                for row in (row for row in out if row["label"]):
                    labels.setdefault(row["code"], []).append(
                        {"use": {"display": named["title"]}, "value": row["label"]}
                    )
        title, properties = system.replace("_", " "), self.publication["properties"]
        quoted = next(
            (name for name in self.rows_out[system] if self.vocabularies.get(name, {}).get("identifier_check")), ""
        )
        made = self.resource("CodeSystem", system, title, f"Codes of this standard: {title}.", codes, quoted)
        made |= {
            "caseSensitive": True,
            "valueSet": self.address("ValueSet", system),
            "hierarchyMeaning": "grouped-by",
            "content": "complete",
            "count": len(codes),
            "property": [
                {"code": "parent", "uri": PARENT, "description": "The group that the code is in", "type": "code"},
                *({"code": name, "description": words, "type": "string"} for name, _, words in properties),
            ],
            "concept": [
                {
                    "code": row["code"],
                    "display": row["label"],
                    "definition": row["definition"],
                    **({"designation": labels[row["code"]]} if row["code"] in labels else {}),
                    "property": [
                        *([{"code": "parent", "valueCode": row["parent"]}] if row["parent"] else []),
                        *({"code": name, "valueString": row[key]} for name, key, _ in properties if row.get(key)),
                    ],
                }
                for row in codes
            ],
        }
        if not details:
            return [made]
        words = "Communities, nationalities and faiths that a source names beside the code. A detail is in no category."
        beside = self.resource("CodeSystem", f"{system}_detail", f"{title}: details", words, details)
        beside |= {"caseSensitive": True, "content": "complete", "count": len(details)}
        beside["concept"] = [{"code": row["code"], "display": row["label"]} for row in details]
        return [made, beside]

    def value_sets(self, system: str) -> list[Resource]:
        rows = [row for row in self.codes[system] if row["kind"] != "detail"]
        title, address = system.replace("_", " "), self.address("CodeSystem", system)
        named = {row["code"]: row for row in rows}
        whole = self.resource("ValueSet", system, title, f"All codes of {title}, with the absences.", rows)
        made = [whole | {"compose": {"include": [{"system": address, "version": self.standard.version}]}}]

        def some(name: str, title: str, words: str, codes: list[str], about: str = "") -> Resource:
            held = [named[code] for code in dict.fromkeys(codes) if code in named]
            concepts = [_concept(row["code"], row["label"]) for row in held]
            found = self.resource("ValueSet", name, title, words, held, about)
            include = [{"system": address, "version": self.standard.version, "concept": concepts}]
            return found | {"compose": {"include": include}}

        for parent in dict.fromkeys(row["parent"] for row in rows if row["parent"] in named):
            within = [parent, *(row["code"] for row in rows if row["parent"] == parent)]
            label = f"{title}: {named[parent]['label']}"
            made.append(some(f"{system}_{parent}", label, "The group and the codes in it.", within))
        for name, out in self.rows_out[system].items():
            label = self.set_title(system, name)
            kept = [row for row in out if row["value"]]
            shown = {row["value"]: _concept(self.spelled(name, row["value"]), row["label"]) for row in kept}
            found = self.resource(
                "ValueSet", f"{system}_set_{name}", label, f"The values of {label}.", [*out, *rows], name
            )
            include = {"system": self.outside_address(name), **({"concept": list(shown.values())} if shown else {})}
            made.append(found | {"compose": {"include": [include]}})
            groups = {row["group"]: row["group_label"] for row in out if row.get("group") and row.get("group_label")}
            for group, words in groups.items():
                within = [row["code"] for row in out if row["group"] == group]
                its_name, its_title = f"{system}_set_{name}_{group}", f"{label}: {words}"
                made.append(some(its_name, its_title, "The codes that this group holds.", within, name))
        return made

    def set_title(self, system: str, name: str) -> str:
        return self.sets.get((system, name), {}).get("title", name)

    def map_in(self, system: str, name: str) -> Resource:
        """One vocabulary -> our codes, and beside them the details."""
        rows = [row for row in self.rows_in[system][name] if row["value"].strip()]
        own, vocabulary = self.codes[system], self.vocabularies[name]
        loose = {row["code"] for row in own if row["kind"] == "group"}
        codes: dict[str, Resource] = {}
        details: dict[str, Resource] = {}

        def add(found: dict[str, Resource], row: dict[str, Any], target: Resource) -> None:
            code = self.spelled(name, row["value"])
            targets = found.setdefault(code, {**_concept(code, row["term"]), "target": []})["target"]
            if target not in targets:
                targets.append(target)

        for row in rows:
            add(codes, row, _target_in(row, row["code"] in loose))
            if row["detail"]:
                add(details, row, {"code": row["detail"], "equivalence": "relatedto"})
        source = self.outside_address(name)
        groups = [
            {"source": source, "target": self.address("CodeSystem", target), "element": list(elements.values())}
            for target, elements in ((system, codes), (f"{system}_detail", details))
            if elements
        ]
        title = f"{vocabulary['title']} to {system.replace('_', ' ')}"
        words = f"What the values of {vocabulary['title']} mean in this standard. Source: {vocabulary['source']}."
        if vocabulary["matching"] != "whole":
            words += " A value is matched whole first, and then by its first character if it has two."
        return self.resource("ConceptMap", f"{system}_from_{name}", title, words, own, name) | {"group": groups}

    def map_out(self, system: str, name: str) -> Resource:
        """Our codes -> one set."""
        rows, title = self.rows_out[system][name], self.set_title(system, name)
        spelled = {row["value"]: self.spelled(name, row["value"]) if row["value"] else "" for row in rows}
        elements = [{"code": row["code"], "target": [_target_out(row, spelled[row["value"]])]} for row in rows]
        group = {
            "source": self.address("CodeSystem", system),
            "target": self.outside_address(name),
            "element": elements,
        }
        words, whole = f"How the codes of this standard go out as {title}.", f"{system.replace('_', ' ')} to {title}"
        stated = [*rows, *self.codes[system]]
        return self.resource("ConceptMap", f"{system}_to_{name}", whole, words, stated, name) | {"group": [group]}

    def outside(self) -> list[Resource]:
        """What we hold of the vocabularies and sets that have no address of their own, so that every address leads somewhere."""
        ours = {name for (_, name), row in self.sets.items() if row["wording"] == "ours"}
        titles = {row["classification"]: row["title"] for row in self.standard.sets}
        titles |= {name: row["title"] for name, row in self.vocabularies.items()}
        made = []
        for name, held in self.values.items():
            if name not in self.publication["addresses"]:
                words = f"{titles[name]}: the values that this standard reads or writes. Whoever publishes it decides on others."
                content = "complete" if name in ours else "fragment"
                is_sensitive = self.vocabularies.get(name, {}).get("is_case_sensitive", "true") == "true"
                found = self.resource("CodeSystem", f"outside_{name}", titles[name], words, [], name)
                found |= {"caseSensitive": is_sensitive, "content": content, "concept": list(held.values())}
                made.append(found)
        return made


def _by_system(rows: list[Row], systems: Iterable[str], key: str) -> dict[str, dict[str, list[Row]]]:
    """Code system -> vocabulary or set -> its rows."""
    own = grouped(rows, "system")
    return {system: grouped(own[system], key) for system in systems}


def _spaced(value: str) -> str:
    return " ".join(value.split())


def _concept(code: str, words: str) -> Resource:
    return {"code": code, **({"display": words} if words else {})}


def _target_in(row: dict[str, Any], is_group: bool) -> Resource:
    """What one value becomes. An absence is matched as well: the value says that there is no answer."""
    comment = "; ".join(filter(None, (row["reason"].replace("_", " "), _validity(row))))
    if row["code"]:
        is_inexact = row["relation"] == "broad" and (is_group or row["detail"])
        found = {"code": row["code"], "equivalence": "inexact" if is_inexact else IN[row["relation"]]}
    elif row["status"] == "unrecognised":
        found = {"equivalence": "unmatched"}
        comment = "; ".join(filter(None, (f"status {row['status']}", comment)))
    else:  # a value that says no more than the absence is the same; one that says why is narrower than it
        is_same = row["reason"] in ("", row["status"])
        found = {"code": row["status"], "equivalence": "equivalent" if is_same else "wider"}
    if found["equivalence"] in ("narrower", "inexact"):
        comment = comment or "the outside value covers more than this code"  # FHIR asks for a comment here
    return {**found, **({"comment": comment} if comment else {})}


def _target_out(row: dict[str, Any], code: str) -> Resource:
    comment = "; ".join(filter(None, (row["reason"].replace("_", " "), _validity(row))))
    if not row["value"]:
        return {"equivalence": "unmatched", "comment": comment or "the set has no value for this code"}
    found = {**_concept(code, row["label"]), "equivalence": OUT.get(row["relation"], "relatedto")}
    if found["equivalence"] == "narrower":
        comment = comment or "this value covers less than the code"
    return {**found, **({"comment": comment} if comment else {})}


def _validity(row: dict[str, Any]) -> str:
    first, last = row.get("valid_from"), row.get("valid_to")
    return " ".join(filter(None, (f"valid from {first}" if first else "", f"valid to {last}" if last else "")))
