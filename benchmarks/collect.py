"""What collecting costs beside its alternatives, row by row of the table to beat: `make bench-collect`. Ratios count; seconds depend on
the machine, and rounds are interleaved so that what else it does weighs on all alike.

    python benchmarks/collect.py [--rows 1000000] [--rounds 5] [--only w1,w2,w3,memory,small,periods]

- naive: the code of `naive_spark.py`, as a data engineer writes it
- scan: `plain_scan.py`, decoding the same columns and doing nothing with them
- ours: from opening the file to the tidy table, everything included
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

import naive_spark
import plain_scan
import workload
from airflow_lupus import Classification, Ranking
from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import FileSet, SourceFile
from airflow_lupus.model import Grain, Period
from airflow_lupus.pipeline.measuring import needed
from airflow_lupus.pipeline.tidy import tidy
from airflow_lupus.specs import ColumnMetrics, MeasureSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from airflow_lupus.engines.base import Engine

DAY = Grain("day", "UTC")
ALWAYS = Period(datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
AGE = ["avg", "min", "max", "p25", "p50", "p75", "p95"]
W1 = {
    "age": AGE,
    "device": ["count", "unique"],
    "ratings": ["avg", "avg@5", "min", "max", "min@5", "max@5"],
    "interests": ["count", "count@5", "unique", "unique@3"],
}
W1_CONTINUOUS = {"age_continuous": AGE, **{name: metrics for name, metrics in W1.items() if name != "age"}}
RANKED = ["ndcg@5", "ndcg@10", "recall@5", "recall@10", "precision@5", "precision@10", "map@10", "mrr"]
OF_ITEMS = [f"{metric}@{k}" for metric in ("entropy", "unique", "coverage") for k in (5, 10)]
SETS = {
    "w1": (ColumnMetrics(W1),),
    "w1 continuous": (ColumnMetrics(W1_CONTINUOUS),),
    "w2": (Classification("pred", "gt", metrics=["accuracy", "label_count", "precision", "recall", "f1", "confusion"]),),
    "w3": (Ranking("pred_items", "gt_items", catalog=workload.ITEMS, metrics=[*RANKED, *OF_ITEMS]),),
}
COLUMNS = {
    "w1": ["region", *W1],
    "w1 continuous": ["region", *W1_CONTINUOUS],
    "w2": ["region", "pred", "gt"],
    "w3": ["region", "pred_items", "gt_items"],
}
DAYS = [DAY.containing(datetime(2025, 1, 1, 12, tzinfo=UTC))]
while len(DAYS) < workload.DAYS:
    DAYS.append(DAY.next(DAYS[-1]))


def ours(engine: Engine, name: str, path: str, periods: Sequence[Period] = (ALWAYS,), time_column: str | None = None) -> pa.Table:
    """A workload through the library."""
    spec = MeasureSpec("workload", DAY, SETS[name], group_columns=("region",), time_column=time_column, max_entities=20_000)
    files = FileSet([SourceFile(path)], "parquet")
    pairs = spec.pairs(engine.types(files))
    return tidy(spec, pairs, engine.scan(files, spec, needed(spec, pairs), periods))


@dataclass
class Contest:
    """Contestants that take turns."""

    rounds: int
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def run(self, contestants: dict[str, Callable[[], Any]]) -> None:
        for round_ in range(self.rounds + 1):
            for name, contestant in contestants.items():
                if round_ == 0 and "naive" in name:  # Spark is warm by the others
                    continue
                begun = time.perf_counter()
                contestant()
                taken = time.perf_counter() - begun
                print(f"  {name:32} {taken:8.2f} s{'' if round_ else '  (warming up)'}", flush=True)
                if round_:
                    self.seconds.setdefault(name, []).append(taken)

    def __getitem__(self, name: str) -> float:
        return statistics.median(self.seconds[name])


@dataclass(frozen=True)
class Row:
    """A row of the table to beat."""

    what: str
    measured: float
    bar: float
    stretch: float | None = None
    least: bool = True
    """Whether the bar is the least that passes, or the most."""
    unit: str = "×"

    def __str__(self) -> str:
        def shown(number: float | None) -> str:
            return "–" if number is None else f"{'≥' if self.least else '≤'} {number:g} {self.unit}"

        passed = self.measured >= self.bar if self.least else self.measured <= self.bar
        reached = self.stretch is not None and (self.measured >= self.stretch if self.least else self.measured <= self.stretch)
        verdict = "stretch" if passed and reached else "pass" if passed else "FAIL"
        return f"{self.what:58}{self.measured:8.2f} {self.unit:2}  {shown(self.bar):>9}  {shown(self.stretch):>9}  {verdict}"


def contests(path: str, rounds: int, only: set[str]) -> list[Row]:
    """W1, W2 and W3 beside naive Spark and plain scans."""
    spark = naive_spark.session()
    with_spark, with_duckdb = engine_named("spark", session=spark), engine_named("duckdb", threads=2)
    connection = duckdb.connect(config={"threads": 2})
    contest = Contest(rounds)
    naive: dict[str, Callable[[], Any]] = {
        "w1": lambda: naive_spark.naive_w1(spark, path),
        "w2": lambda: naive_spark.naive_w2(spark, path),
        "w3": lambda: naive_spark.naive_w3(spark, path),
    }
    rows = []
    for name in SETS:
        if name.split()[0] not in only:
            continue
        print(name, flush=True)
        contestants: dict[str, Callable[[], Any]] = {
            f"{name} Spark": lambda name=name: ours(with_spark, name, path),
            f"{name} DuckDB": lambda name=name: ours(with_duckdb, name, path),
            f"{name} scan Spark": lambda name=name: plain_scan.scan_spark(spark, path, COLUMNS[name]),
            f"{name} scan DuckDB": lambda name=name: plain_scan.scan_duckdb(connection, path, COLUMNS[name]),
        }
        if name in naive:
            contestants[f"{name} naive"] = naive[name]
        contest.run(contestants)
        spark_ratio, duckdb_ratio = (contest[f"{name} {e}"] / contest[f"{name} scan {e}"] for e in ("Spark", "DuckDB"))
        label = name.upper().replace("W1 CONTINUOUS", "W1, continuous column,")
        if name in naive:
            bar, stretch = {"w1": (12, 20), "w2": (6, 10), "w3": (18, 30)}[name]
            rows.append(Row(f"{label} on Spark against naive Spark", contest[f"{name} naive"] / contest[f"{name} Spark"], bar, stretch))
        if name == "w1":
            rows.append(Row("W1 on DuckDB against naive Spark", contest["w1 naive"] / contest["w1 DuckDB"], 60, 120))
        if name.startswith("w1"):
            rows.append(Row(f"{label} over a plain scan, Spark", spark_ratio, 5.5, 3, least=False))
            rows.append(Row(f"{label} over a plain scan, DuckDB", duckdb_ratio, 4.5, 3, least=False))
        if name == "w3":
            rows.append(Row("W3 over a plain scan, Spark", spark_ratio, 14, 6, least=False))
            rows.append(Row("W3 over a plain scan, DuckDB", duckdb_ratio, 14, 6, least=False))
    return rows


def memory(rows: int) -> Row:
    """The peak of a process of its own that measures W1 of ten times as many rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "large.parquet")
        workload.write(path, rows)
        return Row(f"peak memory, W1 on DuckDB, {rows:,} rows", _alone("memory", path), 0.5, least=False, unit="GB")


