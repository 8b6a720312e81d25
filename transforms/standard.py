"""Everything in standards/ and expectations/: loaded, cross-checked, frozen.

Promise: what loads is consistent; what is not is refused with every fault named at once, and nothing is run.
"""

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from transforms import remember
from transforms.crosscheck import crosscheck
from transforms.crosscheck_rules import rules_of_layouts
from transforms.faults import LINE, Faults, Reader, Row
from transforms.rules import Rule, read_contracts, read_rules

ROOT = Path(__file__).resolve().parent.parent
CODES = ("code", "kind", "parent", "label", "vodim", "status", "definition", "source")
FROM = ("value", "term", "code", "detail", "status", "relation", "reason", "people", "source")
TO = ("code", "value", "label", "relation", "reason", "status")
DATES = ("valid_from", "valid_to")  # optional columns of all three; blank where a file has none
SETS = ("system", "classification", "title", "wording", "year", "source")
REGISTERS = ("system", "register", "title", "unless_source")
TABLES = {
    "fields": "table field type requirement code_system cardinality tense area suppression topic definition use source",
    "providers": "code name kind layouts icb cadence due_day local_list demo successor starts_on ends_on",
    "feeds": "provider layout starts_on",
    "agreements": "provider purpose legal_basis may_link may_publish_protected from to national_opt_out",
    "vocabularies": "vocabulary title matching is_case_sensitive identifier_check refines source",
    "outcomes": "reason words what_to_do",
    "file_kinds": "begins_with holds kind reason source",
    "reasons": "reason words is_about_the_item",
    "wording": "check verdict words reason",
    "measures": "measure title words better unit tells source",
    "index_items": "field threshold missing invalid source",
    "staleness": "field months review_on source",
    "activity_kinds": "kind title definition source",
    "columns": "column definition",
    "measurements": "kind vocabulary code term unit lowest highest source",
    "age_bands": "band from_age to_age source",
    "national_vodim": "field vocabulary place pattern vodim source",
    "linkage/nicknames": "short_form name source",
    "linkage/transliterations": "spelling name",
    "linkage/placeholder_names": "words where",
    "linkage/given_name_shares": "name share",
    "linkage/family_name_shares": "name share",
    "geography/pseudo_postcodes": "postcode place_status note",
    "margins": "table along whole part breakdown why",
    "geography/icb_tiles": "icb_code row column name source",
}
SETTINGS = (
    *("resolution", "disclosure", "scorecard", "publishing", "objections", "retention"),
    *("linkage/nhs_number", "linkage/linkage"),
)


PSEUDONYM = re.compile(r"pseudonym\((\w+)\)")  # what a layout says of NHS numbers, beside `clear`


@dataclass(frozen=True)
class Layout:
    """One shape of extract: how its columns become fields."""

    name: str
    table: str
    content: str
    key: tuple[str, ...]
    columns: tuple[Row, ...]
    settings: Row = field(repr=False)
    line: int = 1

    def __getitem__(self, name: str) -> Any:
        return self.settings.get(name)

    @property
    def fields(self) -> dict[str, Row]:
        """The column entry of each field that the layout collects."""
        return {entry["field"]: entry for entry in self.columns}

    @property
    def events(self) -> dict[str, Row]:
        """What each record counts as: kind of event -> the fields that say when it ended (`ended_on`) and how (`outcome`), and
        the one without which it has not happened yet (`only_with`)."""
        said = self.settings.get("activity")
        kinds = said if isinstance(said, dict) else {}
        return {kind: fields if isinstance(fields, dict) else {} for kind, fields in kinds.items() if kind != LINE}

    @property
    def characteristics(self) -> set[str]:
        """Every coded field that the layout says something of: in a column of its own, or by codes in another."""
        stated = [items for items in (self.settings.get("states") or {}).values() if isinstance(items, list)]
        named = {str(item.get("characteristic")) for items in stated for item in items if isinstance(item, dict)}
        return {name for name, entry in self.fields.items() if entry.get("vocabulary")} | named

    @property
    def pseudonym_key(self) -> str:
        """The id of the key with which the sender made pseudonyms of NHS numbers; "" where they are sent as they are."""
        found = PSEUDONYM.fullmatch(str(self.settings.get("nhs_number", "")))
        return found.group(1) if found else ""

    @property
    def drop(self) -> tuple[str, ...]:
        return tuple(self.settings.get("drop") or ())

    @property
    def known_columns(self) -> tuple[str, ...]:
        """Every column the layout expects, whatever is done with it."""
        return (*(entry["column"] for entry in self.columns), *self.drop, *(self.settings.get("ignore") or ()))


