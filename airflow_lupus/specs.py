"""What to measure, checked as far as it can be without looking at data: wrong names fail when the DAG is parsed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import SpecError, did_you_mean
from airflow_lupus.metric_sets.base import MetricSet
from airflow_lupus.metric_sets.columns import ColumnMetrics, TableMetrics
from airflow_lupus.metric_sets.drift import Drift
from airflow_lupus.metrics import for_type
from airflow_lupus.metrics.operands import Aggregate
from airflow_lupus.model import ANY_COLUMN, Grain, zone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_lupus.metrics import Metric

__all__ = ["ColumnMetrics", "MeasureSpec", "MetricSet", "TableMetrics"]

RESERVED = {"dataset", "column", "column_name", "metric", "value", "period", "period_start", "period_end", "level", "ts"}
"""Names that our own tables and frames use, and that a group column would collide with."""


@dataclass(frozen=True)
class MeasureSpec:
    """Everything that decides what a collect task measures of a source.

    :param dataset: the name under which the measured table is known.
    :param grain: unit and time zone of its periods.
    :param metric_sets: what to measure; empty: what `pipeline/choosing.py` chooses.
    :param time_column: the column that says to which period a row belongs.
    :param time_column_timezone: the zone in which the time column's values without one are to be read.
    :param group_columns: one series for each combination of their values …
    :param totals: … and one over all rows.
    :param where: an SQL condition on rows, in the dialect of where the data is read (DuckDB's for files).
    :param per_entity: overrides, per column, whether `count` is counted per value.
    :param units: the unit of a column's values, shown with its metrics ("minutes").
    :param top: by column, how many of its values a metric per entity tells apart: those with the most rows in the period, the others
        together being `other`.
    :param max_groups: more groups than this in one period are taken for a mistake …
    :param max_entities: … and so are more values of a column in a group, for metrics per entity.
    :param keep_partials: whether to keep what of each group merges into longer periods.
    :param labels: what the periods are measured under, such as `{"model_version": "7"}`: what `Baseline(label=…)` goes by.
    """

    dataset: str
    grain: Grain
    metric_sets: tuple[MetricSet, ...] = ()
    time_column: str | None = None
    time_column_timezone: str = "UTC"
    group_columns: tuple[str, ...] = ()
    totals: bool = True
    where: str | None = None
    per_entity: Mapping[str, bool] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    top: Mapping[str, int] = field(default_factory=dict)
    max_groups: int = 10_000
    max_entities: int = 10_000
    keep_partials: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        zone(self.time_column_timezone)
        limits = {"max_groups": self.max_groups, "max_entities": self.max_entities}
        for what, most in {**limits, **{f"top[{column!r}]": most for column, most in self.top.items()}}.items():
            if most < 1:
                msg = f"{what} must be at least 1, not {most}"
                raise SpecError(msg)
        seen: set[str] = set()
        for name in self.group_columns:
            if name in RESERVED:
                msg = f"group_columns: {name!r} is a name of our own tables; rename the column in the source, for example with a Query"
                raise SpecError(msg)
            if name in seen:
                msg = f"group_columns: {name!r} stands twice"
                raise SpecError(msg)
            seen.add(name)
        self._check_drift()
        if not self.group_columns and not self.totals:
            msg = "totals=False without group_columns measures nothing"
            raise SpecError(msg)
        self._refuse_collisions()
        for what, names in (("per_entity", self.per_entity), ("top", self.top), ("units", self.units)):
            for name in names:
                if self.metric_sets and name not in self.measured_columns:
                    msg = f"{what}: column {name!r} is not measured: {did_you_mean(name, self.measured_columns)}"
                    raise SpecError(msg)

    def _refuse_collisions(self) -> None:
        """Raise where two sets mean different things by one name, or a dimension of a metric is a group column."""
        seen: dict[tuple[str, str], Metric] = {}
        for metric_set in self.metric_sets:
            for column, metric in metric_set.pairs():
                other = seen.setdefault((column, metric.name), metric)
                if "column" not in {metric.family, other.family} and metric.meaning != other.meaning:
                    twice = f"of {', '.join(other.columns)} and of {', '.join(metric.columns)}"
                    msg = (
                        f"metrics: {column}.{metric.name} is named twice, {twice}, with different meanings; "
                        "its series could not be told apart. Give one of the predictions another name, for example with a Query"
                    )
                    raise SpecError(msg)
                if metric.family == "column" or not metric.per_entity:
                    continue
                for name in sorted({*metric.entity_names(column)} & {*self.group_columns}):
                    msg = f"group_columns: {name!r} is a dimension of {column}.{metric.name}; rename the column in the source"
                    raise SpecError(msg)

    @property
    def drifts(self) -> list[Drift]:
        """The metric sets that compare with a reference."""
        return [each for each in self.metric_sets if isinstance(each, Drift)]

    def _check_drift(self) -> None:
        pairs = Counter((column, metric.name) for drift in self.drifts for column, metric in drift.pairs())
        for (column, name), times in pairs.items():
            if times > 1:
                msg = f"metrics: {name!r} of column {column!r} is named by {times} Drift(…); a series has one reference"
                raise SpecError(msg)
        for drift in self.drifts:
            label = getattr(drift.reference, "label_name", None)
            if label is not None and label not in self.labels:
                msg = f"Baseline(label={{{label!r}: …}}): the task has no such label: {did_you_mean(label, self.labels)}"
                raise SpecError(msg)

    @property
    def measured_columns(self) -> list[str]:
        """The columns that metrics are taken of, each once, without the table's `*`."""
        return list(dict.fromkeys(column for column, _ in self._written_pairs() if column != ANY_COLUMN))

    @property
    def needed_columns(self) -> list[str]:
        """All columns that must be read."""
        time = [self.time_column] if self.time_column else []
        of_metrics = [name for _, metric in self._written_pairs() for name in metric.columns]
        return list(dict.fromkeys([*time, *self.group_columns, *self.measured_columns, *of_metrics]))

    def columns_of(self, types: Mapping[str, str]) -> list[str]:
        """All columns that must be read of a source with these; of those that users' SQL may mean, too many rather than too few."""
        texts = [metric.operand.sql.lower() for _, metric in self._written_pairs() if isinstance(metric.operand, Aggregate)]
        meant = [name for name in types if any(name.lower() in text for text in texts)]
        return list(dict.fromkeys([*self.needed_columns, *meant]))

    def _written_pairs(self) -> list[tuple[str, Metric]]:
        pairs = [pair for metric_set in self.metric_sets for pair in metric_set.pairs()]
        return list({(column, metric.name): (column, metric) for column, metric in pairs}.values())

    def pairs(self, types: Mapping[str, str]) -> list[tuple[str, Metric]]:
        """Column and metric of everything to measure, for a source whose columns have these types.

        Raises `SpecError` for a column that the source does not have, or a metric that its type cannot have.
        """
        for where, names in (
            ("time_column", [self.time_column] if self.time_column else []),
            ("group_columns", self.group_columns),
            ("column_metrics", self.measured_columns),
            ("metrics", self.needed_columns),
        ):
            for name in names:
                if name not in types:
                    msg = f"{where}: dataset {self.dataset!r} has no column {name!r}: {did_you_mean(name, types)}"
                    raise SpecError(msg)
        pairs = [
            (
                column,
                for_type(metric, column, types[column], self.per_entity.get(column)) if metric.family == "column" else metric.fit(types),
            )
            for column, metric in self._written_pairs()
        ]
        for column, metric in pairs:
            if metric.family != "column" or not metric.per_entity:
                continue
            if column in RESERVED:
                msg = f"column_metrics[{column!r}]: a count per {column} needs it as a dimension, which is a name of our own tables"
                raise SpecError(msg)
            if column in self.group_columns:
                msg = f"column_metrics[{column!r}]: a count per {column} is what grouping by {column} and TableMetrics(['row_count']) gives"
                raise SpecError(msg)
        return pairs

    def _fit(self, column: str, metric: Metric, types: Mapping[str, str]) -> Metric:
        if metric.family == "column":
            return for_type(metric, column, types[column], self.per_entity.get(column))
        return metric.fit(types)

    def definition(self) -> dict[str, Any]:
        """What of the spec decides the meaning of a series beyond its identity: a change restarts the baseline."""
        own = [definition for definition in (metric_set.definition() for metric_set in self.metric_sets) if definition]
        return {
            **({"metrics": own} if own else {}),
            "time_column": self.time_column,
            "time_column_timezone": self.time_column_timezone,
            "where": self.where,
            "per_entity": dict(self.per_entity),
            **({"top": dict(self.top)} if self.top else {}),
            **({"drift": [drift.definition() for drift in self.drifts]} if self.drifts else {}),
        }