def small() -> Row:
    """A process of its own, from its start to the answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "small.parquet")
        workload.write(path, 10_000)
        seconds = [_alone("small", path) for _ in range(5)]
    return Row("10,000 rows end to end, DuckDB, imports included", statistics.median(seconds), 0.8, least=False, unit="s")


def _alone(what: str, path: str) -> float:
    begun = time.perf_counter()
    found = subprocess.run([sys.executable, __file__, "--alone", what, path], check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - begun if what == "small" else float(found)


def alone(what: str, path: str) -> None:
    """What a process of its own does."""
    ours(engine_named("duckdb", threads=2, memory_limit="400MB" if what == "memory" else "2GB"), "w1", path)
    print(peak_memory())


def ninety(path: str, rounds: int) -> list[Row]:
    """Ninety periods at once, and one by one."""
    spark = naive_spark.session()
    rows = []
    for name, engine, bar in (("Spark", engine_named("spark", session=spark), 4), ("DuckDB", engine_named("duckdb", threads=2), 2)):
        contest = Contest(rounds)
        contest.run(
            {
                f"{name}, in one": lambda engine=engine: ours(engine, "w1", path, DAYS, "seen_at"),
                f"{name}, one by one": lambda engine=engine: [ours(engine, "w1", path, [day], "seen_at") for day in DAYS],
            }
        )
        rows.append(Row(f"90 periods in one against 90 calls, {name}", contest[f"{name}, one by one"] / contest[f"{name}, in one"], bar))
    return rows


def peak_memory() -> float:
    """The most memory that this process took, in GB: of its own, and not of the one that started it."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="The table to beat.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="w1,w2,w3,memory,small,periods")
    parser.add_argument("--alone", nargs=2)
    args = parser.parse_args()
    if args.alone:
        alone(*args.alone)
        return
    only = set(args.only.split(","))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "workload.parquet")
        workload.write(path, args.rows)
        if only & {"w1", "w2", "w3"}:
            rows += contests(path, args.rounds, only)
        if "memory" in only:
            rows.append(memory(10 * args.rows))
        if "small" in only:
            rows.append(small())
        if "periods" in only:
            few = str(Path(folder) / "few.parquet")
            workload.write(few, args.rows // 5)
            rows += ninety(few, max(1, args.rounds // 5))
    print(f"\n{'':58}{'measured':>11}  {'bar':>9}  {'stretch':>9}")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
