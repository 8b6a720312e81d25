"""A function and its values -> what it returns, worked out by a process of its own that is confined.

Promise: whatever the bytes do that it reads, they reach nothing but their own folder, and end as an answer: a value, or why
there is none. What comes back is plain data (JSON), never code. The process is a fork of a small one that has imported
what it needs, holds no lake, no key and no setting, and ends with the one that started it.
"""

import atexit
import contextlib
import errno
import gc
import importlib
import json
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from transforms.confine import confine, end
from transforms.disk import number_of
from transforms.ours import line_of_ours

MB = 1 << 20
MOST = 64 * MB  # of an answer
RESERVED = 2.5  # times what the engine may use: it reserves more than it touches, most of all on a busy machine
BEYOND = {"MemoryError": "memory", "OutOfMemoryException": "memory", "RecursionError": "nesting"}
BROKEN = ("InternalException", "FatalException", "SerializationException")  # the engine met what it thinks impossible


class Unreadable(Exception):
    """What was to be read made its reader stop. `why` is memory, time, size, nesting or died."""

    def __init__(self, why: str):
        super().__init__(why)
        self.why = why


class ApartFault(Exception):
    """A fault of ours in there. Its own message could repeat a value, so only its kind and our line are told."""


_lock = threading.Lock()
_server: subprocess.Popen[bytes] | None = None


def apart(
    function: Callable[..., Any], *values: Any, reads: Iterable[Path] = (), folder: Path | None = None, n_bytes: int = 0
) -> Any:
    """What a function of a module returns, as plain data; it reads `reads`, and reads and writes below `folder`.

    `n_bytes`, of what it reads: how long it may take, and how much it may write. Raises Unreadable, ApartFault, and OSError
    where a disk was full or failed.
    """
    limits = {
        "memory": int(n_bytes_of(os.environ.get("MEMORY", "1GB")) * RESERVED),
        "seconds": int(os.environ.get("READ_SECONDS", "120")) + n_bytes // (2 * MB),
        "size": 4 * n_bytes + 256 * MB,
    }
    name = (function.__module__, function.__qualname__)
    question = pickle.dumps((name, values, [str(path) for path in reads], str(folder) if folder else None))
    with _lock:
        server = _running()
        assert server.stdin and server.stdout
        try:
            _give(server.stdin.fileno(), pickle.dumps((limits, question)))
            answer = json.loads(_take(server.stdout.fileno()))
        except (OSError, EOFError):
            _stop()
            raise ApartFault("the process that reads files ended") from None
        except BaseException:  # interrupted: its answer would be taken for that to the next question
            _stop()
            raise
    if "value" in answer:
        return answer["value"]
    if "why" in answer:
        raise Unreadable(answer["why"])
    if "disk" in answer:
        raise OSError(answer["disk"], os.strerror(answer["disk"]))
    raise ApartFault(f"{name[1]} failed: {answer['fault']}")


def n_bytes_of(said: str) -> int:
    """`1GB` or `512MB`, as DuckDB reads it."""
    number = said.strip().upper().removesuffix("B")
    unit = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}.get(number[-1:])
    return int(float(number[:-1]) * unit) if unit else int(number)


def _running() -> subprocess.Popen[bytes]:
    """This process's one server, started when it is first needed."""
    global _server
    if _server is None or _server.poll() is not None:
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        kept |= {"PYTHONPATH": str(Path(__file__).resolve().parent.parent), "LC_ALL": "C.UTF-8"}
        _server = subprocess.Popen(
            [sys.executable, "-c", "from transforms.apart import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # an engine that aborts may print what it read
            bufsize=0,
            env=kept,
            cwd="/",
        )
    return _server


def _stop() -> None:
    """Let the server end: it does when nobody can ask it any more, with whatever it is at."""
    global _server
    server, _server = _server, None
    if server:
        for pipe in (server.stdin, server.stdout):
            if pipe:
                pipe.close()
        server.wait()


def _forget() -> None:
    """In a fork of this process: the server is its parent's."""
    global _server, _lock
    _lock = threading.Lock()
    if _server:
        _server.returncode = 0  # not ours to wait for
        for pipe in (_server.stdin, _server.stdout):
            if pipe:
                pipe.close()
        _server = None


atexit.register(_stop)
os.register_at_fork(after_in_child=_forget)


def _give(to: int, message: bytes) -> None:
    whole = memoryview(struct.pack("Q", len(message)) + message)
    while whole:
        whole = whole[os.write(to, whole) :]


def _take(source: int) -> bytes:
    [n] = struct.unpack("Q", _exactly(source, 8))
    return _exactly(source, n)


def _exactly(source: int, n: int) -> bytes:
    found = bytearray()
    while len(found) < n:
        piece = os.read(source, min(n - len(found), MB))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)


def serve() -> None:
    """Answer until nobody asks any more. This process reads no file: each question is for a fork of it."""
    importlib.import_module("transforms.parse").be_still()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that asks
    gc.freeze()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            limits, question = pickle.loads(_take(0))
            _give(1, json.dumps(_asked(limits, question)).encode())


def _asked(limits: dict[str, int], question: bytes) -> dict[str, Any]:
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.close(reader)
        _work(limits, question, writer)
    os.close(writer)
    found, is_late, deadline = bytearray(), False, time.monotonic() + limits["seconds"]
    waiting = select.poll()
    waiting.register(reader, select.POLLIN)
    waiting.register(0, 0)  # hears only that the other end is gone
    try:
        while len(found) <= MOST:
            events = dict(waiting.poll(max(0, deadline - time.monotonic()) * 1000))
            if 0 in events:
                raise EOFError
            if is_late := not events:
                break
            if not (piece := os.read(reader, MB)):
                break
            found += piece
        with contextlib.suppress(ValueError, RecursionError):
            return dict(json.loads(found))
        number = 0 if is_late or len(found) > MOST else _signal(child)
    finally:
        os.close(reader)
        end(child)
        os.waitpid(child, 0)
    if len(found) > MOST:
        return {"why": "size"}
    if is_late or number == signal.SIGXCPU:
        return {"why": "time"}
    if number in (signal.SIGKILL, signal.SIGTERM):  # by somebody else, as a machine does that is short of memory
        return {"fault": "it was ended from outside"}
    return {"why": "died"}


def _signal(child: int) -> int:
    """By which signal it ended without an answer, 0 for none; it is not waited for: `end` must still find its number."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if found := os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return found.si_status if found.si_code in (os.CLD_KILLED, os.CLD_DUMPED) else 0
        time.sleep(0.005)
    return 0


def _work(limits: dict[str, int], question: bytes, writer: int) -> NoReturn:
    """In the fork: confine it, then answer; whatever happens, it ends here."""
    try:
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        try:
            (module, name), values, reads, folder = pickle.loads(question)
            function = getattr(importlib.import_module(module), name)
            confine(Path(folder) if folder else None, map(Path, reads), **limits)
            answer = json.dumps({"value": function(*values)})
        except BaseException as error:  # noqa: BLE001  whatever it is, it is told without its words
            answer = json.dumps(_told(error))
        whole = memoryview(answer.encode())
        while whole:
            whole = whole[os.write(writer, whole) :]
    finally:
        os._exit(0)


def _told(error: BaseException) -> dict[str, Any]:
    kind, number = type(error).__name__, number_of(error)
    if number == errno.EFBIG:  # the limit is ours
        return {"why": "size"}
    if number:
        return {"disk": number}
    if why := BEYOND.get(kind):
        return {"why": why}
    if kind in BROKEN:
        return {"why": "died"}
    return {"fault": f"{kind} in {line_of_ours(error)}"}
