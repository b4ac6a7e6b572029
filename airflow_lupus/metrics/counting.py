"""How often each value is there, by group: what most primitives follow from where a column has few different values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_lupus.metrics.base import LARGEST

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_lupus.metrics.base import Array, Primitive


@dataclass(frozen=True)
class Counts:
    """Values and how many have each, by group; each value once in a group, in no order.

    :param group: index of the group.
    :param values: Arrow arrays as long as `group`: one, or of a combination one for each column. NULL and NaN are among them.
    :param n: how many.
    """

    group: Array
    values: tuple[pa.Array, ...]
    n: Array

    def valid(self) -> Counts:
        """What of it is a value at all: neither NULL nor NaN."""
        import pyarrow.compute as pc

        kept = np.ones(len(self.n), dtype=bool)
        for values in self.values:
            kept &= ~np.asarray(pc.is_null(values, nan_is_null=True))
        return self if kept.all() else self.where(kept)

    def where(self, kept: Array) -> Counts:
        """Some of it."""
        import pyarrow as pa

        mask = pa.array(kept)
        return Counts(self.group[kept], tuple(values.filter(mask) for values in self.values), self.n[kept])

    @property
    def only(self) -> pa.Array:
        """The values, of one column."""
        (values,) = self.values
        return values

    def merged(self, into: Array) -> Counts:
        """The counts of larger groups.

        :param into: the index of the larger group that each group belongs to.
        """
        return combined(into[self.group], self.values, self.n)


def combined(group: Array, values: tuple[pa.Array, ...], n: Array) -> Counts:
    """Counts in which a group may have had a value twice."""
    import pyarrow as pa

    names = [f"v{i}" for i in range(len(values))]
    table = pa.table([pa.array(group), *values, pa.array(n)], names=["g", *names, "n"])
    added = table.group_by(["g", *names], use_threads=False).aggregate([("n", "sum")])
    columns = tuple(added[name].combine_chunks() for name in names)
    return Counts(added["g"].to_numpy(), columns, added["n_sum"].to_numpy())


OTHER = "other"
"""What values that are not among the most frequent are together."""


def most_frequent(counts: Counts, most: int, into: Array) -> Counts:
    """Counts in which all but the most frequent values are `OTHER`; values become texts.

    :param most: how many values to tell apart; of equally frequent ones the first in order.
    :param into: the index of the larger group that each group belongs to, in which values are compared: the groups of one have the same.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = counts.valid()
    texts = counts.only.cast(pa.string())
    whole = combined(into[counts.group], (texts,), counts.n)
    names = whole.only.to_numpy(zero_copy_only=False).astype(str)
    order = np.lexsort((names, -whole.n, whole.group))
    place = np.arange(len(order)) - np.searchsorted(whole.group[order], whole.group[order])
    kept = order[place < most]
    known = pc.unique(texts)
    code = np.asarray(pc.index_in(texts, value_set=known)) + into[counts.group] * len(known)
    wanted = np.asarray(pc.index_in(whole.only, value_set=known))[kept] + whole.group[kept] * len(known)
    lumped = pc.if_else(pa.array(np.isin(code, wanted)), texts, OTHER)
    return combined(counts.group, (lumped,), counts.n)


