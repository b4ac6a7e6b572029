"""Metrics of predicted numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_lupus.metric_sets.pairs import PairSet
from airflow_lupus.metrics.pairs import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Regression(PairSet):
    """Metrics of predicted numbers: `Regression("predicted_delay", "delay", metrics=["mae", "quantile_loss(0.9)"])`. Series are those of
    the prediction's column.

    :param prediction: the column with the predicted number.
    :param ground_truth: the column with the true one; NULL where it is not known yet.
    :param metrics: which.
    """

    prediction: str
    ground_truth: str
    metrics: Sequence[str] = ("mae", "rmse", "mape", "r2", "bias")

    family = "regression"

    def __post_init__(self) -> None:
        self.check(prediction=self.prediction, ground_truth=self.ground_truth)

    def pair(self) -> Pair:
        return Pair(self.prediction, self.ground_truth)
