"""What a metric is: which primitives it needs of a group of rows, and what it makes of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.metrics.operands import Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from airflow_lupus.metrics.counting import Counts
    from airflow_lupus.metrics.operands import Operand

    Array = np.ndarray[Any, Any]
    """One value for each group of rows."""

NUMBER, TIME, TEXT, BOOLEAN, LIST, OTHER = "number", "time", "text", "boolean", "list", "other"
"""The types of columns that metrics tell apart; `list[number]` is a list of numbers, `list` one of anything else."""
ANY = frozenset({NUMBER, TIME, TEXT, BOOLEAN, OTHER})


LARGEST = {2: 1e150, 3: 1e100, 4: 1e75}
"""Power → a value beyond this has none of that power among doubles, or none that can be added to others."""


def list_of(element_type: str) -> str:
    """The type of a list of these.

    >>> list_of(NUMBER), list_of(list_of(NUMBER)), list_of(OTHER)
    ('list[number]', 'list', 'list')
    """
    return LIST if element_type == OTHER or is_list(element_type) else f"{LIST}[{element_type}]"


def is_list(column_type: str) -> bool:
    return column_type.startswith(LIST)


def element_type(column_type: str) -> str:
    """The type of a list's elements.

    >>> element_type("list[text]"), element_type("list")
    ('text', 'other')
    """
    return column_type[len(LIST) + 1 : -1] or OTHER


@dataclass(frozen=True)
class Primitive:
    """An aggregate over the values of an operand in a group of rows, which every engine knows how to compute.

    =========================  ====================================================================================
    `rows`                     values in the group, NULL or not: rows, or elements of lists
    `present`                  values that are not NULL; a NaN is present
    `valid`                    values that enter statistics: neither NULL nor NaN
    `zero`, `negative`         valid values that are 0, or less
    `sum`, `min`, `max`        over valid values, as doubles
    `m2`                       Σ(x − mean)² over valid values; NaN where one is infinite or its square too large for a double
    `m3`, `m4`                 Σ(x − mean)³ and Σ(x − mean)⁴, likewise
    `quantile(q)`              exact, linear between neighbours, over valid values
    `distinct`                 different valid values
    `nlogn`                    Σ n·ln n over the different valid values, each having n
    `counts`                   valid value → how many have it
    `wins`                     of scores: pairs of a positive and another row in which the positive has more, ties counting half
    `precisions`               of scores: Σ over positive rows of the share of positives among rows with as much or more
    `ends`                     when the group's period ends, in seconds since 1970
    =========================  ====================================================================================

    :param operand: what it is taken of; None: of what the metric is taken of.
    """

    name: str
    argument: float | None = None
    operand: Operand | None = None


ROWS, PRESENT, VALID = Primitive("rows"), Primitive("present"), Primitive("valid")
ZERO, NEGATIVE = Primitive("zero"), Primitive("negative")
SUM, MIN, MAX = Primitive("sum"), Primitive("min"), Primitive("max")
M2, M3, M4 = Primitive("m2"), Primitive("m3"), Primitive("m4")
DISTINCT, NLOGN, COUNTS = Primitive("distinct"), Primitive("nlogn"), Primitive("counts")
ENDS = Primitive("ends")
WINS, PRECISIONS = Primitive("wins"), Primitive("precisions")

Need = tuple["Operand", Primitive]
"""A primitive of an operand."""


class State:
    """The primitives of all groups of rows that were measured together: an array each, with one value a group."""

    def __init__(self, size: int, arrays: dict[Need, Array] | None = None, counts: dict[Operand, Counts] | None = None) -> None:
        self.size = size
        self.arrays = arrays if arrays is not None else {}
        self.counted = counts if counts is not None else {}

    def of(self, operand: Operand) -> Bound:
        """The primitives of one operand."""
        return Bound(self, operand)


@dataclass(frozen=True)
class Bound:
    """A state, looked at from one operand."""

    state: State
    operand: Operand

    def __getitem__(self, primitive: Primitive) -> Array:
        return self.state.arrays[need(self.operand, primitive)]

    def everywhere(self) -> Array:
        """True for each group."""
        import numpy as np

        return np.ones(self.state.size, dtype=bool)

    def counts(self, operand: Operand | None = None) -> Counts:
        """How often each value is there."""
        return self.state.counted[operand or self.operand]


def need(operand: Operand, primitive: Primitive) -> Need:
    """A primitive with what it is taken of."""
    if primitive.operand is None:
        return operand, primitive
    return primitive.operand, replace(primitive, operand=None)


@dataclass(frozen=True)
class Entities:
    """Values of a metric by group and by something that occurs in it: a label, a category."""

    group: Array
    """Index of the group."""
    values: tuple[Any, ...]
    """Arrow arrays of what each further dimension is, in the order of `entity_names`."""
    value: Array
    behind: Array
    """Rows behind each value."""
    defined: Array | None = None
    """Which of them have a value at all; None: all."""


class Metric:
    """A named statistic. Subclasses say what they need and what they make of it.

    The class is the one place that knows the metric: detectors read `kind` and `bad_direction` from here, the page its `unit`, and
    the contract suite tests `value` on every engine against `of`, the definition in plain Python.
    """

    name: str = ""
    """As users write it; families such as `p<q>` set it per instance."""
    examples: ClassVar[tuple[str, ...]] = ()
    """Of a family: names that stand for all of it, in error messages and in the contract suite."""
    family: ClassVar[str] = "column"
    """Where users name it: `column`, `table`, `classification` …"""
    kind: ClassVar[str]
    """ratio, count, sum, mean, quantile, extreme, spread or distance: how its values behave."""
    unit: ClassVar[str | None] = None
    """`ratio`, `rows`, `values`, `seconds` …; None: the unit of the column itself."""
    bad_direction: ClassVar[str] = "both"
    """`up` where only a rise is bad, `down` where only a fall is."""
    accepts: ClassVar[frozenset[str]] = ANY
    """Types of the column, or of its elements where it is a list."""
    needs: tuple[Primitive, ...]
    behind: ClassVar[Primitive] = VALID
    """The primitive that says how many rows stand behind a value."""
    per_entity: ClassVar[bool] = False
    """One series per value of the column, or per label."""
    lists: ClassVar[bool] = False
    """Of a list column it is taken of the lists, not of their elements; `accepts` is of what else it takes."""
    first: int | None = None
    """Of a list column it is taken of the first so many elements: `avg@5`."""
    operand: Operand = Rows()
    """What it is taken of, once the column is known: see `bound`."""

    @classmethod
    def parse(cls, name: str) -> Metric | None:
        """The metric of this class that `name` stands for, or None."""
        return cls() if name == cls.name else None

    @property
    def table(self) -> bool:
        """A metric of the whole table rather than of a column."""
        return self.family == "table"

    def bound(self, operand: Operand) -> Metric:
        """This metric, taken of an operand."""
        metric = copy.copy(self)
        metric.operand = operand
        return metric

    @property
    def meaning(self) -> tuple[object, ...]:
        """What tells it from another of its name and column."""
        return (type(self), self.columns)

    def fit(self, types: Mapping[str, str]) -> Metric:  # noqa: ARG002  for families that look at them
        """Of a metric that knows its columns: itself, as it is taken of columns of these types, or an error that says what does not fit."""
        return self

    @property
    def needed(self) -> tuple[Need, ...]:
        """The primitives that it is made of, and the one behind it."""
        return tuple(dict.fromkeys(need(self.operand, primitive) for primitive in (*self.needs, self.behind)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is computed from, as far as it knows them."""
        return tuple(dict.fromkeys(name for operand, _ in self.needed for name in operand.columns))

    def value(self, state: Bound) -> Array:
        """The metric of each group, from the primitives that it needs. What it says where it is not `defined` is not looked at."""
        raise NotImplementedError

    def defined(self, state: Bound) -> Array:
        """Of which groups there is such a metric: by default those with a valid value."""
        return state[VALID] > 0

    def entities(self, state: Bound) -> Entities:
        """Of a metric per entity: its values."""
        raise NotImplementedError

    def entity_names(self, column: str) -> tuple[str, ...]:
        """Of a metric per entity: the names of the further dimensions."""
        return (column,)

    def of(self, values: Sequence[Any]) -> float | None:
        """The definition in plain Python over a column's values, NULLs being None: slow, obvious, and what engines are tested against."""
        raise NotImplementedError

    @property
    def merges(self) -> bool:
        """Whether the metric of several groups of rows follows from their primitives."""
        from airflow_lupus.metrics.merging import MERGING

        return all(primitive in MERGING for _, primitive in self.needed)

    def __repr__(self) -> str:
        return f"<metric {self.name}>"


def valid(values: Sequence[Any]) -> list[Any]:
    """The values that enter statistics: neither None nor NaN.

    >>> valid([1.0, None, float("nan"), 2.0])
    [1.0, 2.0]
    """
    return [value for value in values if value is not None and value == value]  # noqa: PLR0124  NaN is not itself


def numbers(values: Sequence[Any]) -> list[float]:
    """The valid values as doubles."""
    return [float(value) for value in valid(values)]
