"""Data contracts: valid, whole, and with queries that a file can be asked."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml

from transforms.data_contract import data_contracts
from transforms.downloads import downloads


@pytest.fixture(scope="module")
def contracts(standard, about):
    return data_contracts(standard, about)


def properties(contract):
    [table] = contract["schema"]
    return {item["name"]: item for item in table["properties"]}


def rules(contract):
    [table] = contract["schema"]
    found = [*table.get("quality", []), *(rule for item in table["properties"] for rule in item.get("quality", []))]
    return {rule["name"]: rule for rule in found}


def custom(item):
    return {entry["property"]: entry["value"] for entry in item.get("customProperties", [])}


# What `datacontract lint FILE` does and says of each file, in one process: the tool takes seconds to start.
LINT = """
import json, sys
from datacontract.cli import app
from typer.testing import CliRunner
said = {file: CliRunner().invoke(app, ["lint", file]) for file in sys.argv[1:]}
print(json.dumps({file: [done.exit_code, done.output + str(done.exception or "")] for file, done in said.items()}))
"""


def lint(folder: Path, files: dict[str, str]) -> dict[str, tuple[int, str]]:
    """What the reference tool ends with, and what it says of each file."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", LINT, *files], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: (code, said) for name, (code, said) in json.loads(done.stdout.splitlines()[-1]).items()}


def test_every_contract_is_valid_for_the_reference_tool_and_one_that_is_none_is_not(
    standard, about, contracts, tmp_path
):
    """As a reader would ask: `datacontract lint FILE`."""
    files = {name: text for name, text in downloads(standard, about).items() if name.endswith(".odcs.yaml")}
    assert {name.removesuffix(".odcs.yaml") for name in files} == {row["table"] for row in standard.tables["fields"]}
    broken = {"broken.odcs.yaml": yaml.safe_dump({**contracts["patient"], "schema": "none"})}
    found = lint(tmp_path, files | broken)
    assert found.pop("broken.odcs.yaml")[0] != 0
    assert set(found) == set(files)
    for code, said in found.values():
        assert code == 0 and "Data contract is valid" in said, said


def test_every_field_is_there_with_its_type_and_its_class(standard, contracts):
    for table, contract in contracts.items():
        found = properties(contract)
        fields = standard.fields_of(table)
        assert list(found) == [row["field"] for row in fields]
        for row in fields:
            item = found[row["field"]]
            assert item["required"] == (row["requirement"] == "mandatory")
            assert item["logicalType"] == {"date": "date", "boolean": "boolean", "integer": "integer"}.get(
                row["type"], "string"
            )
            is_confidential = row["area"] == "identifiable" or row["suppression"] == "sensitive"
            assert item["classification"] == ("confidential" if is_confidential else "restricted")
            assert custom(item)["publishedArea"] == row["area"]


def test_every_rule_is_there_once(standard, contracts):
    for table, contract in contracts.items():
        wanted = {rule.id for rule in standard.rules if rule.table == table}
        assert wanted <= set(rules(contract))
        for name, rule in rules(contract).items():
            assert name.endswith(".valid_values") or name in wanted
            assert custom(rule).get("from_period", "2000-01") > "1900", "a rule that holds always names no period"
            assert rule["description"] and rule["type"] in ("text", "sql", "library")


def test_every_query_runs_on_a_file_and_says_the_share_that_keeps_the_rule(contracts):
    asked = 0
    for table, contract in contracts.items():
        con = duckdb.connect()
        columns = ", ".join(f"{name} {item['physicalType']}" for name, item in properties(contract).items())
        con.execute(f"create table {table} ({columns})")
        for rule in rules(contract).values():
            if rule["type"] == "sql":
                asked += 1
                assert con.execute(rule["query"]).fetchone()[0] == 1, "an empty file breaks nothing"
    assert asked > 50


def test_a_query_counts_what_the_rule_counts(contracts):
    con = duckdb.connect()
    contract = contracts["patient"]
    columns = ", ".join(f"{name} {item['physicalType']}" for name, item in properties(contract).items())
    con.execute(f"create table patient ({columns})")
    con.execute(
        "insert into patient (local_patient_id, nhs_number_status) values ('1', '01'), ('2', '99'), ('3', null)"
    )
    found = rules(contract)
    present, listed = found["patient.nhs_number_status.present"], found["patient.nhs_number_status.in_list"]
    assert con.execute(present["query"]).fetchone()[0] == pytest.approx(2 / 3)
    assert con.execute(listed["query"]).fetchone()[0] == pytest.approx(1 / 2), "a blank is not asked"
    assert (present["mustBeGreaterOrEqualTo"], listed["mustBeGreaterOrEqualTo"]) == (0.95, 0.99)


def test_a_rule_that_needs_more_than_the_file_is_said_in_words(contracts):
    """The check digit is a macro of ours; whether a value is recognised needs the maps."""
    found = rules(contracts["patient"])
    assert found["patient.nhs_number.passes_check"]["type"] == "text"
    assert found["patient.ethnic_category.recognised"]["type"] == "text"
    assert found["patient.birth_date.parses"]["type"] == "text", "as sent and as read are one column here"
    assert found["patient.birth_date.one_per_local_id"]["type"] == "text", "it needs more than one row"
    later = rules(contracts["appointment"])["appointment.appointment_date.not_after_death"]
    assert later["type"] == "text", "it is asked of the provider's own index, afterwards"


def test_a_coded_field_says_which_codes_there_are_and_what_may_be_sent(standard, contracts):
    for table, contract in contracts.items():
        for row in standard.fields_of(table):
            item = properties(contract)[row["field"]]
            if not row["code_system"]:
                assert "codes" not in custom(item)
                continue
            codes = [
                code["code"]
                for code in standard.codes
                if code["system"] == row["code_system"] and code["kind"] != "detail"
            ]
            assert custom(item).get("codes", codes) == codes
            assert custom(item)["codeSystem"].endswith(row["code_system"].replace("_", "-"))
            for rule in item.get("quality", []):
                if rule["type"] == "library":
                    known = {m["value"] for m in standard.code_maps if m["system"] == row["code_system"]}
                    assert set(rule["arguments"]["validValues"]) <= known and rule["arguments"]["validValues"]
    interpreter = properties(contracts["emergency_attendance"])["interpreter_required"]
    assert custom(interpreter)["codes"][:2] == ["required", "not_required"]
