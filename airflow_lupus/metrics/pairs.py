"""Metrics of a prediction and what turned out to be true: what they have in common."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics.base import BOOLEAN, NUMBER, TEXT, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

Label = str | float | bool
LABELS = frozenset({TEXT, BOOLEAN, NUMBER})
"""Types of columns that hold labels."""
OF_KIND: dict[str, tuple[type, ...]] = {TEXT: (str,), BOOLEAN: (bool,), NUMBER: (int, float)}


@dataclass(frozen=True)
class Pair:
    """The columns that say what was predicted and what was true, and what their values mean.

    :param score: a probability of `positive`, or a list of those of `labels`.
    :param positive: the label that a score, a rate or a selection is about.
    :param labels: what a list of scores is of, in order.
    :param group: the column whose values are treated fairly or not.
    """

    prediction: str = "prediction"
    ground_truth: str = "ground_truth"
    score: str = "score"
    positive: Label | None = None
    labels: tuple[Label, ...] = ()
    group: str = "group"


class PairMetric(Metric):
    """A metric that knows its columns once it is taken `of_pair`; before that they have placeholders for names."""

    pair = Pair()
    of_parameters: ClassVar[frozenset[str]] = frozenset()
    """What a set has to be given for it, of what may be left out."""

    def of_pair(self, pair: Pair) -> PairMetric:
        """This metric, taken of a pair of columns."""
        metric = copy.copy(self)
        metric.pair = pair
        return metric

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.pair.prediction, self.pair.ground_truth)

    @property
    def meaning(self) -> tuple[object, ...]:
        """What two metrics of one name have to have in common to be the same."""
        return self.columns

    def require(self, types: Mapping[str, str], column: str, what: str, fitting: frozenset[str]) -> str:
        """The type of a column, or an error where it is none of those that fit."""
        if types[column] not in fitting:
            fit = ", ".join(sorted(fitting))
            msg = f"{self.name!r} cannot be taken of {what} {column!r}, which is of type {types[column]}; these fit: {fit}"
            raise SpecError(msg)
        return types[column]

    def require_label(self, label: Label, what: str, column: str, kind: str) -> None:
        """Raise where a label cannot be a value of a column of this type."""
        if not isinstance(label, OF_KIND[kind]) or (kind == NUMBER and isinstance(label, bool)):
            msg = f"{self.name!r}: {what} {label!r} is no value of column {column!r}, which is of type {kind}"
            raise SpecError(msg)

    def positive(self, column: str, kind: str) -> Label:
        """The positive label: by default 1 or true."""
        label = self.pair.positive
        if label is None:
            if kind == TEXT:
                msg = f"{self.name!r} needs positive=…: column {column!r} is of type text, and which of its labels is meant nobody knows"
                raise SpecError(msg)
            return True if kind == BOOLEAN else 1
        self.require_label(label, "positive", column, kind)
        return label
