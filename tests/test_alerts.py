"""alerts.py and the DAG `watch`: what needs somebody is told once, again when it has changed, and when it has ended."""

import json
import shutil
from collections import namedtuple

import notices
import pytest

from tests import lakes
from tests.lakes import PERIOD
from tests.listeners import connection, mail_server, web_server
from tests.scanner import Scanner
from tests.synthetic import deliver
from tests.test_dags import dags  # noqa: F401  a fixture
from tests.test_scanner import ONE, TWO, plant
from transforms import alerts, audit, ledger, publish, work
from transforms.lake import Submission
from transforms.standard import load
from transforms.take_back import take_back

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def lake(lake, monkeypatch):
    """One that nobody owes anything, on a volume with room; a line of the ledger says that it is in use."""
    lakes.hasten(monkeypatch)
    monkeypatch.setattr(alerts, "overdue", lambda standard, state, day: [])
    room(monkeypatch, 50)
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 40}, edit=plant)
    lakes.run(load(), lake)
    return lake


def room(monkeypatch, percent):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1000, 1000 - percent * 10, percent * 10))


@pytest.fixture
def heard(monkeypatch):
    """What a web server was posted that is named for alerts."""
    with web_server() as (said, posted):
        monkeypatch.setenv("AIRFLOW_CONN_OPERATORS", said)
        monkeypatch.setenv(notices.ALERT_WEBHOOK, "operators")
        monkeypatch.delenv(notices.ALERT_EMAIL, raising=False)
        yield posted


def told(heard) -> list[tuple[str, str, str]]:
    """What the last messages said: (kind, about, new or ended); they are forgotten by it."""
    found = []
    for _, body in heard:
        said = json.loads(body)
        found += [(one["kind"], one["about"], "new") for one in said["alerts"]]
        found += [(one["kind"], one["about"], "ended") for one in said["ended"]]
    heard.clear()
    return found


def look(heard):
    notices.alert({})
    return told(heard)


def test_nothing_to_tell_is_not_told(lake, heard):
    assert look(heard) == []


def test_what_was_due_and_has_not_come(lake, heard, monkeypatch):
    late = {"provider": "ZZ2", "period": PERIOD, "due_on": "2026-10-14", "days": 1}
    monkeypatch.setattr(alerts, "overdue", lambda standard, state, day: [late])
    assert look(heard) == [("overdue", f"ZZ2/{PERIOD}", "new")]
    late["days"] = 2  # a day later it is no other alert
    assert look(heard) == []
    monkeypatch.setattr(alerts, "overdue", lambda standard, state, day: [])
    assert look(heard) == [("overdue", f"ZZ2/{PERIOD}", "ended")]
    assert look(heard) == []


def test_due_days_are_those_of_the_standard(lake, monkeypatch):
    from transforms.operations import overdue

    monkeypatch.setattr(alerts, "overdue", overdue)
    monkeypatch.setattr(alerts, "today", lambda: "2026-11-30")
    found = {one["about"] for one in alerts.standing(load(), lake) if one["kind"] == "overdue"}
    assert f"ZZ2/{PERIOD}" in found and f"ZZ1/{PERIOD}" not in found


def test_a_rejected_submission_until_a_good_one_comes(lake, heard):
    landing, standard = lake.path("landing"), load()
    deliver(landing, "ZZ2", PERIOD, {"pas_patient": 20}, {"header_only": True}, name="a")
    lakes.run(standard, lake)
    assert look(heard) == [("rejected", f"ZZ2/{PERIOD}", "new")]
    assert look(heard) == []
    deliver(landing, "ZZ2", PERIOD, {"pas_patient": 20}, {"header_only": True}, name="b")
    lakes.run(standard, lake)
    assert look(heard) == [("rejected", f"ZZ2/{PERIOD}", "new")], "another delivery was rejected"
    deliver(landing, "ZZ2", PERIOD, {"pas_patient": 20}, name="c")
    lakes.run(standard, lake)
    assert look(heard) == [("rejected", f"ZZ2/{PERIOD}", "ended")]


def test_what_its_provider_takes_back_is_no_alert(lake, heard):
    take_back(lake, Submission("ZZ1", PERIOD))
    assert look(heard) == []


def test_one_refused_at_the_door(lake, heard):
    landing, standard = lake.path("landing"), load()
    deliver(landing, "ZZ2", PERIOD, {"pas_patient": 20}, {"binary_junk": True}, name="a")
    lakes.run(standard, lake)
    assert look(heard) == [("at_the_door", f"ZZ2/{PERIOD}", "new")]
    deliver(landing, "ZZ2", PERIOD, {"pas_patient": 20}, name="b")
    lakes.run(standard, lake)
    assert look(heard) == [("at_the_door", f"ZZ2/{PERIOD}", "ended")]


