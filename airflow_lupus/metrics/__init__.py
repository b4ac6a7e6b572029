"""The catalogue of metrics: one class each. A new metric is a new class in a file here and a name in `CATALOGUE`."""

from __future__ import annotations

import copy
import re
from functools import lru_cache

from airflow_lupus.exceptions import SpecError, did_you_mean
from airflow_lupus.metrics import ranking
from airflow_lupus.metrics.base import BOOLEAN, TEXT, TIME, Metric, Primitive, element_type, is_list
from airflow_lupus.metrics.classification import (
    F1,
    Accuracy,
    Averaged,
    ConfusionMatrix,
    LabelCount,
    Precision,
    PredictionCount,
    Recall,
)
from airflow_lupus.metrics.counts import (
    Count,
    ListNullCount,
    ListNullRatio,
    NanCount,
    NanRatio,
    NegativeCount,
    NegativeRatio,
    NullCount,
    NullRatio,
    RowCount,
    ZeroCount,
    ZeroRatio,
)
from airflow_lupus.metrics.drift import DRIFT
from airflow_lupus.metrics.entities import EntityCount, Entropy, Frequency, Unique
from airflow_lupus.metrics.fairness import (
    DemographicParityDifference,
    DemographicParityRatio,
    EqualOpportunityDifference,
    EqualOpportunityRatio,
)
from airflow_lupus.metrics.keys import DuplicateRatio
from airflow_lupus.metrics.lengths import LengthStatistic
from airflow_lupus.metrics.moments import Avg, Kurtosis, Skewness, Std, Sum, Var
from airflow_lupus.metrics.operands import Column, Elements
from airflow_lupus.metrics.order import Iqr, Max, Median, Min, Quantile, Range
from airflow_lupus.metrics.regression import R2, Bias, Mae, Mape, QuantileLoss, Rmse
from airflow_lupus.metrics.scores import Brier, Ece, LogLoss, PrAuc, RocAuc, TopProbability, TopTwoSpread
from airflow_lupus.metrics.times import Earliest, Freshness, Latest

CATALOGUE: tuple[type[Metric], ...] = (
    RowCount,
    DuplicateRatio,
    Count,
    EntityCount,
    Frequency,
    NullCount,
    NullRatio,
    ListNullCount,
    ListNullRatio,
    NanCount,
    NanRatio,
    ZeroCount,
    ZeroRatio,
    NegativeCount,
    NegativeRatio,
    Unique,
    Entropy,
    Sum,
    Avg,
    Var,
    Std,
    Skewness,
    Kurtosis,
    Min,
    Max,
    Range,
    Earliest,
    Latest,
    Freshness,
    Median,
    Quantile,
    Iqr,
    LengthStatistic,
    ranking.Ndcg,
    ranking.Precision,
    ranking.Recall,
    ranking.MeanAveragePrecision,
    ranking.Mrr,
    ranking.HitRate,
    ranking.UniqueItems,
    ranking.ItemEntropy,
    ranking.Coverage,
    Accuracy,
    Precision,
    Recall,
    F1,
    Averaged,
    LabelCount,
    PredictionCount,
    ConfusionMatrix,
    LogLoss,
    Brier,
    Ece,
    RocAuc,
    PrAuc,
    TopProbability,
    TopTwoSpread,
    Mae,
    Rmse,
    Mape,
    R2,
    Bias,
    QuantileLoss,
    DemographicParityDifference,
    DemographicParityRatio,
    EqualOpportunityDifference,
    EqualOpportunityRatio,
    *DRIFT,
)
OF_TIMES: dict[type[Metric], type[Metric]] = {Min: Earliest, Max: Latest}
"""What some metrics mean of a column of times."""

__all__ = ["CATALOGUE", "Metric", "Primitive", "for_type", "known_metric", "metric_named"]


@lru_cache(maxsize=1000)
def metric_named(name: str, family: str = "column") -> Metric:
    """The metric that a user's word stands for, or an error with the closest ones.

    >>> metric_named("p99.9").kind, metric_named("avg@5").first
    ('quantile', 5)
    """
    word, first = _cut(name)
    if first is None or family not in WHOLE:
        for metric_class in CATALOGUE:
            metric = metric_class.parse(word)
            if metric is not None and metric_class.family == family:
                return _first(metric, first)
    valid = [c.name or c.examples[0] for c in CATALOGUE if c.family == family and (c.parse(c.name) or c.examples)]
    other = next((c.family for c in CATALOGUE if c.family != family and c.parse(word)), None)
    where = f"is a metric of {WRITTEN[other]}" if other is not None else ""
    msg = f"{name!r} {where}" if where else f"Unknown metric {name!r}: {did_you_mean(word, valid)}"
    raise SpecError(msg)


WRITTEN = {
    "column": "a column: column_metrics={…}",
    "table": "the table: metrics=[TableMetrics([…])]",
    "ranking": "ranked lists: metrics=[Ranking(…, metrics=[…])]",
    "classification": "labels: metrics=[Classification(…)]",
    "regression": "numbers that are predicted: metrics=[Regression(…)]",
    "fairness": "fairness: metrics=[Fairness(…)]",
    "drift": "a column against a reference: metrics=[Drift({…}, reference=…)]",
}
"""Family → where users name metrics of it."""
WHOLE = frozenset({"table", "classification", "regression", "fairness"})
"""Families that know no `@k`."""


@lru_cache(maxsize=1000)
def known_metric(name: str) -> Metric | None:
    """The metric of any family that has this name; None where it is a user's own."""
    word, first = _cut(name)
    found = (metric_class.parse(word) for metric_class in CATALOGUE)
    return next((_first(metric, first) for metric in found if metric is not None), None)


def _cut(name: str) -> tuple[str, int | None]:
    """A metric's name without its `@k`, and k."""
    match = re.fullmatch(r"(.+)@([1-9]\d{0,5})", name)
    return (match[1], int(match[2])) if match else (name, None)


def _first(metric: Metric, first: int | None) -> Metric:
    if first is not None:
        metric = copy.copy(metric)
        metric.first = first
        metric.name = f"{metric.name}@{first}"
    return metric


def for_type(metric: Metric, column: str, column_type: str, per_entity: bool | None) -> Metric:
    """The metric that a name means for a column of this type, taken of it: `count` of text is counted per entity."""
    of_list = is_list(column_type)
    values = element_type(column_type) if of_list else column_type
    meant = metric
    if isinstance(metric, Count) and (per_entity or (per_entity is None and values in {TEXT, BOOLEAN})):
        meant = _first(EntityCount(), metric.first)
    elif values == TIME and type(metric) in OF_TIMES:
        meant = _first(OF_TIMES[type(metric)](), metric.first)
    if metric.first is not None and (not of_list or metric.lists):
        what = f"is of lists, and {metric.name.split('@')[0]!r} is of their lengths" if of_list else f"is of type {column_type}"
        msg = f"{metric.name!r} is of the first {metric.first} elements of lists; column {column!r} {what}"
        raise SpecError(msg)
    if not _takes(meant, column_type):
        own = [each for each in CATALOGUE if each.family == "column" and _takes(each, column_type)]
        fitting = sorted({each.name or each.examples[0] for each in own})
        msg = f"{metric.name!r} cannot be taken of column {column!r}, which is of type {column_type}; these fit: {', '.join(fitting)}"
        raise SpecError(msg)
    return meant.bound(Elements(column, metric.first) if of_list else Column(column))


def _takes(metric: Metric | type[Metric], column_type: str) -> bool:
    if is_list(column_type):
        return metric.lists or element_type(column_type) in metric.accepts
    return column_type in metric.accepts
