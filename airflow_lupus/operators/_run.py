"""What operators and the sensor have in common: the run's periods, its identity, its links, and what errors mean to Airflow."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_lupus import config
from airflow_lupus.exceptions import DataMissing, LupusError, MissingExtra, OwnershipError, SpecError, StoreConfigError
from airflow_lupus.model import Grain, TaskRef
from airflow_lupus.periods import PeriodRule, Resolved, RunDates, resolve
from airflow_lupus.pipeline.digest import Digest, Links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.sdk import BaseOperator, BaseSensorOperator
    from airflow.sdk.definitions.context import Context

    from airflow_lupus.engines import Spark
    from airflow_lupus.engines.base import Engine
    from airflow_lupus.pipeline.collecting import Collected
    from airflow_lupus.sources import Source

log = logging.getLogger(__name__)

ON_ERROR = ("warn", "fail")
T = TypeVar("T")


def dates(context: Context) -> RunDates:
    """What the run knows of time; asset-triggered, partitioned and date-less runs lack some of it."""
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    run: Any = context.get("dag_run")
    partition_date = context.get("partition_date") or getattr(run, "partition_date", None)
    return RunDates(
        data_interval=(start, end) if start is not None and end is not None else None,
        partition_date=partition_date,
        asset_extras=tuple(_asset_extras(context)),
        logical_date=context.get("logical_date"),
        run_after=getattr(run, "run_after", None),
        conf=getattr(run, "conf", None),
    )


def _asset_extras(context: Context) -> Iterator[dict[str, Any]]:
    for events in (context.get("triggering_asset_events") or {}).values():
        for event in events:
            yield dict(event.extra or {})


def resolve_periods(context: Context, rule: PeriodRule, doing: str) -> Resolved:
    """The run's periods, and the first line of the task's log."""
    resolved = resolve(rule, dates(context))
    log.info("%s %s", doing, resolved.describe(rule.grain))
    return resolved


def dag_grain(context: Context, unit: str, timezone: str | None) -> Grain:
    """The grain in the given zone, by default the DAG's."""
    return Grain(unit, timezone or str(context["dag"].timezone))


def task_ref(context: Context) -> TaskRef:
    """Who measures or judges."""
    ti = context["ti"]
    map_index = getattr(ti, "map_index", -1)
    return TaskRef(ti.dag_id, ti.task_id, ti.run_id, -1 if map_index is None else map_index, ti.try_number)


def links(context: Context) -> Links:
    """Addresses of Airflow, of this run and of this task's log."""
    from urllib.parse import quote

    from airflow.sdk import conf

    ti = context["ti"]
    base = conf.get("api", "base_url", fallback="").rstrip("/") or "http://localhost:8080"
    run = f"{base}/dags/{quote(ti.dag_id, safe='')}/runs/{quote(ti.run_id, safe='')}"
    return Links(base, run, f"{run}/tasks/{quote(ti.task_id, safe='')}?try_number={ti.try_number}")


def trouble(context: Context, dataset: str, span: str, problems: list[str]) -> Digest:
    """A digest of what went wrong, where there are no anomalies to tell of."""
    ti, to = context["ti"], links(context)
    return Digest(dataset, ti.dag_id, ti.run_id, span, severity=None, total=0, problems=problems, run_url=to.run_url, log_url=to.log_url)


def is_backfill(context: Context) -> bool:
    return str(getattr(context.get("dag_run"), "run_type", "")).rsplit(".", maxsplit=1)[-1].lower() == "backfill"


def make_engine(engine: str | Spark, source: Source) -> Engine:
    """An engine within the limits that `[lupus]` in Airflow's configuration sets."""
    from airflow_lupus.engines import AUTO, Spark, engine_named
    from airflow_lupus.sources import SparkTable

    if isinstance(engine, Spark) or engine == "spark" or (engine == AUTO and isinstance(source, SparkTable)):
        from airflow_lupus.hooks.spark import spark_engine

        return spark_engine(engine if isinstance(engine, Spark) else Spark(), source)
    most = int(config.get("max_fetch_rows"))
    limits: dict[str, dict[str, Any]] = {
        "duckdb": {
            "memory_limit": config.get("duckdb_memory_limit"),
            "threads": int(config.get("duckdb_threads")),
            "temp_directory": config.get("duckdb_temp_directory") or None,
            "max_fetch_rows": most,
        },
        "sql": {"max_fetch_rows": most},
    }
    return engine_named(engine, options=limits) if engine == AUTO else engine_named(engine, **limits.get(engine, {}))


def follow(task: BaseOperator | BaseSensorOperator, source: Source) -> None:
    """Put a task after those whose return values its source is made of: Airflow looks for them in the task's own fields only."""
    from airflow.sdk import XComArg

    for name in source.template_fields:
        XComArg.apply_upstream_relationship(task, getattr(source, name))


def has_retries_left(context: Context) -> bool:
    ti: Any = context["ti"]
    return int(getattr(ti, "max_tries", 0) or 0) >= int(ti.try_number)


def progress_logger(what: str = "") -> Callable[[Collected], None]:
    """Something that says in the log how far a collection of several chunks has come, whenever a chunk is done."""
    started = time.monotonic()
    told = False

    def tell(done: Collected) -> None:
        nonlocal told
        count = len(done.periods)
        if told or count < done.total:
            told = True
            left = (time.monotonic() - started) / count * (done.total - count)
            log.info(
                "%s%s of %s periods (%.0f %%), %s points, %.0f s to go",
                *(what, f"{count:,}", f"{done.total:,}", 100 * count / done.total, f"{done.points:,}", left),
            )

    return tell


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Errors that trying again cannot mend fail the task at once; the others leave Airflow its retries."""
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    try:
        yield
    except LupusError as error:
        if error.retry:
            raise AirflowException(str(error)) from error
        raise AirflowFailException(str(error)) from error


def guarded(context: Context, on_error: str, work: Callable[[], T], record: Callable[[Exception], None]) -> T | None:
    """Do a task's work; when it fails for good and `on_error` is "warn", record the failure and let the task succeed.

    What its author has to mend (a wrong spec, a dispute over ownership, a store that cannot work, a package that is not installed) and
    missing data are always raised.
    """
    from airflow.sdk.exceptions import AirflowException

    try:
        return work()
    except (SpecError, OwnershipError, StoreConfigError, MissingExtra, DataMissing, AirflowException):
        raise
    except Exception as error:
        if getattr(error, "retry", True) and has_retries_left(context):
            raise
        try:
            record(error)
        except Exception:
            log.exception("The failure could not be recorded either")
        if on_error == "fail":
            raise
        log.exception("Monitoring failed; the task succeeds all the same because of on_error='warn'")
        return None
