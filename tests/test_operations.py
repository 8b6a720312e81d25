"""operations.py: what operators and their monitoring are told, from a lake in which things went wrong."""

import re
import shutil

import pytest

from tests import lakes
from tests.browser import browser, program
from tests.lakes import PERIOD
from tests.synthetic import deliver
from transforms import operations, publish, receive, rollback, take_back, work
from transforms.__main__ import main
from transforms.arrivals import read_state
from transforms.lake import Submission
from transforms.standard import load
from transforms.status import summary


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """One good delivery and a release; one taken back, one refused at the door, one without _READY."""
    made = lakes.new_lake(tmp_path_factory.mktemp("operations"))
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        deliver(made.path("landing"), "ZZ1", PERIOD, {"pas_patient": 30})
        deliver(made.path("landing"), "ZZ2", PERIOD, {"sus_outpatient": 10}, first_person=100)
        deliver(made.path("landing"), "ZZ9X", PERIOD, {"pas_patient": 3})
        deliver(made.path("landing"), "ZZ3", PERIOD, {"pas_patient": 3}, name="late").path.joinpath("_READY").unlink()
        lakes.run(load(), made, work.STAGES)
        publish.publish(load(), made)
        take_back.take_back(made, Submission("ZZ2", PERIOD))
        lakes.run(load(), made, work.STAGES)
    return made


def facts(lake):
    return operations.operations(summary(load(), lake), load(), lake)


def test_a_period_is_overdue_once_its_day_is_over_and_nothing_of_it_counts(lake):
    standard, state = load(), read_state(lake)
    told = {(one["provider"], one["period"]): one for one in operations.overdue(standard, state, "2026-10-31")}
    assert ("ZZ1", PERIOD) not in told
    late = told["ZZ2", PERIOD]  # it was taken back
    assert late["days"] == (31 - int(late["due_on"][-2:])) and late["due_on"].startswith("2026-10-")
    assert {period for _, period in told} <= {"2026-07", "2026-08", "2026-09"}
    assert not any(
        period == PERIOD
        for _, period in {(o["provider"], o["period"]) for o in operations.overdue(standard, state, "2026-10-01")}
    )
    begun = {row["code"]: row["starts_on"] for row in standard.tables["providers"]}
    assert all(begun[provider][:7] <= period for provider, period in told)


def test_prometheus_reads_every_count(lake):
    text = operations.prometheus(facts(lake))
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) midlands_\w+ .+|midlands_\w+(\{\w+="[^"\\\n]*"\})? -?\d+(\.\d+)?', line), (
            line
        )
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values["midlands_release"] == "1" and values["midlands_is_rolled_back"] == "0"
    assert (
        values['midlands_submissions{state="accepted"}'] == "1"
        and values['midlands_submissions{state="rejected"}'] == "1"
    )
    assert values["midlands_refused_at_the_door"] == "1" and values["midlands_landing_unfinished"] == "1"
    assert int(values["midlands_disk_free_bytes"]) > 0 and int(values["midlands_release_age_seconds"]) >= 0
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")} == {
        f"midlands_{n}" for n in operations.HELP
    }


def test_an_empty_lake_says_so_too(tmp_path):
    empty = lakes.new_lake(tmp_path)
    receive.receive(load(), empty)
    assert "midlands_release 0" in operations.prometheus(facts(empty))
    assert "Release none yet" in operations.page(facts(empty))


def test_the_page_says_first_what_needs_somebody(lake, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LAKE", str(lake.root))
    monkeypatch.setenv("KEYS", str(lake.keys))
    assert main(["status", "--page", str(tmp_path / "operations.html")]) == 0
    text = (tmp_path / "operations.html").read_text(encoding="utf-8")
    assert "Somebody is needed" in text and f"ZZ2/{PERIOD}" in text and "It was taken back" in text
    assert text.index('id="needs"') < text.index('id="late"') < text.index('id="where"')
    assert main(["status", "--prometheus"]) == 0
    assert "midlands_landing_waiting 0" in capsys.readouterr().out


def test_a_roll_back_is_told(lake, tmp_path):
    from transforms.lake import Lake

    shutil.copytree(lake.root, tmp_path / "lake", symlinks=True)
    other = Lake(tmp_path / "lake", lake.keys)
    rollback.roll_back(load(), other, 1)
    assert "Readers are held at release 1" in operations.page(facts(other))
    assert "midlands_is_rolled_back 1" in operations.prometheus(facts(other))


@pytest.mark.skipif(program() is None, reason="no Chromium: apt-get install chromium")
def test_no_barrier_is_found_on_the_page(lake, tmp_path):
    (tmp_path / "operations.html").write_text(operations.page(facts(lake)), encoding="utf-8")
    with browser() as page:
        page.width(320)
        page.open(tmp_path / "operations.html")
        assert not page.barriers() and page.complaints() == []
        assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
