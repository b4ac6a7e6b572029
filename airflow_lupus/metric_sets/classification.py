"""Metrics of predicted labels and their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metric_sets.pairs import PairSet
from airflow_lupus.metrics.pairs import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.pairs import Label

OF_LABELS = ("accuracy", "precision", "recall", "f1", "precision_macro", "recall_macro", "f1_macro", "label_count", "prediction_count")
OF_SCORES = ("log_loss", "brier", "ece", "roc_auc", "pr_auc")


@dataclass(frozen=True)
class Classification(PairSet):
    """Metrics of predicted labels: `Classification("pred", "gt", score="probability", positive="spam")`. Series are those of the
    prediction's column.

    :param prediction: the column with the predicted label.
    :param ground_truth: the column with the true label, of the same type; NULL where it is not known yet.
    :param score: a column with the probability of `positive`, or with a list of the probabilities of `labels`.
    :param positive: the label that one score is of; by default 1 or true.
    :param labels: of a list of scores the labels, in order.
    :param metrics: which; by default those of labels, and with one score those of scores.
    """

    prediction: str
    ground_truth: str
    score: str | None = None
    positive: Label | None = None
    labels: Sequence[Label] | None = None
    metrics: Sequence[str] = ()

    family = "classification"

    def __post_init__(self) -> None:
        if isinstance(self.labels, str) or (self.labels is not None and len(set(self.labels)) != max(len(self.labels), 2)):
            msg = f"Classification: labels must be a list of two or more different labels, not {self.labels!r}"
            raise SpecError(msg)
        if isinstance(self.metrics, tuple) and not self.metrics:
            of_scores = () if self.score is None else OF_SCORES[:3] if self.labels and self.positive is None else OF_SCORES
            object.__setattr__(self, "metrics", OF_LABELS + of_scores)
        self.check(prediction=self.prediction, ground_truth=self.ground_truth, score=self.score)

    def pair(self) -> Pair:
        return Pair(self.prediction, self.ground_truth, self.score or "", self.positive, tuple(self.labels or ()))
