"""Small measurements, made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_lupus.model import (
    LEAF,
    TOTAL,
    Grain,
    Measurement,
    PeriodRecord,
    PeriodStatus,
    Point,
    SeriesInfo,
    SeriesKey,
    TaskRef,
    dimensions,
)
from airflow_lupus.stores.base import DatasetInfo, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = Grain("day", "America/New_York")
FIRST = DAY.containing(datetime(2013, 2, 1, 12, tzinfo=UTC))
FLIGHTS = DatasetInfo("flights", DAY)
SCOPE = Scope({("dep_time", "null_ratio")}, {(), ("origin",)}, ("origin",))
DEFINITION = {"files": "flights.parquet"}


def day(number: int):
    """The number-th day of February 2013, counted from 0."""
    return DAY.containing(FIRST.start + timedelta(days=number, hours=12))


def task(run: str = "run", *, dag: str = "nyc", name: str = "collect") -> TaskRef:
    return TaskRef(dag, name, run)


def info(origin: str | None = "JFK", *, dataset: str = "flights", column: str = "dep_time", metric: str = "null_ratio") -> SeriesInfo:
    """The series of an airport; None: the total."""
    dims = dimensions({} if origin is None else {"origin": origin})
    return SeriesInfo(SeriesKey(dataset, column, metric, dims, TOTAL if origin is None else LEAF, DAY), "ratio", "ratio")


def measured(values: Mapping[int, Mapping[str | None, float | None]], *, rows: int = 100) -> Measurement:
    """A measurement of some days: day → airport → value."""
    points: dict[SeriesInfo, list[Point]] = {}
    for number, by_origin in values.items():
        for origin, value in by_origin.items():
            points.setdefault(info(origin), []).append(Point.of(day(number).epoch, value, rows))
    records = tuple(PeriodRecord(day(number), PeriodStatus.OK, rows) for number in sorted(values))
    return Measurement(records, points, rows * len(values))
