"""The exported suites, judged by Great Expectations alone, on pandas: the same verdicts and the same counts as ours."""

import json

import pandas as pd
import pytest

from tests.synthetic import deliver
from transforms import keys
from transforms.engine import connect
from transforms.ingest import ingest
from transforms.lake import Lake, Submission
from transforms.receive import receive
from transforms.standard import load
from transforms.suites import suites
from transforms.validate import validate

PERIOD = "2026-09"
FAULTS = {
    "future_birth_date": 4,
    "malformed_nhs_number": 5,
    "missing_key": 2,
    "unrecognised": 3,
    "blank": 6,
    "unreadable_birth_date": 3,
}
# Providers that send every layout once; what they declare is in providers.csv.
N_ROWS = 60


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A lake in which every layout was judged once, with faults in it."""
    standard = load()
    root = tmp_path_factory.mktemp("suites")
    lake = Lake(root / "lake", root / "keys").prepare()
    keys.initialise(lake)
    wanted, senders = set(standard.layouts), {}
    for code, row in standard.providers.items():
        if new := wanted & set(row["layouts"].split()):
            senders[code] = dict.fromkeys(sorted(new), N_ROWS)
            wanted -= new
    assert not wanted
    for code, layouts in senders.items():
        deliver(lake.path("landing"), code, PERIOD, layouts, FAULTS)
    receive(standard, lake)
    for code in senders:
        ingest(Submission(code, PERIOD), standard, lake)
        validate(Submission(code, PERIOD), standard, lake)
    return standard, lake, {name: code for code, layouts in senders.items() for name in layouts}


def ours(lake, layout):
    """Rule -> (checked, failed, is it met), as the service says."""
    paths = [str(path) for path in lake.path("results", "rule_result").rglob("*.parquet")]
    found = connect(lake).execute(
        f"select rule, checked, failed, is_met from read_parquet({paths!r}) where layout = ?", [layout]
    )
    return {rule: (checked, failed, is_met) for rule, checked, failed, is_met in found.fetchall()}


def theirs(lake, standard, layout, provider, exported):
    """The same as plain Great Expectations says, which has only the exported JSON and the Parquet files."""
    import great_expectations as gx

    name = f"{provider}/{PERIOD}"
    table, submission = standard.layouts[layout].table, Submission.parse(name)
    files = [lake.current_file("validated", table, submission, layout)]
    files.append(lake.arrival_file("quarantine", table, submission, 1, layout))
    frame = pd.concat([pd.read_parquet(path) for path in files if path.exists()], ignore_index=True)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    told = json.loads(exported)
    suite = gx.ExpectationSuite(name=told["name"], expectations=told["expectations"], meta=told["meta"])
    batch = (
        context.data_sources.add_pandas("files").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    )
    result = batch.get_batch({"dataframe": frame}).validate(suite, result_format="BASIC")
    found = {}
    for one in result.results:
        assert not one.exception_info.get("raised_exception", False), one.expectation_config.meta["rule"]
        counts = one.result
        checked = counts["element_count"] - counts.get("missing_count", 0)
        found[one.expectation_config.meta["rule"]] = (checked, counts["unexpected_count"], bool(one.success))
    return found


@pytest.mark.parametrize("layout", sorted(load().layouts))
@pytest.mark.filterwarnings("ignore")  # what a library says of another while it reads a frame
def test_great_expectations_alone_says_the_same(judged, layout):
    standard, lake, sent_by = judged
    exported = suites(standard, PERIOD)[f"expectations/{layout}.json"]
    said = ours(lake, layout)
    assert theirs(lake, standard, layout, sent_by[layout], exported) == said
    assert any(failed for _, failed, _ in said.values()) and len(said) == len(json.loads(exported)["expectations"])
