"""docker-compose.yml: it is what the compose schema allows, it holds every part, and each part sees and may what it must.

tests/test_production.py starts what stands there; what only a container engine does is looked at here."""

import importlib.resources
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import airflow_accounts
import jsonschema
import pytest
import yaml

from tests.composed import interpolated

ROOT = Path(__file__).resolve().parent.parent
each = pytest.mark.parametrize


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


PARTS = ["postgres", "redis", "migrate", "api-server", "scheduler", "dag-processor", "triggerer", "worker"]
PAGES = ["site", "provider-pages", "proxy"]


def test_has_every_part(compose):
    assert set(compose["services"]) == {*PARTS, *PAGES}
    assert interpolated(compose["services"]["worker"]["deploy"]["replicas"], {}) == "2"


def test_only_workers_see_keys_and_the_whole_lake(compose):
    seeing_keys = {name for name, service in compose["services"].items() if "KEYS" in mounts(service)}
    writing = {
        name
        for name, service in compose["services"].items()
        if any("LAKE" in mount and not mount.endswith(":ro") for mount in service.get("volumes", []))
    }
    assert seeing_keys == writing == {"worker"}


def test_pages_see_what_they_show_and_the_proxy_sees_none(compose):
    for name, shown in {"site": "releases", "provider-pages": "provider"}.items():
        [mount] = compose["services"][name]["volumes"]
        assert re.fullmatch(rf"\$\{{LAKE:\?\}}/{shown}:/shown/{shown}:ro", mount)
        assert compose["services"][name]["networks"] == ["shown"]
    assert mounts(compose["services"]["proxy"]) == ""
    assert compose["services"]["site"]["user"] == "65534:65534", "modes keep the protected mart from it"


def test_every_port_is_for_this_machine_only_unless_somebody_says_otherwise(compose):
    ports = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert ports.keys() == {"api-server", "proxy"}
    assert [interpolated(port, {}) for listed in ports.values() for port in listed] == [
        "127.0.0.1:8080:8080",
        "127.0.0.1:8443:8443",
    ]
    assert ports["api-server"][0].startswith("127.0.0.1:"), "the API is never for anybody else"


@each("name", [*PARTS, *PAGES])
def test_a_part_has_few_rights_and_a_limit(compose, name):
    service = compose["services"][name]
    user = interpolated(service["user"], {"RUN_AS": "1000:1000"})
    assert int(user.split(":")[0]) > 0, "nobody is root"
    assert service["read_only"] is True and "/tmp:mode=1777" in service["tmpfs"]
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(service)
    assert "docker.sock" not in mounts(service)
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}


@each("name", [*PARTS, *PAGES])
def test_a_part_says_whether_it_is_healthy(compose, name):
    check = compose["services"][name]["healthcheck"]
    if name == "migrate":
        assert check == {"disable": True} and compose["services"][name]["restart"] == "no"
    else:
        assert check["test"][0] in ("CMD", "CMD-SHELL") and {"interval", "timeout", "retries"} <= set(check)


def test_every_image_is_one_version(compose):
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    named = re.findall(r"^\s+image: (?:&\w+ )?([\w/.-]+:\S+)$", text, re.M) + re.findall(r"FROM (\S+)", text)
    assert len(named) == 4, named
    for image in named:
        assert re.fullmatch(r"[\w/.-]+:\d+\.\d+(\.\d+)?-[\w-]*bookworm", image), image


def test_nothing_reaches_the_outside_but_where_people_come_in(compose):
    inside = {name for name, how in compose["networks"].items() if (how or {}).get("internal")}
    outside = set(compose["networks"]) - inside
    assert {name for name, one in compose["services"].items() if set(one["networks"]) & outside} == {
        "api-server",
        "proxy",
    }
    together = {
        name: {part for part, one in compose["services"].items() if name in one["networks"]}
        for name in compose["networks"]
    }
    assert together["queue"] == {"redis", "scheduler", "worker"}
    assert together["execution"] == {"api-server", "worker"}
    assert "worker" not in together["database"] and "proxy" not in together["database"] | together["queue"]


