"""Start and stop the embedded Airflow: `up`, `down`, `run` (in the foreground).

Promise: `down` leaves nothing behind, also after a crash. Everything that `up` starts shares one session id of the
operating system, which is written down first; nothing else is ever signalled. It listens on 127.0.0.1 only.
"""

import base64
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("AIRFLOW_HOME", ROOT / ".airflow")).resolve()
CONFIGURATION = HOME / "airflow.cfg"
STATE = HOME / "service.json"
LOG = HOME / "service.log"
PASSWORDS = HOME / "simple_auth_manager_passwords.json.generated"
FIRST_PORT = 8080


class ServiceError(Exception):
    """What went wrong and what to do, for the person at the prompt."""


def environment(port: int) -> dict[str, str]:
    """Airflow's settings for one small machine. What the caller has set wins."""
    parallelism = str(max(2, min(8, os.cpu_count() or 2)))
    settings = {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "STAGE_LOG": "json",  # in the log of a task, a line for each stage and submission
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": parallelism,
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": parallelism,  # what is queued beyond this ignores priorities
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # or the end of a task is sometimes noticed 5 s late
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "60",  # the first tasks start before the API server is there
        "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "3",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "GX_ANALYTICS_ENABLED": "false",
        "LAKE": str(Path(os.environ.get("LAKE", ROOT / "lake")).resolve()),
        "KEYS": str(Path(os.environ.get("KEYS", ROOT / "keys")).resolve()),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    caller = dict(os.environ)
    caller["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), caller.get("PATH", os.defpath)])
    caller.pop("PYTHONDONTWRITEBYTECODE", None)  # every task would compile Great Expectations again: 7 s each
    return settings | caller | {key: settings[key] for key in ("AIRFLOW_HOME", "LAKE", "KEYS", "PYTHONPATH")}


def make_secrets() -> None:
    """The secrets that Airflow's parts share, made once. Left to itself each part makes its own on the first start."""
    if not CONFIGURATION.exists():
        with open(os.open(CONFIGURATION, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(f"[core]\nfernet_key = {base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}\n")
            file.write(f"[api]\nsecret_key = {secrets.token_hex(32)}\n")
            file.write(f"[api_auth]\njwt_secret = {secrets.token_hex(64)}\n")


def start_of(pid: int) -> str | None:
    """When a process started, in ticks since boot: with its number, what identifies it. None when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def state() -> dict[str, str | int]:
    """What `up` wrote down, or nothing."""
    try:
        found: dict[str, str | int] = json.loads(STATE.read_text())
    except (OSError, ValueError):
        return {}
    return found if found.get("boot") == boot_id() else {}


def processes() -> list[int]:
    """Everything alive that `up` started. The number of a session is not given away while one member lives."""
    known = state()
    if not known or start_of(int(known["session"])) not in (None, known["started"]):
        return []
    members = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == known["session"] and fields[0] != "Z":
                members.append(int(folder.name))
    return members


def free_port() -> int:
    """The port asked for (AIRFLOW_PORT, 0 for any), or the first free one from 8080 on."""
    asked = os.environ.get("AIRFLOW_PORT")
    for port in [int(asked)] if asked else range(FIRST_PORT, FIRST_PORT + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    where = f"port {asked} is" if asked else f"ports {FIRST_PORT} to {FIRST_PORT + 49} are"
    raise ServiceError(f"{where} in use. Choose another: AIRFLOW_PORT=9090 make up")


def healthy(port: int) -> bool:
    """Do all four parts of Airflow report that they are alive?"""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=5) as answer:
            parts = json.load(answer)
    except (OSError, ValueError):
        return False
    return all(parts[p]["status"] == "healthy" for p in ("metadatabase", "scheduler", "triggerer", "dag_processor"))


def start() -> int:
    """Start it when it is not running, without waiting. Returns its port."""
    if processes():
        return int(state()["port"])
    HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
    make_secrets()
    port = free_port()
    with open(LOG, "w") as log:
        service = subprocess.Popen(
            [sys.executable, __file__, "run"],
            cwd=ROOT,
            env=environment(port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    facts = {"session": service.pid, "started": start_of(service.pid), "boot": boot_id(), "port": port}
    STATE.write_text(json.dumps(facts))
    return port


def up(seconds: float = 180) -> int:
    """Start it and wait until all its parts are alive. Returns its port."""
    port = start()
    ends = time.monotonic() + seconds
    while not healthy(port):
        if not processes() or time.monotonic() > ends:
            down()
            raise ServiceError(f"Airflow did not start. Its log, {LOG}, ends:\n{tail()}")
        time.sleep(0.5)
    return port


def down(seconds: float = 20) -> bool:
    """Stop everything that `up` started. Returns whether there was anything."""
    found = bool(processes())
    for sign, wait in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        ends = time.monotonic() + wait
        for pid in processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        while processes() and time.monotonic() < ends:
            with contextlib.suppress(ChildProcessError):  # collects it when this process started it
                os.waitpid(-1, os.WNOHANG)
            time.sleep(0.1)
    if not processes():
        STATE.unlink(missing_ok=True)
    return found


def tail(lines: int = 15) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(LOG.read_text(errors="replace").splitlines()[-lines:])
    return ""


def run() -> None:
    """`airflow standalone`, but without its two log servers: they would listen on every address of the machine."""
    from airflow.cli.commands import standalone_command as standalone

    class Part(standalone.SubCommand):
        def __init__(self, parent: object, name: str, command: list[str], env: dict[str, str]) -> None:
            extra = ["--skip-serve-logs"] if name in ("scheduler", "triggerer") else []
            super().__init__(parent, name, [*command, *extra], env)

    standalone.SubCommand = Part
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # standalone stops its parts on an interrupt only
    standalone.StandaloneCommand().run()


def main(words: list[str]) -> int:
    """Returns the exit code."""
    if words == ["run"]:
        run()
    elif words == ["up"]:
        port = up()
        login = next(iter(json.loads(PASSWORDS.read_text()).items()))
        print(f"Airflow  http://127.0.0.1:{port}  user {login[0]}  password {login[1]}")
        settings = environment(port)
        print(
            f"Drop deliveries into {settings['LAKE']}/landing/<provider>/<period>/<delivery>/ and finish with _READY."
        )
        if not Path(settings["KEYS"], "pseudonym.key").exists():
            print("There are no keys yet, so nothing can be taken in: .venv/bin/python -m transforms keys --init")
        print("Stop it with: make down")
    elif words == ["down"]:
        print("Stopped." if down() else "Nothing was running.")
    else:
        print(f"usage: {Path(__file__).name} up | down | run", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ServiceError as problem:
        print(problem, file=sys.stderr)
        sys.exit(1)
