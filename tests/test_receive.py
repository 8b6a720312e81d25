"""receive.py: every delivery gets one recorded outcome at the door; landing is never changed; nobody blocks another."""

import errno
import json
import os
import shutil
import time
from datetime import date
from pathlib import Path

import pytest

from tests import lakes
from tests.lakes import PERIOD, events, listing, outcomes
from tests.synthetic import Delivery, deliver
from transforms import ledger, work
from transforms import receive as receive_module
from transforms.arrivals import read_state
from transforms.lake import Lake
from transforms.receive import receive
from transforms.sent import Refused, opened
from transforms.standard import load

NEXT_YEAR = f"{date.today().year + 1}-01"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch) -> Lake:
    lakes.hasten(monkeypatch)
    return lakes.new_lake(tmp_path)


def send(
    lake: Lake, provider: str = "ZZ1", period: str = PERIOD, rows: int = 6, faults: dict | None = None, **more
) -> Delivery:
    return deliver(lake.path("landing"), provider, period, {"pas_patient": rows}, faults, **more)


def ready(lake: Lake, text: str | bytes, **more) -> Delivery:
    """A sound delivery with this `_READY`."""
    sent = send(lake, **more)
    (sent.path / "_READY").write_bytes(text.encode() if isinstance(text, str) else text)
    return sent


def file_of(sent: Delivery) -> Path:
    return next(path for path in sent.path.iterdir() if path.name != "_READY")


def not_utf8_manifest(lake: Lake) -> None:
    ready(lake, b'{"files": [{"name": "\xff\xfe"}]}')


def lists_a_file_that_is_not_there(lake: Lake) -> None:
    ready(lake, '{"files": [{"name": "other.csv"}]}')


def lists_a_path(lake: Lake) -> None:
    ready(lake, '{"files": [{"name": "../../../keys/pseudonym.key"}]}')


def says_no_date(lake: Lake) -> None:
    ready(lake, '{"opt_out_applied_on": "last week"}')


def has_only_spaces(lake: Lake) -> None:
    sent = send(lake)
    file_of(sent).write_text("  \n\n ")
    (sent.path / "_READY").touch()


def folder_of_folders(lake: Lake) -> None:
    sent = send(lake, faults={"no_files": True})
    (sent.path / "inside").mkdir()


def a_layout_of_somebody_else(lake: Lake) -> None:
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"emis_patient": 5})


# What is wrong, and the reason that is recorded; (what, how it is made, reason, a word of the detail).
AT_THE_DOOR = [
    ("no _READY", lambda lake: send(lake, faults={"no_ready": True}), "not_ready", ""),
    ("wrong hash", lambda lake: send(lake, faults={"wrong_hash": True}), "wrong_hash", "file 1 of 1"),
    ("unknown layout", lambda lake: send(lake, faults={"unknown_layout": True}), "unknown_layout", "file 1 of 1"),
    ("layout of others", a_layout_of_somebody_else, "unknown_layout", "file 1 of 1"),
    (
        "missing column",
        lambda lake: send(lake, faults={"missing_mandatory_column": True}),
        "missing_column",
        "PATIENT_ID",
    ),
    ("empty file", lambda lake: send(lake, faults={"empty_file": True}), "empty_file", "file 1 of 1"),
    ("blank file", has_only_spaces, "empty_file", "file 1 of 1"),
    ("binary junk", lambda lake: send(lake, faults={"binary_junk": True}), "binary_file", "file 1 of 1"),
    ("one role twice", lambda lake: send(lake, faults={"two_files_one_role": True}), "same_role_twice", "pas_patient"),
    ("no files", lambda lake: send(lake, faults={"no_files": True}), "no_files", ""),
    ("folders only", folder_of_folders, "no_files", ""),
    ("future period", lambda lake: send(lake, period=NEXT_YEAR), "period_in_future", NEXT_YEAR),
    ("bad period", lambda lake: send(lake, period="September"), "bad_period", ""),
    ("month 13", lambda lake: send(lake, period="2026-13"), "bad_period", ""),
    ("unknown provider", lambda lake: send(lake, provider="QX99"), "unknown_provider", ""),
    ("manifest: no JSON", lambda lake: ready(lake, "{files:"), "bad_manifest", ""),
    ("manifest: a list", lambda lake: ready(lake, "[]"), "bad_manifest", ""),
    ("manifest: a number", lambda lake: ready(lake, "5"), "bad_manifest", ""),
    ("manifest: null", lambda lake: ready(lake, '{"files": null}'), "bad_manifest", ""),
    ("manifest: names only", lambda lake: ready(lake, '{"files": ["a.csv"]}'), "bad_manifest", ""),
    ("manifest: no name", lambda lake: ready(lake, '{"files": [{"sha256": "00"}]}'), "bad_manifest", ""),
    ("manifest: a path", lists_a_path, "bad_manifest", ""),
    ("manifest: not UTF-8", not_utf8_manifest, "bad_manifest", ""),
    ("manifest: no date", says_no_date, "bad_manifest", "opt_out_applied_on"),
    ("manifest: other file", lists_a_file_that_is_not_there, "missing_file", "file 1 of the list"),
]
# These are seen only when the whole file is read.
WHEN_READ = [
    ("header only", lambda lake: send(lake, faults={"header_only": True}), "no_rows", "pas_patient"),
    ("wrong row count", lambda lake: send(lake, faults={"wrong_row_count": True}), "wrong_row_count", "6 rows, _READY says 7"),
    ("ragged row", lambda lake: send(lake, faults={"ragged_row": True}), "unreadable_rows", "line"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "make", "reason", "detail"), AT_THE_DOOR, ids=[row[0] for row in AT_THE_DOOR])
