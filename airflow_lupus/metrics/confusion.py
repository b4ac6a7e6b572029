"""Which labels were predicted of which: what the metrics of labels follow from, for every group at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa  # noqa: TID253  this module is imported when metrics are computed
import pyarrow.compute as pc  # noqa: TID253

from airflow_lupus.metrics.base import Entities
from airflow_lupus.metrics.counting import Counts, combined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.base import Array


@dataclass(frozen=True)
class ByLabel:
    """Of every label that occurs in a group, predicted or true: how often it was predicted, true, and both."""

    group: Array
    label: Array
    both: Array
    predicted: Array
    true: Array


@dataclass(frozen=True)
class Confusion:
    """Rows with a prediction and a ground truth, counted.

    :param size: how many groups there are.
    :param labels: the different labels; `predicted` and `true` are places in it.
    """

    size: int
    labels: pa.Array
    group: Array
    predicted: Array
    true: Array
    n: Array

    @classmethod
    def of(cls, counts: Counts, size: int) -> Confusion:
        """From how often each prediction and ground truth occur together; those of which one is NULL or NaN are left out."""
        counts = counts.valid()
        predicted, true = alike(counts.values)
        labels = pc.unique(pa.chunked_array([predicted, true]))
        places = [np.asarray(pc.index_in(each, value_set=labels)).astype(np.int64) for each in (predicted, true)]
        return cls(size, labels, counts.group, places[0], places[1], counts.n.astype(float))

    @property
    def rows(self) -> Array:
        """Of each group."""
        return np.bincount(self.group, self.n, self.size)

    @property
    def right(self) -> Array:
        """Rows of each group in which the prediction is the ground truth."""
        return np.bincount(self.group, np.where(self.predicted == self.true, self.n, 0.0), self.size)

    def by_label(self) -> ByLabel:
        width = max(len(self.labels), 1)
        predicted, true = self.group * width + self.predicted, self.group * width + self.true
        keys, place = np.unique(np.concatenate([predicted, true]), return_inverse=True)
        of_predicted, of_true = place[: len(predicted)], place[len(predicted) :]
        both = np.where(self.predicted == self.true, self.n, 0.0)
        added = (np.bincount(of, weights, len(keys)) for of, weights in ((of_true, both), (of_predicted, self.n), (of_true, self.n)))
        return ByLabel(keys // width, keys % width, *added)

    def entities(self, group: Array, labels: Sequence[Array], value: Array, behind: Array, defined: Array | None = None) -> Entities:
        """Values by labels, which are places in `labels`."""
        return Entities(group, tuple(self.labels.take(pa.array(each)) for each in labels), value, behind, defined)


def alike(values: tuple[pa.Array, ...]) -> list[pa.Array]:
    """Arrays of one type, so that their values can be compared."""
    types = {each.type for each in values}
    if len(types) == 1:
        return list(values)
    whole = all(pa.types.is_integer(each) and each != pa.uint64() for each in types)
    numbers = all(pa.types.is_integer(each) or pa.types.is_floating(each) or pa.types.is_decimal(each) for each in types)
    return [each.cast(pa.int64() if whole else pa.float64() if numbers else pa.string()) for each in values]


def one_side(counts: Counts, place: int) -> Counts:
    """How often each label is there on one side, whatever the other says."""
    return combined(counts.group, (counts.values[place],), counts.n).valid()


def is_label(values: pa.Array, label: Any) -> Array:
    """Which values are a label; NULL is none."""
    if not isinstance(label, str | bool):
        return np.asarray(values.cast(pa.float64()).fill_null(np.nan)) == float(label)
    return np.asarray(pc.fill_null(pc.equal(values, pa.scalar(label, values.type)), False))


def counted(rows: Sequence[tuple[Any, ...]]) -> Counts:
    """The counts of rows, as one group."""
    columns = tuple(pa.array([row[i] for row in rows]) for i in range(len(rows[0])))
    return combined(np.zeros(len(rows), dtype=int), columns, np.ones(len(rows), dtype=int))
