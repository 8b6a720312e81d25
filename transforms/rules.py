"""Rules: read from expectations/, derived from fields.csv, and turned into a Great Expectations suite.

Promise: a rule is written once, in YAML; nothing here knows a particular rule.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from transforms.faults import LINE, Reader, Row, nearest, one_of
from transforms.sqltext import text

REJECTS = ("nothing", "value", "record", "submission")
SCOPES = ("submission", "history", "peers")
SEVERITIES = ("critical", "warning", "info", "trial")
DIMENSIONS = ("completeness", "validity", "consistency", "uniqueness", "timeliness", "coverage")
# The expectations that speak about rows, each as the predicate a good row satisfies. `{x}` are the rule's own keys.
ROW_FORMS = {
    "expect_column_values_to_not_be_null": "{column} is not null",
    "expect_column_values_to_be_null": "{column} is null",
    "expect_column_values_to_be_in_set": "case when {column} is not null then {column} in {value_set} end",
    "expect_column_values_to_not_be_in_set": "case when {column} is not null then {column} not in {value_set} end",
    "expect_column_values_to_be_between": "case when {column} is not null then {bounds} end",
    "expect_column_value_lengths_to_be_between": "case when {column} is not null then {length_bounds} end",
    "expect_column_values_to_match_regex": "case when {column} is not null then regexp_matches({column}, {regex}) end",
    "expect_column_values_to_not_match_regex": (
        "case when {column} is not null then not regexp_matches({column}, {regex}) end"
    ),
}
ARGUMENTS = ("column", "value_set", "min_value", "max_value", "regex")


@dataclass(frozen=True)
class Rule:
    """One rule. `checked` counts the rows where it applies, `failed` those of them that break it."""

    id: str
    table: str
    expect: str
    arguments: dict[str, Any] = field(hash=False)
    sql: str
    when: str
    mostly: float
    scope: str
    rejects: str
    responsibility: str
    topic: str
    dimension: str
    severity: str
    from_period: str
    message: str
    why: str
    path: Path = field(repr=False)
    line: int = field(repr=False)

    @property
    def predicate(self) -> str:
        """True for a row that keeps the rule, false for one that breaks it, null where it does not apply."""
        claim = f"({self.sql})" if self.sql else f"({_row_form(self.expect, self.arguments)})"
        return f"case when {self.when} then {claim} end" if self.when else claim

    @property
    def identity(self) -> tuple[str, ...]:
        """Two rules with the same identity would vanish into one in a suite."""
        said = repr(sorted(self.arguments.items()))
        return self.table, self.expect, said, self.sql, self.when, str(self.mostly)

    def describe(self) -> Row:
        """The rule as a row for people and for tables."""
        hidden = ("path", "line", "arguments")
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name not in hidden}


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, (int, float)) else text(value)


def _row_form(expect: str, arguments: dict[str, Any]) -> str:
    """The SQL predicate of an expectation about rows."""
    column = arguments["column"]
    low, high = arguments.get("min_value"), arguments.get("max_value")

    def bounds(what: str) -> str:
        sides = [f"{what} >= {_literal(low)}"] if low is not None else []
        sides += [f"{what} <= {_literal(high)}"] if high is not None else []
        return " and ".join(sides) or "true"

    return ROW_FORMS[expect].format(
        column=column,
        value_set="(" + ", ".join(map(_literal, arguments.get("value_set") or [""])) + ")",
        bounds=bounds(column),
        length_bounds=bounds(f"length({column})"),
        regex=_literal(arguments.get("regex")),
    )


KEYS = (
    *("id", "expect", "sql", "when", "mostly", "scope", "rejects", "responsibility", "topic", "dimension"),
    *("severity", "from_period", "message", "why", *ARGUMENTS),
)


def read_rules(reader: Reader, folder: Path, field_rows: list[Row]) -> list[Rule]:
    """All rules: the hand-written ones of each table's file, then those that derived.yml makes of fields.csv."""
    rules = []
    for path in sorted(folder.glob("*.yml")):
        if path.stem in ("contracts", "derived"):
            continue
        for item in reader.yaml(path) or []:
            rules += _rule(reader, path, path.stem, item)
    path = folder / "derived.yml"
    for template in reader.yaml(path) or []:
        applies = template.get("for") or {}
        for row in field_rows:
            if all(row[key] in wanted for key, wanted in applies.items() if key != LINE):
                item = {key: _fill(value, row) for key, value in template.items() if key not in ("claim", "for")}
                item["id"] = f"{row['table']}.{row['field']}.{template.get('claim')}"
                item.setdefault("topic", row["topic"])
                rules += _rule(reader, path, row["table"], item)
    return rules