def test_what_cannot_be_taken_in_has_a_recorded_outcome_and_blocks_nobody(
    lake, monkeypatch, what, make, reason, detail
):
    monkeypatch.setenv("READY_GRACE_HOURS", "0")
    make(lake)
    send(lake, "ZZ2")
    before = listing(lake.path("landing"))
    assert receive(load(), lake) == {"received": 1, "unchanged": 0, "rejected": 1}
    [refused] = events(lake, "rejected")
    assert refused["reason"] == reason
    assert detail in refused["detail"]
    assert load().words(reason)["what_to_do"], "the reason has words for people"
    assert [entry["provider"] for entry in events(lake, "seen")] == ["ZZ2"]
    assert listing(lake.path("landing")) == before
    # It is said once: the same folder is not refused again with every look.
    assert receive(load(), lake) == {"received": 0, "unchanged": 0, "rejected": 0}


@pytest.mark.parametrize(("what", "make", "reason", "detail"), WHEN_READ, ids=[row[0] for row in WHEN_READ])
def test_what_cannot_be_read_has_a_recorded_outcome_and_blocks_nobody(lake, what, make, reason, detail):
    make(lake)
    send(lake, "ZZ2")
    before = listing(lake.path("landing"))
    lakes.run(load(), lake)
    assert [outcome[:3] for outcome in outcomes(lake)] == [
        (f"ZZ1/{PERIOD}", "rejected", reason),
        (f"ZZ2/{PERIOD}", "accepted", ""),
    ]
    assert detail in outcomes(lake)[0][3]
    assert lakes.ask((load(), lake), "select distinct provider from harmonised.patient") == [("ZZ2",)]
    assert listing(lake.path("landing")) == before
    assert work.pending(load(), lake) == []


def test_many_bad_deliveries_at_once_and_the_good_ones_go_through(lake, monkeypatch):
    monkeypatch.setenv("READY_GRACE_HOURS", "0")
    standard = load()
    faults = [
        "no_ready",
        "wrong_hash",
        "unknown_layout",
        "missing_mandatory_column",
        "empty_file",
        "binary_junk",
        "no_files",
    ]
    for number, fault in enumerate(faults, start=1):
        send(lake, period=f"2026-0{number}", faults={fault: True})
        send(lake, "ZZ2", period=f"2026-0{number}", rows=3)
    counts = receive(standard, lake)
    assert counts == {"received": len(faults), "unchanged": 0, "rejected": len(faults)}
    assert {entry["provider"] for entry in events(lake, "seen")} == {"ZZ2"}


def test_what_arrives_is_copied_whole_and_landing_may_then_vanish(lake):
    sent = send(lake, manifest=True)
    original = file_of(sent).read_bytes()
    receive(load(), lake)
    [entry] = events(lake, "seen")
    shutil.rmtree(sent.path)
    copied = lake.path("received", entry["files"][0]["sha256"], "content")
    assert copied.read_bytes() == original
    assert copied.stat().st_mode & 0o777 == 0o400
    assert entry["files"][0]["n_rows"] == 6
    assert work.pending(load(), lake) == [f"ZZ1/{PERIOD}"]


def test_a_delivery_without_ready_is_left_alone_for_a_while_and_taken_when_ready_comes(lake):
    sent = send(lake, faults={"no_ready": True})
    assert receive(load(), lake) == {"received": 0, "unchanged": 0, "rejected": 0}
    assert events(lake, "seen", "rejected") == []
    (sent.path / "_READY").touch()
    assert receive(load(), lake)["received"] == 1


