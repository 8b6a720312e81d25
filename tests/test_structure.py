"""The house's own rules: DESIGN sections 4, 5 and 10 as tests over the files, so that they stay true."""

import ast
import csv
import re
from functools import cache
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from transforms.engine import fixed_shapes
from transforms.publish import NOT_KEPT
from transforms.sqlfolder import OrderFault, leading_comment, ordered
from transforms.standard import ROOT, load

PYTHON = sorted(path for folder in ("transforms", "dags", "plugins") for path in (ROOT / folder).rglob("*.py"))
SERVICE = [path for path in PYTHON if not path.stem.startswith("demo_")]
STAGES = (
    "harmonised",
    "linked",
    "nearby",
    "objected",
    "protected",
    "measure",
    "open",
    "compared",
)  # each reads itself and those before it
SQL = sorted(path for path in (ROOT / "transforms").rglob("*.sql") if path.parent.name in STAGES)
DICTIONARIES = "standard"
LONGEST_MODULE, ALL_MODULES = 300, 18_970
REFUSED_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc", "tools", "shared"}
# Words for one thing each: batch, source and check mean a submission, a characteristic and a rule elsewhere.
named = pytest.mark.parametrize


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def parsed(path: Path) -> exp.Expression:
    # getvariable('x') is DuckDB's; the rest of a file is standard enough for the parser.
    return sqlglot.parse_one(path.read_text(encoding="utf-8"), dialect="duckdb")


def tables(path: Path) -> set[tuple[str, str]]:
    """Every (schema, table) that a file reads, without its own CTEs and aliases that are unnested."""
    query = parsed(path)
    own = {cte.alias_or_name for cte in query.find_all(exp.CTE)}
    found = {(table.db, table.name) for table in query.find_all(exp.Table)}
    return {(schema, name) for schema, name in found if schema or name not in own}


@named("path", PYTHON, ids=relative)
def test_a_module_is_small_and_says_what_it_is_and_what_it_promises(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_MODULE, "redesign this room"
    said = ast.get_docstring(tree(path)) or ""
    if path.name in ("__init__.py", "__main__.py"):
        return
    assert said, "a module begins with what it makes of what"
    if "->" in said.splitlines()[0]:
        assert "Promise:" in said, "from -> to, and the one promise it keeps"


def test_the_house_is_small():
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in SERVICE) <= ALL_MODULES


@named("path", PYTHON, ids=relative)
def test_no_module_is_a_drawer_for_everything(path):
    assert not REFUSED_NAMES & set(path.stem.lower().split("_"))


@named(
    "stage",
    ["ingest", "validate", "feedback", "harmonise", "link", "publish", "compare", "receive", "shape", "disclose"],
)
def test_a_module_is_the_verb_and_its_function_has_its_name(stage):
    functions = [
        node.name for node in tree(ROOT / "transforms" / f"{stage}.py").body if isinstance(node, ast.FunctionDef)
    ]
    assert stage in functions


@named("path", sorted((ROOT / "dags").glob("*.py")), ids=relative)
def test_dags_import_only_transforms_and_airflow(path):
    allowed = {"transforms", "airflow", "landing", "notices", "os", "datetime", "typing"}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            assert {item.name.split(".")[0] for item in node.names} <= allowed
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            assert module.split(".")[0] in allowed
            assert not module.startswith("airflow") or module.startswith("airflow.sdk")
    assert "select " not in path.read_text(encoding="utf-8").lower()


@named("path", [path for path in PYTHON if path.parent.name in ("dags", "plugins")], ids=relative)
def test_nothing_heavy_is_imported_when_airflow_reads_a_file(path):
    for node in tree(path).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {node.module or ""} if isinstance(node, ast.ImportFrom) else {item.name for item in node.names}
            assert not {name.split(".")[0] for name in names} & {"duckdb", "pandas", "pyarrow", "great_expectations"}


# SQL files.


@named("path", SQL, ids=relative)
def test_a_sql_file_begins_with_its_grain(path):
    grain = leading_comment(path.read_text(encoding="utf-8"))
    assert re.match(r"One row per |One row: ", grain), grain


@named("path", SQL, ids=relative)
def test_a_sql_file_reads_only_earlier_things(path):
    stage = path.parent.name
    order = {name: place for place, name in enumerate(STAGES)}
    special = {"standard", "results", "one"} if stage in ("harmonised", "measure") else {"standard"}
    for schema, name in tables(path):
        if schema in order:
            assert order[schema] <= order[stage], f"{schema}.{name} comes later"
        elif stage == "harmonised":  # it works on one submission, resolved before
            assert schema in special or name in ("resolved",), f"{schema}.{name}"
        else:
            assert schema in special, f"{schema}.{name}"


@named("path", [path for path in SQL if path.parent.name == "open"], ids=relative)
def test_an_open_table_reads_only_disclosed_cells_and_dictionaries(path):
    """Or another open table, which reads nothing else either: what was disclosed once is worked on, never what was not."""
    read = {(schema, name) for schema, name in tables(path) if schema != DICTIONARIES}
    assert {(schema, name) for schema, name in read if schema != "open"} <= {("measure", "disclosed_cell")}


