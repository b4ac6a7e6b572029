"""The same rows give the same points, whatever kind of source they come from."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyarrow import csv, dataset, parquet

from airflow_lupus import ColumnMetrics, Delta, Files, Frame, Iceberg, Query, Table, TableMetrics
from airflow_lupus.engines.duckdb import DuckDBEngine
from airflow_lupus.hooks.source import open_source
from airflow_lupus.model import Grain
from airflow_lupus.pipeline import measure
from airflow_lupus.specs import MeasureSpec

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_lupus.model import Period
    from airflow_lupus.sources import Source

NEW_YORK = ZoneInfo("America/New_York")
DAY = Grain("day", "America/New_York")
SPRING = date(2013, 3, 10)
"""The clocks went forward: the day has 23 hours."""
PERIODS = [DAY.containing(datetime(2013, 3, day, 12, tzinfo=NEW_YORK)) for day in (8, 9, 10, 11, 12)]
EMPTY = 8
"""The day of March that has no rows."""

SPEC = MeasureSpec(
    "orders",
    DAY,
    (
        TableMetrics(["row_count"]),
        ColumnMetrics(
            {"amount": ["avg", "p50", "sum", "null_ratio"], "items": ["sum", "max"], "paid": ["avg"], "country": ["count", "unique"]}
        ),
    ),
    time_column="at",
    group_columns=("shop",),
)
LISTS = replace(SPEC, metric_sets=(*SPEC.metric_sets, ColumnMetrics({"tags": ["list_null_ratio", "null_ratio", "count@1"]})))


def rows(kind: str, nan: float | None = math.nan) -> pa.Table:
    """Rows on both sides of midnight in New York, on the days asked for and on others.

    :param kind: what the time column has: "instant", "clock" or "date".
    :param nan: what stands where an amount is not a number.
    """
    midnights = [datetime(2013, 3, day, tzinfo=NEW_YORK) for day in range(6, 16) if day != EMPTY]
    instants = [
        (midnight.astimezone(UTC) + offset)
        for midnight in midnights
        for offset in (timedelta(), timedelta(seconds=1), timedelta(hours=7), timedelta(hours=22, minutes=59, seconds=59))
    ]
    local = [at.astimezone(NEW_YORK) for at in instants]
    at = {
        "instant": pa.array(instants, pa.timestamp("us", "UTC")),
        "clock": pa.array([each.replace(tzinfo=None) for each in local], pa.timestamp("us")),
        "date": pa.array([each.date() for each in local], pa.date32()),
    }[kind]
    count = len(instants)
    return pa.table(
        {
            "at": at,
            "shop": pa.array([f"shop {i % 3}" for i in range(count)]),
            "amount": pa.array([None if i % 5 == 0 else nan if i % 7 == 0 else i / 4 + 0.125 for i in range(count)], pa.float64()),
            "items": pa.array([None if i % 11 == 0 else i for i in range(count)], pa.int64()),
            "paid": pa.array([None if i % 6 == 0 else i % 2 == 0 for i in range(count)], pa.bool_()),
            "country": pa.array([None if i % 4 == 0 else "äöü'\"" if i % 4 == 1 else "US" for i in range(count)]),
            "tags": pa.array([None if i % 3 == 0 else [] if i % 3 == 1 else ["a", None] for i in range(count)], pa.list_(pa.string())),
            "other": pa.array(range(count), pa.int64()),
        }
    )


def spec_for(kind: str) -> MeasureSpec:
    return replace(LISTS, time_column_timezone="America/New_York" if kind == "clock" else "UTC")


def points(source: Source, spec: MeasureSpec, periods: list[Period] = PERIODS) -> dict[Any, Any]:
    """Everything that is stored of a measurement, but not how it was read."""
    opened = open_source(source, periods, spec)
    assert not opened.absent
    measured = measure(spec, opened, DuckDBEngine(), periods)
    assert not measured.failed
    found: dict[Any, Any] = {("period", record.period): (str(record.status), record.rows) for record in measured.measurement.periods}
    for info, series in measured.measurement.points.items():
        for point in series:
            value = point.value if point.value is None else pytest.approx(point.value, rel=1e-9)
            found[str(info.key), info.kind, point.start] = (value, str(point.status), point.n)
    return found


class Maker:
    """Makes a source of each kind out of the same rows."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch

    def parquet(self, table: pa.Table) -> Source:
        parquet.write_table(table, self.folder / "rows.parquet", row_group_size=7)
        return Files(str(self.folder / "rows.parquet"))

    def csv(self, table: pa.Table) -> Source:
        csv.write_csv(table, self.folder / "rows.csv")
        return Files(str(self.folder / "rows.csv"))

    def json_lines(self, table: pa.Table) -> Source:
        lines = [json.dumps(row, default=lambda at: at.isoformat()) for row in table.to_pylist()]
        (self.folder / "a.jsonl").write_text("\n".join(lines[:11]))
        (self.folder / "b.jsonl").write_text("\n".join(lines[11:]) + "\n")
        return Files(str(self.folder / "*.jsonl"))

    def json_array(self, table: pa.Table) -> Source:
        (self.folder / "rows.json").write_text(json.dumps(table.to_pylist(), default=lambda at: at.isoformat(), indent=1))
        return Files(str(self.folder / "rows.json"))

    def delta(self, table: pa.Table) -> Source:
        from deltalake import write_deltalake

        for part in (table.slice(0, 9), table.slice(9)):
            write_deltalake(self.folder / "delta", part, partition_by=["shop"], mode="append")
        return Delta(str(self.folder / "delta"))

    def iceberg(self, table: pa.Table) -> Source:
        from pyiceberg.catalog import load_catalog

        properties = {"type": "sql", "uri": f"sqlite:///{self.folder}/catalog.db", "warehouse": f"file://{self.folder}"}
        catalog = load_catalog("lake", **properties)
        catalog.create_namespace("mart")
        made = catalog.create_table("mart.orders", table.schema)
        for part in (table.slice(0, 9), table.slice(9)):
            made.append(part)
        self.monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "iceberg", "extra": properties}))
        return Iceberg("mart.orders", conn_id="lake")

    def sqlite(self, table: pa.Table) -> Source:
        types = {"at": sa.DateTime() if pa.types.is_timestamp(table["at"].type) else sa.Date(), "shop": sa.Text(), "amount": sa.Float()}
        types |= {"items": sa.Integer(), "paid": sa.Boolean(), "country": sa.Text(), "other": sa.Integer()}
        made = sa.Table("orders", sa.MetaData(), *(sa.Column(name, types[name]) for name in table.column_names))
        engine = sa.create_engine(f"sqlite:///{self.folder}/orders.db")
        made.create(engine)
        plain = table.set_column(0, "at", table["at"].cast("timestamp[us]")) if pa.types.is_timestamp(table["at"].type) else table
        with engine.begin() as connection:
            connection.execute(made.insert(), plain.to_pylist())
        self.monkeypatch.setenv("AIRFLOW_CONN_ORDERS", f"sqlite:///{self.folder}/orders.db")
        return Table("orders", conn_id="orders")

    def pandas(self, table: pa.Table) -> Source:
        return Frame(table.to_pandas(), name="orders")

    def pandas_on_arrow(self, table: pa.Table) -> Source:
        return Frame(table.to_pandas(types_mapper=pd.ArrowDtype), name="orders")

    def polars(self, table: pa.Table) -> Source:
        return Frame(pl.from_arrow(table), name="orders")

    def polars_lazy(self, table: pa.Table) -> Source:
        return Frame(pl.from_arrow(table).lazy().with_columns(pl.col("shop").cast(pl.Categorical)), name="orders")  # type: ignore[union-attr]

    def arrow(self, table: pa.Table) -> Source:
        return Frame(table, name="orders")

    def arrow_dataset(self, table: pa.Table) -> Source:
        dataset.write_dataset(table, self.folder / "set", format="parquet", partitioning=["shop"])
        return Frame(dataset.dataset(self.folder / "set", partitioning=["shop"]), name="orders")

    def arrow_reader(self, table: pa.Table) -> Source:
        return Frame(table.to_reader(5), name="orders")

    def relation(self, table: pa.Table) -> Source:
        return Frame(duckdb.from_arrow(table), name="orders")

    def function(self, table: pa.Table) -> Source:
        return Frame(lambda start, end: pl.from_arrow(table), name="orders")

    def stream(self, table: pa.Table) -> Source:
        return Frame(lambda start, end: table.to_reader(5), name="orders")


