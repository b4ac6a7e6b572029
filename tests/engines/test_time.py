"""Which row belongs to which period, where clocks do everything that clocks do: the engine against `Grain.containing`, row by row."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from airflow_lupus.engines.base import FileSet, SourceFile
from airflow_lupus.engines.duckdb import DuckDBEngine
from airflow_lupus.model import UNITS, Grain
from airflow_lupus.specs import MeasureSpec, TableMetrics

if TYPE_CHECKING:
    from airflow_lupus.model import Period

CHANGES = {
    "America/New_York": ["2013-03-10T07:00", "2013-11-03T06:00"],
    "America/Santiago": ["2022-04-03T03:00", "2022-09-11T04:00"],  # at midnight: a day begins at 01:00, another has two midnights
    "Asia/Beirut": ["2022-03-26T22:00", "2022-10-29T21:00"],
    "Australia/Lord_Howe": ["2022-04-02T15:00", "2022-10-01T15:30"],  # by half an hour
    "Asia/Kolkata": ["2020-02-29T18:30"],  # leap day's end; half an hour off
    "Europe/Berlin": ["2024-03-31T01:00", "2024-10-27T01:00", "2024-02-28T23:00"],
    "Pacific/Apia": ["2011-12-30T10:00"],  # a day that was skipped
    "UTC": ["2024-02-29T00:00", "2100-02-28T23:59"],
}
"""Zone → instants around which something happens."""
NEAR = {"hour": timedelta(hours=30), "day": timedelta(days=4), "week": timedelta(days=20), "month": timedelta(days=70)}
MOMENTS = [(zone, datetime.fromisoformat(at).replace(tzinfo=UTC)) for zone, found in CHANGES.items() for at in found]


def placed(column: pa.Array, grain: Grain, periods: list[Period], **spec: str) -> dict[Period, int]:
    """Rows by period, as one scan of a Parquet file tells them."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.parquet")
        parquet.write_table(pa.table({"at": column}), path, row_group_size=50)
        what = MeasureSpec("clock", grain, (TableMetrics(["row_count"]),), time_column="at", **spec)  # type: ignore[arg-type]
        found = DuckDBEngine(threads=1).scan(FileSet([SourceFile(path)], "parquet"), what, [], periods)
    return {group.period: group.rows for group in found.groups if group.rows}


def around(grain: Grain, moment: datetime) -> list[Period]:
    first = grain.containing(moment - NEAR[grain.unit])
    return list(grain.periods(first.start, moment + NEAR[grain.unit]))


@pytest.mark.parametrize("unit", UNITS)
@given(
    moment=st.sampled_from(MOMENTS),
    shares=st.lists(st.integers(0, 10**9), min_size=1, max_size=60),
    kind=st.sampled_from(["aware", "naive UTC", "naive local"]),
    scale=st.sampled_from(["us", "ms", "ns"]),
)
@settings(max_examples=25, deadline=None)
def test_every_row_is_in_the_period_that_contains_it(
    unit: str, moment: tuple[str, datetime], shares: list[int], kind: str, scale: str
) -> None:
    zone, middle = moment
    grain = Grain(unit, zone)
    periods = around(grain, middle)
    start, end = periods[0].start, periods[-1].end
    span = (end - start) // timedelta(milliseconds=1)
    at = [start + timedelta(milliseconds=share * span // (10**9 + 1)) for share in shares]
    at += [edge for period in periods for edge in (period.start, period.end - timedelta(milliseconds=1))]
    local = kind == "naive local"
    if local:  # an hour that comes twice on the clocks cannot be told apart: those rows count for the second, see below
        at = [instant for instant in at if not twice(instant, zone)]
    if kind == "aware":
        column = pa.array(at, pa.timestamp(scale, "UTC"))
    else:
        column = pa.array(
            [instant.astimezone(ZoneInfo(zone if local else "UTC")).replace(tzinfo=None) for instant in at], pa.timestamp(scale)
        )
    found = placed(column, grain, periods, time_column_timezone=zone if local else "UTC")
    assert found == Counter(map(grain.containing, at))
    assert sum(found.values()) == len(at), "no row is lost, none counts twice"


def twice(instant: datetime, zone: str) -> bool:
    """Whether clocks show this time a second time, or showed it before."""
    local = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    offsets = {local.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() for fold in (0, 1)}
    return len(offsets) > 1


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("zone", "middle"), MOMENTS)
def test_local_times_that_come_twice_are_neither_lost_nor_doubled(unit: str, zone: str, middle: datetime) -> None:
    grain = Grain(unit, zone)
    periods = around(grain, middle)
    at = [periods[0].start + timedelta(minutes=10 * i) for i in range(int((periods[-1].end - periods[0].start) / timedelta(minutes=10)))]
    column = pa.array([instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for instant in at], pa.timestamp("us"))
    found = placed(column, grain, periods, time_column_timezone=zone)
    assert sum(found.values()) == len(at)
    one_by_one: dict[Period, int] = {}
    if unit != "hour":
        for period in periods:
            one_by_one |= placed(column, grain, [period], time_column_timezone=zone)
        assert one_by_one == found
