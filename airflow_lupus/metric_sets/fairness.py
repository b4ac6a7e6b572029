"""Metrics of how alike groups of people are treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metric_sets.pairs import PairSet
from airflow_lupus.metrics.pairs import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.pairs import Label

PARITY = ("demographic_parity_difference", "demographic_parity_ratio")
OPPORTUNITY = ("equal_opportunity_difference", "equal_opportunity_ratio")


@dataclass(frozen=True)
class Fairness(PairSet):
    """How alike the values of a column are treated: `Fairness("approved", "repaid", group="gender", positive=True)`. Series are those of
    the prediction's column, and the metric's name says the group's: `demographic_parity_difference(gender)`.

    :param prediction: the column with the predicted label.
    :param ground_truth: the column with the true one, which equal opportunity needs.
    :param group: the column whose values are compared.
    :param positive: the label that is good to get; by default 1 or true.
    :param metrics: which; by default all that can be told.
    """

    prediction: str
    ground_truth: str | None = None
    group: str | None = None
    positive: Label | None = None
    metrics: Sequence[str] = ()

    family = "fairness"

    def __post_init__(self) -> None:
        if self.group is None:
            msg = "Fairness needs group=…: the column whose values are to be treated alike"
            raise SpecError(msg)
        if isinstance(self.metrics, tuple) and not self.metrics:
            object.__setattr__(self, "metrics", PARITY + (OPPORTUNITY if self.ground_truth else ()))
        self.check(prediction=self.prediction, ground_truth=self.ground_truth, group=self.group)

    def pair(self) -> Pair:
        return Pair(self.prediction, self.ground_truth or "", positive=self.positive, group=self.group or "")
