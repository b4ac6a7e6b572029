"""Frames: when functions are called and with what, streams that end, and what is no frame."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from airflow.sdk import DAG, task
from airflow.sdk.definitions._internal.templater import Templater

from airflow_lupus import ColumnMetrics, DataMissingSensor, Frame, MetricCollectOperator, SparkTable, TableMetrics
from airflow_lupus.engines import engine_named
from airflow_lupus.exceptions import DataMissing, SourceError, SpecError
from airflow_lupus.hooks.source import open_source
from airflow_lupus.pipeline.measuring import measure
from support.context import context
from support.sources import SPEC, counts, days, reasons, rows

MIDNIGHT = datetime(2013, 2, 5, tzinfo=ZoneInfo("America/New_York"))


def test_a_function_is_called_once_with_the_range_in_the_datasets_zone() -> None:
    calls = []

    def orders(start: datetime, end: datetime) -> pa.Table:
        calls.append((start, end))
        return rows(4, 9)

    source = Frame(orders)
    assert not calls, "a DAG that is parsed reads no data"
    assert counts(source, days(5, 6)) == [("ok", 24), ("ok", 24)]
    assert calls == [(MIDNIGHT, MIDNIGHT.replace(day=7))]
    assert str(calls[0][0].tzinfo) == "America/New_York"
    assert source.default_dataset == "orders"
    assert source.definition() == {"frame": "orders"}


def test_a_stream_is_made_again_for_each_chunk_of_periods() -> None:
    calls = []

    def orders(start: datetime, end: datetime) -> pa.RecordBatchReader | None:
        calls.append((start.day, end.day))
        if (start.day, end.day) == (8, 9):
            raise DataMissing("later")
        return None if start.day == 7 else rows(start.day, end.day - 1).to_reader(10)

    opened = open_source(Frame(orders), days(5, 8), SPEC)
    read: Any = opened.relation.read  # type: ignore[union-attr]
    assert [sum(map(len, read(["at", "x"], days(*of)))) for of in ((5, 8), (5, 5), (6, 6), (7, 7), (8, 8))] == [96, 24, 24, 0, 0]
    assert calls == [(5, 9), (5, 6), (6, 7), (7, 8), (8, 9)]


def test_a_stream_in_hand_cannot_be_read_twice() -> None:
    opened = open_source(Frame(rows(5, 6).to_reader(), name="orders"), days(5, 6), SPEC)
    read: Any = opened.relation.read  # type: ignore[union-attr]
    assert sum(map(len, read(["at"], days(5)))) == 24
    with pytest.raises(SpecError, match=r"Frame\(orders\) is a stream, which can be read only once.*give a function"):
        list(read(["at"], days(6)))


def test_no_frame_is_missing_data() -> None:
    def orders(start: datetime, end: datetime) -> None:
        return None

    def late(start: datetime, end: datetime) -> None:
        raise DataMissing("the export has not arrived")

    assert reasons(Frame(orders), days(5, 6)) == {"Frame(orders) has no frame for these periods"}
    assert reasons(Frame(late), days(5)) == {"the export has not arrived"}


def test_what_a_function_raises_is_told_with_its_name() -> None:
    def orders(start: datetime, end: datetime) -> pa.Table:
        raise KeyError("price")

    def broken(start: datetime, end: datetime) -> pa.RecordBatchReader:
        def read() -> Any:
            yield rows(5).to_batches()[0]
            raise OSError("the line went dead")

        return pa.RecordBatchReader.from_batches(rows(5).schema, read())

    with pytest.raises(SourceError, match=r"Frame\(orders\) raised KeyError: 'price'"):
        open_source(Frame(orders), days(5), SPEC)
    with pytest.raises(SourceError, match=r"Frame\(broken\) cannot be read: .*the line went dead"):
        counts(Frame(broken), days(5))


@pytest.mark.parametrize("frame", [[1, 2], "orders.parquet", pl.Series([1.0]).to_list(), {"x": [1]}])
def test_what_is_no_frame_is_named(frame: Any) -> None:
    with pytest.raises(SpecError, match=r"Frame\(orders\) is a builtins\..*, not a frame of pandas, Polars, Arrow or DuckDB"):
        counts(Frame(frame, name="orders"), days(5))


def test_a_pandas_frame_of_many_slices_and_odd_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_lupus.pipeline.frames.SLICE", 7)
    frame = rows(5).to_pandas()
    frame["late"] = [None] * 20 + ["text"] * 4  # whose type the first slices do not tell
    frame[17] = pd.Series([1, "two", 3.0] * 8, dtype=object)
    frame["half"] = np.float16(1.5)
    frame["span"] = pd.period_range("2013-01", periods=24, freq="D")
    spec = replace(SPEC, where="late = 'text'")
    assert counts(Frame(frame, name="orders"), days(5), spec) == [("ok", 4)]
    assert list(frame.columns) == ["at", "x", "day", "late", 17, "half", "span"], "the user's frame stays as it is"
    with pytest.raises(SourceError, match=r"Frame\(orders\) cannot be read: .*column 17"):
        counts(Frame(frame, name="orders"), days(5), replace(spec, group_columns=("17",)))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_instants_of_any_zone_and_unit(zone: str, unit: str) -> None:
    table = rows(4, 7)
    table = table.set_column(0, "at", table["at"].cast(pa.timestamp(unit, zone)))
    for frame in (table, table.to_pandas(), pl.from_arrow(table).lazy()):  # type: ignore[union-attr]
        assert counts(Frame(frame, name="orders"), days(5, 6)) == [("ok", 24), ("ok", 24)]


def test_what_the_spec_names_wrongly_is_told() -> None:
    twice = pa.table([[1.0], [2.0]], names=["x", "x"])
    one_case = rows(5).append_column("X", rows(5)["x"])
    for frame, spec, message in (
        (twice, SPEC, "more than one column 'x'"),
        (one_case, replace(SPEC, where="x = X"), "'x' and 'X' are one to DuckDB"),
        (rows(5), replace(SPEC, where="nope > 1"), "where='nope > 1' is not a condition.*nope"),
        (rows(5), replace(SPEC, time_column="x"), "time_column 'x' is of type double, not a time"),
        (rows(5), replace(SPEC, time_column="att"), "no column 'att': did you mean 'at'"),
    ):
        with pytest.raises(SpecError, match=message):
            counts(Frame(frame, name="orders"), days(5), spec)


def test_names_of_frames() -> None:
    assert Frame(rows(5), name="mart.orders").default_dataset == "mart.orders"
    assert repr(Frame(rows(5))) == "Frame(Table)"
    for nameless in (Frame(rows(5)), Frame(lambda start, end: None)):
        with pytest.raises(SpecError, match="has no name of its own"):
            _ = nameless.default_dataset


def test_only_spark_reads_its_tables() -> None:
    with pytest.raises(SpecError, match=r"SparkTable\('mart.orders'\) is read by Spark alone: say engine=\"spark\""):
        measure(SPEC, open_source(SparkTable("mart.orders"), days(5), SPEC), engine_named("duckdb"), days(5))


def test_an_upstream_tasks_frame_comes_through_xcom() -> None:
    """Airflow resolves it as it renders the task's templates, and knows which task comes first."""
    with DAG("orders", schedule=None):

        @task
        def extract() -> pd.DataFrame:
            return rows(5, x=3.0).to_pandas()

        upstream = extract()
        made = {"source": Frame(upstream), "time_column": "at"}
        collect = MetricCollectOperator(task_id="collect", metrics=[TableMetrics(["row_count"])], **made)
        wait = DataMissingSensor(task_id="wait", source=Frame(upstream, name="orders"), time_column="at")
    assert collect.upstream_task_ids == wait.upstream_task_ids == {"extract"}
    assert collect.dataset == "extract"
    given = context(collect)
    sums = replace(SPEC, metric_sets=(ColumnMetrics({"x": ["sum"]}),))
    for returned, expected in ((rows(5, x=3.0).to_pandas(), [("ok", 24)]), (None, [("missing", None)])):
        given["ti"].xcom_pull = lambda returned=returned, **_: returned
        source = Frame(upstream)
        Templater().render_template(source, given)  # type: ignore[no-untyped-call]
        assert counts(source, days(5), sums) == expected
    with pytest.raises(SpecError, match="an upstream task returns the frame of one run"):
        open_source(Frame(upstream), days(5, 6), SPEC)
