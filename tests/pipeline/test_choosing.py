"""No spec at all: what is measured then, and what becomes of it when the source's columns change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyarrow import parquet

from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import FileSet, SourceFile
from airflow_lupus.model import Grain, TaskRef
from airflow_lupus.pipeline import collect
from airflow_lupus.pipeline.choosing import Choice
from airflow_lupus.pipeline.collecting import Collected, Job
from airflow_lupus.pipeline.measuring import Opened
from airflow_lupus.specs import MeasureSpec
from airflow_lupus.stores.sql import SqlStore

DAY = Grain("day", "UTC")
FIRST = DAY.containing(datetime(2024, 3, 1, tzinfo=UTC))
SPEC = MeasureSpec("orders", DAY, time_column="at", group_columns=("shop",))
ROWS = 120
COLUMNS: dict[str, Any] = {
    "at": pa.array([FIRST.start] * ROWS, pa.timestamp("us", "UTC")),
    "shop": ["a", "b"] * (ROWS // 2),
    "order_id": list(range(ROWS)),
    "amount": [i / 7 for i in range(ROWS)],
    "status": [("paid", "open", None)[i % 3] for i in range(ROWS)],
    "comment": [f"comment {i % 60}" for i in range(ROWS)],
    "token": [f"{i:032}" for i in range(ROWS)],
    "done": [i % 2 == 0 for i in range(ROWS)],
    "sent": pa.array([FIRST.start] * ROWS, pa.timestamp("us", "UTC")),
    "tags": [["x"]] * ROWS,
    "more": [{"a": 1}] * ROWS,
}
CHOSEN = {
    "order_id": ["null_ratio", "unique"],
    "amount": ["null_ratio", "avg", "p50", "p95"],
    "status": ["null_ratio", "unique", "frequency"],
    "comment": ["null_ratio", "unique", "length_avg"],
    "token": ["null_ratio", "unique"],
    "done": ["null_ratio", "avg"],
    "sent": ["null_ratio", "freshness"],
    "tags": ["list_null_ratio", "length_avg"],
    "more": ["null_ratio"],
}


def run(store: SqlStore, folder: Any, columns: dict[str, Any], *, follow: bool = False, number: int = 0) -> Collected:
    """A daily run over a file of these columns."""
    period = DAY.shift(FIRST, number)
    at = pa.array([period.start] * len(columns["shop"]), pa.timestamp("us", "UTC"))
    path = folder / f"{number}.parquet"
    parquet.write_table(pa.table({**columns, "at": at}), path)
    files = FileSet([SourceFile(str(path))], "parquet")
    job = Job(SPEC, {"files": "orders"}, lambda _: Opened(files), engine_named("duckdb"), follow=follow)
    return collect(store, job, [period], TaskRef("shop", "collect", f"run {number}"))


def measured(store: SqlStore, number: int) -> dict[str, list[str]]:
    """Column → metrics that have a point that day."""
    t = store.tables
    query = sa.select(t.series.c.column_name, t.series.c.metric).join(t.points, t.points.c.series_id == t.series.c.id)
    with store.engine.connect() as connection:
        found = connection.execute(query.where(t.points.c.start == DAY.shift(FIRST, number).epoch).distinct()).all()
    by_column: dict[str, list[str]] = {}
    for column, metric in found:
        by_column.setdefault(column, []).append(metric)
    return {column: sorted(metrics) for column, metrics in by_column.items() if column != "*"}


def annotations(store: SqlStore) -> list[str]:
    with store.engine.connect() as connection:
        return [row[0] for row in connection.execute(sa.select(store.tables.annotations.c.text).order_by(store.tables.annotations.c.id))]


@pytest.fixture
def store() -> SqlStore:
    return SqlStore.in_memory()


def test_metrics_are_chosen_by_type_and_number_of_values(store, tmp_path):
    run(store, tmp_path, COLUMNS)
    assert measured(store, 0) == {column: sorted(metrics) for column, metrics in CHOSEN.items()}
    assert store.choice("orders") is not None


def test_what_was_chosen_stays_whatever_later_data_looks_like(store, tmp_path):
    run(store, tmp_path, COLUMNS)
    run(store, tmp_path, {**COLUMNS, "status": [f"status {i}" for i in range(ROWS)], "order_id": [1] * ROWS}, number=1)
    assert measured(store, 1) == measured(store, 0)
    assert annotations(store) == []


def test_a_change_of_columns_is_told_once_and_not_followed(store, tmp_path):
    run(store, tmp_path, COLUMNS)
    changed = {**COLUMNS, "amount": ["much"] * ROWS, "new": [1] * ROWS}
    del changed["done"]
    told = "new column 'new' (number), not measured; column 'done' is gone; "
    told += "column 'amount' was number and is text now: not measured any more"
    for number in (1, 2):
        assert run(store, tmp_path, changed, number=number).schema_change == told
        expected = {column: sorted(metrics) for column, metrics in CHOSEN.items() if column not in {"amount", "done"}}
        assert measured(store, number) == expected
    assert annotations(store) == [told]
    assert run(store, tmp_path, COLUMNS, number=3).schema_change is None
    assert measured(store, 3) == measured(store, 0), "as they were again"


def test_it_is_followed_by_asking_for_it(store, tmp_path):
    run(store, tmp_path, COLUMNS, follow=True)
    changed = {**COLUMNS, "new": [True] * ROWS}
    run(store, tmp_path, changed, follow=True, number=1)
    assert measured(store, 1) == {**measured(store, 0), "new": ["avg", "null_ratio"]}
    assert annotations(store) == ["chosen anew what to measure: new column 'new' (boolean)"]
    run(store, tmp_path, changed, follow=True, number=2)
    assert len(annotations(store)) == 1


def test_without_rows_nothing_is_chosen_for_good(store, tmp_path):
    empty = {name: pa.array(values)[:0] for name, values in COLUMNS.items()}
    run(store, tmp_path, empty)
    assert store.choice("orders") is None
    run(store, tmp_path, COLUMNS, number=1)
    assert Choice.from_text(str(store.choice("orders"))).metrics == CHOSEN


def test_a_named_metric_chooses_nothing(store, tmp_path):
    from airflow_lupus.specs import ColumnMetrics

    files = FileSet([SourceFile(str(tmp_path / "x.parquet"))], "parquet")
    parquet.write_table(pa.table(COLUMNS), tmp_path / "x.parquet")
    spec = replace(SPEC, metric_sets=(ColumnMetrics({"amount": ["avg"]}),))
    collect(store, Job(spec, {"files": "orders"}, lambda _: Opened(files), engine_named("duckdb")), [FIRST], TaskRef("a", "b", "c"))
    assert store.choice("orders") is None
