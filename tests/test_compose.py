"""docker-compose.yml: it is what the compose schema allows, it holds every part, and only workers see keys."""

import importlib.resources
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def mounts(service: dict[str, Any]) -> str:
    return " ".join(service.get("volumes", []))


def test_matches_the_compose_schema(compose):
    folder = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((folder / "compose-spec.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(compose)] == []


def test_has_every_part(compose):
    assert set(compose["services"]) >= {"postgres", "redis", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert set(compose["services"]) >= {"worker", "pages"}


def test_only_workers_see_keys_and_the_whole_lake(compose):
    seeing_keys = {name for name, service in compose["services"].items() if "KEYS" in mounts(service)}
    writing = {
        name
        for name, service in compose["services"].items()
        if any("LAKE" in mount and not mount.endswith(":ro") for mount in service.get("volumes", []))
    }
    assert seeing_keys == writing == {"worker"}


def test_every_port_is_for_this_machine_only(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_everything_it_waits_for_and_mounts_exists(compose):
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        named = {mount.split(":")[0] for mount in service.get("volumes", []) if mount[0].isalpha()}
        assert named <= set(compose["volumes"])
    for line in (ROOT / "docker-compose.yml").read_text(encoding="utf-8").splitlines():
        if line.strip().startswith("COPY "):
            assert (ROOT / line.split()[1]).exists(), line


def test_no_secret_stands_in_the_file(compose):
    """Every password and key is asked for, none has a default."""
    for service in compose["services"].values():
        for key, value in service.get("environment", {}).items():
            if key.endswith(("PASSWORD", "KEY", "SECRET")):
                assert value.startswith("${") and value.endswith(":?}"), key
