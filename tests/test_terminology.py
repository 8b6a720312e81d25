"""FHIR R4 resources of the standard: valid, complete, and true in their direction.

The models are those of R4B (fhir.resources has no R4): CodeSystem, ValueSet and ConceptMap are the same in both.
"""

import re
from collections import Counter

import pytest

from transforms.terminology import identifier, terminology

EQUIVALENCE = {"relatedto", "equivalent", "wider", "narrower", "inexact", "unmatched"}
SNOMED = "http://snomed.info/sct"


@pytest.fixture(scope="module")
def resources(standard, about):
    return terminology(standard, about)


@pytest.fixture(scope="module")
def by_url(resources):
    return {(row["resourceType"], row["url"]): row for row in resources}


@pytest.fixture(scope="module")
def by_id(resources):
    return {(row["resourceType"], row["id"]): row for row in resources}


def test_every_resource_is_valid_fhir(resources):
    from fhir.resources.R4B import get_fhir_model_class

    for row in resources:
        model = get_fhir_model_class(row["resourceType"]).model_validate(row)
        assert model.get_resource_type() == row["resourceType"]
        assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", row["id"]) and re.fullmatch(
            r"[A-Z][A-Za-z0-9_]{0,254}", row["name"]
        )
    assert {row["resourceType"] for row in resources} == {"CodeSystem", "ValueSet", "ConceptMap"}


def test_no_two_resources_share_an_address(resources):
    assert Counter((row["resourceType"], row["id"]) for row in resources).most_common(1)[0][1] == 1
    assert Counter(row["url"] for row in resources).most_common(1)[0][1] == 1


def test_every_resource_says_its_version_its_status_and_whose_words_it_holds(standard, about, resources):
    for row in resources:
        assert row["version"] == standard.version and row["status"] in ("draft", "active")
        assert row["url"] == f"{about['canonical']}/{row['resourceType']}/{row['id']}"
        assert "NOTICE" in row["copyright"]
        groups = row.get("group", [])
        if any(SNOMED in (group["source"], group["target"]) for group in groups):
            assert "SNOMED International" in row["copyright"]
    labelled = {row["system"] for row in standard.classifications if row["classification"] == "snomed_ct"}
    for row in resources:
        if row["resourceType"] == "CodeSystem" and row["id"].replace("-", "_") in labelled:
            assert "SNOMED International" in row["copyright"], "labels of SNOMED CT are in it"


def test_a_resource_is_a_draft_as_long_as_something_in_it_is_proposed(standard, by_id):
    for system in {row["system"] for row in standard.codes}:
        codes = [row for row in standard.codes if row["system"] == system and row["kind"] != "detail"]
        proposed = any(row["status"] == "proposed" for row in codes)
        assert by_id["CodeSystem", identifier(system)]["status"] == ("draft" if proposed else "active")


def test_a_map_or_a_set_is_a_draft_as_long_as_a_code_in_it_or_its_source_is_proposed(standard, by_id):
    proposed = {row["system"] for row in standard.codes if row.get("status") == "proposed"}
    for row in standard.code_maps:
        made = by_id["ConceptMap", identifier(f"{row['system']}_from_{row['vocabulary']}")]
        assert made["status"] == "draft" or row["system"] not in proposed
    for row in standard.classifications:
        for kind, name in (("ConceptMap", "to"), ("ValueSet", "set")):
            made = by_id[kind, identifier(f"{row['system']}_{name}_{row['classification']}")]
            assert made["status"] == "draft" or row["system"] not in proposed
    assert by_id["ValueSet", "ethnic-category-set-heritage-group-gypsy-roma-traveller"]["status"] == "draft"


def test_every_code_is_there_once_with_its_parent_and_the_absences(standard, by_id):
    for system in {row["system"] for row in standard.codes}:
        made = by_id["CodeSystem", identifier(system)]
        codes = [row for row in standard.codes if row["system"] == system and row["kind"] != "detail"]
        assert [concept["code"] for concept in made["concept"]] == [row["code"] for row in codes]
        assert made["count"] == len(codes) == len({row["code"] for row in codes})
        for concept, row in zip(made["concept"], codes):
            parents = [item["valueCode"] for item in concept["property"] if item["code"] == "parent"]
            assert parents == ([row["parent"]] if row["parent"] else [])
        assert {"not_stated", "not_known", "not_recorded", "unrecognised"} <= {row["code"] for row in codes}


def test_every_address_of_ours_leads_to_a_resource_that_holds_the_code(about, resources, by_url):
    held = {
        url: {concept["code"] for concept in row["concept"]}
        for (kind, url), row in by_url.items()
        if kind == "CodeSystem"
    }

    def check(system, code, where):
        if system.startswith(about["canonical"]):
            assert code in held[system], (where, system, code)

    for row in resources:
        for group in row.get("group", []):
            for element in group["element"]:
                check(group["source"], element["code"], row["id"])
                for target in element["target"]:
                    if "code" in target:
                        check(group["target"], target["code"], row["id"])
        for include in row.get("compose", {}).get("include", []):
            for concept in include.get("concept", []):
                check(include["system"], concept["code"], row["id"])


def title_of(standard, vocabulary):
    return next(row["title"] for row in standard.tables["vocabularies"] if row["vocabulary"] == vocabulary)


