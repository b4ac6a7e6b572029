"""The engines by name. A new engine is a new file here and a line in `ENGINES`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import MissingExtra, SpecError, did_you_mean

if TYPE_CHECKING:
    from airflow_lupus.engines.base import Engine

ENGINES = {
    "duckdb": "airflow_lupus.engines.duckdb:DuckDBEngine",
    "spark": "airflow_lupus.engines.spark:SparkEngine",
    "sql": "airflow_lupus.engines.sql:SqlEngine",
}

AUTO = "auto"
"""Instead of an engine: the one that suits the source, see `airflow_lupus.engines.auto`."""


def check_engine(name: str) -> str:
    """The name, or an error with the closest engine: engines are looked up by name at parse and imported when used."""
    if name != AUTO and name not in ENGINES:
        msg = f"Unknown engine {name!r}: {did_you_mean(name, [*ENGINES, AUTO])}"
        raise SpecError(msg)
    return name


def engine_named(name: str, **options: Any) -> Engine:
    """A new engine.

    :param options: the engine's own, such as `memory_limit` and `threads` of DuckDB; of `auto`, `options` by engine.
    """
    path = "airflow_lupus.engines.auto:AutoEngine" if check_engine(name) == AUTO else ENGINES[name]
    module, class_name = path.split(":")
    try:
        engine: Engine = getattr(import_module(module), class_name)(**options)
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), name) from error
    return engine
