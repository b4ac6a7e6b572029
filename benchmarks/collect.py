"""How long collecting takes beside its alternatives: `make bench-collect`. Ratios count; seconds depend on the machine.

One year of flights by airport, with the metrics of `dags/nyc_flights.py`:

- ours: open, check and measure all 365 files in one go
- a run a day: the same, 365 times
- pandas: one `groupby` a column, as a notebook would have it, by airport and in total
- plain scan: DuckDB reading the same columns and doing nothing with them, the physical limit
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd

from airflow_lupus import ColumnMetrics, Files, TableMetrics
from airflow_lupus.engines import engine_named
from airflow_lupus.hooks.source import open_source
from airflow_lupus.model import Grain
from airflow_lupus.pipeline import measure
from airflow_lupus.specs import MeasureSpec
from prepare_flights import prepare

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
THREADS = 2
DAY = Grain("day", "America/New_York")
YEAR = list(DAY.periods(DAY.parse("2013-01-01"), DAY.parse("2014-01-01")))
METRICS = {"dep_time": ["null_ratio"], "dep_delay": ["avg", "p50", "p95"], "distance": ["sum"], "carrier": ["count", "unique"]}
SPEC = MeasureSpec(
    dataset="flights",
    grain=DAY,
    metric_sets=(TableMetrics(["row_count"]), ColumnMetrics(METRICS)),
    time_column="time_hour",
    group_columns=("origin",),
)


def ours(folder: Path, periods: list | None = None) -> None:
    """The library, from paths to points."""
    periods = periods or YEAR
    source = Files(f"{folder}/{{period:%Y-%m-%d}}.parquet")
    measure(SPEC, open_source(source, periods, SPEC), engine_named("duckdb", threads=THREADS), periods)


def a_run_a_day(folder: Path) -> None:
    """What a backfill without ranges does."""
    for period in YEAR:
        ours(folder, [period])


def in_pandas(folder: Path) -> None:
    """What a notebook does."""
    files = sorted(folder.glob("2013-*.parquet"))
    flights = pd.concat([pd.read_parquet(file, columns=["time_hour", "origin", *METRICS]) for file in files])
    flights["day"] = flights["time_hour"].dt.tz_convert("America/New_York").dt.floor("D")
    for keys in (["day", "origin"], ["day"]):
        groups = flights.groupby(keys)
        groups.size()
        groups["dep_time"].agg(lambda column: column.isna().mean())
        groups["dep_delay"].mean()
        groups["dep_delay"].quantile([0.5, 0.95])
        groups["distance"].sum()
        groups["carrier"].nunique()
        flights.groupby([*keys, "carrier"]).size()


def plain_scan(folder: Path) -> None:
    """The least that anybody must do."""
    columns = ", ".join(f"count({name})" for name in ("time_hour", "origin", *METRICS))
    with duckdb.connect(config={"threads": THREADS}) as connection:
        connection.execute(f"SELECT {columns} FROM read_parquet('{folder}/2013-*.parquet')").fetchall()


def main() -> None:
    """Interleave the contestants, and print medians beside each other."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder)
        contestants: dict[str, Callable[[Path], None]] = {
            "ours": ours,
            "a run a day": a_run_a_day,
            "pandas": in_pandas,
            "plain scan": plain_scan,
        }
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for round_ in range(ROUNDS + 1):
            for name, contestant in contestants.items():
                start = time.perf_counter()
                contestant(folder)
                if round_:  # the first warms up
                    seconds[name].append(time.perf_counter() - start)
        median = {name: statistics.median(values) for name, values in seconds.items()}
        print(f"{'':14}{'seconds':>9}{'÷ ours':>9}")
        for name, value in median.items():
            print(f"{name:14}{value:9.3f}{value / median['ours']:9.2f}")


if __name__ == "__main__":
    main()
