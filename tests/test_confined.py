"""What opens a sender's bytes can do next to nothing: each confinement is tried, by code in the place of the parser."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests import abrupt, hostile_acts, lakes
from tests.hostile import GOOD, SOMEBODY
from tests.lakes import PERIOD, events
from tests.synthetic import deliver
from transforms import apart as apart_module
from transforms import confine, ingest, parse, work
from transforms.apart import ApartFault, Unreadable, apart
from transforms.confine import lacks
from transforms.lake import Lake
from transforms.receive import receive
from transforms.standard import ROOT, load
from transforms.status import report, summary

needs_landlock = pytest.mark.skipif(bool(lacks()), reason=f"this machine lacks {lacks()}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "pseudonym.key").write_text("ab" * 32)
    return tmp_path / "own"


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def tried(folder: Path, port: int) -> dict[str, str]:
    key = folder.parent / "keys" / "pseudonym.key"
    asked = (str(folder), str(folder.parent), str(key), port, os.getpid())
    return apart(hostile_acts.tries, *asked, folder=folder)


@needs_landlock
def test_a_parser_that_was_taken_over_reaches_nothing(folder, port):
    told = tried(folder, port)
    assert {what for what, came in told.items() if came == "done"} == hostile_acts.DONE, told
    assert (folder.parent / "keys" / "pseudonym.key").read_text() == "ab" * 32
    assert sorted(path.name for path in folder.parent.iterdir()) == ["keys", "own"]


def test_the_same_acts_are_done_where_nothing_confines_them(folder, port):
    """Or the test above would prove nothing. (The one that forks, and those that need rights, apart.)"""
    code = f"""
import os, sys, json
sys.path.insert(0, {str(ROOT)!r})
from tests import hostile_acts
hostile_acts.os.fork = hostile_acts.os.kill = lambda *values: None
key = {str(folder.parent / "keys" / "pseudonym.key")!r}
print(json.dumps(hostile_acts.tries({str(folder)!r}, {str(folder.parent)!r}, key, {port}, os.getpid())))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    if folder.is_mount():  # one of the acts, where there is the right to
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    free = json.loads(told)
    needing_rights = {"become root elsewhere", "mount", "lift a limit", "open a key by a link of its own"}
    assert {what for what, came in free.items() if came != "done"} <= needing_rights, free


@needs_landlock
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_account_is_confined_as_root_is(folder, port):
    """The same by nobody, in a process that has given up root for good."""
    for path in (folder, folder.parent, folder.parent / "keys", folder.parent / "keys" / "pseudonym.key"):
        os.chown(path, 65534, 65534)
    code = f"""
import os, sys, json
sys.path.insert(0, {str(ROOT)!r})
import transforms.parse
from tests import hostile_acts
from transforms.confine import confine
from pathlib import Path
os.chdir({str(folder)!r})
os.setgroups([]); os.setgid(65534); os.setuid(65534)
confine(Path("."), [], 10**9, 60, 10**9)
key = {str(folder.parent / "keys" / "pseudonym.key")!r}
print(json.dumps(hostile_acts.tries(".", {str(folder.parent)!r}, key, {port}, {os.getpid()})))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    found = json.loads(told)
    assert {what for what, came in found.items() if came == "done"} == hostile_acts.DONE, found


@needs_landlock
def test_a_query_that_was_smuggled_in_reaches_nothing_either(folder):
    source = folder / "file.csv"
    source.write_text(GOOD)
    key = folder.parent / "keys" / "pseudonym.key"
    told = apart(hostile_acts.engine_tries, str(folder), str(source), str(key), reads=[source], folder=folder)
    assert {what for what, came in told.items() if came == "done"} == {"read its file"}, told


def test_the_engine_itself_refuses_where_the_kernel_cannot(folder):
    """Also without Landlock a query reads its file and writes to its folder only."""
    source = folder / "file.csv"
    source.write_text(GOOD)
    key = folder.parent / "keys" / "pseudonym.key"
    told = hostile_acts.engine_tries(str(folder), str(source), str(key))
    assert {what for what, came in told.items() if came == "done"} == {"read its file"}, told


@pytest.mark.parametrize("act", [hostile_acts.take_memory, hostile_acts.take_memory_bit_by_bit])
def test_memory_has_an_end(act):
    with pytest.raises(Unreadable) as stopped:
        apart(act)
    assert stopped.value.why == "memory"


@pytest.mark.parametrize("act", [hostile_acts.take_time, hostile_acts.wait])
def test_time_has_an_end(act, monkeypatch):
    monkeypatch.setenv("READ_SECONDS", "1")
    begun = time.monotonic()
    with pytest.raises(Unreadable) as stopped:
        apart(act)
    assert stopped.value.why == "time"
    assert time.monotonic() - begun < 10


def test_what_it_may_write_has_an_end(folder):
    with pytest.raises(Unreadable) as stopped:
        apart(hostile_acts.write_without_end, str(folder), folder=folder)
    assert stopped.value.why == "size"


def test_a_full_disk_is_told_as_one(folder):
    with abrupt.small_disk(folder, 4096):
        with pytest.raises(OSError) as full:
            apart(hostile_acts.write_without_end, str(folder), folder=folder)
        assert full.value.errno == errno.ENOSPC
        (folder / "large").unlink()
        with pytest.raises(OSError) as full:
            apart(hostile_acts.engine_writes, str(folder), folder=folder)
        assert full.value.errno == errno.ENOSPC


@pytest.mark.parametrize(
    ("act", "values"),
    [
        (hostile_acts.die, [signal.SIGSEGV]),
        (hostile_acts.die, [signal.SIGABRT]),
        (hostile_acts.die, [signal.SIGBUS]),
        (hostile_acts.read_nowhere, []),
        (hostile_acts.stop_without_a_word, []),
    ],
)
def test_a_parser_that_dies_is_an_answer(act, values):
    with pytest.raises(Unreadable) as stopped:
        apart(act, *values)
    assert stopped.value.why == "died"
    assert apart(parse.manifest, b"{}") == {"files": [], "opt_out_applied_on": ""}, "and the next is heard"


def test_nesting_has_an_end():
    with pytest.raises(Unreadable) as stopped:
        apart(hostile_acts.nest)
    assert stopped.value.why == "nesting"


def test_a_fault_of_ours_is_told_without_its_words():
    with pytest.raises(ApartFault) as fault:
        apart(hostile_acts.say_a_value)
    assert "ValueError" in str(fault.value)
    assert SOMEBODY.names[1] not in str(fault.value) + repr(fault.value.__cause__) + repr(fault.value.__context__)


def test_an_answer_without_an_end_is_none():
    with pytest.raises(Unreadable):
        apart(hostile_acts.say_much)


def test_nothing_is_left_running_and_what_was_begun_ends_with_who_asked(tmp_path):
    """Killed in the middle of a question, as a worker can be: the reader and its server are gone within a moment."""
    code = f"""
