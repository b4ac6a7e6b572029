"""How many: rows, values, NULLs, NaNs, zeros, negative values, and their shares."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.metrics.base import NEGATIVE, NUMBER, PRESENT, ROWS, VALID, ZERO, Metric, valid
from airflow_lupus.metrics.operands import Lists

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.base import Array, Bound, Primitive
    from airflow_lupus.metrics.operands import Operand

NUMBERS = frozenset({NUMBER})


class _Count(Metric):
    """A number of rows or values, which is 0 where there are none."""

    kind = "count"

    def defined(self, state: Bound) -> Array:
        return state.everywhere()


class _Ratio(Metric):
    """A share of something, undefined where there is nothing to have a share of."""

    kind, unit = "ratio", "ratio"
    whole: ClassVar[Primitive]
    """What it is a share of."""

    def defined(self, state: Bound) -> Array:
        return state[self.whole] > 0

    def part(self, state: Bound) -> Array:
        raise NotImplementedError

    def value(self, state: Bound) -> Array:
        return self.part(state) / state[self.whole]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


class RowCount(_Count):
    """Rows in the group.

    >>> RowCount().of([1, None, 3])
    3.0
    """

    name, unit, family = "row_count", "rows", "table"
    needs = (ROWS,)
    behind = ROWS

    def value(self, state: Bound) -> Array:
        return state[ROWS]

    def of(self, values: Sequence[Any]) -> float:
        return float(len(values))


class Count(_Count):
    """Values that are not NULL (a NaN counts: `count` + `null_count` = `row_count`).

    Of a text or boolean column `count` is counted per entity instead, see `EntityCount`.

    >>> Count().of([1.0, None, float("nan")])
    2.0
    """

    name, unit = "count", "values"
    needs = (PRESENT,)
    behind = PRESENT

    def value(self, state: Bound) -> Array:
        return state[PRESENT]

    def of(self, values: Sequence[Any]) -> float:
        return float(sum(value is not None for value in values))


class NullCount(_Count):
    """Rows in which the column is NULL, or NULL elements. A NaN is a value, not a NULL.

    >>> NullCount().of([1.0, None, float("nan")])
    1.0
    """

    name, unit, bad_direction = "null_count", "rows", "up"
    needs = (ROWS, PRESENT)
    behind = ROWS

    def value(self, state: Bound) -> Array:
        return state[ROWS] - state[PRESENT]

    def of(self, values: Sequence[Any]) -> float:
        return float(sum(value is None for value in values))


class NullRatio(_Ratio):
    """The share of rows in which the column is NULL, or of NULL elements: `null_count / rows`, in [0, 1]; undefined without rows.

    >>> NullRatio().of([1.0, None, 2.0, None])
    0.5
    """

    name, bad_direction = "null_ratio", "up"
    needs = (ROWS, PRESENT)
    behind = whole = ROWS

    def part(self, state: Bound) -> Array:
        return state[ROWS] - state[PRESENT]

    def of(self, values: Sequence[Any]) -> float | None:
        return _share(sum(value is None for value in values), len(values))


class ListNullCount(NullCount):
    """Rows in which the list itself is NULL; an empty list is there.

    >>> ListNullCount().of([[1.0], None, []])
    1.0
    """

    name, lists, accepts = "list_null_count", True, frozenset()

    def bound(self, operand: Operand) -> Metric:
        return super().bound(Lists(operand.columns[0]))


class ListNullRatio(NullRatio):
    """The share of rows in which the list itself is NULL, in [0, 1].

    >>> ListNullRatio().of([[1.0], None, [], [2.0]])
    0.25
    """

    name, lists, accepts = "list_null_ratio", True, frozenset()

    def bound(self, operand: Operand) -> Metric:
        return super().bound(Lists(operand.columns[0]))


class NanCount(_Count):
    """Values that are not a number (NaN).

    >>> NanCount().of([1.0, None, float("nan")])
    1.0
    """

    name, unit, bad_direction, accepts = "nan_count", "values", "up", NUMBERS
    needs = (PRESENT, VALID)
    behind = PRESENT

    def value(self, state: Bound) -> Array:
        return state[PRESENT] - state[VALID]

    def of(self, values: Sequence[Any]) -> float:
        return float(sum(isinstance(value, float) and math.isnan(value) for value in values))


class NanRatio(_Ratio):
    """The share of NaN among the values that are not NULL, in [0, 1].

    >>> NanRatio().of([1.0, None, float("nan")])
    0.5
    """

    name, bad_direction, accepts = "nan_ratio", "up", NUMBERS
    needs = (PRESENT, VALID)
    behind = whole = PRESENT

    def part(self, state: Bound) -> Array:
        return state[PRESENT] - state[VALID]

    def of(self, values: Sequence[Any]) -> float | None:
        return _share(int(NanCount().of(values)), int(Count().of(values)))


class ZeroCount(_Count):
    """Values that are 0.

    >>> ZeroCount().of([0, 1.0, None, -0.0])
    2.0
    """

    name, unit, accepts = "zero_count", "values", NUMBERS
    needs = (ZERO,)

    def value(self, state: Bound) -> Array:
        return state[ZERO]

    def of(self, values: Sequence[Any]) -> float:
        return float(sum(value == 0 for value in valid(values)))


class ZeroRatio(_Ratio):
    """The share of zeros among the valid values, in [0, 1].

    >>> ZeroRatio().of([0, 1.0, None, 3])
    0.3333333333333333
    """

    name, accepts = "zero_ratio", NUMBERS
    needs = (ZERO, VALID)
    whole = VALID

    def part(self, state: Bound) -> Array:
        return state[ZERO]

    def of(self, values: Sequence[Any]) -> float | None:
        return _share(int(ZeroCount().of(values)), len(valid(values)))


class NegativeCount(_Count):
    """Values below 0.

    >>> NegativeCount().of([-1, 1.0, None, -0.0])
    1.0
    """

    name, unit, accepts = "negative_count", "values", NUMBERS
    needs = (NEGATIVE,)

    def value(self, state: Bound) -> Array:
        return state[NEGATIVE]

    def of(self, values: Sequence[Any]) -> float:
        return float(sum(value < 0 for value in valid(values)))


class NegativeRatio(_Ratio):
    """The share of values below 0 among the valid ones, in [0, 1].

    >>> NegativeRatio().of([-1, 1.0, None, 3, 4])
    0.25
    """

    name, accepts = "negative_ratio", NUMBERS
    needs = (NEGATIVE, VALID)
    whole = VALID

    def part(self, state: Bound) -> Array:
        return state[NEGATIVE]

    def of(self, values: Sequence[Any]) -> float | None:
        return _share(int(NegativeCount().of(values)), len(valid(values)))
