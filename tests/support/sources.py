"""Rows by day in New York, and what a source makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from airflow_lupus import ColumnMetrics, TableMetrics
from airflow_lupus.engines.duckdb import DuckDBEngine
from airflow_lupus.hooks.source import open_source
from airflow_lupus.model import Grain, Period
from airflow_lupus.pipeline import measure
from airflow_lupus.sources import Source
from airflow_lupus.specs import MeasureSpec

DAY = Grain("day", "America/New_York")
SPEC = MeasureSpec("orders", DAY, (TableMetrics(["row_count"]), ColumnMetrics({"x": ["sum"]})), time_column="at")


def days(first: int, last: int | None = None) -> list[Period]:
    """Days of February 2013 in New York."""
    return [DAY.containing(datetime(2013, 2, day, 17, tzinfo=UTC)) for day in range(first, (last or first) + 1)]


def rows(first: int, last: int | None = None, x: float = 1.0) -> pa.Table:
    """An hourly row on each of these days, and the day itself to partition by."""
    at = [period.start + timedelta(hours=hour) for period in days(first, last) for hour in range(24)]
    dates = [DAY.local(each).date() for each in at]
    return pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "x": [x] * len(at), "day": pa.array(dates, pa.date32())})


def counts(source: Source, periods: list[Period], spec: MeasureSpec = SPEC) -> list[tuple[str, int | None]]:
    """What became of each period, and its rows."""
    measured = measure(spec, open_source(source, periods, spec), DuckDBEngine(), periods)
    return [(str(record.status), record.rows) for record in measured.measurement.periods]


def total(source: Source, periods: list[Period]) -> float | None:
    """The sum of `x` over the last of the periods."""
    measured = measure(SPEC, open_source(source, periods, SPEC), DuckDBEngine(), periods)
    (series,) = [found for info, found in measured.measurement.points.items() if info.key.metric == "sum"]
    return series[-1].value


def reasons(source: Source, periods: list[Period]) -> set[str]:
    """Why periods are missing."""
    return set(open_source(source, periods, SPEC).absent.values())