def read_contracts(reader: Reader, path: Path) -> tuple[Rule, ...]:
    """The rules about what we publish; each names its table."""
    contracts: list[Rule] = []
    for item in reader.yaml(path) or []:
        reader.keys(path, item, (*KEYS, "table"), ("table",))
        contracts += _rule(reader, path, str(item.get("table")), {k: v for k, v in item.items() if k != "table"})
    return tuple(contracts)


def _fill(value: Any, row: Row) -> Any:
    """A template's text with the field's own words in it."""
    if not isinstance(value, str):
        return value
    definition = row["definition"][:1].lower() + row["definition"][1:]
    return value.replace("{field}", row["field"]).replace("{definition}", definition)


def _rule(reader: Reader, path: Path, table: str, item: Row) -> list[Rule]:
    """One rule as a list of one, or of none when it is too broken to keep."""
    before = len(reader.found)
    line = item.get(LINE)
    reader.keys(path, item, KEYS, ("id", "message", "dimension", "topic"))
    for key, known in (("rejects", REJECTS), ("scope", SCOPES), ("severity", SEVERITIES), ("dimension", DIMENSIONS)):
        if key in item and item[key] not in known:
            reader.fault(path, line, f"{key} '{item[key]}' is not known", one_of(item[key], known))
    if ("expect" in item) == ("sql" in item):
        reader.fault(path, line, "a rule needs either `expect:` or `sql:`", "say it once, in one of them")
    elif "expect" in item and item["expect"] not in ROW_FORMS:
        hint = nearest(item["expect"], ROW_FORMS) or "say it as `sql:`, a predicate that a good row satisfies"
        reader.fault(path, line, f"expectation '{item['expect']}' is not one about rows", hint)
    elif "expect" in item and "column" not in item:
        reader.fault(path, line, "key 'column' is missing", "name the column that the expectation is about")
    if len(reader.found) > before:
        return []
    return [
        Rule(
            id=item["id"],
            table=table,
            expect=item.get("expect", ""),
            arguments={key: item[key] for key in ARGUMENTS if key in item},
            sql=str(item.get("sql", "")),
            when=str(item.get("when", "")),
            mostly=float(item.get("mostly", 1.0)),
            scope=item.get("scope", "submission"),
            rejects=item.get("rejects", "nothing"),
            responsibility=item.get("responsibility", "provider"),
            topic=item["topic"],
            dimension=item["dimension"],
            severity=item.get("severity", "warning"),
            from_period=str(item.get("from_period", "0000-00")),
            message=item["message"],
            why=item.get("why", ""),
            path=path,
            line=line or 0,
        )
    ]


def suite(rules: tuple[Rule, ...], column_of: dict[str, str]) -> Any:
    """A Great Expectations suite over one shaped file; `column_of` names each rule's column of verdicts."""
    import great_expectations as gx
    import great_expectations.expectations as known
    from great_expectations.expectations.row_conditions import Column

    expectations = []
    for rule in rules:
        common = {"mostly": rule.mostly, "meta": {"rule": rule.id}}
        if rule.sql:
            column = column_of[rule.id]
            expectations.append(known.ExpectColumnValuesToBeInSet(column=column, value_set=[True], **common))
            continue
        name = "".join(part.title() for part in rule.expect.split("_"))
        if rule.when:  # the SQL predicate is a column of the shaped file, since GX conditions know no SQL
            common["row_condition"] = Column(column_of[f"when {rule.id}"]) == True  # noqa: E712
        expectations.append(getattr(known, name)(**rule.arguments, **common))
    return gx.ExpectationSuite(name="rules", expectations=expectations)
