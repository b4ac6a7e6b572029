"""Metrics of predicted labels, over rows in which neither the prediction nor the ground truth is NULL (or NaN)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics.base import COUNTS, Primitive, State, need
from airflow_lupus.metrics.operands import Combination, Expression
from airflow_lupus.metrics.pairs import LABELS, Pair, PairMetric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.metrics import Metric
    from airflow_lupus.metrics.base import Array, Bound, Entities
    from airflow_lupus.metrics.confusion import ByLabel, Confusion


class LabelMetric(PairMetric):
    """What follows from how often each label was predicted of each."""

    family, kind, unit, bad_direction = "classification", "ratio", "ratio", "down"
    needs = (COUNTS,)

    def of_pair(self, pair: Pair) -> PairMetric:
        metric = super().of_pair(pair)
        columns = metric.columns
        metric.operand = Combination(columns)
        there = " AND ".join(f"{{{i}}} IS NOT NULL" for i in range(len(columns)))
        complete = Expression(f"CASE WHEN {there} THEN 1e0 END", columns, "complete")
        metric.behind = Primitive("valid", operand=complete)  # type: ignore[misc]  # of its own columns
        return metric

    def fit(self, types: Mapping[str, str]) -> Metric:
        prediction, truth = self.pair.prediction, self.pair.ground_truth
        predicted = self.require(types, prediction, "prediction", LABELS)
        true = self.require(types, truth, "ground truth", LABELS)
        if predicted != true:
            msg = (
                f"{self.name!r}: prediction {prediction!r} is of type {predicted} and ground truth {truth!r} of type {true}: their labels "
                "would never be the same; cast one of them in the source"
            )
            raise SpecError(msg)
        return self

    def defined(self, state: Bound) -> Array:
        return state[self.behind] > 0

    def confusion(self, state: Bound) -> Confusion:
        from airflow_lupus.metrics.confusion import Confusion

        return Confusion.of(state.counts(), state.state.size)

    def of(self, values: Sequence[Any]) -> float | None:
        """Of rows of prediction and ground truth."""
        state = self._state(values)
        return float(self.value(state)[0]) if self.defined(state)[0] else None

    def each(self, values: Sequence[Any]) -> dict[Any, float | None]:
        """Of rows of prediction and ground truth, by label."""
        found = self.entities(self._state(values))
        names = list(zip(*(each.to_pylist() for each in found.values), strict=True))
        defined = found.defined if found.defined is not None else [True] * len(names)
        return {
            name if len(name) > 1 else name[0]: float(value) if is_defined else None
            for name, value, is_defined in zip(names, found.value, defined, strict=True)
        }

    def _state(self, values: Sequence[Any]) -> Bound:
        import numpy as np

        from airflow_lupus.metrics.confusion import counted

        counts = counted(values)
        complete = np.array([counts.valid().n.sum()], dtype=float)
        return State(1, {need(self.operand, self.behind): complete}, {self.operand: counts}).of(self.operand)


class Accuracy(LabelMetric):
    """The share of rows whose prediction is the ground truth, in [0, 1].

    Source: scikit-learn's `accuracy_score`.

    >>> Accuracy().of([("a", "a"), ("b", "a"), (None, "a"), ("b", "b"), ("c", "c")])
    0.75
    """

    name = "accuracy"

    def value(self, state: Bound) -> Array:
        return self.confusion(state).right / state[self.behind]


def _part(which: str, found: ByLabel) -> tuple[Array, Array]:
    """What one label's precision, recall or F1 divides by what."""
    if which == "precision":
        return found.both, found.predicted
    if which == "recall":
        return found.both, found.true
    return 2 * found.both, found.predicted + found.true


class Precision(LabelMetric):
    """Of the rows in which a label was predicted the share in which it is true, TP / (TP + FP), for each label that occurs; undefined for
    a label that was not predicted.

    Source: C. J. van Rijsbergen, "Information Retrieval" (1979); scikit-learn's `precision_score(average=None, zero_division=nan)`.

    >>> Precision().each([("a", "a"), ("a", "b"), ("b", "b"), ("b", "c")])
    {'a': 0.5, 'b': 0.5, 'c': None}
    """

    name, per_entity = "precision", True

    def entities(self, state: Bound) -> Entities:
        confusion = self.confusion(state)
        found = confusion.by_label()
        part, whole = _part(self.name, found)
        behind = found.predicted + found.true - found.both if self.name == "f1" else whole
        value = part / whole.clip(1.0)
        return confusion.entities(found.group, [found.label], value, behind, whole > 0)

    def entity_names(self, column: str) -> tuple[str, ...]:  # noqa: ARG002  labels, whatever predicts them
        return ("label",)


