"""The work that is killed, cut off and raced: a shop's orders, collected by DuckDB and judged by two detectors.

The second version of the data corrects some values, brings new groups and lacks others, so that collecting it writes every table.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.detectors.threshold import Threshold
from airflow_lupus.detectors.window import Window
from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import Batches
from airflow_lupus.metrics.base import NUMBER, TEXT, TIME
from airflow_lupus.model import Grain, TaskRef
from airflow_lupus.pipeline import collect as collect_periods
from airflow_lupus.pipeline import judge
from airflow_lupus.pipeline.collecting import Job
from airflow_lupus.pipeline.digest import Links, build
from airflow_lupus.pipeline.measuring import Opened
from airflow_lupus.specs import ColumnMetrics, MeasureSpec, TableMetrics
from airflow_lupus.stores.base import NewDelivery
from airflow_lupus.stores.sql import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from airflow_lupus.model import Period
    from airflow_lupus.pipeline.judging import Report

DAY = Grain("day", "America/New_York")
FIRST = datetime(2024, 2, 15, 12, tzinfo=UTC)
SPEC = MeasureSpec(
    "orders",
    DAY,
    (TableMetrics(["row_count"]), ColumnMetrics({"amount": ["avg", "max"]})),
    time_column="at",
    group_columns=("shop",),
    keep_partials=True,
)
OLD, NEW = (1, range(20)), (2, range(10, 40))
"""Version of the data, and its days."""
RULES = Rules({"*": [Window(periods=14), Threshold(upper=200.0)]})
GROUPS = 70
DESTINATIONS = ("slack", "pager")


def days(numbers: Sequence[int]) -> list[Period]:
    return [DAY.containing(FIRST + timedelta(days=number)) for number in numbers]


def rows(version: int, periods: Sequence[Period]) -> pa.Table:
    """Three orders a day for each shop; every seventh shop has a spike now and then."""
    import pyarrow as pa

    first = 20 if version == 2 else 0
    shops = np.arange(first, first + GROUPS)
    day = np.array([(period.start - FIRST).days for period in periods])
    shop, on = (grid.ravel() for grid in np.meshgrid(shops, day))
    amount = 100.0 + shop + on % 7 + 150 * ((shop % 7 == 0) & (on % 11 == 0)) + 5 * (version == 2) * (shop % 2)
    at = np.repeat([period.start + timedelta(hours=9) for period in periods], len(shops))
    once = pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "shop": [f"shop {n}" for n in shop], "amount": amount})
    return pa.concat_tables([once] * 3)


def opened_store(at: str | SqlStore) -> SqlStore:
    return at if isinstance(at, SqlStore) else SqlStore.at(at)


def collect(at: str | SqlStore, version: int, numbers: Sequence[int], run: str = "run") -> int:
    """Collect some days; the number of points that this changed."""

    def opened(_: Sequence[Period]) -> Opened:
        def read(columns: Sequence[str], periods: Sequence[Period]) -> Iterator[pa.Table]:
            yield rows(version, periods).select(list(columns))

        return Opened(Batches({"at": TIME, "shop": TEXT, "amount": NUMBER}, read))

    job = Job(SPEC, {"table": "orders"}, opened, engine_named("duckdb"), {"owner": "@shop", "runbook": "https://wiki.test/orders"})
    collected = collect_periods(opened_store(at), job, days(numbers), TaskRef("shop", "collect", run))
    return collected.saved.changed


def detect(at: str | SqlStore, run: str = "run", numbers: Sequence[int] = range(40)) -> int:
    """Judge what a run collected, with its digest into the outbox; the number of verdicts written."""
    task = TaskRef("shop", "detect", run)
    span = days([numbers[0], numbers[-1]])

    def digests(report: Report) -> list[NewDelivery]:
        text = build(report, Links("http://airflow.test", "", ""), task.dag_id, task.run_id).to_json()
        return [NewDelivery(name, *report.target, text) for name in DESTINATIONS] if report.news else []

    target = (span[0].epoch, int(span[1].end.timestamp()))
    return judge(opened_store(at), "orders", RULES, task, lambda _: target, digests).written


def use(url: str) -> dict[str, Any]:
    """The least that a task does: look whether anything is there."""
    return {"known": SqlStore.at(url).has_periods("orders", DAY)}
