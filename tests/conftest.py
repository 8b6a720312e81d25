"""What many tests share: an empty lake with keys, the real standard, and an Airflow home that is thrown away."""

import atexit
import gc
import os
import shutil
import signal
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A run that is told to end tidies up, as after Ctrl-C.
signal.signal(signal.SIGTERM, signal.default_int_handler)
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if not WORKER:  # workers have a folder each in that of the run, which outlives them and takes it away
    os.environ["SCRATCH"] = tempfile.mkdtemp(prefix="tests-")
    atexit.register(shutil.rmtree, os.environ["SCRATCH"], ignore_errors=True)

# Before anything imports Airflow: it reads its home once.
os.environ["AIRFLOW_HOME"] = str(Path(os.environ["SCRATCH"]) / WORKER / "airflow")
Path(os.environ["AIRFLOW_HOME"]).mkdir(parents=True)
os.environ |= {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "GX_ANALYTICS_ENABLED": "false",
}
if WORKER:  # beside others, threads of one's own only wait for each other
    os.environ.setdefault("THREADS", "1")

import pytest  # noqa: E402

from transforms import keys  # noqa: E402
from transforms.faults import Reader  # noqa: E402
from transforms.guidance import plain, publication  # noqa: E402
from transforms.lake import Lake  # noqa: E402
from transforms.standard import Standard, load  # noqa: E402

# Of a loaded standard a hundred thousand small objects stay: to look for garbage among them after every 700 new ones, as
# is the default, costs a test that loads one about a sixth of its time.
gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts an Airflow begins first: it mostly waits, and the other workers have enough left to do beside it."""
    items.sort(key=lambda item: item.get_closest_marker("airflow") is None)


@pytest.fixture(scope="session")
def standard() -> Standard:
    """The repository's own standards/ and expectations/."""
    return load()


@pytest.fixture(scope="session")
def about(standard: Standard) -> dict:
    """What publication.yml says."""
    return plain(publication(Reader(standard.folder.parent), standard))


@pytest.fixture
def lake(tmp_path, monkeypatch) -> Lake:
    """An empty lake with fresh keys; LAKE and KEYS name it."""
    monkeypatch.setenv("LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("KEYS", str(tmp_path / "keys"))
    made = Lake.from_environment().prepare()
    keys.initialise(made)
    return made