FULL = [
    "json_lines",
    "json_array",
    "delta",
    "iceberg",
    "pandas_on_arrow",
    "polars",
    "polars_lazy",
    "arrow",
    "arrow_dataset",
    "arrow_reader",
    "relation",
    "function",
    "stream",
]
NO_NAN = ["pandas"]
FLAT = {"csv": math.nan, "sqlite": None}
"""What has no lists, and what becomes of NaN in it."""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    return Maker(tmp_path, monkeypatch)


@pytest.mark.parametrize("kind", ["instant", "clock", "date"])
@pytest.mark.parametrize("source", FULL)
def test_every_source_gives_the_points_of_a_parquet_file(make: Maker, source: str, kind: str) -> None:
    spec, table = spec_for(kind), rows(kind)
    expected = points(make.parquet(table), spec)
    assert expected["period", PERIODS[0]] == ("empty", 0)
    assert expected["period", PERIODS[2]] == ("ok", 4)
    assert points(getattr(make, source)(table), spec) == expected


@pytest.mark.parametrize("kind", ["instant", "clock", "date"])
@pytest.mark.parametrize("source", NO_NAN)
def test_what_pandas_has_for_missing_is_missing(make: Maker, source: str, kind: str) -> None:
    """numpy's floats have no other word for it than NaN."""
    spec = spec_for(kind)
    assert points(getattr(make, source)(rows(kind)), spec) == points(make.parquet(rows(kind, nan=None)), spec)


