"""How the cost of collecting grows with rows, groups, metrics and periods, on DuckDB within its limits: the table in `docs/scale.md`.

    python benchmarks/growth.py [--rows 1000000]

Each line is a process of its own: seconds from the file to the tidy table, and the most memory that the process took.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from collect import ALWAYS, DAY, DAYS, W1, W1_CONTINUOUS, peak_memory

import workload
from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import FileSet, SourceFile
from airflow_lupus.pipeline.measuring import needed
from airflow_lupus.pipeline.tidy import tidy
from airflow_lupus.specs import ColumnMetrics, MeasureSpec, TableMetrics

FEW = {"age": ["avg", "null_ratio"]}
METRICS = {"2 metrics": FEW, "W1": W1, "W1, continuous": W1_CONTINUOUS}


def measure(path: str, metrics: str, groups: str, periods: str) -> None:
    """What a process of its own does."""
    spec = MeasureSpec(
        "workload",
        DAY,
        (TableMetrics(["row_count"]), ColumnMetrics(METRICS[metrics])),
        group_columns=(groups,),
        time_column="seen_at" if periods == "90" else None,
        max_groups=100_000,
        max_entities=20_000,
    )
    engine, files = engine_named("duckdb", threads=2, memory_limit="2GB"), FileSet([SourceFile(path)], "parquet")
    begun = time.perf_counter()
    pairs = spec.pairs(engine.types(files))
    found = tidy(spec, pairs, engine.scan(files, spec, needed(spec, pairs), DAYS if periods == "90" else [ALWAYS]))
    seconds = time.perf_counter() - begun
    print(f"{seconds:.2f} {peak_memory():.2f} {found.num_rows}")


def main() -> None:
    parser = argparse.ArgumentParser(description="How cost grows.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--alone", nargs=4)
    args = parser.parse_args()
    if args.alone:
        measure(*args.alone)
        return
    rows = args.rows
    cases = [
        (rows, "2 metrics", "region", "1"),
        (rows, "W1", "region", "1"),
        (rows, "W1, continuous", "region", "1"),
        (rows, "2 metrics", "region", "90"),
        (rows, "W1", "region", "90"),
        (rows, "2 metrics", "user_1000", "1"),
        (rows, "2 metrics", "user_50000", "1"),
        (10 * rows, "2 metrics", "region", "1"),
        (10 * rows, "W1", "region", "1"),
    ]
    print("| rows | groups | metrics | periods | seconds | peak memory, GB | values |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for count in (rows, 10 * rows):
            plain, paths[count] = f"{folder}/{count}.plain", f"{folder}/{count}.parquet"
            workload.write(plain, count)
            # Groups of any number, spread evenly.
            columns = "*, hash(seen_at, age_continuous) % 1000 AS user_1000, hash(seen_at, age_continuous) % 50000 AS user_50000"
            duckdb.execute(f"COPY (SELECT {columns} FROM read_parquet('{plain}')) TO '{paths[count]}' (ROW_GROUP_SIZE 100000)")
            Path(plain).unlink()
        for count, metrics, groups, periods in cases:
            command = [sys.executable, __file__, "--alone", paths[count], metrics, groups, periods]
            seconds, memory, found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            named = {"region": "50", "user_1000": "1,000", "user_50000": "50,000"}[groups]
            print(f"| {count:,} | {named} | {metrics} | {periods} | {seconds} | {memory} | {int(found):,} |", flush=True)


if __name__ == "__main__":
    main()
