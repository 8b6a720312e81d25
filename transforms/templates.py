"""Rules that are written once for many fields or tables -> the rules that they stand for.

Promise: a template is text with words in braces; which words there are, and for whom, stands in the files, never here.
"""

from pathlib import Path
from typing import Any

from transforms.faults import LINE, Reader, Row, one_of

FIGURE = "figure"  # the one table that is no table of fields.csv: what a provider's data look like beside its peers'
NOT_TABLES = ("contracts", "derived", "shared")


def read_items(reader: Reader, folder: Path, fields: list[Row]) -> list[tuple[Path, str, Row]]:
    """(file, table, item) of every rule: those of each table's file, those of shared.yml, those of derived.yml."""
    found: list[tuple[Path, str, Row]] = []
    for path in sorted(folder.glob("*.yml")):
        if path.stem in NOT_TABLES:
            continue
        for item in reader.yaml(path) or []:
            if path.stem == FIGURE and "for" in item:
                found += _for_fields(reader, path, item, _characteristics(fields))
            else:
                found.append((path, path.stem, item))
    found += _shared(reader, folder / "shared.yml")
    path = folder / "derived.yml"
    for item in reader.yaml(path) or []:
        found += _for_fields(reader, path, item, fields)
    return found


def _characteristics(fields: list[Row]) -> list[Row]:
    """Each coded field once, as a field of the table of figures: it says the same wherever it stands."""
    coded: dict[str, Row] = {}
    for row in fields:
        if row["code_system"]:
            coded.setdefault(row["field"], row | {"table": FIGURE})
    return list(coded.values())


def _for_fields(reader: Reader, path: Path, item: Row, fields: list[Row]) -> list[tuple[Path, str, Row]]:
    """A template for every field that it fits: `for: {type: [date]}` names columns of fields.csv and their cells."""
    line, applies = item.get(LINE), item.get("for")
    if not isinstance(applies, dict) or not _is_claim(item):
        reader.fault(path, line, "a template needs `claim:` and `for:`", "for: {column of fields.csv: [cells]}")
        return []
    wanted = {key: cells for key, cells in applies.items() if key != LINE}
    own = {key: why for key, why in (item.get("why_for") or {}).items() if key != LINE}
    for name in own.keys() - {row["field"] for row in fields}:
        reader.fault(
            path,
            reader.line_of(path, name, line or 1),
            f"'{name}' is no field of fields.csv",
            one_of(name, {row["field"] for row in fields}),
        )
    for key in wanted:
        if fields and key not in fields[0]:
            what = f"'{key}' is no column of fields.csv"
            reader.fault(path, line, what, one_of(key, [name for name in fields[0] if name != LINE]))
            return []
    made = []
    for row in fields:
        if all(row[key] in cells for key, cells in wanted.items()):
            definition = row["definition"][:1].lower() + row["definition"][1:]
            words = {"table": row["table"], "field": row["field"], "definition": definition}
            rule = _filled({k: v for k, v in item.items() if k not in ("claim", "for", "why_for")}, words)
            rule |= {"why": own[row["field"]]} if row["field"] in own else {}
            rule["id"] = f"{row['table']}.{row['field']}.{item['claim']}"
            made.append((path, row["table"], {"topic": row["topic"]} | rule))
    if not made:
        reader.fault(path, line, f"template '{item['claim']}' fits no field", "look at its `for:`, or take it away")
    return made


def _is_claim(item: Row) -> bool:
    return isinstance(item.get("claim"), str) and "id" not in item


def _shared(reader: Reader, path: Path) -> list[tuple[Path, str, Row]]:
    """A template for every table that it names, in that table's own words."""
    if not path.exists():
        return []
    read = reader.yaml(path)
    reader.keys(path, read, ("words", "rules"), ("words", "rules"))
    words = {table: said for table, said in (read.get("words") or {}).items() if table != LINE}
    made = []
    for item in read.get("rules") or []:
        line, tables = item.get(LINE), item.get("tables")
        if not isinstance(tables, list) or not tables or not _is_claim(item):
            reader.fault(path, line, "a shared rule needs `claim:` and `tables:`", "tables: [names of tables]")
            continue
        for table in tables:
            if table not in words:
                reader.fault(path, line, f"table '{table}' has no words", one_of(table, words))
                continue
            said = {name: str(word) for name, word in words[table].items() if name != LINE} | {"table": table}
            rule = _filled({k: v for k, v in item.items() if k != "tables"}, said)
            made.append((path, table, {"id": f"{table}.{rule.pop('claim')}"} | rule))
    return made


def _filled(value: Any, words: dict[str, str]) -> Any:
    """A template's text, wherever it stands, with these words for the names in braces."""
    if isinstance(value, dict):
        return {key: _filled(item, words) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, words) for item in value]
    if isinstance(value, str):
        for name, word in words.items():
            value = value.replace("{" + name + "}", word)
    return value