@named("path", [path for path in SQL if path.parent.name == "protected"], ids=relative)
def test_a_protected_table_holds_no_line_no_name_and_no_number(path):
    query = parsed(path)
    columns = {column.alias_or_name for select in [query] for column in select.selects}
    internal = path.stem in NOT_KEPT  # dropped before anybody reads it
    refused = {
        "line",
        "first_line",
        "nhs_number",
        "local_patient_id",
        "given_name",
        "family_name",
        "birth_date",
        "postcode",
        "source_value",
    }
    assert internal or not columns & refused, columns & refused
    assert not {name for name in columns if name.endswith("_no")} - {"person_no"} or internal, columns


@named("folder", STAGES)
def test_files_of_a_folder_run_in_an_order_without_circles(folder):
    files = ordered(ROOT / "transforms" / folder)
    assert {path.stem for path in files} == {path.stem for path in SQL if path.parent.name == folder}
    for path in files:
        before = {other.stem for other in files[: files.index(path)]}
        own = {name for schema, name in tables(path) if schema == folder and name in {other.stem for other in files}}
        assert own <= before | {path.stem}, f"{path.name} must say `-- after:` for {own - before}"


def test_a_circle_or_an_unknown_name_is_refused(tmp_path):
    (tmp_path / "a.sql").write_text("-- One row per a.\n-- after: b\nselect 1")
    (tmp_path / "b.sql").write_text("-- One row per b.\n-- after: a\nselect 1")
    with pytest.raises(OrderFault, match="wait for each other"):
        ordered(tmp_path)
    (tmp_path / "b.sql").write_text("-- One row per b.\n-- after: nowhere\nselect 1")
    with pytest.raises(OrderFault, match="nowhere"):
        ordered(tmp_path)


@named("name", ["patient", "characteristic", "activity"])
def test_a_harmonised_table_has_the_columns_that_later_stages_are_promised(name):
    [shape] = [columns for stage, table, columns in fixed_shapes() if (stage, table) == ("harmonised", name)]
    promised = [item.split()[0] for item in shape.split(",")]
    given = [column.alias_or_name for column in parsed(ROOT / "transforms" / "harmonised" / f"{name}.sql").selects]
    assert given == promised


def test_every_sql_file_is_lower_case():
    for path in SQL:
        text = re.sub(r"'[^']*'|--[^\n]*", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"\b(SELECT|FROM|WHERE|JOIN|GROUP BY|UNION)\b", text), relative(path)


# No code and no provider stands in code: a domain expert changes them by editing a row.


@cache
def code_values() -> set[str]:
    """Values of the maps that are longer than two characters, our own codes, and providers.

    Left out are words: what people type (vocabularies of text), and the letters of a register of everybody's, such as
    ISO 639-3, in which `row`, `csv` and `set` are languages.
    """
    standard = load()
    registered = {row["system"] for row in standard.registers}
    found = {
        row["value"]
        for row in standard.code_maps
        if len(row["value"]) > (3 if row["system"] in registered else 2) and not row["vocabulary"].endswith("_text")
    }
    found |= {row["code"] for row in standard.codes if row["kind"] != "absence" and row["system"] not in registered}
    found |= set(standard.providers)
    with open(ROOT / "standards" / "geography" / "midlands_organisations.csv", encoding="utf-8") as handle:
        found |= {row["code"] for row in csv.DictReader(handle) if row.get("code")}
    absences = {row["code"] for row in standard.codes if row["kind"] == "absence"}
    return (
        {value.lower() for value in found} - absences - set(standard.characteristics())
    )  # a field may be named like a code


# Words of ours that are also somebody's code: a key of standards/demo/demo.yml, what SQL and JSON call true, an HTML
# attribute, the O of VODIM, and what the comparison of code lists calls a letter.
INNOCENT = {"carer", "english", "yes", "true", "false", "required", "letter", "unknown", "other"}


def literals(path: Path) -> set[str]:
    """Every text that stands in a file: strings of Python and, inside them and in SQL, what stands in quotation marks."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        return {match.lower() for match in re.findall(r"'([^']*)'", re.sub(r"--[^\n]*", "", text))}
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None
    }
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            found |= {node.value.lower(), *(match.lower() for match in re.findall(r"'([^']*)'", node.value))}
    return found


@named("path", [*PYTHON, *SQL, ROOT / "transforms" / "macros.sql", ROOT / "transforms" / "stages.sql"], ids=relative)
def test_no_code_value_and_no_provider_stands_in_code(path):
    assert not (literals(path) & code_values()) - INNOCENT


@named(
    "path",
    [*PYTHON, *SQL, *sorted((ROOT / "tests").glob("*.py")), *sorted((ROOT / "bench").glob("*.py"))],
    ids=relative,
)
def test_no_machine_and_no_registry_is_named(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(
        r"https?://(?!127\.0\.0\.1|localhost|www\.w3\.org|\{)[\w.-]*(pypi|jfrog|artifactory|mirror|proxy)", text
    )
    assert not re.search(r"['\"]/(home|Users|work)/", text.replace('"/" + "work"', ""))


def test_sql_does_not_stand_in_f_strings_of_the_published_marts():
    """Tables of the marts are files; only what depends on the standard's own rows is put together in Python."""
    for name in ("publish", "disclose", "link", "release"):
        text = (ROOT / "transforms" / f"{name}.py").read_text(encoding="utf-8")
        assert not re.search(r'f"{1,3}\s*(with|create or replace table)\s', text), name


@named("path", SERVICE, ids=relative)
def test_only_the_engine_writes_parquet(path):
    """Another writer left parts of a page as it found them in memory: patients' values stood in a file without any."""
    assert not re.search(r"ParquetWriter|write_table|to_parquet|write_feather", path.read_text(encoding="utf-8"))
