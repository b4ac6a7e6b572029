"""What a metric is: which aggregates it needs of a group of rows, and what it makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NUMBER, TIME, TEXT, BOOLEAN, LIST, OTHER = "number", "time", "text", "boolean", "list", "other"
"""The types of columns that metrics tell apart."""
ANY = frozenset({NUMBER, TIME, TEXT, BOOLEAN, LIST, OTHER})


@dataclass(frozen=True)
class Primitive:
    """An aggregate over a group of rows that every engine knows how to compute.

    ======================  ==============================================================================
    `rows`                  rows in the group
    `present`               rows in which the column is not NULL; a NaN is present
    `valid`                 values that enter statistics: neither NULL nor NaN
    `sum`, `min`, `max`     over valid values, as doubles
    `std`                   sample standard deviation over valid values; NaN where one of them is infinite
    `quantile(q)`           exact, linear between neighbours, over valid values
    `distinct`              different valid values
    `entities`              valid value → how many rows have it
    ======================  ==============================================================================
    """

    name: str
    argument: float | None = None


ROWS, PRESENT, VALID = Primitive("rows"), Primitive("present"), Primitive("valid")
SUM, MIN, MAX, STD = Primitive("sum"), Primitive("min"), Primitive("max"), Primitive("std")
DISTINCT, ENTITIES = Primitive("distinct"), Primitive("entities")


def added(values: Sequence[Any]) -> float:
    """`math.fsum`, and what IEEE says where infinities are in it or it is too large for a double."""
    floats = [float(value) for value in values]
    try:
        return math.fsum(floats) if all(map(math.isfinite, floats)) else sum(floats)
    except OverflowError:
        return sum(floats)


def _counted(values: Sequence[Mapping[Any, int]]) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    for each in values:
        for entity, count in each.items():
            counts[entity] = counts.get(entity, 0) + count
    return counts


MERGES: Mapping[Primitive, Callable[[Sequence[Any]], Any]] = {
    ROWS: sum,
    PRESENT: sum,
    VALID: sum,
    SUM: added,
    MIN: min,
    MAX: max,
    ENTITIES: _counted,
}
"""Primitive → how those of groups of rows come to that of all their rows. What is not here has to be computed from the rows."""


class Metric:
    """A named statistic of a column. Subclasses say what they need and what they make of it.

    The class is the one place that knows the metric: detectors read `kind` and `bad_direction` from here, the page its `unit`, and
    the contract suite tests `value` on every engine against `of`, the definition in plain Python.
    """

    name: ClassVar[str] = ""
    """As users write it; families such as `p<q>` set it per instance."""
    examples: ClassVar[tuple[str, ...]] = ()
    """Of a family: names that stand for all of it, in error messages and in the contract suite."""
    kind: ClassVar[str]
    """ratio, count, sum, mean, quantile, extreme or spread: how its values behave."""
    unit: ClassVar[str | None] = None
    """`ratio`, `rows`, `values`; None: the unit of the column itself."""
    bad_direction: ClassVar[str] = "both"
    """`up` where only a rise is bad."""
    accepts: ClassVar[frozenset[str]] = ANY
    needs: tuple[Primitive, ...]
    behind: ClassVar[Primitive] = VALID
    """The primitive that says how many rows stand behind a value."""
    table: ClassVar[bool] = False
    """A metric of the whole table rather than of a column."""
    per_entity: ClassVar[bool] = False
    """One series per value of the column."""

    @classmethod
    def parse(cls, name: str) -> Metric | None:
        """The metric of this class that `name` stands for, or None."""
        return cls() if name == cls.name else None

    def value(self, state: Mapping[Primitive, Any]) -> float | None:
        """The metric of a group, from the primitives it needs; None where it is undefined."""
        raise NotImplementedError

    def of(self, values: Sequence[Any]) -> float | None:
        """The definition in plain Python over a column's values, NULLs being None: slow, obvious, and what engines are tested against."""
        raise NotImplementedError

    @property
    def merges(self) -> bool:
        """Whether the metric of several groups of rows follows from their primitives."""
        return all(primitive in MERGES for primitive in (*self.needs, self.behind))

    def __repr__(self) -> str:
        return f"<metric {self.name}>"


def valid(values: Sequence[Any]) -> list[Any]:
    """The values that enter statistics: neither None nor NaN.

    >>> valid([1.0, None, float("nan"), 2.0])
    [1.0, 2.0]
    """
    return [value for value in values if value is not None and value == value]  # noqa: PLR0124  NaN is not itself