def test_a_crash_only_once_it_waits_for_a_person(lake, heard, monkeypatch):
    facts = {"provider": "ZZ1", "period": PERIOD, "submission_no": 1, "stage": "link", "error": "OSError"}
    for _ in work.RETRY_AFTER:
        ledger.append(lake, "crashed", **facts)
    assert look(heard) == []
    ledger.append(lake, "crashed", **facts)
    assert look(heard) == [("crashed", f"ZZ1/{PERIOD}", "new")]
    ledger.append(lake, "done", provider="ZZ1", period=PERIOD, submission_no=1, stage="harmonised")
    assert look(heard) == [("crashed", f"ZZ1/{PERIOD}", "ended")]


def test_a_failed_audit_once_however_often_it_is_tried_until_a_release_is_made(lake, heard, monkeypatch):
    def broken(con, standard, schema=""):
        raise audit.ContractBroken("a contract is broken")

    whole = publish.audit
    monkeypatch.setattr(publish, "audit", broken)
    for _ in range(2):
        with pytest.raises(audit.ContractBroken):
            publish.publish(load(), lake)
    assert len(lakes.events(lake, "audit_failed")) == 1
    assert look(heard) == [("audit", "", "new")]
    monkeypatch.setattr(publish, "audit", whole)
    publish.publish(load(), lake)
    assert look(heard) == [("audit", "", "ended")]


def test_a_disk_that_is_nearly_full_does_not_come_and_go(lake, heard, monkeypatch):
    for percent, expected in ((9, [("disk", "", "new")]), (8, []), (11, []), (13, [("disk", "", "ended")]), (11, [])):
        room(monkeypatch, percent)
        assert look(heard) == expected, percent


def test_what_no_channel_took_is_told_the_next_time(lake, heard, monkeypatch):
    room(monkeypatch, 1)
    there = notices.os.environ["AIRFLOW_CONN_OPERATORS"]
    monkeypatch.setenv("AIRFLOW_CONN_OPERATORS", connection("http://127.0.0.1:1/hook"))
    with pytest.raises(RuntimeError, match="HttpNotifier"):
        notices.alert({})
    assert lakes.events(lake, alerts.ALERT) == []
    monkeypatch.setenv("AIRFLOW_CONN_OPERATORS", there)
    assert look(heard) == [("disk", "", "new")]


def test_a_mailbox_gets_one_message(lake, heard, monkeypatch):
    room(monkeypatch, 1)
    with mail_server() as (said, kept):
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", said)
        monkeypatch.setenv(notices.ALERT_EMAIL, "operators@midlands.invalid")
        notices.alert({})
    assert len(kept) == 1 and b"1 new alert, 0 ended" in kept[0].content


def test_nothing_is_looked_for_or_entered_unless_somebody_asks(lake, monkeypatch):
    for name in (notices.ALERT_WEBHOOK, notices.ALERT_EMAIL):
        monkeypatch.delenv(name, raising=False)
    room(monkeypatch, 1)
    assert notices.alert({}) == {"told": 0, "ended": 0} and lakes.events(lake, alerts.ALERT) == []


def test_a_lake_that_is_not_in_use_gets_no_line(tmp_path, heard, monkeypatch):
    """A ledger with a line in it is a lake whose keys are not made anew."""
    room(monkeypatch, 1)
    empty = lakes.new_lake(tmp_path / "empty")
    before = ledger.entries(empty)
    monkeypatch.setenv("LAKE", str(empty.root))
    alerts_before = look(heard)
    assert (alerts_before == []) == (before == [])


def test_nobody_is_named(lake, heard):
    deliver(
        lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 40}, {"header_only": True}, edit=plant, name=ONE.names[0]
    )
    deliver(lake.path("landing"), ONE.names[1], PERIOD, {"pas_patient": 40}, edit=plant, name=ONE.number)
    lakes.run(load(), lake)
    notices.alert({})
    said = "".join(body.decode() for _, body in heard)
    assert {kind for kind, _, _ in told(heard)} == {"rejected", "at_the_door"}
    assert Scanner([ONE, TWO]).text(said) == Scanner([ONE, TWO]).folder(lake.path("ledger")) == []


def test_alerts_are_told_by_the_dag(dags, lake, heard, monkeypatch):  # noqa: F811
    room(monkeypatch, 1)
    assert dags["watch"].test().state == "success"
    assert told(heard) == [("disk", "", "new")]
    assert dags["watch"].test().state == "success"
    assert told(heard) == []
