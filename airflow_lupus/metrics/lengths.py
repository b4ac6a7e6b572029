"""How long texts and lists are: any statistic of numbers, of their lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lupus.metrics.base import TEXT, Metric
from airflow_lupus.metrics.moments import Avg, Std, Sum, Var
from airflow_lupus.metrics.operands import Length
from airflow_lupus.metrics.order import Iqr, Max, Median, Min, Quantile, Range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.base import Array, Bound
    from airflow_lupus.metrics.operands import Operand

STATISTICS: tuple[type[Metric], ...] = (Avg, Sum, Std, Var, Min, Max, Range, Median, Iqr, Quantile)
PREFIX = "length_"


class LengthStatistic(Metric):
    """`length_<statistic>`: a statistic of the lengths of a text column's values in characters, or of a list column's in elements, NULL
    elements too. A NULL has no length.

    The statistics are `avg`, `sum`, `std`, `var`, `min`, `max`, `range`, `median`, `iqr` and `p<q>`.

    >>> LengthStatistic(Avg()).of(["ab", None, "", "a"])
    1.0
    """

    accepts = frozenset({TEXT})
    examples = ("length_avg", "length_min", "length_max", "length_p95", "length_std")
    lists = True

    def __init__(self, statistic: Metric) -> None:
        self.statistic = statistic
        self.name = PREFIX + statistic.name
        self.kind = statistic.kind  # type: ignore[misc]  # a family: each has the statistic's
        self.unit = "characters or elements"  # type: ignore[misc]
        self.needs = statistic.needs
        self.behind = statistic.behind  # type: ignore[misc]

    @classmethod
    def parse(cls, name: str) -> Metric | None:
        if not name.startswith(PREFIX):
            return None
        found = (each.parse(name.removeprefix(PREFIX)) for each in STATISTICS)
        return next((cls(statistic) for statistic in found if statistic is not None), None)

    def bound(self, operand: Operand) -> Metric:
        return super().bound(Length(operand.columns[0]))

    def value(self, state: Bound) -> Array:
        return self.statistic.value(state)

    def defined(self, state: Bound) -> Array:
        return self.statistic.defined(state)

    def of(self, values: Sequence[Any]) -> float | None:
        return self.statistic.of([None if value is None else len(value) for value in values])