def test_one_refused_for_want_of_ready_is_taken_when_ready_comes(lake, monkeypatch):
    monkeypatch.setenv("READY_GRACE_HOURS", "0")
    sent = send(lake, faults={"no_ready": True})
    assert receive(load(), lake)["rejected"] == 1
    (sent.path / "_READY").touch()
    assert receive(load(), lake)["received"] == 1


def test_a_refused_delivery_that_is_mended_in_place_is_taken(lake):
    sent = send(lake, faults={"empty_file": True})
    assert receive(load(), lake)["rejected"] == 1
    file_of(sent).unlink()
    send(lake)
    assert receive(load(), lake)["received"] == 1


def test_the_provider_is_known_in_lower_case_too(lake):
    send(lake, "zz1")
    assert receive(load(), lake)["received"] == 1
    assert events(lake, "seen")[0]["provider"] == "ZZ1"


def test_the_same_content_again_changes_nothing(lake):
    standard = load()
    send(lake)
    lakes.run(standard, lake)
    before = lakes.written(lake, "bronze", "validated", "harmonised")
    send(lake, name="again")
    counts = lakes.run(standard, lake)
    assert counts["receive"] == {"received": 0, "unchanged": 1, "rejected": 0}
    assert lakes.written(lake, "bronze", "validated", "harmonised") == before
    assert outcomes(lake)[-1][1] == "unchanged"


def test_the_same_content_twice_before_the_first_is_judged_is_one_arrival(lake):
    send(lake)
    send(lake, name="again")
    assert receive(load(), lake) == {"received": 1, "unchanged": 1, "rejected": 0}


def test_content_equal_to_something_older_is_a_new_arrival_and_comes_into_force(lake):
    standard = load()
    for name, seed in (("first", 1), ("second", 2), ("third", 1)):
        send(lake, name=name, seed=seed)
        assert lakes.run(standard, lake)["receive"]["received"] == 1
    state = read_state(lake)
    assert [arrival.no for arrival in state.arrivals[lakes.submission(f"ZZ1/{PERIOD}")]] == [1, 2, 3]
    assert state.current(lakes.submission(f"ZZ1/{PERIOD}"))["pas_patient"].no == 3
    first, _, third = events(lake, "seen")
    assert first["delivery_id"] == third["delivery_id"]


def test_a_rejected_delivery_sent_again_unchanged_is_judged_again(lake):
    """What is not in force is not `unchanged`: the provider gets an answer to it."""
    standard = load()
    send(lake, name="first", faults={"header_only": True})
    lakes.run(standard, lake)
    send(lake, name="second", faults={"header_only": True})
    lakes.run(standard, lake)
    assert [outcome[1:3] for outcome in outcomes(lake)] == [("rejected", "no_rows")] * 2


def test_order_of_arrival_decides_not_the_time_of_a_file(lake):
    standard = load()
    send(lake, name="newest")
    receive(standard, lake)
    sent = send(lake, name="older", seed=2)
    for path in (*sent.path.iterdir(), sent.path):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    receive(standard, lake)
    assert [entry["arrival"] for entry in events(lake, "seen")] == [1, 2]


def test_several_deliveries_at_once_are_numbered_in_the_order_of_their_ready(lake):
    for name in "abc":
        send(lake, name=name, seed=ord(name))
    for name in "bca":
        time.sleep(0.02)
        lake.path("landing", "ZZ1", PERIOD, name, "_READY").touch()
    receive(load(), lake)
    wanted = [lake.path("landing", "ZZ1", PERIOD, name) for name in "bca"]
    from transforms.finished import drop_id

    assert [entry["drop_id"] for entry in events(lake, "seen")] == [drop_id(folder) for folder in wanted]


def test_the_ledger_repeats_no_name_of_a_provider(lake):
    sent = send(lake, name="Mrs Begum's extract")
    file_of(sent).rename(sent.path / "Begum_1980-01-02.csv")
    (sent.path / "_READY").touch()
    deliver(lake.path("landing"), "Dr Smith", "for Begum", {"pas_patient": 3})
    receive(load(), lake)
    text = ledger.log_path(lake).read_text()
    assert "Begum" not in text
    assert "Smith" not in text.title()
    assert [entry["provider"] for entry in events(lake, "rejected")] == ["unknown"]
    assert [entry["provider"] for entry in events(lake, "seen")] == ["ZZ1"]


def test_a_link_that_leads_elsewhere_is_no_file(lake, tmp_path):
    """It would copy what is not the provider's; and one that leads nowhere must not hide the delivery."""
    (tmp_path / "elsewhere.csv").write_bytes(file_of(send(lake, "ZZ2")).read_bytes())
    for number, target in enumerate(["elsewhere.csv", "nothing"]):
        sent = send(lake, name=str(number), faults={"no_files": True})
        (sent.path / "linked.csv").symlink_to(tmp_path / target)
        (sent.path / "_READY").touch()
    assert receive(load(), lake) == {"received": 1, "unchanged": 0, "rejected": 2}
    assert [entry["reason"] for entry in events(lake, "rejected")] == ["no_files"] * 2


