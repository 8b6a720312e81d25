"""observe.py, lineage.py, lake_contents.py: what a stage did, as lines of JSON and as OpenLineage events; and nobody's values."""

import importlib
import json
import pkgutil
import re
from collections import Counter

import openlineage.client.generated as generated
import pytest
from openlineage.client import event_v2

from tests import lakes
from tests.lakes import PERIOD
from tests.listeners import web_server
from tests.scanner import Scanner
from tests.synthetic import deliver
from tests.test_scanner import ONE, TWO, plant
from transforms import ledger, lineage, observe, publish, work
from transforms.__main__ import main
from transforms.follow import follow
from transforms.lake import Lake
from transforms.receive import receive
from transforms.standard import load

STAGES = {"receive", "ingest", "validate", "feedback", "harmonise", "link", "publish", "compare", "scorecards"}
# Every facet that the client defines, by the address of its schema.
FACETS = {
    kind._get_schema(): kind
    for module in pkgutil.iter_modules(generated.__path__)
    for kind in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values()
    if hasattr(kind, "_get_schema")
}


def fail_aloud(submission, standard, lake):
    if submission.provider == "ZZ3":
        raise ValueError(f"cannot convert {ONE.number} of {ONE.names[0]} {ONE.postcode}")
    return work.harmonise(submission, standard, lake)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A whole run, on the command line, of planted people: accepted, rejected, refused at the door, and a fault of ours."""
    lake = lakes.new_lake(tmp_path_factory.mktemp("observed"))
    lineage._out_of_order.clear()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "LAKE": lake.root,
            "KEYS": lake.keys,
            "LINEAGE": "file",
            "OPENLINEAGE_PARENT_ID": "here/nightly/0196b0e5-6a2b-7c3d-8e4f-5a6b7c8d9e0f",
        }.items():
            patch.setenv(name, str(value))
        lakes.hasten(patch)
        deliver(
            lake.path("landing"),
            "ZZ1",
            PERIOD,
            {"pas_patient": 40, "sus_outpatient": 40},
            edit=plant,
            name=ONE.names[0],
        )
        deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 40}, {"unreadable_birth_date": 25}, edit=plant)
        deliver(lake.path("landing"), "ZZ3", PERIOD, {"pas_patient": 40}, edit=plant)
        deliver(lake.path("landing"), ONE.names[1], PERIOD, {"pas_patient": 40}, edit=plant)
        patch.setitem(work.STAGES, "harmonise", fail_aloud)
        said, errors = [], []
        for words in (["run", "--all", "--json"], ["publish", "--json"]):
            code, out, err = run(words)
            said.append((code, out))
            errors.append(err)
    return lake, said, "".join(errors)


def run(words):
    import contextlib
    import io

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


def events(lake: Lake) -> list[dict]:
    return [
        json.loads(line)
        for path in sorted(lake.path("ledger", "lineage").iterdir())
        for line in path.read_text().splitlines()
    ]


def lines(said) -> list[dict]:
    return [json.loads(line) for _, out in said for line in out.splitlines()]


def rebuilt(event: dict):
    """An event of the client's own classes, which refuse what their schema does not have; facets too."""

    def facets(found: dict) -> dict:
        made = {}
        for name, facet in found.items():
            kind = FACETS[facet["_schemaURL"]]
            fields = {key: value for key, value in facet.items() if key != "_schemaURL"}
            known = {field.alias for field in kind.__attrs_attrs__}
            extra = {key: fields.pop(key) for key in list(fields) if key.lstrip("_") not in known}
            assert not extra or kind.__name__ == "RunFacet", (name, extra)  # only our own counts have no class
            made[name] = kind(**{key.lstrip("_"): value for key, value in fields.items()})
        return made

    def dataset(kind, own: str, found: dict):
        return kind(
            found["namespace"],
            found["name"],
            facets=facets(found.get("facets", {})),
            **{own: facets(found.get(own, {}))},
        )

    return event_v2.RunEvent(
        eventTime=event["eventTime"], producer=event["producer"], eventType=event_v2.RunState[event["eventType"]],
        run=event_v2.Run(event["run"]["runId"], facets(event["run"].get("facets", {}))),
        job=event_v2.Job(event["job"]["namespace"], event["job"]["name"], facets(event["job"].get("facets", {}))),
        inputs=[dataset(event_v2.InputDataset, "inputFacets", one) for one in event.get("inputs", [])],
        outputs=[dataset(event_v2.OutputDataset, "outputFacets", one) for one in event.get("outputs", [])],
    )  # fmt: skip


