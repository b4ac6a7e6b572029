"""Whether the columns that should tell rows apart do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_lupus.metrics.base import DISTINCT, ROWS, Metric
from airflow_lupus.metrics.operands import Combination

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.base import Array, Bound


class DuplicateRatio(Metric):
    """`duplicate_ratio(<columns>)`: the share of rows whose values of these columns an earlier row has had: 1 − different / rows,
    in [0, 1). A NULL is equal to a NULL.

    >>> DuplicateRatio(("order", "line")).of([(1, 1), (1, 2), (1, 1), (2, 1)])
    0.25
    """

    kind, unit, family, bad_direction = "ratio", "ratio", "table", "up"
    examples = ("duplicate_ratio(id)", "duplicate_ratio(order_id, line)")
    needs = (DISTINCT, ROWS)
    behind = ROWS

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.operand = Combination(columns)
        self.name = f"duplicate_ratio({', '.join(columns)})"

    @classmethod
    def parse(cls, name: str) -> Metric | None:
        match = re.fullmatch(r"duplicate_ratio\(([^()]+)\)", name)
        columns = [column.strip() for column in match[1].split(",")] if match else []
        return cls(tuple(columns)) if columns and all(columns) else None

    def value(self, state: Bound) -> Array:
        return 1 - state[DISTINCT] / state[ROWS]

    def defined(self, state: Bound) -> Array:
        return state[ROWS] > 0

    def of(self, values: Sequence[Any]) -> float | None:
        return 1 - len(set(values)) / len(values) if values else None
