"""The real flights of 2013, as the demo prepares them."""

from __future__ import annotations

import runpy
from functools import lru_cache
from pathlib import Path

import pandas as pd

from support.prepared import REPO, prepared

__all__ = ["REPO", "folder", "frame"]


def folder() -> Path:
    """One Parquet file a local day."""
    return prepared("flights")


@lru_cache(maxsize=1)
def frame() -> pd.DataFrame:
    """All flights in pandas, with their local day: the other way to know the truth."""
    flights = runpy.run_path(str(REPO / "demo" / "prepare_flights.py"))["read_flights"]().to_pandas()
    return flights.assign(local_day=flights["time_hour"].dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d"))