import sys, os, threading, time
sys.path.insert(0, {str(ROOT)!r})
from tests import hostile_acts
from transforms.apart import apart
threading.Thread(target=apart, args=[hostile_acts.take_time], daemon=True).start()
time.sleep(1.5)
print("asked", flush=True)
time.sleep(60)
"""
    asking = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert asking.stdout.readline() == "asked\n"
    below = psutil.Process(asking.pid).children(recursive=True)
    assert len(below) == 2
    asking.kill()
    asking.wait()
    asking.stdout.close()
    _, alive = psutil.wait_procs(below, timeout=5)
    assert alive == []


def test_two_threads_and_a_fork_get_their_own_answers():
    found: dict[int, object] = {}

    def ask(number: int) -> None:
        found[number] = apart(parse.header_of, f"a{number},b", ",")

    threads = [threading.Thread(target=ask, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [f"a{number}", "b"] for number in range(6)}
    if not (child := os.fork()):  # as a worker of Airflow is made
        os._exit(0 if apart(parse.header_of, "of,the child", ",") == ["of", "the child"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert apart(parse.header_of, "of,the parent", ",") == ["of", "the parent"]


def test_its_server_holds_no_setting_and_no_file_of_ours(monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://secret")
    apart_module._stop()
    with open(tmp_path / "open", "w"):
        apart(parse.header_of, "a", ",")
        server = psutil.Process(apart_module._server.pid)
        assert set(server.environ()) <= {"PYTHONPATH", "LC_ALL", "LD_LIBRARY_PATH", "LC_CTYPE"}
        assert [file.path for file in server.open_files()] == []
        assert server.num_threads() == 1, "or a fork of it could find a lock that nobody gives back"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_its_reader_dies_of_is_an_outcome_and_nothing_half_is_kept(tmp_path, monkeypatch, place):
    """In the place of the parser something that dies, takes all memory, or never ends."""
    act = [hostile_acts.read_nowhere, hostile_acts.take_memory, hostile_acts.take_time][place]
    reason = ["unreadable_file", "beyond_limits", "beyond_limits"][place]
    lakes.hasten(monkeypatch)
    monkeypatch.setenv("READ_SECONDS", "2")
    lake = lakes.new_lake(tmp_path)
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 5})
    deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 5})
    receive(load(), lake)

    def instead(function, *values, **more):
        return apart(act) if function is parse.table and "ZZ1" in held else apart(function, *values, **more)

    held: list[str] = []
    monkeypatch.setattr(ingest, "apart", instead)
    for name in (f"ZZ1/{PERIOD}", f"ZZ2/{PERIOD}"):
        held[:] = [name[:3]]
        work.run_chunk("ingest", [name], load(), lake)
    [entry] = events(lake, "rejected")
    assert (entry["provider"], entry["reason"]) == ("ZZ1", reason)
    assert events(lake, "crashed") == []
    assert [path.parent.parent.name for path in lake.path("bronze").rglob("*.parquet")] == ["provider=ZZ2"]
    assert list(lake.path(".work").iterdir()) == []


def test_where_no_file_can_be_read_no_sender_is_blamed(tmp_path, monkeypatch):
    lake = lakes.new_lake(tmp_path)
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 5})
    receive(load(), lake)
    monkeypatch.setattr(ingest, "apart", lambda function, *values, **more: _broken(function))
    with pytest.raises(work.StageCrashed):
        work.run_chunk("ingest", [f"ZZ1/{PERIOD}"], load(), lake)
    assert events(lake, "rejected") == []
    assert len(events(lake, "crashed")) == 1


def _broken(function) -> bool:
    if function is parse.is_well:
        return False
    raise Unreadable("died")


def test_what_may_not_be_opened_has_an_outcome_and_blocks_nobody(tmp_path):
    """As somebody whom the modes of files bind: root who has given up its rights."""
    lake: Lake = lakes.new_lake(tmp_path)
    for number, provider in enumerate(("ZZ1", "ZZ2", "ZZ3")):
        sent = deliver(lake.path("landing"), provider, PERIOD, {"pas_patient": 5})
        if number == 0:
            next(sent.path.glob("*.csv")).chmod(0)
        if number == 1:
            sent.path.chmod(0)
    code = f"""
