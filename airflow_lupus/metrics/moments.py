"""Sums, means, spread and shape of numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from airflow_lupus.metrics.base import BOOLEAN, LARGEST, M2, M3, M4, NUMBER, SUM, VALID, Metric, numbers, valid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.base import Array, Bound

NUMERIC = frozenset({NUMBER, BOOLEAN})
"""A boolean counts as 0 or 1, so that its mean is the share of true."""


def added(values: Sequence[Any]) -> float:
    """`math.fsum`, and what IEEE says where infinities are in it or it is too large for a double."""
    floats = [float(value) for value in values]
    try:
        return math.fsum(floats) if all(map(math.isfinite, floats)) else sum(floats)
    except OverflowError:
        return sum(floats)


def central(values: Sequence[Any], power: int) -> float:
    """Σ(x − mean)ᵖ; NaN where a value is infinite, or so large that its power is none among doubles."""
    kept = numbers(values)
    if any(abs(value) > LARGEST[power] for value in kept):
        return math.nan
    mean = math.fsum(kept) / len(kept)
    try:
        return math.fsum((value - mean) ** power for value in kept)
    except OverflowError:
        return math.nan


class Sum(Metric):
    """The sum of the valid values; undefined (not 0) where there are none.

    >>> Sum().of([1, 2, None])
    3.0
    """

    name, kind, accepts = "sum", "sum", NUMERIC
    needs = (SUM, VALID)

    def value(self, state: Bound) -> Array:
        return state[SUM]

    def of(self, values: Sequence[Any]) -> float | None:
        return added(valid(values)) if valid(values) else None


class Avg(Metric):
    """The arithmetic mean of the valid values, `sum / count`.

    >>> Avg().of([1, 2, None])
    1.5
    """

    name, kind, accepts = "avg", "mean", NUMERIC
    needs = (SUM, VALID)

    def value(self, state: Bound) -> Array:
        return state[SUM] / state[VALID]

    def of(self, values: Sequence[Any]) -> float | None:
        kept = valid(values)
        return added(kept) / len(kept) if kept else None


class Var(Metric):
    """The sample variance, Σ(x − mean)² / (n − 1), as pandas and Spark have it, in the square of the column's unit; undefined below two
    values, NaN with an infinite one or one beyond ±10¹⁵⁰.

    >>> Var().of([1, 3, None])
    2.0
    """

    name, kind, accepts = "var", "spread", NUMERIC
    needs = (M2, VALID)

    def value(self, state: Bound) -> Array:
        return state[M2] / (state[VALID] - 1)

    def defined(self, state: Bound) -> Array:
        return state[VALID] >= 2

    def of(self, values: Sequence[Any]) -> float | None:
        n = len(valid(values))
        return central(values, 2) / (n - 1) if n >= 2 else None


class Std(Var):
    """The sample standard deviation, the root of `var`.

    >>> Std().of([1, 3, None])
    1.4142135623730951
    """

    name = "std"

    def value(self, state: Bound) -> Array:
        return super().value(state) ** 0.5

    def of(self, values: Sequence[Any]) -> float | None:
        variance = super().of(values)
        return math.sqrt(variance) if variance is not None else None


class Skewness(Metric):
    """How lopsided the valid values are: g₁ = m₃ / m₂^1.5 with mₚ = Σ(x − mean)ᵖ / n; 0 for symmetry, positive with a long right tail.
    Undefined where all values are the same.

    Source: R. A. Fisher's moment coefficient, as in scipy.stats.skew and Spark's `skewness`.

    >>> round(Skewness().of([0, 0, 3]), 9)
    0.707106781
    """

    name, kind, unit, accepts = "skewness", "mean", "ratio", NUMERIC
    needs = (M2, M3, VALID)

    def value(self, state: Bound) -> Array:
        return state[VALID] ** 0.5 * state[M3] / state[M2] / state[M2] ** 0.5

    def defined(self, state: Bound) -> Array:
        return (state[VALID] > 0) & (state[M2] != 0)

    def of(self, values: Sequence[Any]) -> float | None:
        m2 = central(values, 2) if valid(values) else 0.0
        return math.sqrt(len(valid(values))) * central(values, 3) / m2 / math.sqrt(m2) if m2 != 0 else None


class Kurtosis(Metric):
    """How heavy the tails of the valid values are beside a normal distribution's: g₂ = m₄ / m₂² − 3, with mₚ as in `skewness`.
    Undefined where all values are the same.

    Source: R. A. Fisher's excess kurtosis, as in scipy.stats.kurtosis and Spark's `kurtosis`.

    >>> round(Kurtosis().of([0, 0, 3]), 9)
    -1.5
    """

    name, kind, unit, accepts = "kurtosis", "mean", "ratio", NUMERIC
    needs = (M2, M4, VALID)

    def value(self, state: Bound) -> Array:
        return state[VALID] * state[M4] / state[M2] / state[M2] - 3

    def defined(self, state: Bound) -> Array:
        return (state[VALID] > 0) & (state[M2] != 0)

    def of(self, values: Sequence[Any]) -> float | None:
        m2 = central(values, 2) if valid(values) else 0.0
        return len(valid(values)) * central(values, 4) / m2 / m2 - 3 if m2 != 0 else None
