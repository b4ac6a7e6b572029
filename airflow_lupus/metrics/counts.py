"""How many: rows, values, NULLs, different values, rows per entity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lupus.metrics.base import BOOLEAN, DISTINCT, ENTITIES, NUMBER, OTHER, PRESENT, ROWS, TEXT, TIME, Metric, valid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.metrics.base import Primitive

SCALAR = frozenset({NUMBER, TIME, TEXT, BOOLEAN, OTHER})


class RowCount(Metric):
    """Rows in the group.

    >>> RowCount().of([1, None, 3])
    3.0
    """

    name, kind, unit, table = "row_count", "count", "rows", True
    needs = (ROWS,)
    behind = ROWS

    def value(self, state: Mapping[Primitive, Any]) -> float:
        return float(state[ROWS])

    def of(self, values: Sequence[Any]) -> float:
        return float(len(values))


class Count(Metric):
    """Rows in which the column is not NULL (a NaN counts: `count` + `null_count` = `row_count`).

    Of a text, boolean or categorical column `count` is counted per entity instead, see `EntityCount`.

    >>> Count().of([1.0, None, float("nan")])
    2.0
    """

    name, kind, unit = "count", "count", "values"
    needs = (PRESENT,)
    behind = PRESENT

    def value(self, state: Mapping[Primitive, Any]) -> float:
        return float(state[PRESENT])

    def of(self, values: Sequence[Any]) -> float:
        return float(sum(value is not None for value in values))


class NullCount(Metric):
    """Rows in which the column is NULL. A NaN is a value, not a NULL.

    >>> NullCount().of([1.0, None, float("nan")])
    1.0
    """

    name, kind, unit, bad_direction = "null_count", "count", "rows", "up"
    needs = (ROWS, PRESENT)
    behind = ROWS

    def value(self, state: Mapping[Primitive, Any]) -> float:
        return float(state[ROWS] - state[PRESENT])

    def of(self, values: Sequence[Any]) -> float:
        return float(sum(value is None for value in values))


class NullRatio(Metric):
    """The share of rows in which the column is NULL: `null_count / row_count`, in [0, 1]; undefined without rows.

    >>> NullRatio().of([1.0, None, 2.0, None])
    0.5
    """

    name, kind, unit, bad_direction = "null_ratio", "ratio", "ratio", "up"
    needs = (ROWS, PRESENT)
    behind = ROWS

    def value(self, state: Mapping[Primitive, Any]) -> float | None:
        return (state[ROWS] - state[PRESENT]) / state[ROWS] if state[ROWS] else None

    def of(self, values: Sequence[Any]) -> float | None:
        return sum(value is None for value in values) / len(values) if values else None


class Unique(Metric):
    """Different values, NULL and NaN aside.

    >>> Unique().of(["a", "b", None, "a"])
    2.0
    """

    name, kind, unit = "unique", "count", "values"
    accepts = SCALAR
    needs = (DISTINCT,)
    behind = PRESENT

    def value(self, state: Mapping[Primitive, Any]) -> float:
        return float(state[DISTINCT])

    def of(self, values: Sequence[Any]) -> float:
        return float(len(set(valid(values))))


class EntityCount(Metric):
    """Rows per value of the column, one series for each value; the value becomes a dimension named after the column.

    >>> EntityCount().entities(["UA", "AA", "UA", None])
    {'UA': 2, 'AA': 1}
    """

    name, kind, unit, per_entity = "count", "count", "rows", True
    accepts = frozenset({TEXT, BOOLEAN, NUMBER})
    needs = (ENTITIES,)
    behind = ROWS

    @classmethod
    def parse(cls, name: str) -> Metric | None:  # noqa: ARG003  `count` becomes this by the column's type
        return None

    def entities(self, values: Sequence[Any]) -> dict[Any, int]:
        counts: dict[Any, int] = {}
        for value in valid(values):
            counts[value] = counts.get(value, 0) + 1
        return counts