def test_a_worker_knows_the_queue_and_no_other_secret(compose):
    """Files that strangers wrote are read there: it can neither make a token nor read Airflow's database."""
    worker = compose["services"]["worker"]
    assert worker["secrets"] == ["redis_password"]
    assert not [name for name in worker["environment"] if "SQL_ALCHEMY" in name or "FERNET" in name or "JWT" in name]


def test_a_part_is_given_the_secrets_that_it_reads(compose):
    configs = {name: (ROOT / item["file"]).read_text(encoding="utf-8") for name, item in compose["configs"].items()}
    for name, service in compose["services"].items():
        given = [configs[item["source"]] for item in service.get("configs", [])]
        said = json.dumps([service.get("environment"), service["command"], service.get("healthcheck"), *given])
        assert set(re.findall(r"/run/secrets/(\w+)", said)) == set(service.get("secrets", [])), name
    used = {secret for service in compose["services"].values() for secret in service.get("secrets", [])}
    assert used == set(compose["secrets"])


def test_everything_it_waits_for_and_mounts_exists(compose):
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        named = {mount.split(":")[0] for mount in service.get("volumes", []) if mount[0].isalpha()}
        assert named <= set(compose["volumes"])
        assert {item["source"] for item in service.get("configs", [])} <= set(compose["configs"])
    for item in compose["configs"].values():
        assert (ROOT / item["file"]).is_file()
    for line in (ROOT / "docker-compose.yml").read_text(encoding="utf-8").splitlines():
        if line.strip().startswith("COPY "):
            assert (ROOT / line.split()[1]).exists(), line


def test_no_secret_stands_in_the_file_or_in_an_environment(compose):
    """Every password and key is read from its file, by whoever needs it."""
    for service in compose["services"].values():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|KEY|SECRET|BROKER|BACKEND|SQL_ALCHEMY", key) and key != "KEYS":
                assert key.endswith(("_CMD", "_FILE")) and "/run/secrets/" in value, key
    assert all(item["file"] == f"${{SECRETS:?}}/{name}" for name, item in compose["secrets"].items())


def test_airflow_asks_who_somebody_is_and_shows_no_examples(compose):
    for name in PARTS[2:]:
        settings = compose["services"][name]["environment"]
        assert settings["AIRFLOW__CORE__AUTH_MANAGER"].endswith(".FabAuthManager")
        assert settings["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"


def test_what_it_names_of_airflow_is_installed_and_can_be_loaded(compose):
    """A release of Celery once lacked what Airflow's executor imports: nothing said so before a scheduler was started."""
    manager = compose["services"]["api-server"]["environment"]["AIRFLOW__CORE__AUTH_MANAGER"]
    module = manager.rpartition(".")[0]
    for name in (
        "airflow.providers.celery.executors.celery_executor",
        "airflow.providers.celery.cli.celery_command",
        module,
    ):
        ended = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr[-500:]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("olga:admin:scrypt:1", "line 1: the role is one of operator, viewer, none"),
        ("olga:viewer:password", "line 1: no hash"),
        (":viewer:scrypt:1", "line 1: a name, once"),
        ("olga:viewer:scrypt:1\nolga:viewer:scrypt:1", "line 2: a name, once"),
        ("olga", "line 1: the role is one of operator, viewer, none\nline 1: no hash"),
    ],
)
def test_a_line_of_the_accounts_that_is_wrong_is_named_without_its_hash(line, fault):
    with pytest.raises(airflow_accounts.AccountFault) as told:
        airflow_accounts.read(line.splitlines())
    assert str(told.value).startswith(fault)
    assert "password" not in str(told.value)


def test_accounts_are_a_name_a_role_and_a_hash():
    text = ["# who works here", "", "olga:operator:scrypt:32768:8:1$salt$hash", "nils:none:pbkdf2:sha256:1$a$b"]
    assert airflow_accounts.read(text) == {
        "olga": ("Op", "scrypt:32768:8:1$salt$hash"),
        "nils": ("Public", "pbkdf2:sha256:1$a$b"),
    }