@dataclass(frozen=True)
class Standard:
    """The whole standard. Tables are lists of rows as text; nothing in it changes after loading."""

    folder: Path
    version: str
    tables: dict[str, list[Row]] = field(repr=False)
    layouts: dict[str, Layout] = field(repr=False)
    codes: list[Row] = field(repr=False)
    code_maps: list[Row] = field(repr=False)
    classifications: list[Row] = field(repr=False)
    sets: list[Row] = field(repr=False)
    registers: list[Row] = field(repr=False)
    code_files: tuple[Path, ...] = field(repr=False)
    settings: dict[str, Row] = field(repr=False)
    metrics: dict[str, Row] = field(repr=False)
    contracts: tuple[Rule, ...] = field(repr=False)
    rules: tuple[Rule, ...] = field(repr=False)
    rules_of_layout: dict[str, tuple[Rule, ...]] = field(repr=False)
    compared_of_layout: dict[str, tuple[Rule, ...]] = field(repr=False)

    def fields_of(self, table: str) -> list[Row]:
        """The fields of one table, in the order of fields.csv."""
        return [row for row in self.tables["fields"] if row["table"] == table]

    @property
    def providers(self) -> dict[str, Row]:
        return {row["code"]: row for row in self.tables["providers"]}

    def characteristics(self) -> dict[str, str]:
        """Characteristic (a coded field's name) -> code system."""
        return {row["field"]: row["code_system"] for row in self.tables["fields"] if row["code_system"]}

    def characteristic(self, name: str) -> Row:
        """What fields.csv says of a characteristic: the same in every table."""
        return next(row for row in self.tables["fields"] if row["field"] == name and row["code_system"])

    def maps_of_vocabularies(self) -> set[tuple[str, str]]:
        """(system, vocabulary) of every from_ file, also of one that has no row yet."""
        files = [path for path in self.code_files if path.stem.startswith("from_")]
        return {(path.parent.name, path.stem.removeprefix("from_")) for path in files}

    def vocabularies(self, declared: tuple[str, ...] | list[str], provider: str) -> tuple[str, ...]:
        """The vocabularies of a coded column in the order they are tried: a provider's declared local list first."""
        local = self.providers.get(provider, {}).get("local_list") or ""
        refines = {row["vocabulary"]: row["refines"] for row in self.tables["vocabularies"]}
        return (local, *declared) if local and refines.get(local) in declared else tuple(declared)

    def bringing(self, kind: str) -> set[str]:
        """The layouts that bring events of a kind, or readings of it: those that send its codes with a number beside them."""
        spoken = {row["vocabulary"] for row in self.tables["measurements"] if row["kind"] == kind}
        found = set()
        for name, layout in self.layouts.items():
            stated = (layout["states"] or {}).get("code") or []
            if kind in layout.events or (
                "value" in layout.fields and any(spoken & set(i["vocabulary"]) for i in stated)
            ):
                found.add(name)
        return found

    def rules_in_force(self, layout: str, period: str) -> tuple[Rule, ...]:
        """The rules that judge a file of this layout and period: history is not judged by later rules."""
        return tuple(rule for rule in self.rules_of_layout[layout] if rule.from_period <= period)

    def compared_rules(self, scope: str, layout: str, period: str) -> tuple[Rule, ...]:
        """The rules of scope history (rows beside the provider's own index) or peers (figures) for a layout and period."""
        of_layout = self.compared_of_layout.get(layout, ())
        return tuple(rule for rule in of_layout if rule.scope == scope and rule.from_period <= period)

    def words(self, reason: str) -> Row:
        """The plain words for a reason why a delivery was refused."""
        found = [row for row in self.tables["outcomes"] if row["reason"] == reason]
        return found[0] if found else {"reason": reason, "words": reason, "what_to_do": ""}


def load(folder: Path | None = None) -> Standard:
    """Read standards/ and expectations/ beside each other. Raises Faults with everything that is wrong."""
    return _load(Path(folder or ROOT).resolve(), _version(Path(folder or ROOT).resolve()))