def test_every_stage_says_start_and_one_end_as_the_client_defines_them(told):
    lake, _, errors = told
    assert "lineage:" not in errors
    kinds: dict[str, list[str]] = {}
    for event in events(lake):
        made = rebuilt(event)
        assert made.schemaURL == event["schemaURL"]
        kinds.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert {event["job"]["name"] for event in events(lake)} == STAGES
    assert set(map(tuple, kinds.values())) == {("START", "COMPLETE"), ("START", "FAIL")}


def of(lake: Lake, stage: str, kind: str, submission: str = "") -> dict:
    [found] = [
        event for event in events(lake)
        if (event["job"]["name"], event["eventType"]) == (stage, kind)
        and any(submission in one["name"] for one in event.get("inputs", []) + event.get("outputs", []))
    ]  # fmt: skip
    return found


def test_an_event_names_what_was_read_and_made_and_counts_it(told):
    lake, _, _ = told
    ingested = of(lake, "ingest", "COMPLETE", "ZZ1")
    assert [one["name"] for one in ingested["inputs"]] == [
        f"received/ZZ1/{PERIOD}/pas_patient",
        f"received/ZZ1/{PERIOD}/sus_outpatient",
    ]
    assert {one["name"]: one["outputFacets"]["outputStatistics"]["rowCount"] for one in ingested["outputs"]} == {
        f"bronze/ZZ1/{PERIOD}/pas_patient": 40, f"bronze/ZZ1/{PERIOD}/sus_outpatient": 40}  # fmt: skip
    assert ingested["run"]["facets"]["midlands_counts"]["counts"]["rows"] == 80
    assert ingested["run"]["facets"]["parent"]["job"]["name"] == "nightly"
    judged = of(lake, "validate", "COMPLETE", "ZZ2")
    [results] = [one for one in judged["outputs"] if one["name"] == f"results/ZZ2/{PERIOD}/pas_patient/rule_result"]
    verdicts = results["facets"]["dataQualityAssertions"]["assertions"]
    failed = [one for one in verdicts if not one["success"]]
    assert (
        len(verdicts) > 10 and failed and all(one["params"]["checked"] >= one["params"]["failed"] for one in verdicts)
    )
    assert len({one["assertion"] for one in verdicts}) == len(verdicts)
    seen = of(lake, "receive", "COMPLETE")
    assert {one["name"].split("/")[1] for one in seen["outputs"]} == {"ZZ1", "ZZ2", "ZZ3"}
    published = of(lake, "publish", "COMPLETE")["outputs"]
    assert {(one["name"], one["facets"]["version"]["datasetVersion"]) for one in published} == {
        ("releases/open", "1"),
        ("releases/protected", "1"),
    }


def test_a_stage_that_fails_says_so_and_not_why(told):
    lake, said, _ = told
    failed = of(lake, "harmonise", "FAIL", "ZZ3")
    assert failed["run"]["facets"]["errorMessage"]["message"] == "ValueError" and failed.get("outputs", []) == []
    [line] = [one for one in lines(said) if one["outcome"] == "failed"]
    assert (line["stage"], line["submission"], line["error"]) == ("harmonise", f"ZZ3/{PERIOD}", "ValueError")
    assert said[0][0] == 1, "the command says that something failed"


