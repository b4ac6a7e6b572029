"""Drift: how far the distribution of a column's values is from that of a reference.

Both are given as histograms with the same bins: of numbers the bins between edges, with one below and one above them all; of texts and
booleans a bin for each value of the reference, and one for all values that the reference does not have. NULL and NaN are in no bin.
In the formulas p is the share of each bin among the current values, q among the reference's, n and m how many these are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics.base import BOOLEAN, NUMBER, TEXT, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_lupus.metrics.base import Array, Need
    from airflow_lupus.metrics.comparing import Compared


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

    >>> from airflow_lupus.metrics.comparing import Compared
    >>> Psi().compare(Compared.of_counts([[50, 50], [90, 10]], [[50, 50], [50, 50]])).round(6)
    array([0.     , 0.87889])
    """

    name, unit = "psi", "nats"

    def compare(self, both: Compared) -> Array:
        from airflow_lupus.metrics.comparing import terms

        p, q = both.floored()
        return terms(p - q, p, q)


class KlDivergence(DriftMetric):
    """Kullback–Leibler divergence of the current values from the reference: Σ p·ln(p/q), in nats.

    Source: S. Kullback, R. A. Leibler, "On Information and Sufficiency" (1951). Shares below 1e-4 are raised to 1e-4, and all scaled to 1.

    >>> from airflow_lupus.metrics.comparing import Compared
    >>> KlDivergence().compare(Compared.of_counts([[90, 10]], [[50, 50]])).round(6)
    array([0.368064])
    """

    name, unit = "kl_divergence", "nats"

    def compare(self, both: Compared) -> Array:
        import numpy as np

        from airflow_lupus.metrics.comparing import terms

        p, q = both.floored()
        return np.maximum(terms(p, p, q), 0.0)


class JensenShannon(DriftMetric):
    """Jensen–Shannon distance: √((KL(p‖m) + KL(q‖m)) / 2) with m = (p + q) / 2 and logarithms to base 2, in [0, 1].

    Source: D. M. Endres, J. E. Schindelin, "A New Metric for Probability Distributions" (2003). It is the square root of the
    divergence, and a metric.

    >>> from airflow_lupus.metrics.comparing import Compared
    >>> JensenShannon().compare(Compared.of_counts([[1, 0], [1, 1]], [[0, 1], [1, 1]]))
    array([1., 0.])
    """

    name, unit = "jensen_shannon", "distance"

    def compare(self, both: Compared) -> Array:
        import numpy as np

        from airflow_lupus.metrics.comparing import terms

        p, q = both.p, both.q
        middle = (p + q) / 2
        divergence = (terms(p, p, middle) + terms(q, q, middle)) / (2 * np.log(2))
        return np.asarray(np.sqrt(np.clip(divergence, 0.0, 1.0)))


class Hellinger(DriftMetric):
    """Hellinger distance: √(Σ (√p − √q)² / 2), in [0, 1].

    Source: E. Hellinger, "Neue Begründung der Theorie quadratischer Formen von unendlichvielen Veränderlichen" (1909).

    >>> from airflow_lupus.metrics.comparing import Compared
    >>> Hellinger().compare(Compared.of_counts([[1, 0], [1, 1]], [[0, 1], [1, 1]]))
    array([1., 0.])
    """

    name, unit = "hellinger", "distance"

    def compare(self, both: Compared) -> Array:
        import numpy as np

        from airflow_lupus.metrics.comparing import over

        return np.sqrt(over((np.sqrt(both.p) - np.sqrt(both.q)) ** 2) / 2)