def _version(root: Path) -> str:
    """A fingerprint of all files that make up the standard, and of NOTICE, which is published with it."""
    total = hashlib.sha256()
    for path in sorted([*root.glob("standards/**/*.*"), *root.glob("expectations/*.yml"), *root.glob("NOTICE")]):
        total.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:12]


@cache
def _load(root: Path, version: str) -> Standard:
    """The shipped standard is loaded and checked once for all processes, any other each time."""
    if root != ROOT:
        return _read(root, version)
    loaded = remember.recall(version)
    if not isinstance(loaded, Standard):
        loaded = _read(root, version)
        remember.keep(version, loaded)
    return loaded


def _read(root: Path, version: str) -> Standard:
    reader = Reader(root)
    folder = root / "standards"
    tables = {
        name.split("/")[-1]: reader.csv(folder / f"{name}.csv", columns.split()) for name, columns in TABLES.items()
    }
    layouts = {path.stem: _layout(reader, path) for path in sorted(folder.glob("layouts/*.yml"))}
    code_files = tuple(sorted(folder.glob("code_systems/*/*.csv")))
    codes, code_maps, classifications = _code_systems(reader, code_files)
    rules = read_rules(reader, root / "expectations", tables["fields"])
    of_layout = rules_of_layouts(reader, rules, layouts, tables["fields"])
    loaded = Standard(
        folder=folder,
        version=version,
        tables=tables,
        layouts=layouts,
        codes=codes,
        code_maps=code_maps,
        classifications=classifications,
        sets=reader.csv(folder / "code_systems" / "sets.csv", SETS),
        registers=reader.csv(folder / "code_systems" / "registers.csv", REGISTERS),
        code_files=code_files,
        settings={name.split("/")[-1]: reader.yaml(folder / f"{name}.yml") for name in SETTINGS},
        metrics={path.stem: reader.yaml(path) for path in sorted(folder.glob("metrics/*.yml"))},
        contracts=read_contracts(reader, root / "expectations" / "contracts.yml"),
        rules=tuple(rules),
        rules_of_layout={name: on_arrival for name, (on_arrival, _) in of_layout.items()},
        compared_of_layout={name: compared for name, (_, compared) in of_layout.items()},
    )
    crosscheck(reader, loaded)
    if reader.found:
        raise Faults(reader.found)
    return loaded


def _layout(reader: Reader, path: Path) -> Layout:
    read = reader.yaml(path)
    needed = ("title", "table", "content", "key", "format", "columns", "care_setting", "stated_by")
    optional = [
        "dates",
        "nhs_number",
        "nhs_number_traced",
        "practice",
        "collected_how",
        "drop",
        "ignore",
        "states",
        "restarts",
        "event_date",
        "activity",
    ]
    reader.keys(path, read, (*needed, *optional), needed)
    columns = [entry for entry in read.get("columns") or [] if isinstance(entry, dict)]
    for entry in columns:
        known = ("column", "field", "vocabulary", "recorded_on", "stated_by", "help", "example")
        reader.keys(path, entry, known, ("column", "field"))
    return Layout(
        name=path.stem,
        table=str(read.get("table")),
        content=str(read.get("content")),
        key=tuple(read.get("key") or ()),
        columns=tuple(entry for entry in columns if "column" in entry and "field" in entry),
        settings=read,
        line=read.get(LINE, 1),
    )


def _code_systems(reader: Reader, files: tuple[Path, ...]) -> tuple[list[Row], list[Row], list[Row]]:
    """All code systems in three long tables; every row knows its system, its file and its line."""
    codes, maps, classifications = [], [], []
    for path in files:
        system, name = path.parent.name, path.stem
        origin: Row = {"system": system, "path": path}
        if name == "codes":
            codes += [row | origin for row in reader.csv(path, CODES, DATES)]
        elif name == "details":
            details = reader.csv(path, ("detail", "label", "kind", "source"), DATES)
            codes += [row | origin | {"code": row["detail"], "kind": "detail"} for row in details]
        elif name.startswith("from_"):
            origin["vocabulary"] = name.removeprefix("from_")
            maps += [row | origin for row in reader.csv(path, FROM, DATES)]
        elif name.startswith("to_"):
            origin["classification"] = name.removeprefix("to_")
            optional = ("group", "group_label", *DATES)
            classifications += [row | origin for row in reader.csv(path, TO, optional)]
        else:
            reader.fault(path, None, "no such file is known here", "codes, details, from_<vocabulary>, to_<set>")
    return codes, maps, classifications
