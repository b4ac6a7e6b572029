from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support import stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_lupus.stores.sql import SqlStore


@pytest.fixture(params=stores.KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    yield from stores.open_store(request.param, tmp_path)
