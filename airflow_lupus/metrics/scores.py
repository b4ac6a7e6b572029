"""Metrics of a classifier's scores: a probability of the positive label, or a list of one for each of `labels`.

A row enters where its score is a probability (or a list of as many as there are labels), in [0, 1], and where the metric looks at it the
ground truth is there, for lists among `labels`. `roc_auc` and `pr_auc` take any number for a score.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics.base import NUMBER, PRECISIONS, SUM, VALID, WINS, Primitive, is_list, list_of
from airflow_lupus.metrics.operands import Expression, Ranked
from airflow_lupus.metrics.pairs import LABELS, PairMetric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.metrics import Metric
    from airflow_lupus.metrics.base import Array, Bound
    from airflow_lupus.metrics.pairs import Label

EPSILON = "2.220446049250313e-16"
"""Where scikit-learn cuts probabilities off for their logarithms: the distance of 1 to the next double."""
CUT = f"-ln(least(greatest({{}}, {EPSILON}), 9.999999999999998e-1))"


class Scores:
    """Pieces of templates over the score `{0}`, the ground truth `{1}` and from `{2}` on the positive label or all labels.

    :param labels: how many a list of scores is of; 0: it is one number.
    """

    def __init__(self, labels: int) -> None:
        self.labels = labels
        self.places = range(1, labels + 1)
        if labels:
            self.is_score = f"{{0.length}} = {labels} AND {{0.present}} = {labels} AND {{0.largest}} <= 1e0"
            self.is_score += "".join(f" AND {{0[{i}]}} >= 0e0" for i in self.places)
            self.is_row = f"{self.is_score} AND {{1}} IN ({', '.join(f'{{{i + 1}}}' for i in self.places)})"
            self.top, self.spread = "{0.largest}", "{0.largest} - {0.second}"
            self.confidence = self.top
            self.right = f"CASE WHEN {{0.where_largest}} = {self.of_truth('{place}')} THEN 1e0 ELSE 0e0 END"
        else:
            self.is_score = "{0} >= 0e0 AND {0} <= 1e0"
            self.is_row = f"{self.is_score} AND {{1}} IS NOT NULL"
            self.top, self.spread = "greatest({0}, 1e0 - {0})", "abs(2e0 * {0} - 1e0)"
            self.confidence, self.right = "{0}", "CASE WHEN {1} = {2} THEN 1e0 ELSE 0e0 END"

    def of_truth(self, each: str) -> str:
        """What is to be had at the true label's place among `labels`."""
        return f"CASE {' '.join(f'WHEN {{1}} = {{{i + 1}}} THEN ' + each.replace('{place}', str(i)) for i in self.places)} END"

    def where(self, condition: str, value: str) -> str:
        return f"CASE WHEN {condition} THEN {value} END"

    @property
    def probability(self) -> str:
        """That of what is true."""
        return self.of_truth("{0[{place}]}") if self.labels else "CASE WHEN {1} = {2} THEN {0} ELSE 1e0 - {0} END"

    @property
    def squares(self) -> str:
        if not self.labels:
            return f"({{0}} - {self.right}) * ({{0}} - {self.right})"
        each = "power({{0[{0}]}} - CASE WHEN {{1}} = {{{1}}} THEN 1e0 ELSE 0e0 END, 2)"
        added = " + ".join(each.format(i, i + 1) for i in self.places)
        return f"({added}) / 2e0" if self.labels == 2 else added


class ScoreMetric(PairMetric):
    """The mean over rows of something that the score, and mostly the ground truth, says."""

    family, kind, bad_direction = "classification", "mean", "both"
    needs: tuple[Primitive, ...] = (SUM, VALID)
    of_parameters = frozenset({"score"})
    of_truth: ClassVar[bool] = True
    """Whether it looks at the ground truth."""

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.pair.score, self.pair.ground_truth)

    @property
    def meaning(self) -> tuple[object, ...]:
        return (*self.columns, self.pair.positive, self.pair.labels)

    def fit(self, types: Mapping[str, str]) -> Metric:
        truth, pair = self.pair.ground_truth, self.pair
        of_score = self.require(types, pair.score, "score", frozenset({NUMBER, list_of(NUMBER)}))
        kind = self.require(types, truth, "ground truth", LABELS)
        literals: tuple[Label, ...] = ()
        if is_list(of_score):
            if not pair.labels:
                msg = f"{self.name!r} needs labels=[…]: what the list of scores in column {pair.score!r} is of, in order"
                raise SpecError(msg)
            for label in pair.labels:
                self.require_label(label, "label", truth, kind)
            literals = pair.labels
        elif self.of_truth:
            literals = (self.positive(truth, kind),)
        metric = self.of_pair(pair)
        assert isinstance(metric, ScoreMetric)  # noqa: S101  for mypy
        metric.take(Scores(len(pair.labels) if is_list(of_score) else 0), literals)
        return metric

    def take(self, scores: Scores, literals: tuple[Label, ...]) -> None:
        """Say what it is taken of, its columns being known."""
        self.operand = self.expression(scores.where(scores.is_row if self.of_truth else scores.is_score, self.of_row(scores)), literals)

    def expression(self, template: str, literals: tuple[Label, ...]) -> Expression:
        return Expression(template, self.columns, self.name, literals)

    def of_row(self, scores: Scores) -> str:
        """The template of what a row says."""
        raise NotImplementedError

    def value(self, state: Bound) -> Array:
        return state[SUM] / state[VALID]

    def row(self, score: float, positive: bool) -> float:
        """The definition of a row with one score in plain Python."""
        raise NotImplementedError

    def of(self, values: Sequence[Any]) -> float | None:
        """Of rows of a probability and whether the label is the positive one."""
        rows = [self.row(score, positive) for score, positive in values]
        return math.fsum(rows) / len(rows) if rows else None


