"""The page's files for other tools: they keep the form that is published, and hold every figure of the page."""

import csv
import json

import jsonschema
import pytest

from tests.test_feedback import card, page, sent, take_in  # noqa: F401  the lake of those tests
from transforms.export import FIGURE_COLUMNS, SCHEMA, SCHEMA_FILE, as_csv

PERIOD = "2026-09"


@pytest.fixture(scope="module")
def schema():
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def described(schema, value, path=""):
    """Every key of a value that the schema has no word for."""
    if isinstance(value, list):
        return [name for item in value[:3] for name in described(schema.get("items", {}), item, path)]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    known = schema["properties"]
    missing = [f"{path}/{name}" for name in value if name not in known]
    return missing + [
        gap for name in value if name in known for gap in described(known[name], value[name], f"{path}/{name}")
    ]


def test_the_form_is_a_schema_of_the_edition_that_cards_name(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("draft/2020-12/schema")
    assert jsonschema.Draft202012Validator(schema["properties"]["schema"]).is_valid(SCHEMA)


def test_a_card_keeps_the_form_and_every_key_of_it_is_described(schema, sent):  # noqa: F811
    told = card(sent[0], "ZZ1")
    jsonschema.Draft202012Validator(schema).validate(told)
    assert told["schema"] == SCHEMA and described(schema, told) == []


@pytest.mark.parametrize("key", ["schema", "index", "rules", "actions"])
def test_a_card_without_a_part_of_the_form_is_none(schema, sent, key):  # noqa: F811
    told = card(sent[0], "ZZ1")
    del told[key]
    assert not jsonschema.Draft202012Validator(schema).is_valid(told)


def test_a_card_of_a_delivery_refused_at_the_door_keeps_the_form(standard, lake, schema):
    from tests.synthetic import deliver

    deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 20}, {"wrong_hash": True})
    take_in(standard, lake, "ZZ2")
    told = card(lake, "ZZ2")
    jsonschema.Draft202012Validator(schema).validate(told)
    assert told["index"]["value"] is None and told["rules"] == [] and len(told["actions"]) == 1


def test_every_figure_is_a_row_of_the_table(sent):  # noqa: F811
    lake, _ = sent
    rows = list(csv.DictReader(page(lake, "ZZ1", "scorecard.csv").splitlines()))
    told = card(lake, "ZZ1")
    assert set(rows[0]) == set(FIGURE_COLUMNS)
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in ("index", "item", "measure", "rule")}
    assert float(kinds["index"][0]["value"]) == told["index"]["value"]
    assert len(kinds["item"]) == len(told["index"]["items"]) and len(kinds["measure"]) == len(told["measures"])
    assert {(r["layout"], r["name"], r["numerator"]) for r in kinds["rule"]} == {
        (r["layout"], r["rule"], str(r["failed"])) for r in told["rules"]
    }
    score = sum(float(row["value"]) for row in kinds["item"]) / len(kinds["item"])
    assert score == pytest.approx(told["index"]["mean_score"])


def test_what_a_row_has_not_is_blank_and_a_number_below_zero_stays_one():
    assert as_csv(("a", "b", "c"), [{"a": -1, "b": None}, {"a": "=1", "c": 0}]) == "a,b,c\n-1,,\n'=1,,0\n"
