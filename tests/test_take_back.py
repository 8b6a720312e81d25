"""take_back.py, retire.py: what a provider takes back counts no longer, and what counts no longer is deleted in its time."""

import gzip
from datetime import UTC, datetime, timedelta

import pytest

from tests import abrupt, lakes
from tests.abrupt import PowerCut
from tests.lakes import PERIOD, events
from tests.synthetic import deliver
from transforms import ledger, publish, receive, release, retire, take_back, work
from transforms.__main__ import main
from transforms.arrivals import read_state
from transforms.feedback import read_scorecard
from transforms.lake import Submission, UsageError, remove
from transforms.standard import load

ONE = Submission("ZZ1", PERIOD)


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    lakes.hasten(monkeypatch)


@pytest.fixture
def lake(tmp_path):
    made = lakes.new_lake(tmp_path)
    deliver(made.path("landing"), "ZZ1", PERIOD, {"pas_patient": 30, "sus_outpatient": 20})
    deliver(made.path("landing"), "ZZ2", PERIOD, {"sus_outpatient": 10}, first_person=100)
    lakes.run(load(), made, work.STAGES)
    return made


def ask_back(lake, provider: str = "ZZ1", period: str = PERIOD, name: str = "undo") -> None:
    folder = lake.path("landing", provider, period, name)
    folder.mkdir(parents=True)
    (folder / "_WITHDRAW").touch()


def made_of(lake, provider: str) -> list[str]:
    return [
        str(path)
        for stage in ("validated", "harmonised")
        for path in lake.path(stage).rglob("*.parquet")
        if f"provider={provider}" in str(path)
    ]


def test_what_is_taken_back_counts_no_longer_and_goes_from_the_marts(lake, monkeypatch):
    standard = load()
    assert publish.publish(standard, lake)["people"] == 40
    ask_back(lake)
    monkeypatch.setattr("transforms.work.owed", lambda standard, lake: [ONE])
    counts = lakes.run(standard, lake, work.STAGES)
    assert counts["receive"]["taken_back"] == 1
    assert read_state(lake).current(ONE) == {} and made_of(lake, "ZZ1") == [] and made_of(lake, "ZZ2")
    [line] = events(lake, "withdrawn")
    assert (line["provider"], line["period"], line["n_deliveries"]) == ("ZZ1", PERIOD, 1)
    card = read_scorecard(lake.path("provider", "ZZ1", PERIOD))
    assert card["outcome"] == "rejected"
    page = lake.path("provider", "ZZ1", PERIOD, "index.html").read_text(encoding="utf-8")
    assert "Taken back" in page and "It was taken back and no longer counts" in page
    assert publish.publish(standard, lake)["people"] == 10
    assert work.pending(standard, lake) == [str(ONE)]  # only because this test says that its page is owed


def test_it_is_taken_back_once_and_what_comes_afterwards_counts(lake):
    standard = load()
    ask_back(lake)
    lakes.run(standard, lake)
    before = len(ledger.entries(lake))
    lakes.run(standard, lake)
    assert len(ledger.entries(lake)) == before
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 30, "sus_outpatient": 20}, name="again")
    lakes.run(standard, lake)
    assert set(read_state(lake).current(ONE)) == {"pas_patient", "sus_outpatient"} and made_of(lake, "ZZ1")


def test_no_earlier_delivery_comes_into_force_instead(lake):
    standard = load()
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 25}, name="second")
    lakes.run(standard, lake)
    assert take_back.take_back(lake, ONE) == 2
    lakes.run(standard, lake)
    assert read_state(lake).current(ONE) == {} and made_of(lake, "ZZ1") == []


def test_what_is_not_there_cannot_be_taken_back(lake, monkeypatch, capsys):
    ask_back(lake, period="2026-01")
    assert receive.receive(load(), lake)["rejected"] == 1
    assert events(lake, "rejected")[-1]["reason"] == "nothing_to_take_back"
    with pytest.raises(UsageError, match="nothing to take back"):
        take_back.take_back(lake, Submission("ZZ3", PERIOD))
    monkeypatch.setenv("LAKE", str(lake.root))
    monkeypatch.setenv("KEYS", str(lake.keys))
    assert main(["take-back", f"ZZ2/{PERIOD}"]) == 0
    assert f"ZZ2/{PERIOD}: 1 deliveries no longer count" in capsys.readouterr().out
    assert main(["take-back", f"ZZ2/{PERIOD}"]) == 2


