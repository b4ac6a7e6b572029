"""Whether groups of people are treated alike: differences and ratios of rates between the values of a column."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.metrics.classification import LabelMetric
from airflow_lupus.metrics.pairs import LABELS, Pair, PairMetric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_lupus.metrics import Metric
    from airflow_lupus.metrics.base import Array, Bound


class FairnessMetric(LabelMetric):
    """A difference or ratio between the least and the greatest rate of positive predictions.

    The name says of which column: `demographic_parity_difference(gender)`.
    """

    family = "fairness"
    what: ClassVar[str]
    ratio: ClassVar[bool] = False
    of_positives: ClassVar[bool] = False
    """Whether rates are of rows whose ground truth is positive, rather than of all."""

    def __init__(self) -> None:
        self.name = self.what
        self.label: Any = None

    @classmethod
    def parse(cls, name: str) -> Metric | None:
        match = re.fullmatch(rf"{getattr(cls, 'what', '')}(\(.+\))?", name) if hasattr(cls, "what") else None
        if match is None:
            return None
        metric = cls()
        metric.name = name
        return metric

    def of_pair(self, pair: Pair) -> PairMetric:
        metric = super().of_pair(pair)
        metric.name = f"{self.what}({pair.group})"
        return metric

    @property
    def columns(self) -> tuple[str, ...]:
        own = (self.pair.prediction, self.pair.group)
        return (*own, self.pair.ground_truth) if self.of_positives else own

    @property
    def meaning(self) -> tuple[object, ...]:
        return (*self.columns, self.pair.positive)

    def fit(self, types: Mapping[str, str]) -> Metric:
        kind = self.require(types, self.pair.prediction, "prediction", LABELS)
        self.require(types, self.pair.group, "group", LABELS)
        label = self.positive(self.pair.prediction, kind)
        if self.of_positives:
            true = self.require(types, self.pair.ground_truth, "ground truth", LABELS)
            self.require_label(label, "positive", self.pair.ground_truth, true)
        metric = self.of_pair(self.pair)
        metric.label = label  # type: ignore[attr-defined]
        return metric

    def value(self, state: Bound) -> Array:
        low, high, _ = self._extremes(state)
        return low / high if self.ratio else high - low

    def defined(self, state: Bound) -> Array:
        _, high, values = self._extremes(state)
        return (values >= 2) & ((high > 0) if self.ratio else True)

    def _extremes(self, state: Bound) -> tuple[Array, Array, Array]:
        """Of each group of rows the least and the greatest rate, and of how many values there is one."""
        import numpy as np
        import pyarrow.compute as pc

        from airflow_lupus.metrics.confusion import is_label

        counts = state.counts().valid()
        if self.of_positives:
            counts = counts.where(is_label(counts.values[2], self.label))
        group, size = counts.group, state.state.size
        whose = counts.values[1]
        values = pc.unique(whose)
        place = np.asarray(pc.index_in(whose, value_set=values)).astype(np.int64)
        keys, of = np.unique(group * max(len(values), 1) + place, return_inverse=True)
        selected = np.where(is_label(counts.values[0], self.label), counts.n, 0)
        rates = np.bincount(of, selected, len(keys)) / np.bincount(of, counts.n, len(keys))
        owner = keys // max(len(values), 1)
        low, high = np.full(size, np.nan), np.full(size, np.nan)
        np.fmin.at(low, owner, rates)
        np.fmax.at(high, owner, rates)
        return low, high, np.bincount(owner, minlength=size)


class DemographicParityDifference(FairnessMetric):
    """The greatest selection rate minus the least, in [0, 1]: max P(prediction = positive | g) − min P(prediction = positive | g) over the
    values g of the group column; 0 is fair. Undefined with fewer than two values.

    Source: A. Agarwal et al., "A Reductions Approach to Fair Classification" (2018); fairlearn's `demographic_parity_difference`.

    >>> metric = DemographicParityDifference()
    >>> metric.label = True
    >>> metric.of([(True, "f"), (False, "f"), (True, "m"), (True, "m")])
    0.5
    """

    what, kind, bad_direction = "demographic_parity_difference", "distance", "up"
    examples = (what,)


class DemographicParityRatio(FairnessMetric):
    """The least selection rate divided by the greatest, in [0, 1]; 1 is fair, and below 0.8 the "four-fifths rule" sees adverse impact.
    Undefined with fewer than two values, or where nothing is selected.

    Source: "Uniform Guidelines on Employee Selection Procedures", 29 CFR 1607.4 D (1978); fairlearn's `demographic_parity_ratio`.

    >>> metric = DemographicParityRatio()
    >>> metric.label = True
    >>> metric.of([(True, "f"), (False, "f"), (True, "m"), (True, "m")])
    0.5
    """

    what, ratio = "demographic_parity_ratio", True
    examples = (what,)


class EqualOpportunityDifference(FairnessMetric):
    """The greatest true positive rate minus the least: as `demographic_parity_difference`, over the rows whose ground truth is positive. A
    value without such rows has no rate and is left out.

    Source: M. Hardt et al., "Equality of Opportunity in Supervised Learning" (2016); fairlearn's `equal_opportunity_difference`.

    >>> metric = EqualOpportunityDifference()
    >>> metric.label = 1
    >>> metric.of([(1, "f", 1), (0, "f", 1), (1, "m", 1), (1, "m", 0)])
    0.5
    """

    what, kind, bad_direction, of_positives = "equal_opportunity_difference", "distance", "up", True
    examples = (what,)
    of_parameters = frozenset({"ground_truth"})


class EqualOpportunityRatio(FairnessMetric):
    """The least true positive rate divided by the greatest; undefined where all are 0.

    Source: as `equal_opportunity_difference`; fairlearn's `equal_opportunity_ratio`.

    >>> metric = EqualOpportunityRatio()
    >>> metric.label = 1
    >>> metric.of([(1, "f", 1), (0, "f", 1), (1, "m", 1), (1, "m", 0)])
    0.5
    """

    what, ratio, of_positives = "equal_opportunity_ratio", True, True
    examples = (what,)
    of_parameters = frozenset({"ground_truth"})
