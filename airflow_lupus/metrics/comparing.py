"""Histograms beside their references, as arrays: a row each, a column for each bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airflow_lupus.metrics.histograms import Binned, Categories

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.base import Array
    from airflow_lupus.metrics.drift import DriftMetric
    from airflow_lupus.metrics.histograms import Histogram

FLOOR = 1e-4
"""What `psi` and `kl_divergence` take for the share of an empty bin: without it one value in a new bin would be infinitely far."""
TOGETHER = 2_000_000
"""Numbers that a comparison holds at once."""


@dataclass(frozen=True)
class Compared:
    """Current histograms beside the reference of each: a row each, a column for each bin.

    :param current: how many current values are in each bin.
    :param reference: how many of the reference's.
    :param areas: of numbers, see `Binned`.
    :param unseen: of texts and booleans, how many current values the reference does not have; NaN where nobody knows.

    >>> from airflow_lupus.metrics.drift import Psi
    >>> both = Compared.of_counts([[30, 50, 20]], [[25, 50, 25]])
    >>> Psi().compare(both).round(6)
    array([0.020273])
    """

    current: Array
    reference: Array
    areas: tuple[Array, Array] | None = None
    unseen: Array | None = None

    @classmethod
    def of_counts(cls, current: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]) -> Compared:
        return cls(np.asarray(current, dtype=float), np.asarray(reference, dtype=float))

    @property
    def n(self) -> Array:
        return over(self.current)

    @property
    def m(self) -> Array:
        return over(self.reference)

    @property
    def p(self) -> Array:
        return self.current / self.n[:, None]

    @property
    def q(self) -> Array:
        return self.reference / self.m[:, None]

    def floored(self) -> tuple[Array, Array]:
        """p and q without zeros: what is less than `FLOOR` in a bin that either has is raised to it, and the shares are scaled to 1."""
        there = (self.current > 0) | (self.reference > 0)
        raised = [np.where(there, np.maximum(shares, FLOOR), 0.0) for shares in (self.p, self.q)]
        p, q = (shares / over(shares)[:, None] for shares in raised)
        return p, q


def over(bins: Array) -> Array:
    """The sum over the bins of each row, one after the other: so the empty bins that other rows need change not even its last digit."""
    return np.asarray(np.cumsum(bins, axis=1)[:, -1])


def terms(weight: Array, p: Array, q: Array) -> Array:
    """Σ weight·ln(p/q), 0 where there is no weight."""
    with np.errstate(all="ignore"):
        return over(np.where(weight == 0, 0.0, weight * np.log(p / q)))


def compared(current: Sequence[Histogram], reference: Sequence[Histogram]) -> Compared:
    """Histograms beside their references, all of one kind, and of numbers with the same edges."""
    numbers = [[each for each in side if isinstance(each, Binned)] for side in (current, reference)]
    if not numbers[0]:
        return _categories(*([each for each in side if isinstance(each, Categories)] for side in (current, reference)))
    counts = [np.array([each.counts for each in side]).astype(float) for side in numbers]
    areas = [np.array([each.areas for each in side]) for side in numbers]
    return Compared(counts[0], counts[1], (areas[0], areas[1]))


def _categories(current: Sequence[Categories], reference: Sequence[Categories]) -> Compared:
    """A column for each value that any reference has, and a last one for all others."""
    place = {value: i for i, value in enumerate(sorted({value for each in reference for value in each.counts}, key=str))}
    here, there = np.zeros((len(current), len(place) + 1)), np.zeros((len(current), len(place) + 1))
    for i, (now, then) in enumerate(zip(current, reference, strict=True)):
        for value, n in then.counts.items():
            there[i, place[value]] = n
        for value, n in now.counts.items():
            here[i, place[value] if value in then.counts else -1] += n
        here[i, -1] += now.other
        there[i, -1] = then.other
    unknown = np.array([then.other > 0 for then in reference])
    return Compared(here, there, unseen=np.where(unknown, np.nan, here[:, -1]))


def compare(metrics: Sequence[DriftMetric], current: Sequence[Histogram], reference: Sequence[Histogram | None]) -> list[Array]:
    """Each metric of each histogram against its reference; NaN where it is undefined.

    >>> from collections import Counter
    >>> from airflow_lupus.metrics.drift import Hellinger, UnseenRatio
    >>> now, then = Categories(Counter(phone=1, desktop=1)), Categories(Counter(phone=1, desktop=3))
    >>> compare([Hellinger(), UnseenRatio()], [now, now], [then, None])
    [array([0.18459191,        nan]), array([ 0., nan])]
    """
    found = [np.full(len(current), np.nan) for _ in metrics]
    pairs = [(i, now, then) for i, (now, then) in enumerate(zip(current, reference, strict=True)) if then is not None and now.n and then.n]
    step = max(1, TOGETHER // len({value for _, _, then in pairs for value in then.counts} if pairs else "-"))
    for first in range(0, len(pairs), step):
        some = pairs[first : first + step]
        both = compared([now for _, now, _ in some], [then for _, _, then in some])
        where = [i for i, _, _ in some]
        for metric, values in zip(metrics, found, strict=True):
            values[where] = metric.compare(both)
    return found
