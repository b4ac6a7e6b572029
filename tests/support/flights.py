"""The real flights of 2013, as the demo prepares them."""

from __future__ import annotations

import runpy
import tempfile
from functools import lru_cache
from pathlib import Path

import pandas as pd

REPO = Path(__file__).resolve().parents[2]
_PREPARE = REPO / "demo" / "prepare_flights.py"


@lru_cache(maxsize=1)
def folder() -> Path:
    """One Parquet file a local day, prepared once per test process."""
    target = Path(tempfile.gettempdir()) / "lupus-test-flights"
    if not (target / "complete").exists():
        target.mkdir(exist_ok=True)
        runpy.run_path(str(_PREPARE))["prepare"](target)
        (target / "complete").touch()
    return target


@lru_cache(maxsize=1)
def frame() -> pd.DataFrame:
    """All flights in pandas, with their local day: the other way to know the truth."""
    flights = runpy.run_path(str(_PREPARE))["read_flights"]().to_pandas()
    return flights.assign(local_day=flights["time_hour"].dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d"))