import sys, struct
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from transforms.confine import libc
libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24))
from transforms.lake import Lake
from transforms.receive import receive
from transforms.standard import load
print(receive(load(), Lake(Path({str(lake.root)!r}), Path({str(lake.keys)!r}))))
"""
    env = os.environ | {"READY_GRACE_HOURS": "0"}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    lake.path("landing", "ZZ2", PERIOD).chmod(0o700)
    assert "'received': 1, 'unchanged': 0, 'rejected': 2" in told.stdout, told.stderr
    assert [entry["reason"] for entry in events(lake, "rejected")] == ["no_access"] * 2


def test_status_says_what_this_machine_cannot_enforce(tmp_path, monkeypatch):
    lake = lakes.new_lake(tmp_path)
    assert "files are read confined: yes" in report(summary(load(), lake)) or lacks()
    monkeypatch.setattr(confine, "_landlock", lambda: 0)
    monkeypatch.setattr(confine, "_filters", lambda: False)
    said = report(summary(load(), lake))
    assert "not as to files (this kernel has no Landlock)" in said
    assert "network and programs" in said


def test_without_what_the_kernel_lacks_files_are_read_all_the_same(folder):
    """In a process of its own, for what is done here cannot be taken back."""
    (folder / "file.csv").write_text(GOOD)
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from transforms import confine, parse
confine._landlock = lambda: 0
confine._filters = lambda: False
folder = Path({str(folder)!r})
confine.confine(folder, [folder / "file.csv"], 10**9, 60, 10**9)
print(parse.table(folder / "file.csv", folder, True, parse.Engine(1, "300MB"), "", "|", (), ()))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "('', '', 6)\n"


@pytest.mark.parametrize("machine", confine.REFUSED)
def test_no_call_is_refused_twice_or_is_one_that_reading_needs(machine):
    listed = [number for numbers in confine.REFUSED[machine].values() for number in numbers]
    assert len(listed) == len(set(listed))
    needed = {"x86_64": {0, 1, 2, 3, 9, 11, 56, 202, 231, 257, 334}, "aarch64": {56, 57, 63, 64, 94, 98, 215, 220, 222}}
    assert not needed[machine] & set(listed)


def test_only_what_runs_confined_interprets_what_was_sent():
    """The operator's own files apart: the standard, postcodes, the national check's answer, and what reviewers decided."""
    own = {"parse.py", "geography.py", "national.py", "faults.py", "review.py", "comparison.py"}
    opening = re.compile(r"read_csv|read_json|sniff_csv|csv\.(Dict)?[rR]eader|zipfile|tarfile|openpyxl|read_excel")
    files = [path for path in (ROOT / "transforms").glob("*.py") if not path.name.startswith("demo_")]
    assert {path.name for path in files if opening.search(path.read_text(encoding="utf-8"))} <= own