class Numbers:
    """Counts of numbers, sorted: primitives of every group at once.

    :param size: how many groups there are.
    """

    def __init__(self, counts: Counts, size: int) -> None:
        self.size = size
        self._all = counts
        counts = counts.valid()
        values = _doubles(counts.only)
        order = np.lexsort((values, counts.group))
        self.group, self.values, self.n = counts.group[order], values[order], counts.n[order]

    def primitive(self, primitive: Primitive) -> Array:
        """A primitive of each group; of none it is 0, or NaN where only values could tell it."""
        if primitive.name == "quantile":
            return self._quantile(primitive.argument or 0.0)
        return np.asarray(getattr(self, f"_{primitive.name}")())

    def _added(self, weights: Array) -> Array:
        return np.bincount(self.group, weights, self.size)

    def _rows(self) -> Array:
        return np.bincount(self._all.group, self._all.n, self.size)

    def _present(self) -> Array:
        there = ~np.asarray(self._all.only.is_null())
        return np.bincount(self._all.group[there], self._all.n[there], self.size)

    @cached_property
    def _valids(self) -> Array:
        return self._added(self.n)

    def _valid(self) -> Array:
        return self._valids

    def _zero(self) -> Array:
        return self._added(np.where(self.values == 0, self.n, 0))

    def _negative(self) -> Array:
        return self._added(np.where(self.values < 0, self.n, 0))

    def _sum(self) -> Array:
        return self._added(self.values * self.n)

    def _min(self) -> Array:
        return self._at(self._starts)

    def _max(self) -> Array:
        return self._at(self._ends - 1)

    @cached_property
    def _starts(self) -> Array:
        return np.searchsorted(self.group, np.arange(self.size))

    @cached_property
    def _ends(self) -> Array:
        return np.searchsorted(self.group, np.arange(self.size), side="right")

    def _at(self, index: Array) -> Array:
        found = np.full(self.size, np.nan)
        some = self._starts < self._ends
        found[some] = self.values[index[some]]
        return found

    def _distinct(self) -> Array:
        return (self._ends - self._starts).astype(float)

    def _nlogn(self) -> Array:
        return self._added(self.n * np.log(self.n))

    def _m2(self) -> Array:
        return self._central(2)

    def _m3(self) -> Array:
        return self._central(3)

    def _m4(self) -> Array:
        return self._central(4)

    def _central(self, power: int) -> Array:
        with np.errstate(all="ignore"):
            mean = self._sum() / self._valids
            moments = self._added(self.n * (self.values - mean[self.group]) ** power)
        moments[self._ends - self._starts == 1] = 0  # which the rounding of the mean would spoil
        return np.where(self._added(np.abs(self.values) > LARGEST[power]) > 0, np.nan, moments)

    def _quantile(self, q: float) -> Array:
        rank = np.maximum(self._valids - 1, 0) * q
        below = np.floor(rank)
        share = rank - below
        reached = np.concatenate([[0], np.cumsum(self.n)])
        first = reached[self._starts]
        low = np.searchsorted(reached, first + below, side="right") - 1
        high = np.searchsorted(reached, first + np.minimum(below + 1, np.maximum(self._valids - 1, 0)), side="right") - 1
        with np.errstate(invalid="ignore"):  # weights, since a difference of infinities is not a number
            lower, upper = self._at(low), self._at(high)
            return np.where((share == 0) | (lower == upper), lower, lower * (1 - share) + upper * share)


def _doubles(values: Any) -> Array:
    import pyarrow as pa

    if pa.types.is_decimal(values.type) or pa.types.is_boolean(values.type):
        return np.array([float(value) for value in values.to_pylist()], dtype=float)
    return np.asarray(values).astype(float)


class Hit:
    """Counts of hits: how many rows have relevant items."""

    def __init__(self, counts: Counts, size: int) -> None:
        self.counts, self.size = counts, size

    def primitive(self, primitive: Primitive) -> Array:
        """`valid` of each group: each row that counts has a place 0."""
        if primitive.name != "valid":
            msg = f"of hits there is no {primitive.name!r}"
            raise ValueError(msg)
        row = np.asarray(self.counts.values[0]) == 0
        return np.bincount(self.counts.group[row], self.counts.n[row], self.size)


class Distinct:
    """Counts of anything: how many different values each group has, and how evenly they are spread.

    A combination has no values that are none: NULL is one of its columns' values.
    """

    def __init__(self, counts: Counts, size: int) -> None:
        self.counts, self.size, self._all = counts.valid() if len(counts.values) == 1 else counts, size, counts

    def primitive(self, primitive: Primitive) -> Array:
        """A primitive of each group."""
        counts = self.counts
        if primitive.name == "distinct":
            return np.bincount(counts.group, minlength=self.size).astype(float)
        if primitive.name == "nlogn":
            return np.bincount(counts.group, counts.n * np.log(counts.n), self.size)
        if primitive.name == "valid":
            return np.bincount(counts.group, counts.n, self.size)
        if primitive.name == "rows":
            return np.bincount(self._all.group, self._all.n, self.size)
        there = ~np.asarray(self._all.values[0].is_null())
        return np.bincount(self._all.group[there], self._all.n[there], self.size)
