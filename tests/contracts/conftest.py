from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_lupus.engines import ENGINES
from support import stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_lupus.stores.sql import SqlStore

SLOW = {"spark"}
"""Engines with half a second for each query, however small."""


@pytest.fixture(params=stores.KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    yield from stores.open_store(request.param, tmp_path)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """An engine's name; Spark has its session, which is slow to start, from the fixture that all tests share."""
    if request.param == "spark":
        request.getfixturevalue("spark")
    return str(request.param)


@pytest.fixture(params=[name for name in ENGINES if name not in SLOW])
def quick_engine(request: pytest.FixtureRequest) -> str:
    """An engine that can be asked for each thing alone."""
    return str(request.param)
