"""Drift: how far the distribution of a column's values is from that of a reference.

Both are given as histograms with the same bins: of numbers the bins between edges, with one below and one above them all; of texts and
booleans a bin for each value of the reference, and one for all values that the reference does not have. NULL and NaN are in no bin.
In the formulas p is the share of each bin among the current values, q among the reference's, n and m how many these are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics.base import BOOLEAN, NUMBER, TEXT, Metric
from airflow_lupus.metrics.histograms import Binned, Categories

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.metrics.base import Array, Need
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
        return _over(self.current)

    @property
    def m(self) -> Array:
        return _over(self.reference)

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
        p, q = (shares / _over(shares)[:, None] for shares in raised)
        return p, q


class DriftMetric(Metric):
    """A distance between two histograms; undefined where either has no values."""

    family, kind, bad_direction = "drift", "distance", "up"
    accepts = frozenset({NUMBER, TEXT, BOOLEAN})
    needs = ()
    numeric: bool = False
    """Whether the column is one of numbers, once that is known."""

    @property
    def needed(self) -> tuple[Need, ...]:
        """Nothing of its own: it is made of histograms."""
        return ()

    def fit(self, types: Mapping[str, str]) -> Metric:
        column = self.operand.columns[0]
        if types[column] not in self.accepts:
            fitting = " or ".join(sorted(self.accepts))
            msg = f"Drift: {self.name!r} of column {column!r} needs a {fitting}; the column is of type {types[column]}"
            raise SpecError(msg)
        metric = self.bound(self.operand)
        assert isinstance(metric, DriftMetric)  # noqa: S101  itself
        metric.numeric = types[column] == NUMBER
        return metric

    def compare(self, both: Compared) -> Array:
        """The distance of each row; what it says where either side has no values is not looked at."""
        raise NotImplementedError


class Psi(DriftMetric):
    """Population stability index: Σ (p − q)·ln(p/q), which is KL(p‖q) + KL(q‖p).

    Source: N. Siddiqi, "Credit Risk Scorecards" (2006); B. Yurdakul, "Statistical Properties of Population Stability Index" (2018). By
    custom less than 0.1 is no shift, and more than 0.25 a large one. Shares below 1e-4 are raised to 1e-4, and all scaled to 1.

    >>> Psi().compare(Compared.of_counts([[50, 50], [90, 10]], [[50, 50], [50, 50]])).round(6)
    array([0.     , 0.87889])
    """

    name, unit = "psi", "nats"

    def compare(self, both: Compared) -> Array:
        p, q = both.floored()
        return _terms(p - q, p, q)


class KlDivergence(DriftMetric):
    """Kullback–Leibler divergence of the current values from the reference: Σ p·ln(p/q), in nats.

    Source: S. Kullback, R. A. Leibler, "On Information and Sufficiency" (1951). Shares below 1e-4 are raised to 1e-4, and all scaled to 1.

    >>> KlDivergence().compare(Compared.of_counts([[90, 10]], [[50, 50]])).round(6)
    array([0.368064])
    """

    name, unit = "kl_divergence", "nats"

    def compare(self, both: Compared) -> Array:
        p, q = both.floored()
        return np.maximum(_terms(p, p, q), 0.0)


class JensenShannon(DriftMetric):
    """Jensen–Shannon distance: √((KL(p‖m) + KL(q‖m)) / 2) with m = (p + q) / 2 and logarithms to base 2, in [0, 1].

    Source: D. M. Endres, J. E. Schindelin, "A New Metric for Probability Distributions" (2003). It is the square root of the
    divergence, and a metric.

    >>> JensenShannon().compare(Compared.of_counts([[1, 0], [1, 1]], [[0, 1], [1, 1]]))
    array([1., 0.])
    """

    name, unit = "jensen_shannon", "distance"

    def compare(self, both: Compared) -> Array:
        p, q = both.p, both.q
        middle = (p + q) / 2
        divergence = (_terms(p, p, middle) + _terms(q, q, middle)) / (2 * np.log(2))
        return np.asarray(np.sqrt(np.clip(divergence, 0.0, 1.0)))


class Hellinger(DriftMetric):
    """Hellinger distance: √(Σ (√p − √q)² / 2), in [0, 1].

    Source: E. Hellinger, "Neue Begründung der Theorie quadratischer Formen von unendlichvielen Veränderlichen" (1909).

    >>> Hellinger().compare(Compared.of_counts([[1, 0], [1, 1]], [[0, 1], [1, 1]]))
    array([1., 0.])
    """

    name, unit = "hellinger", "distance"

    def compare(self, both: Compared) -> Array:
        return np.sqrt(_over((np.sqrt(both.p) - np.sqrt(both.q)) ** 2) / 2)


class Wasserstein(DriftMetric):
    """Wasserstein distance of order 1, the earth mover's: ∫ |F(x) − G(x)| dx, F and G being the two distribution functions.

    Source: L. V. Kantorovich, "Mathematical Methods of Organizing and Planning Production" (1939); S. S. Vallender, "Calculation of the
    Wasserstein Distance between Probability Distributions on the Line" (1974). It is taken bin by bin, as Σ |∫ (F − G) dx|, of the
    values' exact areas: right to the last digit unless F and G cross inside a bin, and then too small by at most the bin's width times the
    larger of its two shares.

    >>> few = Binned(np.array([0, 2, 2, 0]), np.array([0.0, 3.0, 1.0, 0.0]))     # 0, 1, 1, 2 between the edges 0, 1, 2
    >>> more = Binned(np.array([0, 0, 4, 0]), np.array([0.0, 4.0, 2.0, 0.0]))
    >>> Wasserstein().compare(compared([few], [more]))
    array([0.5])
    """

    name, unit, accepts = "wasserstein", None, frozenset({NUMBER})

    def compare(self, both: Compared) -> Array:
        assert both.areas is not None  # noqa: S101  of numbers
        current, reference = both.areas
        here, there = current / both.n[:, None], reference / both.m[:, None]
        with np.errstate(invalid="ignore"):
            apart = np.where(here == there, 0.0, np.abs(here - there))  # infinities are as far as each other
        return _over(apart)


class KolmogorovSmirnov(DriftMetric):
    """Kolmogorov–Smirnov statistic at the bins' edges: max |F(e) − G(e)|, in [0, 1].

    Source: N. V. Smirnov, "Table for Estimating the Goodness of Fit of Empirical Distributions" (1948). Between edges the functions may
    be further apart: the statistic of the values themselves is greater by at most the largest share that a bin has.

    >>> KolmogorovSmirnov().compare(Compared.of_counts([[0, 10, 30, 0]], [[0, 30, 10, 0]]))
    array([0.5])
    """

    name, unit, accepts = "kolmogorov_smirnov", "distance", frozenset({NUMBER})

    def compare(self, both: Compared) -> Array:
        return np.asarray(np.abs(np.cumsum(both.p - both.q, axis=1)).max(axis=1))


class ChiSquare(DriftMetric):
    """Pearson's χ² of homogeneity of the two samples: Σ (observed − expected)² / expected over the bins that either has, in both.

    Source: K. Pearson, "On the criterion …" (1900). It grows with the number of rows, unlike the others; its degrees of freedom are the
    bins that either has, less one. Without a continuity correction.

    >>> ChiSquare().compare(Compared.of_counts([[10, 20]], [[20, 10]])).round(6)
    array([6.666667])
    """

    name, unit = "chi_square", "statistic"

    def compare(self, both: Compared) -> Array:
        n, m = both.n[:, None], both.m[:, None]
        together = both.current + both.reference
        expected = together * n / (n + m), together * m / (n + m)
        with np.errstate(all="ignore"):
            parts = (both.current - expected[0]) ** 2 / expected[0] + (both.reference - expected[1]) ** 2 / expected[1]
        return _over(np.where(together > 0, parts, 0.0))


class UnseenRatio(DriftMetric):
    """The share of current values that the reference does not have, in [0, 1].

    It is undefined where the reference has more than 1,000 different values in the group, of which the rarest were not kept.

    >>> from collections import Counter
    >>> UnseenRatio().compare(compared([Categories(Counter(a=3, c=1))], [Categories(Counter(a=1, b=1))]))
    array([0.25])
    """

    name, kind, unit = "unseen_ratio", "ratio", "ratio"
    accepts: ClassVar[frozenset[str]] = frozenset({TEXT, BOOLEAN})

    def compare(self, both: Compared) -> Array:
        assert both.unseen is not None  # noqa: S101  of categories
        return np.asarray(both.unseen / both.n)


DRIFT: tuple[type[DriftMetric], ...] = (
    Psi,
    JensenShannon,
    KlDivergence,
    Hellinger,
    Wasserstein,
    KolmogorovSmirnov,
    ChiSquare,
    UnseenRatio,
)


def _over(bins: Array) -> Array:
    """The sum over the bins of each row, one after the other: so the empty bins that other rows need change not even its last digit."""
    return np.asarray(np.cumsum(bins, axis=1)[:, -1])


def _terms(weight: Array, p: Array, q: Array) -> Array:
    """Σ weight·ln(p/q), 0 where there is no weight."""
    with np.errstate(all="ignore"):
        return _over(np.where(weight == 0, 0.0, weight * np.log(p / q)))


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
