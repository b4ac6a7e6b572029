"""The catalogue of metrics: one class each. A new metric is a new class in a file here and a name in `CATALOGUE`."""

from __future__ import annotations

from functools import lru_cache

from airflow_lupus.exceptions import SpecError, did_you_mean
from airflow_lupus.metrics.base import BOOLEAN, TEXT, Metric, Primitive
from airflow_lupus.metrics.counts import Count, EntityCount, NullCount, NullRatio, RowCount, Unique
from airflow_lupus.metrics.moments import Avg, Std, Sum
from airflow_lupus.metrics.order import Max, Min, Quantile

CATALOGUE: tuple[type[Metric], ...] = (
    RowCount,
    Count,
    EntityCount,
    NullCount,
    NullRatio,
    Unique,
    Sum,
    Avg,
    Std,
    Min,
    Max,
    Quantile,
)

__all__ = ["CATALOGUE", "Metric", "Primitive", "for_type", "metric_named"]


@lru_cache(maxsize=1000)
def metric_named(name: str, *, table: bool = False) -> Metric:
    """The metric that a user's word stands for, or an error with the closest ones.

    >>> metric_named("p99.9").kind
    'quantile'
    """
    for metric_class in CATALOGUE:
        metric = metric_class.parse(name)
        if metric is not None and metric_class.table == table:
            return metric
    valid = [c.name or c.examples[0] for c in CATALOGUE if c.table == table and not c.per_entity]
    other = [c.name for c in CATALOGUE if c.table != table and c.parse(name)]
    if other:
        where = "of a column: column_metrics={…}" if table else "of the table: metrics=[TableMetrics([…])]"
        msg = f"{name!r} is a metric {where}"
    else:
        msg = f"Unknown metric {name!r}: {did_you_mean(name, valid)}"
    raise SpecError(msg)


def for_type(metric: Metric, column: str, column_type: str, per_entity: bool | None) -> Metric:
    """The metric that a name means for a column of this type: `count` of text is counted per entity."""
    if per_entity and metric.name != "count":
        per_entity = None
    if isinstance(metric, Count) and (per_entity or (per_entity is None and column_type in {TEXT, BOOLEAN})):
        metric = EntityCount()
    if column_type not in metric.accepts:
        takes = ", ".join(sorted(metric.accepts))
        msg = f"{metric.name!r} cannot be taken of column {column!r}, which is of type {column_type}: it takes {takes}"
        raise SpecError(msg)
    return metric
