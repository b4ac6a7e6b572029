"""What importing costs, and that imports point down only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_lupus

PACKAGE = Path(airflow_lupus.__file__).parent

HEAVY = [
    "pandas",
    "duckdb",
    "pyarrow",
    "pyspark",
    "prophet",
    "numpy",
    "sqlalchemy",
    "airflow",
    "slack_sdk",
    "alembic",
    "deltalake",
    "polars",
    "pyiceberg",
]

LAYERS = [
    {"exceptions"},
    {"model"},
    {"metrics", "metric_sets", "specs", "sources", "wording", "periods"},
    {"engines", "stores", "detectors"},
    {"pipeline"},
    {"processors"},
    {"config"},
    {"hooks", "notifications"},
    {"operators", "sensors", "cli", "plugin"},
]
"""From the lowest up; each may import what is below it, and its own."""
BELOW_AIRFLOW = set().union(*LAYERS[:6])
FORBIDDEN = {"plugin": {"pipeline", "operators", "sensors", "cli"}, "pipeline": {"hooks"}}
"""Beyond the order: the page reads stores and runs nothing."""
ENTRY_POINTS = {"__init__", "get_provider_info"}

MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0].removesuffix(".py") not in ENTRY_POINTS]


def area(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rank(name: str) -> int:
    found = [i for i, layer in enumerate(LAYERS) if name in layer]
    assert found, f"{name} belongs to no layer: put it into one, here and in the design"
    return found[0]


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever it stands: at its top, in a function, or for types only."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down_only(path: Path) -> None:
    own = area(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "airflow":
            assert own not in BELOW_AIRFLOW, f"{own} must know nothing of Airflow, but imports {name}"
        if top != "airflow_lupus":
            continue
        other = rest.split(".")[0]
        if not other or not ((PACKAGE / other).is_dir() or (PACKAGE / f"{other}.py").exists()):
            continue  # a name of the package itself, such as __version__
        assert rank(other) <= rank(own), f"{own} is below {other}, but imports {name}"
        assert other not in FORBIDDEN.get(own, set()), f"{own} must not import {name}"


def imported_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after some code."""
    program = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(HEAVY) & set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    """Airflow imports it in every one of its processes."""
    assert imported_by("import airflow_lupus; dir(airflow_lupus)") == set()


def test_what_dags_are_parsed_with_imports_nothing_heavy() -> None:
    names = "Files, Table, Query, Delta, Iceberg, Frame, SparkTable, ColumnMetrics, TableMetrics"
    assert imported_by(f"from airflow_lupus import {names}; Delta('a'), Iceberg('a.b', 'c'), Frame(print)") == set()
    modules = "airflow_lupus.model, airflow_lupus.periods, airflow_lupus.wording, airflow_lupus.metrics, airflow_lupus.engines"
    assert imported_by(f"import {modules}") == set()
    assert imported_by("from airflow_lupus.get_provider_info import get_provider_info; get_provider_info()") == set()


def test_detectors_are_imported_without_pandas_and_databases() -> None:
    assert imported_by("import airflow_lupus.detectors, airflow_lupus.detectors.patterns") <= {"numpy"}


@pytest.mark.parametrize("name", sorted(set(airflow_lupus.__all__) - {"__version__"}))
def test_every_public_name_is_where_it_is_said_to_be(name: str) -> None:
    assert getattr(airflow_lupus, name).__name__ == name
    assert name in dir(airflow_lupus)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'Filez'"):
        airflow_lupus.Filez  # noqa: B018
    assert sorted(airflow_lupus._WHERE) == sorted(set(airflow_lupus.__all__) - {"__version__"})
