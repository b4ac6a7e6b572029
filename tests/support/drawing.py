"""Examples that hypothesis draws for an engine: a scan by Spark takes seconds, so that it gets few scans, of more rows in more groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

FEW = 2
"""The first example that hypothesis draws is the simplest, the others are any."""


def examples(engine: str, most: int) -> settings:
    """How many there are."""
    if engine != "spark":
        return settings(max_examples=most, deadline=None)
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(max_examples=FEW, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=checks, database=None)


def groups(engine: str) -> SearchStrategy[str | None]:
    """The group of a row."""
    return st.sampled_from([*("abcdefghi" if engine == "spark" else "xy"), None])


def rows(engine: str, columns: Mapping[str, SearchStrategy[Any]], most: int = 25) -> SearchStrategy[list[dict[str, Any]]]:
    """Rows of these columns."""
    row = st.fixed_dictionaries(dict(columns))
    return st.lists(row, min_size=40, max_size=60) if engine == "spark" else st.lists(row, max_size=most)
