"""This process -> one that can do next to nothing: no network, no file but those named, no program, no more than so much.

Promise: what is asked for is in force when `confine` returns, or `lacks` names it; nothing here can be taken back. It asks
the kernel alone, so it works for root and for anybody else: Landlock for files, a seccomp filter for calls, limits for
memory, time and sizes. (Numbers are the kernel's: linux/landlock.h, linux/seccomp.h, asm/unistd.h.)
"""

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable
from functools import cache
from pathlib import Path

NO_NEW_PRIVILEGES, SECCOMP, DEATH_SIGNAL, FILTER = 38, 22, 1, 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF, BENEATH = 444, 445, 446, 1
EXECUTE, WRITE, READ, READ_FOLDER = 1, 2, 4, 8  # the rights of Landlock that are named here; a bit each
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many of them a version of Landlock knows
# Calls that reading a file never needs, by machine: what they do -> their numbers.
REFUSED = {
    "x86_64": {
        "speak to anybody": (41, 53, 425),  # socket, socketpair, io_uring_setup
        "start a program or leave the group": (57, 58, 59, 322, 109, 112),  # fork, vfork, execve(at), setpgid, setsid
        "reach into others": (62, 101, 200, 310, 311, 424, 434, 438),  # kill, ptrace, tkill, process_vm_*, pidfd_*
        "change owners, modes, times and lengths": (76, 90, 91, 92, 93, 94, 132, 235, 260, 261, 268, 280, 452),
        "change attributes": (188, 189, 190, 197, 198, 199),
        "change the machine": (155, 165, 166, 169, 175, 246, 248, 250, 272, 298, 308, 313, 321),
    },
    "aarch64": {
        "speak to anybody": (198, 199, 425),
        "start a program or leave the group": (221, 281, 154, 157),
        "reach into others": (117, 129, 130, 270, 271, 424, 434, 438),
        "change owners, modes, times and lengths": (45, 52, 53, 54, 55, 88, 452),
        "change attributes": (5, 6, 7, 14, 15, 16),
        "change the machine": (39, 40, 41, 97, 104, 105, 142, 217, 219, 241, 268, 273, 280),
    },
}
MACHINE = {"x86_64": (0xC000003E, 56), "aarch64": (0xC00000B7, 220)}  # how the filter sees it; its call `clone`
CLONE3, THREAD, NO_SUCH_CALL, NOT_PERMITTED = 435, 0x10000, 38, 1

libc = ctypes.CDLL(None, use_errno=True)


@cache
def _landlock() -> int:
    """The version of Landlock that this kernel has, 0 for none."""
    return max(0, libc.syscall(CREATE_RULESET, None, 0, 1))


@cache
def _filters() -> bool:
    """Whether this kernel can filter the calls of this machine: it looks for a filter where there is none, or knows none."""
    ctypes.set_errno(0)
    libc.prctl(SECCOMP, FILTER, None, 0, 0)
    return platform.machine() in MACHINE and ctypes.get_errno() == errno.EFAULT


def lacks() -> list[str]:
    """What this machine cannot enforce of what is promised, in words for `status`."""
    missing = []
    if not _landlock():
        missing.append("files (this kernel has no Landlock)")
    if not _filters():
        missing.append("network and programs (no filter of calls for this machine)")
    return missing


def confine(folder: Path | None, reads: Iterable[Path], memory: int, seconds: int, size: int) -> None:
    """From here on: write below `folder` only, read it and `reads`; `memory` and a file's `size` in bytes, processor time in
    seconds. A process that is confined ends with the one that started it."""
    libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    limits = {resource.RLIMIT_DATA: memory, resource.RLIMIT_FSIZE: size, resource.RLIMIT_NOFILE: 256}
    for kind, most in (limits | {resource.RLIMIT_CORE: 0}).items():  # a core would hold what was in the file
        resource.setrlimit(kind, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    _must(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24))  # what root may do beyond its own files
    if _landlock():
        _close_files(folder, reads)
    if _filters():
        _refuse_calls()


def _must(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "this process could not be confined")
    return result


def _close_files(folder: Path | None, reads: Iterable[Path]) -> None:
    version = _landlock()
    rights = (1 << RIGHTS.get(version, 16)) - 1
    # From version 4 on also connecting and listening by TCP, from 6 on signals and nameless sockets to others.
    asked = struct.pack("QQQ", rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    rules = _must(libc.syscall(CREATE_RULESET, asked, 24 if version >= 6 else 16 if version >= 4 else 8, 0))
    # What the engine asks about memory when it begins: of itself, and of its group.
    about = [path for path in (Path(f"/proc/{os.getpid()}"), Path("/sys/fs/cgroup")) if path.exists()]
    for path, allowed in [
        *((path, READ) for path in (*about, *reads)),
        *([(folder, rights & ~EXECUTE)] if folder else []),
    ]:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _must(libc.syscall(ADD_RULE, rules, BENEATH, struct.pack("=Qi", allowed, place), 0))
        os.close(place)
    _must(libc.syscall(RESTRICT_SELF, rules, 0))
    os.close(rules)


def _refuse_calls() -> None:
    """A filter of calls, in the kernel's small language: load a word, compare, jump, answer."""
    kind, clone = MACHINE[platform.machine()]
    refuse, allow, kill = 0x50000 | NOT_PERMITTED, 0x7FFF0000, 0x80000000
    steps = [(0x20, 0, 0, 4), (0x15, 1, 0, kind), (0x06, 0, 0, kill), (0x20, 0, 0, 0)]
    if kind == MACHINE["x86_64"][0]:  # the same calls under other numbers
        steps += [(0x35, 0, 1, 0x40000000), (0x06, 0, 0, refuse)]
    for number in sorted(number for numbers in REFUSED[platform.machine()].values() for number in numbers):
        steps += [(0x15, 0, 1, number), (0x06, 0, 0, refuse)]
    # A thread may be started, a process not; what cannot be looked into is said not to exist, and is asked for otherwise.
    steps += [(0x15, 0, 1, CLONE3), (0x06, 0, 0, 0x50000 | NO_SUCH_CALL)]
    steps += [(0x15, 0, 3, clone), (0x20, 0, 0, 16), (0x45, 1, 0, THREAD), (0x06, 0, 0, refuse), (0x06, 0, 0, allow)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    asked = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(program)))
    _must(libc.prctl(SECCOMP, FILTER, ctypes.byref(asked), 0, 0))


def end(group: int) -> None:
    """End a process and whatever it may have started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
