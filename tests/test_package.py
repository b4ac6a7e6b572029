"""What ships: the wheel's content, its metadata, and what Airflow's provider manager finds."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from zipfile import ZipFile

import jsonschema
import pytest

import airflow_lupus
from airflow_lupus import config
from airflow_lupus.get_provider_info import get_provider_info
from airflow_lupus.stores.database import HEAD
from support.flights import REPO


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    target = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(target), str(REPO)], check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, target.iterdir())], check=True, capture_output=True)
    return next(target.glob("*.whl"))


def test_the_wheel_holds_the_page_the_migrations_and_no_tests(wheel):
    names = ZipFile(wheel).namelist()
    assert "airflow_lupus/plugin/static/lupus.js" in names
    assert "airflow_lupus/stores/migrations/versions/v0001_first_schema.py" in names
    assert "airflow_lupus/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"airflow_lupus", f"airflow_lupus-{airflow_lupus.__version__}.dist-info"}
    assert not [name for name in names if "node_modules" in name or name.endswith((".map", ".ts", ".tsx"))]


def test_metadata(wheel):
    text = ZipFile(wheel).read(f"airflow_lupus-{airflow_lupus.__version__}.dist-info/METADATA").decode()
    assert "License-Expression: Apache-2.0" in text
    assert "Requires-Dist: apache-airflow>=3.2" in text
    assert "Requires-Python: <3.15,>=3.11" in text
    extras = set(re.findall(r"^Provides-Extra: (.+)$", text, re.MULTILINE))
    assert extras == {
        "all",
        "delta",
        "great-expectations",
        "iceberg",
        "mysql",
        "pandas",
        "polars",
        "postgres",
        "prophet",
        "slack",
        "spark",
        "warehouse",
    }


def test_provider_info_is_what_airflow_asks_for():
    import json
    from importlib.resources import files

    info = get_provider_info()
    jsonschema.validate(info, json.loads(files("airflow").joinpath("provider_info.schema.json").read_text()))
    assert set(info["config"]["lupus"]["options"]) == set(config.OPTIONS)


def test_everything_that_provider_info_names_exists():
    info = get_provider_info()
    for module in [module for kind in ("operators", "sensors") for entry in info[kind] for module in entry["python-modules"]]:
        import_module(module)
    for path in (*info["notifications"], *info["extra-links"], *info["cli"]):
        module, _, name = path.rpartition(".")
        assert hasattr(import_module(module), name)


def test_airflow_finds_provider_and_plugin():
    assert {entry.value for entry in entry_points(group="apache_airflow_provider")} >= {"airflow_lupus.get_provider_info:get_provider_info"}
    assert {entry.value for entry in entry_points(group="airflow.plugins")} >= {"airflow_lupus.plugin.plugin:LupusPlugin"}
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert "airflow-lupus" in manager.providers
    assert "airflow_lupus.operators.links.ChartsLink" in manager.extra_links_class_names


def test_lazy_names_are_the_ones_that_are_promised():
    for name in airflow_lupus.__all__:
        assert getattr(airflow_lupus, name) is not None
    assert {"MetricCollectOperator", "AnomalyDetectOperator", "DataMissingSensor", "MonitorOperator"} <= set(dir(airflow_lupus))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = airflow_lupus.Nothing


@pytest.mark.parametrize("command", [["lupus", "store", "upgrade"], ["lupus", "store", "status"]])
def test_commands(command, tmp_path):
    import os

    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "airflow", *command], env=env, capture_output=True, text=True, timeout=180, check=True)
    assert HEAD in done.stdout or "schema    none" in done.stdout
