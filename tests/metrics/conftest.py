"""The tests on Spark share a session."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _session(request: pytest.FixtureRequest) -> None:
    """Start it before the first of them."""
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and callspec.params.get("engine") == "spark":
        request.getfixturevalue("spark")
