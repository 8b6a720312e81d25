"""What a parser would do that somebody has taken over: called in the place of a parser, each says how far it came."""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

from transforms import parse
from transforms.parquet import copy

LIBC = ctypes.CDLL(None, use_errno=True)


def told(act, *values) -> str:
    """What came of an act: done, or the name of what stopped it."""
    try:
        act(*values)
    except Exception as error:  # noqa: BLE001  whatever stopped it
        return type(error).__name__
    return "done"


def tries(folder: str, elsewhere: str, key: str, port: int, parent: int) -> dict[str, str]:
    """Each act, and what came of it."""
    return {
        "write below its folder": told(lambda: (Path(folder) / "own").write_text("x")),
        "read below its folder": told(lambda: (Path(folder) / "own").read_text()),
        "write elsewhere": told(lambda: (Path(elsewhere) / "left").write_text("x")),
        "write where everybody may": told(lambda: Path("/tmp/left-behind").write_text("x")),
        "read a key": told(lambda: Path(key).read_text()),
        "list the keys": told(lambda: os.listdir(Path(key).parent)),  # noqa: PTH208
        "read what others run with": told(lambda: Path(f"/proc/{parent}/environ").read_bytes()),
        "make a link to a key": told(lambda: os.link(key, Path(folder) / "key")),
        "open a key by a link of its own": told(_through_a_link, folder, key),
        "change a mode": told(lambda: os.chmod(folder, 0o777)),  # noqa: PTH101
        "remove a key": told(lambda: os.unlink(key)),  # noqa: PTH108
        "speak to a port": told(lambda: socket.create_connection(("127.0.0.1", port), timeout=2).close()),
        "listen": told(lambda: socket.socket().bind(("127.0.0.1", 0))),
        "speak to a name server": told(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port))),
        "run a program": told(lambda: subprocess.run(["/bin/true"], check=True)),
        "become another process": told(os.fork),
        "leave the group": told(os.setsid),
        "end another process": told(lambda: os.kill(parent, signal.SIGTERM)),
        "become root elsewhere": told(lambda: _must(LIBC.unshare(0x10000000))),
        "mount": told(lambda: _must(LIBC.mount(b"none", folder.encode(), b"tmpfs", 0, None))),
        "lift a limit": told(lambda: resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, 1 << 40))),
    }


DONE = {"write below its folder", "read below its folder"}


def _must(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "refused")


def _through_a_link(folder: str, key: str) -> None:
    (Path(folder) / "link").symlink_to(key)
    (Path(folder) / "link").read_text()


def engine_tries(folder: str, source: str, key: str) -> dict[str, str]:
    """The same by the engine, as a query that was smuggled in would."""
    from transforms.parse import Engine

    con = Engine(1, "200MB").open(Path(source), Path(folder))
    asks = {
        "read its file": f"select count(*) from read_csv('{source}')",
        "read a key": f"select * from read_text('{key}')",
        "write elsewhere": f"copy (select 1) to '{Path(key).parent}/left.csv'",
        "attach": f"attach '{Path(key).parent}/left.db'",
        "load": "install httpfs",
        "open up": "set enable_external_access = true",
        "allow more": "set allowed_directories = ['/']",
        "take more memory": "set memory_limit = '100GB'",
    }
    return {what: told(con.execute, query) for what, query in asks.items()}


def take_memory() -> int:
    return len(b"x" * (1 << 36)) + len([bytes(1 << 24) for _ in range(4096)])


def take_memory_bit_by_bit() -> int:
    return len([bytearray(1 << 24) for _ in range(4096)])


def take_time() -> None:
    while True:
        pass


def wait() -> None:
    time.sleep(600)


def write_without_end(folder: str) -> None:
    with open(Path(folder) / "large", "wb") as handle:
        while True:
            handle.write(bytes(1 << 24))


def engine_writes(folder: str) -> None:
    query = "select md5(i::text) from range(1000000) as t(i)"
    copy(parse.Engine(1, "300MB").open(Path(folder), Path(folder)), query, Path(folder) / "large.parquet", "")


def nest() -> None:
    nest()


def die(number: int) -> None:
    os.kill(os.getpid(), number) if number == signal.SIGKILL else signal.raise_signal(number)


def read_nowhere() -> None:
    ctypes.string_at(0)


def stop_without_a_word() -> None:
    os._exit(0)


def say_much() -> str:
    return "x" * (80 << 20)


def say_a_value() -> None:
    raise ValueError("Quillfeatherton")


def processor_times() -> list[float]:
    return [time.process_time()]
