"""Rules: read from expectations/, derived from fields.csv, and turned into a Great Expectations suite.

Promise: a rule is written once, in YAML; nothing here knows a particular rule.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from transforms.faults import LINE, Reader, Row, nearest, one_of
from transforms.sqltext import text
from transforms.templates import read_items

REJECTS = ("nothing", "value", "record", "submission")
SCOPES = ("submission", "history", "peers")
SEVERITIES = ("critical", "warning", "info", "trial")
STATES = ("missing", "default", "invalid", "group")  # what a coded value may lack: see `about_status`
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
    """One rule. `checked` counts the rows where it applies, `failed` those of them that break it.

    `one_per`: (key, field) for rows that share a key and must have one value of a field. `follows`: rules of which this
    one is a consequence where they fail on the same row. `about_status`: what of its coded field's statuses it repeats.
    """

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
    follows: tuple[str, ...]
    source: str
    one_per: tuple[str, str] | None
    about_status: str
    path: Path = field(repr=False)
    line: int = field(repr=False)

    @property
    def predicate(self) -> str:
        """True for a row that keeps the rule, false for one that breaks it, null where it does not apply."""
        said = self.sql or self.one_column or _row_form(self.expect, self.arguments)
        return f"case when {self.when} then ({said}) end" if self.when else f"({said})"

    @property
    def one_column(self) -> str:
        """The boolean column, made by shape, that says whether a row's key has one value; "" for any other rule."""
        return f"one_{self.one_per[1]}_per_{self.one_per[0]}" if self.one_per else ""

    @property
    def identity(self) -> tuple[str, ...]:
        """Two rules with the same identity would vanish into one in a suite."""
        said = repr(sorted(self.arguments.items()))
        return self.table, self.scope, self.expect, said, self.sql + self.one_column, self.when, str(self.mostly)

    def describe(self) -> Row:
        """The rule as a row for people and for tables."""
        hidden = ("path", "line", "arguments")
        told = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in hidden}
        return told | {"follows": " ".join(self.follows), "one_per": " ".join(self.one_per or ())}


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
    *("severity", "from_period", "message", "why", "follows", "source", "one_per", "about_status", *ARGUMENTS),
)
NEEDED = ("id", "message", "dimension", "topic")


def read_rules(reader: Reader, folder: Path, field_rows: list[Row]) -> list[Rule]:
    """All rules: the hand-written ones of each table's file, then those that templates make for tables and fields."""
    return [
        rule
        for path, table, item in read_items(reader, folder, field_rows)
        for rule in _rule(reader, path, table, item, (*NEEDED, "why"))
    ]


def read_contracts(reader: Reader, path: Path) -> tuple[Rule, ...]:
    """The rules about what we publish; each names its table."""
    contracts: list[Rule] = []
    for item in reader.yaml(path) or []:
        reader.keys(path, item, (*KEYS, "table"), ("table",))
        named = {k: v for k, v in item.items() if k != "table"}
        contracts += _rule(reader, path, str(item.get("table")), named, NEEDED)
    return tuple(contracts)


def _rule(reader: Reader, path: Path, table: str, item: Row, needed: tuple[str, ...]) -> list[Rule]:
    """One rule as a list of one, or of none when it is too broken to keep."""
    before = len(reader.found)
    line = item.get(LINE)
    reader.keys(path, item, KEYS, needed)
    known_values = (("rejects", REJECTS), ("scope", SCOPES), ("severity", SEVERITIES), ("dimension", DIMENSIONS))
    for key, known in (*known_values, ("about_status", STATES)):
        if key in item and item[key] not in known:
            reader.fault(path, line, f"{key} '{item[key]}' is not known", one_of(item[key], known))
    _check_claim(reader, path, line, item)
    if not isinstance(item.get("follows", []), list):
        reader.fault(path, line, "`follows:` is no list", "follows: [ids of rules]")
    if item.get("scope", "submission") != "submission" and item.get("rejects", "nothing") != "nothing":
        what = f"a rule of scope {item['scope']} may not reject a {item['rejects']}"
        reader.fault(path, line, what, "it is judged after publishing, when nothing can be rejected: rejects: nothing")
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
            follows=tuple(item.get("follows", ())),
            source=str(item.get("source", "")),
            one_per=(item["one_per"]["key"], item["one_per"]["of"]) if "one_per" in item else None,
            about_status=item.get("about_status", ""),
            path=path,
            line=line or 0,
        )
    ]


def _check_claim(reader: Reader, path: Path, line: int | None, item: Row) -> None:
    """A rule says what it claims once, in a way that somebody can judge."""
    if sum(way in item for way in ("expect", "sql", "one_per")) != 1:
        reader.fault(path, line, "a rule needs either `expect:` or `sql:` or `one_per:`", "say it once, in one of them")
    elif "one_per" in item:
        said = item["one_per"]
        if not isinstance(said, dict) or {key for key in said if key != LINE} != {"key", "of"}:
            reader.fault(path, line, "`one_per:` needs `key` and `of`", "one_per: {key: field, of: field}")
        elif item.get("scope", "submission") != "submission":
            reader.fault(path, line, "`one_per:` is about the rows of one file", "take `scope:` away")
    elif "expect" in item and item["expect"] not in ROW_FORMS:
        hint = nearest(item["expect"], ROW_FORMS) or "say it as `sql:`, a predicate that a good row satisfies"
        reader.fault(path, line, f"expectation '{item['expect']}' is not one about rows", hint)
    elif "expect" in item and "column" not in item:
        reader.fault(path, line, "key 'column' is missing", "name the column that the expectation is about")


def suite(rules: tuple[Rule, ...], column_of: dict[str, str]) -> Any:
    """A Great Expectations suite over one shaped file; `column_of` names each rule's column of verdicts."""
    import great_expectations as gx
    import great_expectations.expectations as known
    from great_expectations.expectations.row_conditions import Column

    expectations = []
    for rule in rules:
        common = {"mostly": rule.mostly, "meta": {"rule": rule.id}}
        if not rule.expect:
            column = column_of[rule.id]
            expectations.append(known.ExpectColumnValuesToBeInSet(column=column, value_set=[True], **common))
            continue
        name = "".join(part.title() for part in rule.expect.split("_"))
        if rule.when:  # the SQL predicate is a column of the shaped file, since GX conditions know no SQL
            common["row_condition"] = Column(column_of[f"when {rule.id}"]) == True  # noqa: E712
        expectations.append(getattr(known, name)(**rule.arguments, **common))
    return gx.ExpectationSuite(name="rules", expectations=expectations)
