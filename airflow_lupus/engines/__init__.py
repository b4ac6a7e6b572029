"""The engines by name. A new engine is a new file here and a line in `ENGINES`."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import MissingExtra, SpecError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_lupus.engines.base import Engine

ENGINES = {
    "duckdb": "airflow_lupus.engines.duckdb:DuckDBEngine",
    "spark": "airflow_lupus.engines.spark:SparkEngine",
    "sql": "airflow_lupus.engines.sql:SqlEngine",
}

AUTO = "auto"
"""Instead of an engine: the one that suits the source, see `airflow_lupus.engines.auto`."""


@dataclass(frozen=True)
class Spark:
    """Which Spark measures: `engine=Spark(conn_id="spark_default")`. `engine="spark"` is one in the task's own process.

    :param conn_id: Airflow connection of type `spark` (a master, YARN, Kubernetes) or `spark_connect`; None: the master that
        `[lupus] spark_master` names, by default two cores of the worker.
    :param conf: Spark's settings of the session, such as `{"spark.executor.memory": "4g", "spark.cores.max": "8"}`.
    :param submit: whether `spark-submit` starts an application that measures, rather than the task; by default where the connection's
        deploy mode is `cluster`.
    :param shared_path: a folder that the task and Spark's driver and executors see under the same name. A submitted application leaves
        its answers there; rows that Spark cannot read where they are (batches, CSV, JSON) go through it to executors elsewhere.
    :param max_fetch_rows: a query that answers more groups and values than this stops with a message; by default
        `[lupus] max_fetch_rows`.
    """

    conn_id: str | None = None
    conf: Mapping[str, Any] = field(default_factory=dict)
    submit: bool | None = None
    shared_path: str | None = None
    max_fetch_rows: int | None = None

    def __str__(self) -> str:
        return "spark"


def check_engine(engine: str | Spark) -> str | Spark:
    """The engine, or an error with the closest one: engines are looked up by name at parse and imported when used."""
    name = str(engine)
    if name != AUTO and name not in ENGINES:
        msg = f"Unknown engine {name!r}: {did_you_mean(name, [*ENGINES, AUTO])}"
        raise SpecError(msg)
    return engine


def engine_named(name: str, **options: Any) -> Engine:
    """A new engine.

    :param options: the engine's own, such as `memory_limit` and `threads` of DuckDB; of `auto`, `options` by engine.
    """
    path = "airflow_lupus.engines.auto:AutoEngine" if str(check_engine(name)) == AUTO else ENGINES[name]
    module, class_name = path.split(":")
    try:
        engine: Engine = getattr(import_module(module), class_name)(**options)
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), name) from error
    return engine
