"""Metrics that users define themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metric_sets.base import MetricSet, named
from airflow_lupus.metrics import known_metric
from airflow_lupus.metrics.operands import Aggregate, Function
from airflow_lupus.metrics.own import OwnMetric, RatioMetric
from airflow_lupus.model import ANY_COLUMN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_lupus.metrics import Metric

KINDS = ("ratio", "count", "sum", "mean", "quantile", "extreme", "spread", "distance")


@dataclass(frozen=True)
class SqlMetric(MetricSet):
    """An aggregate in SQL, for each group and the total.

    >>> SqlMetric("paid_share", "avg(CASE WHEN paid THEN 1.0 ELSE 0.0 END)", kind="ratio").pairs()
    [('*', <metric paid_share>)]

    :param name: the metric's name: letters, digits and `_`, none of ours.
    :param sql: an aggregate over the source's columns, in the dialect of the place that reads the rows (DuckDB's for files). Where it is
        NULL the metric is undefined; where it fails (a division by zero), it is stored as failed, with the reason.
    :param column: the column that its series are shown under; by default those of the table.
    :param kind: how its values behave, for detectors: ratio, count, sum, mean, quantile, extreme, spread or distance.
    :param unit: of its values, for the page.
    """

    name: str
    sql: str
    column: str = ANY_COLUMN
    kind: str = "mean"
    unit: str | None = None

    def __post_init__(self) -> None:
        _check("SqlMetric", self.name, self.kind)
        if not self.sql.strip() or ";" in self.sql:
            msg = f"SqlMetric({self.name!r}): {self.sql!r} is not one SQL aggregate, such as 'avg(price * amount)'"
            raise SpecError(msg)

    def pairs(self) -> list[tuple[str, Metric]]:
        return [(self.column, OwnMetric(self.name, Aggregate(self.sql), self.kind, self.unit))]

    def definition(self) -> dict[str, Any]:
        return {"sql_metric": self.name, "sql": self.sql}


@dataclass(frozen=True)
class Ratio(MetricSet):
    """One metric divided by another, for each group and the total; undefined where the second is 0.

    >>> Ratio("click_rate", "clicks.sum", "*.row_count").pairs()
    [('*', <metric click_rate>)]

    :param name: the metric's name.
    :param numerator: a column and a metric, as in `clicks.sum`; `*.row_count` for the table's.
    :param denominator: likewise.
    :param column: the column that its series are shown under; by default those of the table.
    :param kind: how its values behave.
    :param unit: of its values.
    """

    name: str
    numerator: str
    denominator: str
    column: str = ANY_COLUMN
    kind: str = "ratio"
    unit: str | None = "ratio"

    def __post_init__(self) -> None:
        _check("Ratio", self.name, self.kind)
        self._parts()

    def _parts(self) -> tuple[tuple[str, Metric], tuple[str, Metric]]:
        return self._part(self.numerator), self._part(self.denominator)

    def _part(self, written: str) -> tuple[str, Metric]:
        match = re.fullmatch(r"(.+?)\.([^.]+(?:\.\d+)?)", written)
        if match is None:
            msg = f"Ratio({self.name!r}): {written!r} is not a column and a metric, as in 'clicks.sum'"
            raise SpecError(msg)
        metric = named(match[2], f"Ratio({self.name!r})", "table" if match[1] == ANY_COLUMN else "column")
        if metric.per_entity:
            msg = f"Ratio({self.name!r}): {written!r} is a metric per entity, not one number"
            raise SpecError(msg)
        return match[1], metric

    def pairs(self) -> list[tuple[str, Metric]]:
        return [(self.column, RatioMetric(self.name, self._parts(), self.kind, self.unit))]

    def definition(self) -> dict[str, Any]:
        return {"ratio": self.name, "of": [self.numerator, self.denominator]}


@dataclass(frozen=True)
class PythonMetric(MetricSet):
    """What a function makes of each group's rows, and of all of them. The rows are fetched for it: it is for small data, or few columns.

    :param name: the metric's name.
    :param function: is given a pandas frame and returns a number, or None where the metric is undefined. Where it raises, the metric of
        that group is stored as failed, with the reason. It runs in the task, never when the DAG is parsed.
    :param columns: the frame's columns.
    :param column: the column that its series are shown under; by default those of the table.
    :param kind: how its values behave.
    :param unit: of its values.
    """

    name: str
    function: Callable[[Any], float | None]
    columns: Sequence[str]
    column: str = ANY_COLUMN
    kind: str = "mean"
    unit: str | None = None

    def __post_init__(self) -> None:
        _check("PythonMetric", self.name, self.kind)
        if isinstance(self.columns, str) or not self.columns:
            msg = f"PythonMetric({self.name!r}): columns must be a list of columns, not {self.columns!r}"
            raise SpecError(msg)

    def pairs(self) -> list[tuple[str, Metric]]:
        return [(self.column, OwnMetric(self.name, Function(self.function, tuple(self.columns)), self.kind, self.unit))]

    def definition(self) -> dict[str, Any]:
        return {"python_metric": self.name, "function": getattr(self.function, "__qualname__", ""), "columns": list(self.columns)}


def _check(what: str, name: str, kind: str) -> None:
    if not re.fullmatch(r"[A-Za-z_]\w{0,99}", name):
        msg = f"{what}: {name!r} cannot be a metric's name: letters, digits and _ only"
        raise SpecError(msg)
    if known_metric(name) is not None:
        msg = f"{what}: {name!r} is a metric of ours; choose another name"
        raise SpecError(msg)
    if kind not in KINDS:
        msg = f"{what}({name!r}): kind {kind!r} is none of {', '.join(KINDS)}"
        raise SpecError(msg)