def test_every_row_of_a_map_is_there(standard, by_id):
    """A vocabulary that is read whatever the case stands in one spelling."""
    sensitive = {row["vocabulary"]: row["is_case_sensitive"] == "true" for row in standard.tables["vocabularies"]}

    def one_spelling(vocabulary, value):
        return " ".join(value.split()) if sensitive[vocabulary] else " ".join(value.split()).casefold()

    targets = {
        (kind_id, element["code"] if sensitive[name] else element["code"].casefold()): element["target"]
        for name in sensitive
        for (kind_id, made) in by_id.items()
        if kind_id[0] == "ConceptMap" and made["title"].startswith(f"{title_of(standard, name)} to ")
        for element in made["group"][0]["element"]
    }
    for row in standard.code_maps:
        if row["value"].strip():
            made = "ConceptMap", identifier(f"{row['system']}_from_{row['vocabulary']}")
            found = targets[made, one_spelling(row["vocabulary"], row["value"])]
            wanted = row["code"] or (row["status"] if row["status"] != "unrecognised" else None)
            assert wanted in [target.get("code") for target in found]
    for row in standard.classifications:
        made = by_id["ConceptMap", identifier(f"{row['system']}_to_{row['classification']}")]
        [element] = [element for element in made["group"][0]["element"] if element["code"] == row["code"]]
        assert [target.get("code", "") for target in element["target"]] == [row["value"]]


def test_the_rules_of_a_concept_map_are_kept(resources):
    for row in resources:
        for group in row.get("group", []):
            for element in group["element"]:
                for target in element["target"]:
                    assert target["equivalence"] in EQUIVALENCE
                    assert ("code" in target) == (target["equivalence"] != "unmatched")
                    if target["equivalence"] in ("narrower", "inexact", "unmatched"):
                        assert target["comment"], (row["id"], element["code"])


def one(by_id, map_id, code):
    [element] = [e for e in by_id["ConceptMap", map_id]["group"][0]["element"] if e["code"] == code]
    [target] = element["target"]
    return target.get("code"), target["equivalence"]


@pytest.mark.parametrize(
    ("map_id", "code", "target", "equivalence", "because"),
    [
        ("ethnic-category-from-national-2001", "A", "british", "equivalent", "the same people"),
        ("ethnic-category-from-national-2001", "C", "any_other_c", "narrower", "C also holds Roma people: our code is narrower"),
        ("ethnic-category-to-national-2001", "roma", "C", "wider", "C also holds others: it is wider than our code"),
        ("ethnic-category-from-snomed-ct", "92711000000100", "african", "wider", "African is wider than Somali"),
        ("ethnic-category-from-snomed-ct", "315280000", "group_asian", "inexact", "the words name only a group"),
        ("ethnic-category-from-snomed-ct", "88991000000105", "any_other_s", "inexact", "a faith is not a category"),
        ("ethnic-category-from-national-2001", "Z", "not_stated", "equivalent", "it says no more than the absence"),
        ("ethnic-category-from-national-2001", "9", "not_known", "wider", "it says why nothing is known"),
        ("ethnic-category-to-national-2001", "group_asian", None, "unmatched", "a group has no letter"),
    ],
)  # fmt: skip
def test_how_wide_is_said_of_the_target_seen_from_the_source(by_id, map_id, code, target, equivalence, because):
    assert one(by_id, map_id, code) == (target, equivalence), because


def test_there_is_a_value_set_for_the_whole_for_each_group_and_for_each_set(standard, by_id):
    whole = by_id["ValueSet", "ethnic-category"]["compose"]["include"]
    assert len(whole) == 1 and "concept" not in whole[0]
    for row in standard.codes:
        if row.get("parent"):
            made = by_id["ValueSet", identifier(f"{row['system']}_{row['parent']}")]
            assert row["code"] in {concept["code"] for concept in made["compose"]["include"][0]["concept"]}
    for row in standard.classifications:
        made = by_id["ValueSet", identifier(f"{row['system']}_set_{row['classification']}")]
        values = {concept["code"] for concept in made["compose"]["include"][0].get("concept", [])}
        assert not row["value"] or row["value"] in values
    heritage = by_id["ValueSet", "ethnic-category-set-heritage-group-gypsy-roma-traveller"]
    codes = {concept["code"] for concept in heritage["compose"]["include"][0]["concept"]}
    assert {"roma", "gypsy_or_irish_traveller"} <= codes and "british" not in codes


def test_a_row_that_ends_says_when(by_id, standard):
    ended = [row for row in standard.code_maps if row.get("valid_to")]
    for row in ended:
        made = by_id["ConceptMap", identifier(f"{row['system']}_from_{row['vocabulary']}")]
        [element] = [element for element in made["group"][0]["element"] if element["code"] == row["value"]]
        assert any(f"valid to {row['valid_to']}" in target.get("comment", "") for target in element["target"])


def test_a_long_name_is_cut_and_stays_its_own():
    long = "reasonable_adjustment_required_from_reasonable_adjustment_required_indicator"
    assert len(identifier(long)) == 64 and identifier(long) != identifier(long + "s")
    assert identifier("is_carer") == "is-carer"
