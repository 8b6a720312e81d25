"""The standard -> files that people and programs take away: CSV, FHIR resources, data contracts, suites, blank templates.

Promise: every file is text, made from the standard alone, and the same each time.
"""

import csv
import io
import json
from collections.abc import Iterable

import yaml

from transforms.data_contract import data_contracts
from transforms.faults import Row, grouped
from transforms.standard import Layout, Standard
from transforms.suites import suites
from transforms.terminology import terminology

VALID = ("valid_from", "valid_to")
CODES = ("code", "kind", "parent", "label", "vodim", "status", "definition", "source", *VALID)
DETAILS = ("detail", "label", "kind", "source")
MAPS_IN = ("vocabulary", "value", "term", "code", "detail", "status", "relation", "reason", "people", "source", *VALID)
MAPS_OUT = ("classification", "code", "value", "label", "relation", "reason", "status", "group", "group_label", *VALID)


def downloads(standard: Standard, publication: Row) -> dict[str, str]:
    """Path below the folder of downloads -> text."""
    found: dict[str, str] = {}
    maps_in, maps_out = grouped(standard.code_maps, "system"), grouped(standard.classifications, "system")
    for system, codes in grouped(standard.codes, "system").items():
        details = [row for row in codes if row["kind"] == "detail"]
        maps, sets = maps_in[system], maps_out[system]
        found[f"{system}.codes.csv"] = text_of(CODES, (row for row in codes if row["kind"] != "detail"))
        found |= {f"{system}.details.csv": text_of(DETAILS, details)} if details else {}
        found |= {f"{system}.maps_in.csv": text_of(MAPS_IN, maps)} if maps else {}
        found |= {f"{system}.maps_out.csv": text_of(MAPS_OUT, sets)} if sets else {}
    for layout in standard.layouts.values():
        if has_template(layout):
            found[template_name(layout)] = template(layout)
    for resource in terminology(standard, publication):
        name = f"fhir/{resource['resourceType']}-{resource['id']}.json"
        found[name] = (
            json.dumps(resource, ensure_ascii=False, separators=(",", ":")) + "\n"
        )  # indented takes ten times as long
    for table, contract in data_contracts(standard, publication).items():
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        found[f"{table}.odcs.yaml"] = yaml.dump(contract, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
    found |= suites(standard)
    notice = standard.folder.parent / "NOTICE"
    return found | ({"NOTICE.txt": notice.read_text(encoding="utf-8")} if notice.exists() else {})


def text_of(columns: tuple[str, ...], rows: Iterable[Row]) -> str:
    """Rows as CSV. The standard's own words only: nothing in it begins like a formula, and a test says so."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return out.getvalue()


def has_template(layout: Layout) -> bool:
    """Whether somebody could fill in a file of this layout by hand."""
    return layout["format"].get("kind") == "csv"


def template_name(layout: Layout) -> str:
    """A program that opens .csv by itself takes commas for granted: a file with another sign between is .txt."""
    return f"{layout.name}.template.{'csv' if layout['format'].get('delimiter', ',') == ',' else 'txt'}"


def template(layout: Layout) -> str:
    """The first line of a file of this layout; and, where the layout gives examples, one invented row that says so."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=layout["format"].get("delimiter", ","), lineterminator="\n")
    writer.writerow(entry["column"] for entry in layout.columns)
    if any("example" in entry for entry in layout.columns):
        writer.writerow(entry.get("example", "") for entry in layout.columns)
    return out.getvalue()
