"""Statistics of order: extremes and quantiles."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.metrics.base import MAX, MIN, NUMBER, VALID, Metric, Primitive, numbers, valid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.base import Array, Bound

NUMERIC = frozenset({NUMBER})


class Min(Metric):
    """The least valid value.

    >>> Min().of([2, 1, None])
    1.0
    """

    name, kind, accepts = "min", "extreme", NUMERIC
    needs = (MIN, VALID)

    def value(self, state: Bound) -> Array:
        return state[MIN]

    def of(self, values: Sequence[Any]) -> float | None:
        return float(min(valid(values))) if valid(values) else None


class Max(Metric):
    """The greatest valid value.

    >>> Max().of([2, 1, None])
    2.0
    """

    name, kind, accepts = "max", "extreme", NUMERIC
    needs = (MAX, VALID)

    def value(self, state: Bound) -> Array:
        return state[MAX]

    def of(self, values: Sequence[Any]) -> float | None:
        return float(max(valid(values))) if valid(values) else None


class Range(Metric):
    """The distance from the least to the greatest valid value; NaN where both are the same infinity.

    >>> Range().of([2, -1, None])
    3.0
    """

    name, kind, accepts = "range", "spread", NUMERIC
    needs = (MIN, MAX, VALID)

    def value(self, state: Bound) -> Array:
        return state[MAX] - state[MIN]

    def of(self, values: Sequence[Any]) -> float | None:
        kept = numbers(values)
        return max(kept) - min(kept) if kept else None


class Quantile(Metric):
    """`p<q>`: the value below which q percent of the valid values lie, `p50` being the median and `p99.9` allowed.

    With the values sorted as x₀ … xₙ₋₁ and h = (n − 1)·q/100, it is x⌊h⌋ + (h − ⌊h⌋)·(x⌊h⌋₊₁ − x⌊h⌋): type 7 of Hyndman & Fan,
    "Sample Quantiles in Statistical Packages" (1996), numpy's and pandas' default.

    >>> Quantile(95).of(range(1, 11))
    9.55
    """

    kind, accepts = "quantile", NUMERIC
    examples: ClassVar[tuple[str, ...]] = ("p50", "p0", "p1", "p25", "p75", "p90", "p95", "p99.9", "p100")

    def __init__(self, percent: float) -> None:
        digits = f"{Decimal(repr(float(percent))):f}".removesuffix(".0")  # all of them: p99.9999999 is not p100
        self.name = f"p{digits}"
        self.percent = percent
        self.primitive = Primitive("quantile", percent / 100)
        self.needs = (self.primitive, VALID)

    @classmethod
    def parse(cls, name: str) -> Metric | None:
        match = re.fullmatch(r"p(\d+(?:\.\d+)?)", name)
        return cls(float(match[1])) if match and 0 <= float(match[1]) <= 100 else None

    def value(self, state: Bound) -> Array:
        return state[self.primitive]

    def of(self, values: Sequence[Any]) -> float | None:
        kept = sorted(numbers(values))
        if not kept:
            return None
        rank = (len(kept) - 1) * self.percent / 100
        below = int(rank)
        if below == rank or kept[below] == kept[below + 1]:
            return kept[below]
        share = rank - below
        return kept[below] * (1 - share) + kept[below + 1] * share  # weights, since a difference of infinities is not a number


class Median(Quantile):
    """`median`: another name for `p50`.

    >>> Median().of([3, 1, 2, None])
    2.0
    """

    name = "median"
    examples = ()

    def __init__(self) -> None:
        super().__init__(50)
        self.name = type(self).name

    @classmethod
    def parse(cls, name: str) -> Metric | None:
        return cls() if name == "median" else None


class Iqr(Metric):
    """The interquartile range, `p75 − p25`.

    >>> Iqr().of([1, 2, 3, 4, 5])
    2.0
    """

    name, kind, accepts = "iqr", "spread", NUMERIC
    low, high = Quantile(25), Quantile(75)
    needs = (low.primitive, high.primitive, VALID)

    def value(self, state: Bound) -> Array:
        return state[self.high.primitive] - state[self.low.primitive]

    def of(self, values: Sequence[Any]) -> float | None:
        low, high = self.low.of(values), self.high.of(values)
        return high - low if low is not None and high is not None else None
