"""Data contracts: valid, whole, and with queries that a file can be asked."""

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


def test_every_contract_is_valid_for_the_reference_tool(standard, about, tmp_path):
    """As a reader would ask: `datacontract lint FILE`."""
    files = {name: text for name, text in downloads(standard, about).items() if name.endswith(".odcs.yaml")}
    assert {name.removesuffix(".odcs.yaml") for name in files} == {row["table"] for row in standard.tables["fields"]}
    program = Path(sys.executable).parent / "datacontract"
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        done = subprocess.run([program, "lint", tmp_path / name], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "Data contract is valid" in done.stdout, done.stdout + done.stderr


def test_the_tool_refuses_a_contract_that_is_not_one(contracts, tmp_path):
    broken = {**contracts["patient"], "schema": "none"}
    (tmp_path / "broken.odcs.yaml").write_text(yaml.safe_dump(broken), encoding="utf-8")
    program = Path(sys.executable).parent / "datacontract"
    assert subprocess.run([program, "lint", tmp_path / "broken.odcs.yaml"], capture_output=True, check=False).returncode


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
