from __future__ import annotations

import shutil
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from airflow_lupus.hooks import store as store_hook
from airflow_lupus.stores.sql import SqlStore
from support import flights
from support.slack import SlackDouble, slack_double

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SqlStore:
    """The default store of a fresh Airflow home."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    store_hook._local.cache_clear()
    store_hook._by_connection.cache_clear()
    fresh = store_hook.get_store()
    fresh.upgrade()
    return fresh


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackDouble]:
    """A Slack to post to, by the connection `slack_default`."""
    with slack_double() as double:
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", double.connection())
        yield double


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Flights of January to March, to be damaged at will."""
    target = tmp_path / "flights"
    target.mkdir()
    for month in ("01", "02", "03"):
        for file in flights.folder().glob(f"2013-{month}-*.parquet"):
            shutil.copy(file, target)
    return target


def morning(day: str) -> datetime:
    """03:00 in New York: when the daily run of that morning is due."""
    return datetime.fromisoformat(f"{day}T03:00").replace(tzinfo=ZoneInfo("America/New_York"))