class Recall(Precision):
    """Of the rows in which a label is true the share in which it was predicted, TP / (TP + FN), for each label that occurs; undefined for
    a label that is never true. Of the positive label it is also called sensitivity, or true positive rate.

    Source: as `precision`; scikit-learn's `recall_score(average=None, zero_division=nan)`.

    >>> Recall().each([("a", "a"), ("a", "b"), ("b", "b"), ("b", "c")])
    {'a': 1.0, 'b': 0.5, 'c': 0.0}
    """

    name = "recall"


class F1(Precision):
    """The harmonic mean of precision and recall, 2·TP / (2·TP + FP + FN), for each label that occurs.

    Source: N. Chinchor, "MUC-4 Evaluation Metrics" (1992); scikit-learn's `f1_score(average=None)`.

    >>> F1().each([("a", "a"), ("a", "b"), ("b", "b"), ("b", "c")])
    {'a': 0.6666666666666666, 'b': 0.5, 'c': 0.0}
    """

    name = "f1"


class Averaged(LabelMetric):
    """`<precision, recall or f1>_<macro, micro or weighted>`: over the labels that occur in a group. `macro` is their mean, `weighted` the
    mean weighted by how often each is true, `micro` that of all labels' TP, FP and FN added up, which is the accuracy. A label of which
    it is undefined counts 0 here.

    Source: scikit-learn's `precision_recall_fscore_support(average=…)` with its default `zero_division`.

    >>> Averaged("precision", "macro").of([("a", "a"), ("a", "b"), ("b", "b"), ("b", "c")])
    0.3333333333333333
    >>> Averaged("recall", "weighted").of([("a", "a"), ("a", "b"), ("b", "b"), ("b", "c")])
    0.5
    """

    examples: ClassVar[tuple[str, ...]] = tuple(
        f"{which}_{average}" for which in ("precision", "recall", "f1") for average in ("macro", "micro", "weighted")
    )

    def __init__(self, which: str, average: str) -> None:
        self.which, self.average = which, average
        self.name = f"{which}_{average}"

    @classmethod
    def parse(cls, name: str) -> Metric | None:
        match = re.fullmatch(r"(precision|recall|f1)_(macro|micro|weighted)", name)
        return cls(match[1], match[2]) if match else None

    def value(self, state: Bound) -> Array:
        import numpy as np

        confusion = self.confusion(state)
        if self.average == "micro":
            return confusion.right / state[self.behind]
        found = confusion.by_label()
        part, whole = _part(self.which, found)
        weight = found.true if self.average == "weighted" else np.ones(len(whole))
        added = np.bincount(found.group, weight * part / np.maximum(whole, 1.0), confusion.size)
        return np.asarray(added / np.bincount(found.group, weight, confusion.size))


class LabelCount(LabelMetric):
    """Rows for each label of the ground truth, whatever was predicted: NULL and NaN are no labels.

    >>> LabelCount().each([("a", "a"), ("b", "a"), (None, "c"), ("b", None)])
    {'a': 2.0, 'c': 1.0}
    """

    name, kind, unit, bad_direction, per_entity = "label_count", "count", "rows", "both", True
    side: ClassVar[int] = 1

    def entities(self, state: Bound) -> Entities:
        import numpy as np

        from airflow_lupus.metrics.base import Entities
        from airflow_lupus.metrics.confusion import alike, one_side

        counts = state.counts()
        own = one_side(type(counts)(counts.group, tuple(alike(counts.values)), counts.n), self.side)
        n = own.n.astype(float)
        return Entities(own.group, own.values, n, np.bincount(own.group, n, state.state.size)[own.group])

    def entity_names(self, column: str) -> tuple[str, ...]:  # noqa: ARG002
        return ("label",)


class PredictionCount(LabelCount):
    """Rows for each label of the prediction, whatever is true: NULL and NaN are no labels.

    >>> PredictionCount().each([("a", "a"), ("b", "a"), (None, "c"), ("b", None)])
    {'a': 1.0, 'b': 2.0}
    """

    name = "prediction_count"
    side = 0


class ConfusionMatrix(LabelMetric):
    """The confusion matrix: rows for each label of the ground truth (dimension `label`) and each that was predicted of it (dimension
    `prediction`), where there are any.

    Source: scikit-learn's `confusion_matrix`.

    >>> ConfusionMatrix().each([("a", "a"), ("b", "a"), ("b", "a"), (None, "a")])
    {('a', 'a'): 1.0, ('a', 'b'): 2.0}
    """

    name, kind, unit, bad_direction, per_entity = "confusion", "count", "rows", "both", True

    def entities(self, state: Bound) -> Entities:
        found = self.confusion(state)
        return found.entities(found.group, [found.true, found.predicted], found.n, state[self.behind][found.group])

    def entity_names(self, column: str) -> tuple[str, ...]:  # noqa: ARG002
        return ("label", "prediction")
