"""What many tests share: an empty lake with keys, the real standard, and an Airflow home that is thrown away."""

import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Before anything imports Airflow: it reads its home once.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")
os.environ |= {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "GX_ANALYTICS_ENABLED": "false",
}

import pytest  # noqa: E402

from transforms import keys  # noqa: E402
from transforms.faults import Reader  # noqa: E402
from transforms.guidance import plain, publication  # noqa: E402
from transforms.lake import Lake  # noqa: E402
from transforms.standard import Standard, load  # noqa: E402


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
