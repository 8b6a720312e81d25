"""docker-compose.yml -> the same commands, environment, order and healthchecks as processes of this machine.

Promise: what stands in the file is what is started. `Stack.placed` is all that differs: addresses and paths. Left out is
what only a container engine does: mounts, limits and networks; and the account of the operating system, but for the parts
that show pages, which have theirs where the test may give it, as root.
"""

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).resolve().parent.parent
CLUSTERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # Debian keeps each version apart
TOOLS = [str(Path(sys.executable).parent), *map(str, CLUSTERS[-1:]), "/usr/sbin", "/usr/bin", "/bin"]
PATH = os.pathsep.join(TOOLS)
PORTS = {
    "5432": "postgres",
    "6379": "redis",
    "8080": "api-server",
    "8001": "site",
    "8002": "provider-pages",
    "8443": "proxy",
}
MARK = "COMPOSED_PART"


def missing(*tools: str) -> list[str]:
    """What the machine lacks of these programs."""
    return [tool for tool in tools if not shutil.which(tool, path=PATH)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def interpolated(value: Any, given: dict[str, str]) -> Any:
    """What compose makes of ${NAME}, ${NAME:-default}, ${NAME:?why} and $$."""

    def one(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if match["kind"] == ":?" and not given.get(match["name"]):
            raise KeyError(match["name"])
        return given.get(match["name"]) or match["rest"] or ""

    if isinstance(value, dict):
        return {key: interpolated(item, given) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, given) for item in value]
    pattern = r"\$\$|\$\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<rest>[^}]*))?\}"
    return re.sub(pattern, one, value) if isinstance(value, str) else value


class Stack:
    """Services of the compose file that run here. `given` is what .env would hold."""

    def __init__(self, folder: Path, given: dict[str, str]) -> None:
        text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
        self.folder, self.given = folder, given
        self.compose = interpolated(yaml.safe_load(text), given)
        self.port = {name: free_port() for name in PORTS.values()}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        for name in (".", "tmp", "logs"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "tmp").chmod(0o1777)
        for name, config in self.compose["configs"].items():
            (folder / f"{name}.conf").write_text(self.placed((ROOT / config["file"]).read_text(encoding="utf-8")))

    def placed(self, text: str, part: str = "") -> str:
        """The one table: addresses and paths of the containers -> those of this machine."""
        places = [
            (r"(?<![\w./])/tmp(?![\w-])", f"{self.folder}/tmp"),  # first: what follows may lie below it
            (r"(?<=[@/])(postgres|redis|api-server|site|provider-pages)(?=:\d)", "127.0.0.1"),
            (r"\blisten (\d+)", r"listen 127.0.0.1:\1"),
            (r"\becho port 6379\b", "echo bind 127.0.0.1; echo port 6379"),
            *((rf"(?<!\w){number}(?!\w)", str(self.port[name])) for number, name in PORTS.items()),
            (r"(?<![\w./])/etc/nginx/(\w+\.conf)", rf"{self.folder}/\1"),
            (r"(?<![\w./])/run/secrets(?![\w-])", self.given["SECRETS"]),
            (r"(?<![\w./])/service(?![\w-])", str(ROOT)),
            (r"(?<![\w./])/airflow(?![\w-])", f"{self.folder}/{part}"),
            (r"(?<![\w./])/logs(?![\w-])", f"{self.folder}/logs"),
            (r"(?<![\w./])/(lake|shown)(?![\w-])", self.given["LAKE"]),
            (r"(?<![\w./])/keys(?![\w-])", self.given["KEYS"]),
            (r"(?<![\w./])/var/lib/postgresql/data(?![\w-])", f"{self.folder}/postgres"),
        ]
        for pattern, replacement in places:
            text = re.sub(pattern, replacement, text)
        return text

    def environment(self, part: str) -> dict[str, str]:
        """What the file gives a service, and what tells the parts on one machine apart."""
        asked = self.compose["services"][self.service(part)].get("environment", {})
        own = {name: self.placed(value, part) for name, value in asked.items()}
        own |= {"PATH": PATH, "HOSTNAME": part, MARK: f"{self.folder}:{part}"}
        return own | ({"AIRFLOW__API__HOST": "127.0.0.1"} if part == "api-server" else {})

    def service(self, part: str) -> str:
        return re.sub(r"-\d+$", "", part)

    def parts(self, service: str) -> list[str]:
        """worker-1, worker-2; or the service's own name when one is wanted."""
        wanted = int(self.compose["services"][service].get("deploy", {}).get("replicas", 1))
        return [service] if wanted == 1 else [f"{service}-{number}" for number in range(1, wanted + 1)]

    def up(self, *services: str) -> None:
        """Start services, and first what they depend on, as its conditions say. Returns when all are healthy."""
        wanted = self.order(services or tuple(self.compose["services"]))
        for name in wanted:
            for needed, how in self.compose["services"][name].get("depends_on", {}).items():
                self.wait_healthy(needed) if how["condition"] == "service_healthy" else self.wait_done(needed)
            for part in self.parts(name):
                self.start(part)
        for name in wanted:
            if name != "migrate":
                self.wait_healthy(name)

    def order(self, services: tuple[str, ...]) -> list[str]:
        found: list[str] = []
        for name in services:
            before = self.order(tuple(self.compose["services"][name].get("depends_on", {})))
            found += [one for one in (*before, name) if one not in found]
        return found

    def start(self, part: str) -> None:
        """Start one part when it does not run; `migrate` always, as compose does."""
        if part in self.running and self.running[part].poll() is None:
            return
        service = self.compose["services"][self.service(part)]
        command = [self.placed(word, part) for word in service["command"]]
        options: dict[str, Any] = {}
        if part == "postgres":
            command, options = self.postgres(command)
        log_path = self.folder / f"{part}.log"
        log_path.touch()
        if command[0] == "nginx" and os.geteuid() == 0:
            user, group = map(int, service["user"].split(":"))
            options = {"user": user, "group": group, "extra_groups": []}
            os.chown(log_path, user, group)
            command[-1] += "" if user else " user root;"  # started by root, it would leave its account
        with open(log_path, "ab") as log:
            self.running[part] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment(part),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )

    def postgres(self, command: list[str]) -> tuple[list[str], dict[str, Any]]:
        """What PostgreSQL's image does by itself: make the cluster, its user and database. It refuses to run as root."""
        asked = self.environment("postgres")
        options: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        data = Path(asked["PGDATA"])
        if not data.exists():
            data.parent.mkdir(exist_ok=True)
            word = self.folder / "postgres" / "word"
            word.write_text(Path(asked["POSTGRES_PASSWORD_FILE"]).read_text())
            if options:
                for path in (data.parent, word):
                    shutil.chown(path, "postgres", "postgres")
            made = ["initdb", "--pgdata", str(data), "--username", asked["POSTGRES_USER"], "--pwfile", str(word)]
            made += ["--auth", "scram-sha-256", "--no-sync"]
            base = {"env": asked, "check": True, "cwd": "/", **options}
            subprocess.run(
                [shutil.which("initdb", path=PATH) or "initdb", *made[1:]], stdout=subprocess.DEVNULL, **base
            )
            create = f"create database {asked['POSTGRES_DB']};\n".encode()
            single = [shutil.which("postgres", path=PATH) or "", "--single", "-D", str(data), "postgres"]
            subprocess.run(single, input=create, stdout=subprocess.DEVNULL, **base)
            word.unlink()
        here = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port['postgres']}"]
        return [*command, *here, "-c", "unix_socket_directories="], options

    def is_healthy(self, part: str) -> bool:
        """What the service's own healthcheck says."""
        test = self.compose["services"][self.service(part)]["healthcheck"]["test"]
        words = [self.placed(word, part) for word in test[1:]]
        command = ["sh", "-c", words[0]] if test[0] == "CMD-SHELL" else words
        ended = subprocess.run(command, env=self.environment(part), cwd=ROOT, capture_output=True, timeout=60)
        return ended.returncode == 0

    def wait_healthy(self, service: str, seconds: float = 120) -> None:
        for part in self.parts(service):
            ends = time.monotonic() + seconds
            while not self.is_healthy(part):
                assert self.running[part].poll() is None, f"{part} ended:\n{self.tail(part)}"
                assert time.monotonic() < ends, f"{part} is not healthy:\n{self.tail(part)}"
                time.sleep(0.5)

    def wait_done(self, part: str, seconds: float = 180) -> None:
        assert self.running[part].wait(seconds) == 0, self.tail(part)

    def tail(self, part: str) -> str:
        return "\n".join((self.folder / f"{part}.log").read_text(errors="replace").splitlines()[-25:])

    def members(self, part: str) -> list[psutil.Process]:
        """Every process of one part, as a container's end would take them all."""
        return [one for one in psutil.process_iter() if part in self.parts_of(one)]

    def parts_of(self, process: psutil.Process) -> list[str]:
        """Of which part a process is: by what it was given, or, where it has overwritten that, by its session."""
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.status() == psutil.STATUS_ZOMBIE:
                return []
            with contextlib.suppress(psutil.AccessDenied):
                folder, _, part = process.environ().get(MARK, "").rpartition(":")
                if folder == str(self.folder):
                    return [part]
            session = os.getsid(process.pid)
            return [part for part, started in self.running.items() if started.pid == session]
        return []

    def end(self, part: str, sign: signal.Signals = signal.SIGKILL, seconds: float = 20) -> None:
        """Send a part's processes a signal, at last SIGKILL, and wait until none is left."""
        ends = time.monotonic() + seconds
        first = [self.running[part].pid] if sign != signal.SIGKILL else [one.pid for one in self.members(part)]
        for pid in first:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        while left := self.members(part):
            if time.monotonic() > ends:
                for one in left:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.kill()
            self.running[part].poll()
            time.sleep(0.1)
        self.running[part].wait()

    def down(self) -> None:
        """Stop everything; PostgreSQL and Redis last, so that nobody misses them."""
        last = [part for part in ("redis", "postgres") if part in self.running]
        for part in [part for part in self.running if part not in last]:
            self.running[part].terminate()
        for part in [*(part for part in self.running if part not in last), *last]:
            self.end(part, signal.SIGTERM, 5)

    def left(self) -> list[str]:
        """What still runs of it; PostgreSQL's own processes are known by where they are."""
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if self.parts_of(one) or Path(one.cwd()).is_relative_to(self.folder):
                    found.append(f"{one.pid} {one.name()}")
        return found

    def listening(self) -> dict[str, set[str]]:
        """part -> the addresses on which it listens."""
        found: dict[str, set[str]] = {}
        for part in self.running:
            for one in self.members(part):
                for link in one.net_connections("inet"):
                    if link.status == psutil.CONN_LISTEN:
                        found.setdefault(part, set()).add(link.laddr.ip)
        return found


def make_secrets(folder: Path, names: list[str]) -> None:
    """The files that SECRETS names, each mode 0400; accounts and certificates are the test's to write."""
    folder.mkdir(mode=0o700)
    for name in names:
        write_secret(folder / name, secrets.token_hex(32))


def write_secret(path: Path, text: str) -> None:
    path.write_text(text + "\n")
    path.chmod(0o400)


def make_certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1, signed by itself."""
    asked = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    asked += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    asked += ["-keyout", str(folder / "tls_key"), "-out", str(folder / "tls_certificate")]
    subprocess.run(asked, check=True, capture_output=True)


@contextlib.contextmanager
def stack(folder: Path, given: dict[str, str]) -> Iterator[Stack]:
    """A stack that is stopped whatever happens."""
    made = Stack(folder, given)
    try:
        yield made
    finally:
        made.down()


def wait_for(what: Callable[[], Any], seconds: float, pause: float = 0.5) -> Any:
    """The first true answer, or the last one."""
    ends = time.monotonic() + seconds
    while not (answer := what()) and time.monotonic() < ends:
        time.sleep(pause)
    return answer
