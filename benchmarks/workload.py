"""The table that engines are measured on: `python benchmarks/workload.py /tmp/workload.parquet --rows 10000000`.

90 days of a shop's recommendations, in the order of time as a table is that grows by the day. It is written in chunks, each a row group,
so that any number of rows needs the memory of one; the same seed gives the same rows.

| column | holds |
|---|---|
| `day`, `seen_at` | the date, and the moment in UTC |
| `region` | 50 names, the most frequent in 22 % of rows (Zipf) |
| `age` | whole numbers as doubles, 2 % NULL, 0.5 % NaN |
| `age_continuous` | the same, but no value twice |
| `device` | 20 names |
| `ratings` | NULL (3 %) or 0–10 doubles, 2 % of them NULL and 1 % NaN |
| `interests` | 0–8 of 5,000 names, skewed; one can be there twice |
| `gt`, `pred` | one of 10 classes each, equal in 73 % of rows, 1 % NULL |
| `pred_items` | 10 different ones of 10,000 item ids, best first, skewed |
| `gt_items` | 0–5 different item ids, about a third of them predicted |
"""

from __future__ import annotations

import argparse
import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

CHUNK = 100_000
"""Rows of a row group."""
DAYS = 90
FIRST = dt.date(2025, 1, 1)
ITEMS = 10_000
REGIONS, DEVICES, INTERESTS, CLASSES = (
    pa.array([f"{name}-{i:0{len(str(count - 1))}}" for i in range(count)])
    for name, count in (("region", 50), ("device", 20), ("interest", 5_000), ("class", 10))
)
COLUMNS = {
    "w1": ("region", "age", "device", "ratings", "interests"),
    "w2": ("region", "pred", "gt"),
    "w3": ("region", "pred_items", "gt_items"),
}
"""What each workload reads: distribution, classification, ranking."""


def write(path: Path | str, rows: int, seed: int = 0) -> None:
    """Write so many rows into a Parquet file."""
    writer = None
    for first in range(0, rows, CHUNK):
        table = _chunk(np.random.default_rng([seed, first]), first, min(CHUNK, rows - first), rows)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is None:
        msg = f"a table needs a row at least, not {rows}"
        raise ValueError(msg)
    writer.close()


def _chunk(rng: Generator, first: int, count: int, rows: int) -> pa.Table:
    number = np.arange(first, first + count)
    seconds = number * (DAYS * 86_400) // rows
    at = np.datetime64(FIRST, "us") + seconds.astype("timedelta64[s]")
    kind = rng.random(count)
    missing, nan = kind < 0.02, kind > 0.995
    # The stride has no factor in common with the number of rows: a permutation, without a table of what has been.
    continuous = 18 + 72 * ((number * _stride(rows) % rows) + 0.5) / rows
    truth = rng.integers(len(CLASSES), size=count)
    guess = np.where(rng.random(count) < 0.7, truth, rng.integers(len(CLASSES), size=count))
    pred_items = _different(count, lambda size: _skewed(rng, ITEMS, (size, 10)))
    columns = {
        "day": pa.array(at.astype("datetime64[D]")),
        "seen_at": pa.array(at).cast(pa.timestamp("us", "UTC")),
        "region": REGIONS.take(pa.array(rng.choice(len(REGIONS), count, p=_zipf(len(REGIONS))))),
        "age": pa.array(np.where(nan, np.nan, np.clip(rng.normal(42, 15, count).round(), 18, 90)), mask=missing),
        "age_continuous": pa.array(np.where(nan, np.nan, continuous), mask=missing),
        "device": DEVICES.take(pa.array(_skewed(rng, len(DEVICES), count))),
        "ratings": _ratings(rng, count),
        "interests": _lists(rng.integers(0, 9, count), lambda size: INTERESTS.take(pa.array(_skewed(rng, len(INTERESTS), size)))),
        "gt": CLASSES.take(pa.array(truth, mask=rng.random(count) < 0.01)),
        "pred": CLASSES.take(pa.array(guess, mask=rng.random(count) < 0.01)),
        "pred_items": _lists(np.full(count, 10), lambda _: pa.array(pred_items.ravel())),
        "gt_items": _relevant(rng, pred_items),
    }
    return pa.table(columns)


def _stride(rows: int) -> int:
    """About the golden part of n, without a factor in common with it."""
    stride = int(rows * 0.618) | 1
    while np.gcd(stride, rows) != 1:
        stride += 2
    return stride


def _zipf(count: int) -> NDArray[np.float64]:
    weights = 1 / np.arange(1, count + 1)
    return weights / weights.sum()


def _skewed(rng: Generator, count: int, size: int | tuple[int, ...]) -> NDArray[np.int64]:
    """Whole numbers below the count, low ones oftener: half of them are from the first quarter."""
    return (rng.random(size) ** 2 * count).astype(np.int64)


def _different(count: int, draw: Callable[[int], NDArray[np.int64]]) -> NDArray[np.int64]:
    """Rows of numbers, drawn again where one is there twice."""
    found = draw(count)
    while (again := (np.diff(np.sort(found, axis=1), axis=1) == 0).any(axis=1)).any():
        found[again] = draw(int(again.sum()))
    return found


def _relevant(rng: Generator, pred_items: NDArray[np.int64]) -> pa.Array:
    """0–5 items a row, each with a chance of a third to be one that was predicted there."""
    count = len(pred_items)
    predicted = np.take_along_axis(pred_items, rng.random(pred_items.shape).argsort(axis=1)[:, :5], axis=1)
    others = _different(count, lambda size: _skewed(rng, ITEMS, (size, 5)))
    apart = (others[:, :, None] != predicted[:, None, :]).all(axis=(1, 2))  # so that a mix of both has no item twice
    items = np.where((rng.random((count, 5)) < 1 / 3) & apart[:, None], predicted, others)
    lengths = rng.integers(0, 6, count)
    return _lists(lengths, lambda _: pa.array(items[np.arange(5) < lengths[:, None]]))


def _ratings(rng: Generator, count: int) -> pa.Array:
    def values(size: int) -> pa.Array:
        kind = rng.random(size)
        return pa.array(np.where(kind > 0.99, np.nan, rng.integers(2, 11, size) / 2), mask=kind < 0.02)

    missing = rng.random(count) < 0.03
    return _lists(np.where(missing, 0, rng.integers(0, 11, count)), values, missing)


def _lists(lengths: NDArray[np.int64], values: Callable[[int], pa.Array], missing: NDArray[np.bool_] | None = None) -> pa.Array:
    ends = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), values(int(ends[-1])), mask=None if missing is None else pa.array(missing))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the table that engines are measured on.")
    parser.add_argument("path")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write(args.path, args.rows, args.seed)


if __name__ == "__main__":
    main()
