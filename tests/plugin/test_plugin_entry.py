"""The plugin as Airflow finds it: its entry point, its pages, and what importing it costs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

import airflow_lupus
from airflow_lupus.plugin.plugin import LupusPlugin

ROOT = Path(airflow_lupus.__file__).parent.parent
STATIC = Path(airflow_lupus.__file__).parent / "plugin" / "static"


def test_airflow_finds_the_plugin_by_its_entry_point():
    (found,) = [entry for entry in entry_points(group="airflow.plugins") if entry.name == "lupus"]
    assert found.load() is LupusPlugin


def test_the_page_stands_in_the_navigation_and_beside_each_dag():
    assert [(app["destination"], app["url_route"]) for app in LupusPlugin.react_apps] == [("nav", "lupus"), ("dag", "lupus-dag")]


def test_each_place_loads_a_bundle_that_exists_by_an_address_of_its_own():
    addresses = [app["bundle_url"] for app in LupusPlugin.react_apps]
    assert len(set(addresses)) == len(addresses)  # Airflow evaluates one address once: the second place would stay empty
    for app in LupusPlugin.react_apps:
        for address in (app["bundle_url"], app["icon"], app["icon_dark_mode"]):
            path = urlsplit(address).path
            assert path.startswith("lupus/static/")  # relative: Airflow may be served under a path of its own
            assert (STATIC / path.removeprefix("lupus/static/")).is_file()
            assert f"v={airflow_lupus.__version__}" in address


def test_the_bundle_takes_react_and_chakra_from_airflow_and_fetches_nothing_elsewhere():
    bundle = (STATIC / "lupus.js").read_text()
    assert "AirflowPlugin" in bundle
    for name in ("React", "ReactJSXRuntime", "ReactRouterDOM", "ChakraUI"):
        assert f".{name}" in bundle
    for forbidden in ("dangerouslySetInnerHTML", "eval(", "new Function", "https://unpkg", "https://cdn"):
        assert forbidden not in bundle


def test_importing_the_plugin_imports_nothing_heavy_beyond_airflow():
    """Every Airflow process does it, workers and the scheduler too."""
    code = (
        "import sys, airflow.plugins_manager; before = set(sys.modules); import airflow_lupus.plugin.plugin;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before if not name.startswith('airflow_lupus')}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    added = done.stdout.strip().splitlines()[-1].split() if done.stdout.strip() else []
    assert {"fastapi", "sqlalchemy", "pandas", "numpy", "duckdb", "pyarrow", "alembic"}.isdisjoint(added), added


def test_the_example_on_the_empty_page_is_a_dag_that_parses():
    source = (ROOT / "plugins" / "lupus_ui" / "src" / "ui" / "notes.tsx").read_text()
    (example,) = re.findall(r"const SNIPPET = `(.*?)`;", source, re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    assert names["wait"].dag.task_ids == ["wait", "collect", "detect"]