class Wasserstein(DriftMetric):
    """Wasserstein distance of order 1, the earth mover's: ∫ |F(x) − G(x)| dx, F and G being the two distribution functions.

    Source: L. V. Kantorovich, "Mathematical Methods of Organizing and Planning Production" (1939); S. S. Vallender, "Calculation of the
    Wasserstein Distance between Probability Distributions on the Line" (1974). It is taken bin by bin, as Σ |∫ (F − G) dx|, of the
    values' exact areas: right to the last digit unless F and G cross inside a bin, and then too small by at most the bin's width times the
    larger of its two shares.

    >>> import numpy as np
    >>> from airflow_lupus.metrics.comparing import compared
    >>> from airflow_lupus.metrics.histograms import Binned
    >>> few = Binned(np.array([0, 2, 2, 0]), np.array([0.0, 3.0, 1.0, 0.0]))     # 0, 1, 1, 2 between the edges 0, 1, 2
    >>> more = Binned(np.array([0, 0, 4, 0]), np.array([0.0, 4.0, 2.0, 0.0]))
    >>> Wasserstein().compare(compared([few], [more]))
    array([0.5])
    """

    name, unit, accepts = "wasserstein", None, frozenset({NUMBER})

    def compare(self, both: Compared) -> Array:
        import numpy as np

        from airflow_lupus.metrics.comparing import over

        assert both.areas is not None  # noqa: S101  of numbers
        current, reference = both.areas
        here, there = current / both.n[:, None], reference / both.m[:, None]
        with np.errstate(invalid="ignore"):
            apart = np.abs(here - there)
            # Infinities are as far as each other, and what threads add up in another order each time has not moved.
            apart = np.where((here == there) | (apart <= 1e-12 * np.maximum(here, there)) & np.isfinite(apart), 0.0, apart)
        return over(apart)


class KolmogorovSmirnov(DriftMetric):
    """Kolmogorov–Smirnov statistic at the bins' edges: max |F(e) − G(e)|, in [0, 1].

    Source: N. V. Smirnov, "Table for Estimating the Goodness of Fit of Empirical Distributions" (1948). Between edges the functions may
    be further apart: the statistic of the values themselves is greater by at most the largest share that a bin has.

    >>> from airflow_lupus.metrics.comparing import Compared
    >>> KolmogorovSmirnov().compare(Compared.of_counts([[0, 10, 30, 0]], [[0, 30, 10, 0]]))
    array([0.5])
    """

    name, unit, accepts = "kolmogorov_smirnov", "distance", frozenset({NUMBER})

    def compare(self, both: Compared) -> Array:
        import numpy as np

        return np.asarray(np.abs(np.cumsum(both.p - both.q, axis=1)).max(axis=1))


class ChiSquare(DriftMetric):
    """Pearson's χ² of homogeneity of the two samples: Σ (observed − expected)² / expected over the bins that either has, in both.

    Source: K. Pearson, "On the criterion …" (1900). It grows with the number of rows, unlike the others; its degrees of freedom are the
    bins that either has, less one. Without a continuity correction.

    >>> from airflow_lupus.metrics.comparing import Compared
    >>> ChiSquare().compare(Compared.of_counts([[10, 20]], [[20, 10]])).round(6)
    array([6.666667])
    """

    name, unit = "chi_square", "statistic"

    def compare(self, both: Compared) -> Array:
        import numpy as np

        from airflow_lupus.metrics.comparing import over

        n, m = both.n[:, None], both.m[:, None]
        together = both.current + both.reference
        expected = together * n / (n + m), together * m / (n + m)
        with np.errstate(all="ignore"):
            parts = (both.current - expected[0]) ** 2 / expected[0] + (both.reference - expected[1]) ** 2 / expected[1]
        return over(np.where(together > 0, parts, 0.0))


class UnseenRatio(DriftMetric):
    """The share of current values that the reference does not have, in [0, 1].

    It is undefined where the reference has more than 1,000 different values in the group, of which the rarest were not kept.

    >>> from airflow_lupus.metrics.comparing import compared
    >>> from airflow_lupus.metrics.histograms import Categories
    >>> from collections import Counter
    >>> UnseenRatio().compare(compared([Categories(Counter(a=3, c=1))], [Categories(Counter(a=1, b=1))]))
    array([0.25])
    """

    name, kind, unit = "unseen_ratio", "ratio", "ratio"
    accepts: ClassVar[frozenset[str]] = frozenset({TEXT, BOOLEAN})

    def compare(self, both: Compared) -> Array:
        import numpy as np

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