def test_a_line_for_each_stage_and_submission(told):
    _, said, _ = told
    found = Counter((one["stage"], one["submission"], one["outcome"]) for one in lines(said))
    for provider in ("ZZ1", "ZZ2", "ZZ3"):
        assert found["receive", f"{provider}/{PERIOD}", "seen"] == 1
        assert [found[stage, f"{provider}/{PERIOD}", "done"] for stage in ("ingest", "validate", "feedback")] == [
            1,
            1,
            1,
        ]
    assert found["receive", f"unknown/{PERIOD}", "rejected"] == 1
    for stage in ("receive", "link", "publish", "compare", "scorecards"):
        assert found[stage, "", "done"] == 1
    of_zz2 = next(one for one in lines(said) if (one["stage"], one["submission"]) == ("validate", f"ZZ2/{PERIOD}"))
    assert of_zz2["counts"]["rejected"] == 1 and of_zz2["seconds"] >= 0
    keys = {"at", "stage", "submission", "outcome", "seconds", "counts", "error", "ours", "reason"}
    assert all(set(one) <= keys and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", one["at"]) for one in lines(said))


def test_nobody_is_named_in_an_event_or_a_line(told):
    lake, said, errors = told
    scanner = Scanner([ONE, TWO])
    assert scanner.folder(lake.path("landing")), "or finding nobody would mean nothing"
    assert scanner.folder(lake.path("ledger")) == []
    assert scanner.text(json.dumps(lines(said))) == scanner.text(errors) == []


def test_events_are_for_the_account_that_runs_the_service(told):
    assert told[0].path("ledger", "lineage").stat().st_mode & 0o077 == 0


@pytest.fixture
def quiet(monkeypatch):
    """Nobody has asked for anything, and nothing was found out of order."""
    for name in ("LINEAGE", "STAGE_LOG", "OPENLINEAGE_PARENT_ID"):
        monkeypatch.delenv(name, raising=False)
    lineage._out_of_order.clear()
    lineage._client.clear()
    yield monkeypatch
    lineage._out_of_order.clear()
    lineage._client.clear()


def test_both_are_off_unless_somebody_asks(lake, quiet, capsys):
    with observe.observing(lake, "ingest") as counts:
        counts["rows"] = 1
    assert capsys.readouterr().out == "" and not lake.path("ledger", "lineage").exists()


def test_the_environment_asks_for_lines_too_as_in_a_task(lake, quiet, capsys):
    quiet.setenv("STAGE_LOG", "json")
    with pytest.raises(ledger.Busy), observe.observing(lake, "ingest", lakes.submission(f"ZZ1/{PERIOD}")):
        raise ledger.Busy("somebody else")
    assert json.loads(capsys.readouterr().out)["outcome"] == "busy"


def test_a_run_that_is_busy_elsewhere_ends_as_aborted(lake, quiet):
    quiet.setenv("LINEAGE", "file")
    with pytest.raises(ledger.Busy), observe.observing(lake, "validate", lakes.submission(f"ZZ1/{PERIOD}")):
        raise ledger.Busy("somebody else")
    assert [event["eventType"] for event in events(lake)] == ["START", "ABORT"]


def test_events_reach_a_server_by_openlineage_s_own_settings(lake, quiet):
    with web_server() as (said, heard):
        quiet.setenv("LINEAGE", "openlineage")
        quiet.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
        quiet.setenv("OPENLINEAGE__TRANSPORT__URL", json.loads(said)["host"].removesuffix("/hook"))
        quiet.setenv("OPENLINEAGE__FACETS__SOURCE_CODE_LOCATION__DISABLED", "true")
        with observe.observing(lake, "link") as counts:
            counts["person"] = 3
    assert [json.loads(body)["eventType"] for _, body in heard] == ["START", "COMPLETE"]
    assert all(path == "/api/v1/lineage" for path, _ in heard) and not lake.path("ledger", "lineage").exists()


def test_where_nobody_listens_a_stage_goes_through_and_it_is_said_once(lake, quiet, capsys):
    quiet.setenv("LINEAGE", "openlineage")
    quiet.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
    quiet.setenv("OPENLINEAGE__TRANSPORT__URL", "http://127.0.0.1:1")
    quiet.setenv("OPENLINEAGE__TRANSPORT__RETRY__TOTAL", "0")
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 5})
    for _ in range(2):
        with observe.observing_arrivals(lake) as counts:
            counts |= receive(load(), lake)
    assert capsys.readouterr().err.count("lineage:") == 1
    assert [entry["event"] for entry in ledger.entries(lake)].count("seen") == 1


def test_a_disk_that_refuses_an_event_stops_no_stage(lake, quiet, capsys):
    quiet.setenv("LINEAGE", "file")
    lake.path("ledger", "lineage").write_text("a file where the folder should be")
    with observe.observing(lake, "link"):
        pass
    assert "lineage:" in capsys.readouterr().err


def test_publishing_and_what_follows_are_observed_wherever_they_are_called_from(told):
    for function in (publish.publish, publish.link, follow.__globals__["compare"], follow.__globals__["refresh"]):
        assert function.__wrapped__
