"""Sums, means and spread of numbers."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

from airflow_lupus.metrics.base import BOOLEAN, NUMBER, STD, SUM, VALID, Metric, added, valid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.metrics.base import Primitive

NUMERIC = frozenset({NUMBER, BOOLEAN})
"""A boolean counts as 0 or 1, so that its mean is the share of true."""


class Sum(Metric):
    """The sum of the valid values; undefined (not 0) where there are none.

    >>> Sum().of([1, 2, None])
    3.0
    """

    name, kind, accepts = "sum", "sum", NUMERIC
    needs = (SUM, VALID)

    def value(self, state: Mapping[Primitive, Any]) -> float | None:
        return float(state[SUM]) if state[VALID] else None

    def of(self, values: Sequence[Any]) -> float | None:
        return added(valid(values)) if valid(values) else None


class Avg(Metric):
    """The arithmetic mean of the valid values, `sum / count`.

    >>> Avg().of([1, 2, None])
    1.5
    """

    name, kind, accepts = "avg", "mean", NUMERIC
    needs = (SUM, VALID)

    def value(self, state: Mapping[Primitive, Any]) -> float | None:
        return float(state[SUM]) / state[VALID] if state[VALID] else None

    def of(self, values: Sequence[Any]) -> float | None:
        kept = valid(values)
        return added(kept) / len(kept) if kept else None


class Std(Metric):
    """The sample standard deviation (divisor n − 1, as pandas and Spark have it); undefined below two values, NaN with an infinite one.

    >>> Std().of([1, 3, None])
    1.4142135623730951
    """

    name, kind, accepts = "std", "spread", NUMERIC
    needs = (STD, VALID)

    def value(self, state: Mapping[Primitive, Any]) -> float | None:
        return float(state[STD]) if state[VALID] >= 2 else None

    def of(self, values: Sequence[Any]) -> float | None:
        kept = [float(value) for value in valid(values)]
        if len(kept) < 2:
            return None
        return statistics.stdev(kept) if all(map(math.isfinite, kept)) else math.nan
