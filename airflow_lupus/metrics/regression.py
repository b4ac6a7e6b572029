"""Errors of predicted numbers, over rows in which neither the prediction nor the ground truth is NULL or NaN."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.metrics.base import M2, MAX, MIN, NUMBER, SUM, VALID, Primitive, numbers
from airflow_lupus.metrics.operands import Expression
from airflow_lupus.metrics.pairs import Pair, PairMetric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.metrics import Metric
    from airflow_lupus.metrics.base import Array, Bound

SQUARES = "({0} - {1}) * ({0} - {1})"


def both(values: Sequence[Any]) -> list[tuple[float, float]]:
    """The rows that have a prediction and a ground truth."""
    return [(float(p), float(t)) for p, t in values if len(numbers([p, t])) == 2]


class RegressionMetric(PairMetric):
    """The mean over rows of what `template` says of the prediction `{0}` and the ground truth `{1}`."""

    family, kind, bad_direction = "regression", "mean", "up"
    template: ClassVar[str]
    needs: tuple[Primitive, ...] = (SUM, VALID)

    def of_pair(self, pair: Pair) -> PairMetric:
        metric = super().of_pair(pair)
        metric.operand = Expression(self.expression(), (pair.prediction, pair.ground_truth), self.name)
        return metric

    def expression(self) -> str:
        return self.template

    def fit(self, types: Mapping[str, str]) -> Metric:
        self.require(types, self.pair.prediction, "prediction", frozenset({NUMBER}))
        self.require(types, self.pair.ground_truth, "ground truth", frozenset({NUMBER}))
        return self

    def value(self, state: Bound) -> Array:
        return state[SUM] / state[VALID]

    def row(self, prediction: float, truth: float) -> float | None:
        """The definition of one row in plain Python."""
        raise NotImplementedError

    def of(self, values: Sequence[Any]) -> float | None:
        rows = numbers([self.row(p, t) for p, t in both(values)])
        return math.fsum(rows) / len(rows) if rows else None


class Mae(RegressionMetric):
    """The mean absolute error: Σ|prediction − truth| / n, in the column's unit.

    Source: C. J. Willmott & K. Matsuura, "Advantages of the mean absolute error (MAE) over the root mean square error (RMSE)" (2005);
    scikit-learn's `mean_absolute_error`.

    >>> Mae().of([(1, 2), (5, 2), (None, 7)])
    2.0
    """

    name, template = "mae", "abs({0} - {1})"

    def row(self, prediction: float, truth: float) -> float:
        return abs(prediction - truth)


class Rmse(RegressionMetric):
    """The root of the mean squared error: √(Σ(prediction − truth)² / n), in the column's unit.

    Source: scikit-learn's `root_mean_squared_error`.

    >>> Rmse().of([(1, 2), (9, 2)])
    5.0
    """

    name, template = "rmse", SQUARES

    def value(self, state: Bound) -> Array:
        root: Array = super().value(state) ** 0.5
        return root

    def row(self, prediction: float, truth: float) -> float:
        return (prediction - truth) ** 2

    def of(self, values: Sequence[Any]) -> float | None:
        mean = super().of(values)
        return None if mean is None else math.sqrt(mean)


class Mape(RegressionMetric):
    """The mean absolute percentage error as a share: Σ|prediction − truth| / |truth| / n, over the rows whose truth is not 0.

    Source: A. de Myttenaere et al., "Mean Absolute Percentage Error for regression models" (2016). scikit-learn's
    `mean_absolute_percentage_error` divides by 2⁻⁵² where the truth is 0, so that one such row outweighs all others; here it is left out.

    >>> Mape().of([(1, 2), (5, 4), (3, 0)])
    0.375
    """

    name, unit = "mape", "ratio"
    template = "CASE WHEN {1} <> 0e0 THEN abs(({0} - {1}) / {1}) END"

    def row(self, prediction: float, truth: float) -> float | None:
        return abs((prediction - truth) / truth) if truth else None


class Bias(RegressionMetric):
    """The mean error: Σ(prediction − truth) / n, in the column's unit; positive where too much is predicted.

    Source: C. J. Willmott, "Some Comments on the Evaluation of Model Performance" (1982), as mean bias error.

    >>> Bias().of([(1, 2), (5, 2)])
    1.0
    """

    name, bad_direction, template = "bias", "both", "{0} - {1}"

    def row(self, prediction: float, truth: float) -> float:
        return prediction - truth


class QuantileLoss(RegressionMetric):
    """`quantile_loss(<q>)`: the mean of q·(truth − prediction) where too little is predicted, of (1 − q)·(prediction − truth) where too
    much, in the column's unit. It is least for predictions of the q-quantile, 0 < q < 1.

    Source: R. Koenker & G. Bassett, "Regression Quantiles" (1978); scikit-learn's `mean_pinball_loss(alpha=q)`.

    >>> QuantileLoss(0.9).of([(1, 2), (5, 2)])
    0.6
    """

    examples = ("quantile_loss(0.5)", "quantile_loss(0.9)")

    def __init__(self, q: float) -> None:
        self.q = q
        self.name = f"quantile_loss({Decimal(repr(q)):f})"

    @classmethod
    def parse(cls, name: str) -> Metric | None:
        match = re.fullmatch(r"quantile_loss\((0?\.\d+)\)", name)
        return cls(float(match[1])) if match and 0 < float(match[1]) < 1 else None

    def expression(self) -> str:
        return f"CASE WHEN {{1}} >= {{0}} THEN {self.q:.17e} * ({{1}} - {{0}}) ELSE {1 - self.q:.17e} * ({{0}} - {{1}}) END"

    def row(self, prediction: float, truth: float) -> float:
        return self.q * (truth - prediction) if truth >= prediction else (1 - self.q) * (prediction - truth)


class R2(RegressionMetric):
    """R², the share of the truth's variance that is explained: 1 − Σ(truth − prediction)² / Σ(truth − mean truth)²; at most 1, 0 for
    predicting the mean, negative below that. Undefined where all truths are the same, or there are fewer than two rows.

    Source: S. Wright, "Correlation and Causation" (1921); scikit-learn's `r2_score`.

    >>> R2().of([(1, 1), (2, 2), (3, 6)])
    0.3571428571428571
    """

    name, unit, bad_direction, template = "r2", "ratio", "down", SQUARES

    def of_pair(self, pair: Pair) -> PairMetric:
        metric = super().of_pair(pair)
        truth = Expression("CASE WHEN {0} IS NOT NULL THEN {1} END", (pair.prediction, pair.ground_truth), "truth")
        metric.needs = (SUM, VALID, *(Primitive(each.name, operand=truth) for each in (M2, MIN, MAX)))
        return metric

    def value(self, state: Bound) -> Array:
        return 1 - state[SUM] / state[self.needs[2]]

    def defined(self, state: Bound) -> Array:
        return (state[VALID] >= 2) & (state[self.needs[4]] != state[self.needs[3]])

    def of(self, values: Sequence[Any]) -> float | None:
        rows = both(values)
        truths = [truth for _, truth in rows]
        if len(set(truths)) < 2:
            return None
        mean = math.fsum(truths) / len(truths)
        return 1 - math.fsum((t - p) ** 2 for p, t in rows) / math.fsum((t - mean) ** 2 for t in truths)