@pytest.mark.parametrize("kind", ["instant", "clock", "date"])
@pytest.mark.parametrize("source", FLAT)
def test_what_has_no_lists_gives_the_rest(make: Maker, source: str, kind: str) -> None:
    spec = replace(spec_for(kind), metric_sets=SPEC.metric_sets)
    expected = points(make.parquet(rows(kind, FLAT[source])), spec)
    assert points(getattr(make, source)(rows(kind).drop_columns("tags")), spec) == expected


@pytest.mark.parametrize("source", [*FULL, *NO_NAN])
def test_a_condition_may_name_columns_that_are_not_measured(make: Maker, source: str) -> None:
    spec = replace(LISTS, where="\"other\" % 2 = 0 AND country <> 'DE'")
    nan = None if source in NO_NAN else math.nan
    expected = points(make.parquet(rows("instant", nan)), spec)
    assert expected != points(make.parquet(rows("instant", nan)), LISTS)
    assert points(getattr(make, source)(rows("instant")), spec) == expected


@pytest.mark.parametrize("source", [*FULL, *NO_NAN, "parquet"])
def test_rows_can_be_counted_without_reading_a_column(make: Maker, source: str) -> None:
    counting = replace(SPEC, metric_sets=(TableMetrics(["row_count"]),), time_column=None, group_columns=())
    found = points(getattr(make, source)(rows("instant")), counting, PERIODS[:1])
    assert found["period", PERIODS[0]] == ("ok", 36)


def test_a_query_gives_what_its_table_gives(make: Maker) -> None:
    spec = replace(SPEC, time_column_timezone="UTC")
    table = make.sqlite(rows("instant").drop_columns("tags"))
    whole = points(table, spec)
    assert whole == points(make.parquet(rows("instant", nan=None)), spec)
    counting = replace(spec, metric_sets=(TableMetrics(["row_count"]),), time_column=None)
    assert points(Query("SELECT * FROM orders", "orders", name="orders"), counting, PERIODS[:1])["period", PERIODS[0]] == ("ok", 36)
