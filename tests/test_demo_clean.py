"""A demonstration in which nothing is made wrong: what its providers then fail is a fault of the demonstration, or a rule's."""

import pytest

from tests import lakes
from tests.test_demo_report import small_standards
from transforms import keys
from transforms.compare import compare, results
from transforms.demo_data import demo_data
from transforms.geography import import_postcodes
from transforms.lake import Lake
from transforms.receive import receive
from transforms.work import pending, run_chunk

PROVIDERS = ("ZZ1", "ZP001", "ZP025", "ZM01", "ZC01", "ZL01", "ZV01", "ZF01")  # a sender of each layout
# What is so by design, whatever the rates: each trust has a patient for trials, and people come of whom the index says
# that they have died (they have, since: it is what the index knows now).
BY_DESIGN = ("is_test_record.not_sent", "not_after_death")


@pytest.fixture(scope="module")
def failed(standard, tmp_path_factory):
    """(provider, layout, rule) of every rule that is not met in the last month, but for those on trial."""
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        root = tmp_path_factory.mktemp("clean")
        lake = Lake(root / "lake", root / "keys").prepare()
        keys.initialise(lake)
        demo_data(lake.root, people=2000, standards=small_standards(root / "standards", PROVIDERS, is_clean=True))
        import_postcodes(lake.path("demo", "postcodes.csv"), lake)
        receive(standard, lake)
        names = pending(standard, lake)
        for stage in ("ingest", "validate", "harmonise"):
            run_chunk(stage, names, standard, lake)
        compare(standard, lake)
        severity = {rule.id: rule.severity for rule in standard.rules}
        rows = lakes.ask((standard, lake), "select * exclude (standard_version) from results.rule_result")
        names = [
            column[0]
            for column in lakes.opened((standard, lake)).execute("from results.rule_result limit 0").description
        ]
        told = [dict(zip(names, row, strict=False)) for row in rows]
        told += [row for provider in PROVIDERS for row in results(lake, provider)]
        judged = {row["layout"] for row in told}
        assert judged == set(standard.layouts)
        return {
            (row["provider"], row["layout"], row["rule"])
            for row in told
            if row["period"] == "2026-10" and not row["is_met"] and severity[row["rule"]] != "trial"
        }


def test_a_clean_provider_is_clean(failed):
    assert {one for one in failed if not one[2].endswith(BY_DESIGN)} == set()


def test_rules_are_judged(failed):
    assert failed, "what is so by design is found"