def test_a_folder_named_ready_does_not_make_a_delivery_ready(lake, monkeypatch):
    monkeypatch.setenv("READY_GRACE_HOURS", "0")
    sent = send(lake, faults={"no_ready": True})
    (sent.path / "_READY").mkdir()
    send(lake, "ZZ2")
    assert receive(load(), lake) == {"received": 1, "unchanged": 0, "rejected": 1}
    assert events(lake, "rejected")[0]["reason"] == "not_ready"


def test_a_delivery_of_two_layouts_is_one_arrival(lake):
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 5, "sus_outpatient": 5})
    receive(load(), lake)
    [entry] = events(lake, "seen")
    assert {item["layout"] for item in entry["files"]} == {"pas_patient", "sus_outpatient"}
    assert [item["file_no"] for item in entry["files"]] == [1, 2]


def test_one_bad_file_keeps_the_whole_delivery_out(lake):
    """Half a delivery would look like a whole one."""
    sent = deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 5, "sus_outpatient": 5})
    next(sent.path.glob("*sus*")).write_text("")
    (sent.path / "_READY").touch()
    assert receive(load(), lake) == {"received": 0, "unchanged": 0, "rejected": 1}


def test_opt_out_date_is_kept(lake):
    ready(lake, json.dumps({"opt_out_applied_on": "2026-10-01"}))
    receive(load(), lake)
    assert events(lake, "seen")[0]["opt_out_applied_on"] == "2026-10-01"


def test_a_fault_of_ours_in_one_delivery_does_not_stop_the_others_and_is_tried_again(lake, monkeypatch):
    for provider in ("ZZ1", "ZZ2"):
        send(lake, provider)
    whole = receive_module.copy_file

    def fails_once(reading, target, where):
        monkeypatch.setattr(receive_module, "copy_file", whole)
        raise OSError(errno.EMFILE, "too many files for Begum.csv")

    monkeypatch.setattr(receive_module, "copy_file", fails_once)
    with pytest.raises(receive_module.ReceiveCrashed) as crashed:
        receive(load(), lake)
    assert crashed.value.counts == {"received": 1, "unchanged": 0, "rejected": 0}
    assert "OSError in receive.py" in str(crashed.value) and "Begum" not in str(crashed.value)
    assert events(lake, "rejected") == []
    assert receive(load(), lake) == {"received": 1, "unchanged": 0, "rejected": 0}
    assert [entry["provider"] for entry in events(lake, "seen")] == ["ZZ2", "ZZ1"]


@pytest.mark.parametrize("is_apart", [False, True])
def test_a_full_disk_stops_them_all_blames_none_and_with_room_it_goes_on(lake, monkeypatch, is_apart):
    """Met here, or by who reads the first lines."""
    for provider in ("ZZ1", "ZZ2"):
        send(lake, provider)

    def fails(*values, **more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(*(("transforms.recognise.apart", fails) if is_apart else (receive_module, "copy_file", fails)))
        with pytest.raises(OSError) as full:
            receive(load(), lake)
    assert full.value.errno == errno.ENOSPC
    assert events(lake, "rejected", "seen", "crashed") == []
    assert receive(load(), lake) == {"received": 2, "unchanged": 0, "rejected": 0}


@pytest.mark.parametrize("instead", [lambda path: path.symlink_to("/dev/zero"), lambda path: os.mkfifo(path), None])
def test_what_is_exchanged_after_it_was_seen_is_not_opened(tmp_path, instead):
    """Between looking and opening somebody may put a link or a pipe where a file was."""
    path = tmp_path / "export.csv"
    if instead:
        instead(path)
    with pytest.raises(receive_module.Refused) as refused, receive_module.opened(path, "file 1 of 1"):
        pass
    assert (refused.value.reason, refused.value.detail) == ("missing_file", "file 1 of 1")


def test_what_is_put_into_a_file_s_place_meanwhile_is_not_opened(tmp_path):
    """Between the look at a folder and the opening of a file in it a sender can put there what it likes."""
    (tmp_path / "elsewhere.csv").write_text("SOMEBODY\n")
    (tmp_path / "export.csv").symlink_to(tmp_path / "elsewhere.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("export.csv", "pipe.csv", "gone.csv"):
        with pytest.raises(Refused, match="missing_file"), opened(tmp_path / name, "file 1 of 1"):
            pass
    with opened(tmp_path / "elsewhere.csv", "file 1 of 1") as handle:
        assert handle.read() == b"SOMEBODY\n"