class LogLoss(ScoreMetric):
    """The cross entropy: −Σ ln p / n in nats, p being the probability that was given to what is true, cut off at 2⁻⁵² and 1 − 2⁻⁵²; a
    model that gives every one of k labels the same has ln k.

    Source: I. J. Good, "Rational Decisions" (1952); scikit-learn's `log_loss`.

    >>> round(LogLoss().of([(0.5, True), (0.25, False)]), 6)
    0.490415
    """

    name, unit, bad_direction = "log_loss", "nats", "up"

    def of_row(self, scores: Scores) -> str:
        return CUT.format(scores.probability)

    def row(self, score: float, positive: bool) -> float:
        cut = float(EPSILON)
        return -math.log(min(max(score if positive else 1 - score, cut), 1 - cut))


class Brier(ScoreMetric):
    """The mean squared error of the probabilities: Σ(p − y)² / n, y being 1 where the label is true and 0 elsewhere; for more than two
    labels Σ Σₖ(pₖ − yₖ)² / n, in [0, 2].

    Source: G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability" (1950); scikit-learn's `brier_score_loss`, which
    halves it for two labels likewise.

    >>> Brier().of([(0.5, True), (0.25, False)])
    0.15625
    """

    name, unit, bad_direction = "brier", "ratio", "up"

    def of_row(self, scores: Scores) -> str:
        return scores.squares

    def row(self, score: float, positive: bool) -> float:
        return (score - positive) ** 2


class Ece(ScoreMetric):
    """`ece`, or `ece(<bins>)`: the expected calibration error, in [0, 1]: Σ over bins of |Σ confidence − Σ right| / n. The bins are of
    equal width, 15 by default: ((m − 1)/M, m/M], and 0 is in the first. Of one score the confidence is the probability of the positive
    label and a row is right where that is true; of a list it is the largest probability, and right where its (first) label is true.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks" (2017); M. P. Naeini et al., "Obtaining Well Calibrated
    Probabilities Using Bayesian Binning" (2015).

    >>> Ece().of([(0.9, True), (0.9, False), (0.1, False)])
    0.3
    """

    unit, bad_direction = "ratio", "up"
    examples = ("ece", "ece(10)")

    def __init__(self, bins: int = 15) -> None:
        self.bins = bins
        self.name = "ece" if bins == 15 else f"ece({bins})"

    @classmethod
    def parse(cls, name: str) -> Metric | None:
        match = re.fullmatch(r"ece(?:\(([1-9]\d{0,2})\))?", name)
        return cls(int(match[1] or 15)) if match else None

    def take(self, scores: Scores, literals: tuple[Label, ...]) -> None:
        gap = f"{scores.confidence} - {scores.right}"
        self.operand = self.expression(scores.where(scores.is_row, gap), literals)
        parts = []
        for m in range(self.bins):
            low = f"{scores.confidence} > {m / self.bins!r}e0 AND " if m else ""
            inside = f"{low}{scores.confidence} <= {(m + 1) / self.bins!r}e0"
            parts.append(Primitive("sum", operand=self.expression(scores.where(f"{scores.is_row} AND {inside}", gap), literals)))
        self.needs = (VALID, *parts)

    def value(self, state: Bound) -> Array:
        _, *parts = self.needs
        total: Array = sum(abs(state[part]) for part in parts) / state[VALID]
        return total

    def of(self, values: Sequence[Any]) -> float | None:
        gaps: dict[int, list[float]] = {}
        for score, positive in values:
            reached = next(m for m in range(self.bins) if score <= (m + 1) / self.bins)
            gaps.setdefault(reached, []).append(score - positive)
        return sum(abs(math.fsum(each)) for each in gaps.values()) / len(values) if values else None


