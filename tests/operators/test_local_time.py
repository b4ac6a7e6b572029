"""A DAG in local time, day after day through a change of clocks: every row is measured once, in the day that the DAG's zone says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from pyarrow import parquet

from airflow_lupus import Files, MetricCollectOperator, TableMetrics
from airflow_lupus.model import Grain, TaskRef
from airflow_lupus.pipeline import collect
from airflow_lupus.stores.sql import SqlStore
from support.context import context
from support.stores import meaning

from .test_operators import rows


def halves(start, end):
    return [start + timedelta(minutes=30) * i for i in range(int((end - start) / timedelta(minutes=30)))]


@pytest.mark.parametrize(
    ("zone", "first", "expected"),
    [
        ("America/New_York", "2013-03-09", [48, 46, 48]),
        ("America/Santiago", "2022-09-10", [48, 46, 48]),  # midnight is skipped: the day begins at 01:00
        ("America/Santiago", "2022-04-01", [48, 50, 48]),  # midnight comes twice, at the end of the 2nd
        ("Asia/Beirut", "2022-03-26", [48, 46, 48]),
        ("Australia/Lord_Howe", "2022-04-02", [48, 49, 48]),  # half an hour longer
        ("Asia/Kolkata", "2024-02-28", [48, 48, 48]),  # a leap day, half an hour off
    ],
)
def test_a_daily_dag_in_local_time_measures_every_row_once(store, tmp_path, zone, first, expected):
    grain = Grain("day", zone)
    days = list(grain.periods(grain.parse(first), grain.parse(first) + timedelta(days=2, hours=20)))
    at = halves(days[0].start, days[-1].end)
    local = [instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for instant in at]
    parquet.write_table(pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "naive": local}), tmp_path / "rows.parquet")
    for column in ("at", "naive"):
        collect = MetricCollectOperator(
            task_id=f"collect_{column}",
            dataset=column,
            source=Files(str(tmp_path / "rows.parquet")),
            time_column=column,
            time_column_timezone=zone if column == "naive" else "UTC",
            metrics=[TableMetrics(["row_count"])],
            history=None,
        )
        for day in days:
            logical = (day.end + timedelta(hours=3)).astimezone(ZoneInfo(zone))
            summary = collect.execute(context(collect, run=f"{logical:%Y-%m-%d}", zone=zone, logical_date=logical))
            assert datetime.fromisoformat(summary["start"]) == day.start
        assert [record.rows for record in store.period_records(column, grain, 0, 2**40)] == expected
    assert sum(row.value for row in rows(store, "points")) == 2 * len(at)


def test_hours_in_a_range_equal_hourly_runs_when_clocks_move_by_half_an_hour(store, tmp_path):
    zone = "Australia/Lord_Howe"
    start = datetime(2022, 4, 2, 10, 30, tzinfo=UTC)
    at = [start + timedelta(minutes=10) * i for i in range(60)]
    parquet.write_table(pa.table({"at": pa.array(at, pa.timestamp("us", "UTC"))}), tmp_path / "rows.parquet")

    def collector(dataset):
        return MetricCollectOperator(
            task_id="collect",
            dataset=dataset,
            source=Files(str(tmp_path / "rows.parquet")),
            time_column="at",
            grain="hour",
            metrics=[TableMetrics(["row_count"])],
            history=None,
        )

    hourly = collector("clock")
    for i in range(1, 11):
        hourly.execute(context(hourly, run=str(i), zone=zone, logical_date=start + timedelta(hours=i)))
    one_by_one = meaning(store)["points"]
    assert [row[3] for row in sorted(one_by_one, key=lambda row: row[1])] == [6.0] * 10

    ranged, grain = SqlStore.in_memory(), Grain("hour", zone)
    collect(
        ranged, hourly.job(grain), list(grain.periods(start, start + timedelta(hours=10))), TaskRef("nyc", "collect", "range"), budget=2
    )
    assert meaning(ranged)["points"] == one_by_one
