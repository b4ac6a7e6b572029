"""Metrics of columns, and of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metric_sets.base import MetricSet, named
from airflow_lupus.metrics import metric_named
from airflow_lupus.model import ANY_COLUMN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.metrics import Metric


@dataclass(frozen=True)
class ColumnMetrics(MetricSet):
    """Metrics of columns: `ColumnMetrics({"dep_delay": ["avg", "p95"]})`, what `column_metrics=` is short for."""

    metrics: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        for column, names in self.metrics.items():
            if column == ANY_COLUMN:
                msg = f"column_metrics[{ANY_COLUMN!r}]: no column is called so; metrics of the table are metrics=[TableMetrics([…])]"
                raise SpecError(msg)
            if isinstance(names, str):
                msg = f"column_metrics[{column!r}] must be a list of metrics, not the text {names!r}"
                raise SpecError(msg)
            if not names:
                msg = f"column_metrics[{column!r}] names no metric"
                raise SpecError(msg)
            for name in names:
                named(name, f"column_metrics[{column!r}]")

    def pairs(self) -> list[tuple[str, Metric]]:
        return [(column, metric_named(name)) for column, names in self.metrics.items() for name in dict.fromkeys(names)]


@dataclass(frozen=True)
class TableMetrics(MetricSet):
    """Metrics of the whole table: `TableMetrics(["row_count"])`."""

    metrics: Sequence[str]

    def __post_init__(self) -> None:
        if isinstance(self.metrics, str):
            msg = f"TableMetrics needs a list of metrics, not the text {self.metrics!r}"
            raise SpecError(msg)
        if not self.metrics:
            msg = "TableMetrics names no metric"
            raise SpecError(msg)
        for name in self.metrics:
            named(name, "TableMetrics", "table")

    def pairs(self) -> list[tuple[str, Metric]]:
        return [(ANY_COLUMN, metric_named(name, "table")) for name in dict.fromkeys(self.metrics)]