class TopProbability(ScoreMetric):
    """How sure the model is: the mean of the largest probability, of one score p the larger of p and 1 − p. No ground truth is looked at.

    Source: D. Hendrycks & K. Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples" (2017).

    >>> TopProbability().of([(0.5, True), (0.25, False)])
    0.625
    """

    name, unit, of_truth = "top_probability", "ratio", False

    def of_row(self, scores: Scores) -> str:
        return scores.top

    def row(self, score: float, positive: bool) -> float:  # noqa: ARG002
        return max(score, 1 - score)


class TopTwoSpread(ScoreMetric):
    """How clearly the model decides: the mean of the largest probability minus the second, of one score |2p − 1|. No ground truth is
    looked at.

    Source: T. Scheffer et al., "Active Hidden Markov Models for Information Extraction" (2001), as the margin.

    >>> TopTwoSpread().of([(0.5, True), (0.25, False)])
    0.25
    """

    name, unit, of_truth = "top_two_spread", "ratio", False

    def of_row(self, scores: Scores) -> str:
        return scores.spread

    def row(self, score: float, positive: bool) -> float:  # noqa: ARG002
        return abs(2 * score - 1)


class RocAuc(ScoreMetric):
    """The area under the ROC curve, in [0, 1]: how often a positive row has a higher score than another row, ties counting half; exact.
    Undefined unless there are positive rows and others. Of a list of scores it is of that of `positive`, or the second of two labels.

    Source: J. A. Hanley & B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic curve" (1982);
    scikit-learn's `roc_auc_score`.

    >>> RocAuc().of([(0.9, True), (0.4, True), (0.4, False), (0.1, False)])
    0.875
    """

    name, kind, unit, bad_direction = "roc_auc", "ratio", "ratio", "down"
    ranked: ClassVar[Primitive] = WINS

    def take(self, scores: Scores, literals: tuple[Label, ...]) -> None:
        place, label = self._one(literals) if scores.labels else ("{0}", literals[0])
        score = self.expression(place, ())
        condition = f"{scores.is_row} AND {place} IS NOT NULL" if scores.labels else "{0} IS NOT NULL AND {1} IS NOT NULL"
        own = f"{{{2 + len(literals)}}}"
        self.operand = self.expression(scores.where(condition, f"CASE WHEN {{1}} = {own} THEN 1e0 ELSE 0e0 END"), (*literals, label))
        self.needs = (SUM, VALID, Primitive(self.ranked.name, operand=Ranked(score, self.operand)))

    def _one(self, labels: tuple[Label, ...]) -> tuple[str, Label]:
        label = self.pair.positive if self.pair.positive is not None else labels[1] if len(labels) == 2 else None
        if label not in labels:
            msg = f"{self.name!r} is of the scores of one label: give positive=…, one of labels={list(labels)}"
            raise SpecError(msg)
        return f"{{0[{labels.index(label) + 1}]}}", label

    def value(self, state: Bound) -> Array:
        return state[self.needs[2]] / (state[SUM] * (state[VALID] - state[SUM]))

    def defined(self, state: Bound) -> Array:
        return (state[SUM] > 0) & (state[SUM] < state[VALID])

    def of(self, values: Sequence[Any]) -> float | None:
        ours, others = ([score for score, positive in values if positive == side] for side in (True, False))
        wins = [(a > b) + (a == b) / 2 for a in ours for b in others]
        return sum(wins) / len(wins) if wins else None


class PrAuc(RocAuc):
    """The area under the precision-recall curve as average precision, in [0, 1]: the mean over the positive rows of the share of positives
    among the rows with as high a score or a higher; exact, with no interpolation. Undefined without positive rows.

    Source: C. D. Manning et al., "Introduction to Information Retrieval" (2008), 8.4; scikit-learn's `average_precision_score`.

    >>> PrAuc().of([(0.9, True), (0.4, False), (0.3, True)])
    0.8333333333333333
    """

    name = "pr_auc"
    ranked = PRECISIONS

    def value(self, state: Bound) -> Array:
        return state[self.needs[2]] / state[SUM]

    def defined(self, state: Bound) -> Array:
        return state[SUM] > 0

    def of(self, values: Sequence[Any]) -> float | None:
        ours = [score for score, positive in values if positive]
        shares = [sum(each >= score for each in ours) / sum(each >= score for each, _ in values) for score in ours]
        return math.fsum(shares) / len(shares) if shares else None
