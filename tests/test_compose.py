"""The compose file: valid by the Compose specification, and true to this package and to Airflow's own settings."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement

from airflow_lupus.config import OPTIONS, SECTION

REPO = Path(__file__).parent.parent
TEXT = (REPO / "docker-compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
AIRFLOW = COMPOSE["x-airflow"]
ENVIRONMENT = AIRFLOW["environment"]
DOCKERFILE = AIRFLOW["build"]["dockerfile_inline"]
COMPONENTS = ("api-server", "scheduler", "dag-processor")


def installed(package: str, name: str) -> Path:
    """A file of an installed distribution, found without importing it."""
    (found,) = [file for file in distribution(package).files or [] if str(file) == name]
    return Path(str(found.locate()))


def test_the_file_follows_the_compose_specification():
    schema = json.loads(installed("check-jsonschema", "check_jsonschema/builtin_schemas/vendor/compose-spec.json").read_text())
    validator = jsonschema.validators.validator_for(schema)
    errors = [f"{list(error.path)}: {error.message}" for error in validator(schema).iter_errors(COMPOSE)]
    assert not errors


def test_every_setting_of_this_package_exists_and_the_store_is_connected():
    prefix = f"AIRFLOW__{SECTION.upper()}__"
    ours = {name.removeprefix(prefix).lower() for name in ENVIRONMENT if name.startswith(prefix)}
    assert "store_conn_id" in ours  # tasks and page share no file
    assert ours <= OPTIONS.keys()
    conn_id = ENVIRONMENT[f"{prefix}STORE_CONN_ID"]
    assert ENVIRONMENT[f"AIRFLOW_CONN_{conn_id.upper()}"].startswith("postgres://")


def test_every_other_setting_is_one_of_airflows():
    known = yaml.safe_load(installed("apache-airflow-core", "airflow/config_templates/config.yml").read_text())
    unknown = []
    for name in ENVIRONMENT:
        match = re.fullmatch(r"AIRFLOW__(\w+?)__(\w+)", name)
        if match and match[1].lower() != SECTION and match[2].lower() not in known[match[1].lower()]["options"]:
            unknown.append(name)
    assert not unknown


def test_no_secret_has_a_default():
    asked = re.findall(r"(?<!\$)\$\{(\w+)(.*?)\}", TEXT)
    assert {name for name, _ in asked} == {"POSTGRES_PASSWORD", "JWT_SECRET", "FERNET_KEY"}
    assert all(rest.startswith(":?") for _, rest in asked)
    for name in {name for name, _ in asked}:
        assert f"#   {name}=…" in TEXT


def test_airflow_is_of_a_version_that_the_package_supports():
    (version,) = re.findall(r"^FROM apache/airflow:(\S+)$", DOCKERFILE, re.MULTILINE)
    (needed,) = [found for found in map(Requirement, PROJECT["dependencies"]) if found.name == "apache-airflow"]
    assert version in needed.specifier
    assert f"apache-airflow=={version}" in (REPO / "constraints.txt").read_text().split()  # what the tests ran on


def test_what_is_copied_mounted_and_installed_exists():
    copied = [word for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[1:-1]]
    mounted = [volume.split(":")[0] for volume in AIRFLOW["volumes"]]
    for path in [*copied, *(path for path in mounted if path.startswith("."))]:
        assert (REPO / path).exists(), path
    for name in (path for path in mounted if not path.startswith(".")):
        assert name in COMPOSE["volumes"]
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', DOCKERFILE)
    assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()
    assert {PROJECT["readme"], *PROJECT["license-files"]} <= set(copied)  # or the package cannot be built


def test_the_example_dags_find_their_data():
    read = {name for path in (REPO / "dags").glob("*.py") for name in re.findall(r"LUPUS_DEMO_\w+", path.read_text())}
    assert read == {name for name in ENVIRONMENT if name.startswith("LUPUS_DEMO_")}
    for name in read:
        folder = ENVIRONMENT[name]
        assert f"RUN python demo/prepare_{Path(folder).name}.py {folder}\n" in DOCKERFILE


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_component_of_airflow_runs_checks_itself_and_waits_for_the_schema(name):
    service = COMPOSE["services"][name]
    assert service["command"] == name
    assert service["environment"] == ENVIRONMENT
    assert "monitor/health" not in str(service["healthcheck"]["test"])  # it says 200 with a dead scheduler
    assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_services_and_configs_that_are_named_exist():
    for service in COMPOSE["services"].values():
        assert service.get("depends_on", {}).keys() <= COMPOSE["services"].keys()
        for config in service.get("configs", ()):
            assert config["source"] in COMPOSE["configs"]
    database = ENVIRONMENT["AIRFLOW_CONN_LUPUS_STORE"].rsplit("/", 1)[-1]
    assert COMPOSE["configs"]["warehouse"]["content"] == f"CREATE DATABASE {database};"


def test_only_this_machine_reaches_the_trial():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
