"""What values there are: how many different ones, how evenly spread, and how often each."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_lupus.metrics.base import (
    BOOLEAN,
    COUNTS,
    DISTINCT,
    NLOGN,
    NUMBER,
    OTHER,
    PRESENT,
    ROWS,
    TEXT,
    TIME,
    VALID,
    Entities,
    Metric,
    valid,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.base import Array, Bound
    from airflow_lupus.metrics.counting import Counts

COMPARABLE = frozenset({NUMBER, TIME, TEXT, BOOLEAN, OTHER})
NAMED = frozenset({TEXT, BOOLEAN, NUMBER})
"""Types whose values can be a dimension."""


class Unique(Metric):
    """Different values, NULL and NaN aside.

    >>> Unique().of(["a", "b", None, "a"])
    2.0
    """

    name, kind, unit = "unique", "count", "values"
    accepts = COMPARABLE
    needs = (DISTINCT,)
    behind = PRESENT

    def value(self, state: Bound) -> Array:
        return state[DISTINCT]

    def defined(self, state: Bound) -> Array:
        return state.everywhere()

    def of(self, values: Sequence[Any]) -> float:
        return float(len(set(valid(values))))


class Entropy(Metric):
    """How evenly the valid values are spread: −Σ p·ln p in nats, p being each value's share; 0 where all are the same, ln u where u
    different ones are equally frequent. Computed as ln N − (Σ n·ln n) / N.

    Source: C. E. Shannon, "A Mathematical Theory of Communication" (1948).

    >>> round(Entropy().of(["a", "b", "a", "b"]), 6)
    0.693147
    """

    name, kind, unit = "entropy", "spread", "nats"
    accepts = COMPARABLE
    needs = (NLOGN, VALID)

    def value(self, state: Bound) -> Array:
        import numpy as np

        total = state[VALID]
        return np.maximum(np.log(total) - state[NLOGN] / total, 0.0)

    def of(self, values: Sequence[Any]) -> float | None:
        counts = Counter(valid(values))
        total = sum(counts.values())
        return max(-math.fsum(n / total * math.log(n / total) for n in counts.values()), 0.0) if total else None


class EntityCount(Metric):
    """Rows, or elements, per value of the column, one series for each value; the value becomes a dimension named after the column.

    >>> EntityCount().each(["UA", "AA", "UA", None])
    {'UA': 2, 'AA': 1}
    """

    name, kind, unit, per_entity = "count", "count", "rows", True
    accepts = NAMED
    needs = (COUNTS,)
    behind = ROWS

    @classmethod
    def parse(cls, name: str) -> Metric | None:  # noqa: ARG003  `count` becomes this by the column's type
        return None

    def entities(self, state: Bound) -> Entities:
        counts = state.counts().valid()
        return Entities(counts.group, counts.values, self.measure(counts, state), state[ROWS][counts.group])

    def measure(self, counts: Counts, state: Bound) -> Array:  # noqa: ARG002  for what is measured otherwise
        """The value of each entity."""
        return counts.n.astype(float)

    def each(self, values: Sequence[Any]) -> dict[Any, float]:
        """The definition in plain Python."""
        return dict(Counter(valid(values)))


class Frequency(EntityCount):
    """The share of each value of the column among its valid values, in (0, 1]: one series for each value.

    >>> Frequency().each(["UA", "AA", "UA", None])
    {'UA': 0.6666666666666666, 'AA': 0.3333333333333333}
    """

    name, kind, unit = "frequency", "ratio", "ratio"
    needs = (COUNTS,)

    @classmethod
    def parse(cls, name: str) -> Metric | None:
        return cls() if name == cls.name else None

    def measure(self, counts: Counts, state: Bound) -> Array:
        import numpy as np

        return np.asarray(counts.n / np.bincount(counts.group, counts.n, state.state.size)[counts.group])

    def each(self, values: Sequence[Any]) -> dict[Any, float]:
        counts = super().each(values)
        return {value: n / sum(counts.values()) for value, n in counts.items()}