def test_a_submission_that_is_worked_on_is_taken_back_the_next_time(lake):
    ask_back(lake)
    with ledger.lock(lake, f"submission {ONE}"):
        assert receive.receive(load(), lake) == {"received": 0, "unchanged": 0, "rejected": 0}
    assert receive.receive(load(), lake)["taken_back"] == 1


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("stage", ["receive", "validate", "harmonise"])
def test_after_a_crash_it_is_taken_back_whole(lake, monkeypatch, stage, is_after):
    """One line of the ledger says it; what follows from it is done again."""
    standard = load()
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 25}, name="second")
    lakes.run(standard, lake)
    ask_back(lake)
    place = {"receive": "transforms.take_back.ledger.append", "validate": "transforms.validate.remove",
             "harmonise": "transforms.harmonise.remove"}[stage]  # fmt: skip
    real = {"receive": ledger.append}.get(stage, remove)

    def cut(*values, **named):
        if is_after:
            real(*values, **named)
        raise PowerCut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, cut)
        with pytest.raises(PowerCut):
            lakes.run(standard, lake)
    lakes.run(standard, lake)
    assert read_state(lake).current(ONE) == {} and made_of(lake, "ZZ1") == []
    assert len(events(lake, "withdrawn")) == 1 and ledger.verify(lake)


def in_days(monkeypatch, days: int) -> None:
    monkeypatch.setattr(retire, "today", lambda: f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}")


def test_what_counts_no_longer_is_deleted_in_its_time_and_what_counts_never(lake, monkeypatch):
    standard = load()
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 25}, name="second")
    lakes.run(standard, lake)  # the outpatients of the first still count: it is in force
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"sus_outpatient": 19}, name="third")
    lakes.run(standard, lake)
    first = [path for path in lake.path("bronze").rglob("0001-*.parquet") if "provider=ZZ1" in str(path)]
    received = {path.parent.name for path in lake.path("received").glob("*/content")}
    assert len(first) == 2
    assert retire.retire(standard, lake) == {"copies_deleted": 0, "contents_deleted": 0}
    in_days(monkeypatch, 90)
    assert retire.retire(standard, lake) == {"copies_deleted": 1, "contents_deleted": 0}
    assert not any(path.exists() for path in first)
    assert retire.retire(standard, lake) == {"copies_deleted": 0, "contents_deleted": 0}
    in_days(monkeypatch, 400)
    assert retire.retire(standard, lake) == {"copies_deleted": 0, "contents_deleted": 2}
    left = {path.parent.name for path in lake.path("received").glob("*/content")}
    in_force = {a.sha256_of(name) for s in read_state(lake).arrivals for name, a in read_state(lake).current(s).items()}
    assert left == in_force and left < received
    assert [(e["what"], e.get("arrival")) for e in events(lake, "expired")] == [
        ("copies", 1),
        ("content", None),
        ("content", None),
    ]
    assert work.pending(standard, lake) == []  # what is in force is as it was
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 30, "sus_outpatient": 20}, name="fourth")
    lakes.run(standard, lake)  # the same content again
    assert len(read_state(lake).arrivals[ONE]) == 4 and read_state(lake).current(ONE)["pas_patient"].no == 4


def test_the_page_can_still_be_made_when_the_delivery_before_is_gone(lake, monkeypatch):
    standard = load()
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 25, "sus_outpatient": 20}, {"blank": 3}, name="second")
    lakes.run(standard, lake)
    in_days(monkeypatch, 90)
    assert retire.retire(standard, lake)["copies_deleted"] == 1
    assert work.run_chunk("feedback", [str(ONE)], standard, lake)["pages"] == 1
    text = gzip.decompress(lake.path("provider", "ZZ1", PERIOD, "issues.csv.gz").read_bytes()).decode()
    assert "ethnic_category.present" in text
    assert release.kept(lake) == []


def test_a_page_is_made_of_a_delivery_that_was_taken_back_after_its_copies_had_had_their_time(lake, monkeypatch):
    """Who takes back an old submission sees it deleted in the same run, before its page is made."""
    standard = load()
    ask_back(lake)
    receive.receive(standard, lake)
    in_days(monkeypatch, 400)
    assert retire.retire(standard, lake)["copies_deleted"] == 1
    assert work.run_chunk("feedback", [str(ONE)], standard, lake)["pages"] == 1
    assert "Taken back" in lake.path("provider", "ZZ1", PERIOD, "index.html").read_text(encoding="utf-8")


def test_a_deletion_that_is_interrupted_stands_in_the_ledger_once(lake, monkeypatch):
    standard = load()
    take_back.take_back(lake, ONE)
    in_days(monkeypatch, 400)
    names = abrupt.places(lambda: retire.retire(standard, abrupt.copied(lake, lake.root.with_name("other"))))
    assert {name.split(":")[0] for name in names} == {"append", "appended", "remove", "removed"}
    for at in range(1, len(names) + 1):
        one = abrupt.copied(lake, lake.root.with_name("another"))
        with abrupt.trouble(at, abrupt.cut), pytest.raises(abrupt.PowerCut):
            retire.retire(standard, one)
        retire.retire(standard, one)
        told = [(e["what"], e.get("content"), e.get("arrival")) for e in events(one, "expired")]
        assert len(told) == len(set(told)) == 3, names[at - 1]
        assert len(list(one.path("received").iterdir())) == 1
