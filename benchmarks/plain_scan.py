"""The least that any engine must do: decode the columns that a workload reads, and nothing else.

    python benchmarks/plain_scan.py --rows 1000000

A count of rows would not do, since a file's footer answers it. Spark writes every row to nowhere, DuckDB hashes every value (a quarter of
its time is for the hashes), and Arrow makes arrays of them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as pads

import workload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb
    from pyspark.sql import SparkSession

ROUNDS = 5


def scan_spark(spark: SparkSession, path: str, columns: Sequence[str]) -> None:
    spark.read.parquet(path).select(*columns).write.format("noop").mode("overwrite").save()


def scan_duckdb(connection: duckdb.DuckDBPyConnection, path: str, columns: Sequence[str]) -> None:
    hashes = ", ".join(f'bit_xor(hash("{column}"))' for column in columns)
    connection.execute(f"SELECT {hashes} FROM read_parquet(?)", [path]).fetchall()


def scan_pyarrow(path: str, columns: Sequence[str]) -> int:
    """How many rows it saw."""
    return sum(batch.num_rows for batch in pads.dataset(path).to_batches(columns=list(columns)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds of a plain scan, per workload and engine: the median of some rounds.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()
    import duckdb

    from naive_spark import session

    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"threads": 2}) as connection:
        path = str(Path(folder) / "workload.parquet")
        workload.write(path, args.rows)
        spark = session()
        contestants: dict[str, Callable[[Sequence[str]], Any]] = {
            "Spark": lambda columns: scan_spark(spark, path, columns),
            "DuckDB": lambda columns: scan_duckdb(connection, path, columns),
            "pyarrow": lambda columns: scan_pyarrow(path, columns),
        }
        print(f"{'':4}{''.join(f'{name:>10}' for name in contestants)}")
        for name, columns in workload.COLUMNS.items():
            seconds: dict[str, list[float]] = {contestant: [] for contestant in contestants}
            for number in range(ROUNDS + 1):
                for contestant, scan in contestants.items():
                    start = time.perf_counter()
                    scan(columns)
                    if number:  # the first warms up
                        seconds[contestant].append(time.perf_counter() - start)
            print(f"{name:4}{''.join(f'{statistics.median(values):10.3f}' for values in seconds.values())}")
        spark.stop()


if __name__ == "__main__":
    main()
