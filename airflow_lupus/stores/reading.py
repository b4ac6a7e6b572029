"""What the page reads. Every query is filtered by the DAGs that the user may see before anything is counted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.model import canonical_json
from airflow_lupus.stores.schema import (
    dataset_annotations,
    datasets,
    definitions,
    latest,
    measurements,
    parameter_sets,
    periods,
    points,
    series,
    slots,
    verdicts,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow_lupus.model import DimensionValue


@dataclass(frozen=True)
class Filter:
    """Which series the page asks for. Lists mean any of; an empty list asks for nothing in particular."""

    dag_ids: Collection[str]
    """The DAGs that the user may read: the only series there are."""
    dataset: Sequence[str] = ()
    column: Sequence[str] = ()
    metric: Sequence[str] = ()
    level: Sequence[str] = ()
    dimensions: dict[str, list[DimensionValue]] = field(default_factory=dict)
    text: str = ""
    start: int | None = None
    end: int | None = None
    anomalous: bool = False

    def in_range(self, column: sa.ColumnElement[int]) -> list[sa.ColumnElement[bool]]:
        conditions = []
        if self.start is not None:
            conditions.append(column >= self.start)
        if self.end is not None:
            conditions.append(column < self.end)
        return conditions


def all_series(connection: sa.Connection, wanted: Filter) -> list[sa.Row[Any]]:
    """Every series that the user may see, with its DAG and dataset.

    Narrowing down by column, metric and dimensions is `narrow`, which also counts what each further choice would leave.
    """
    if not wanted.dag_ids:
        return []
    query = (
        sa.select(series, datasets.c.name.label("dataset"), definitions.c.dag_id)
        .join(datasets, datasets.c.id == series.c.dataset_id)
        .join(definitions, definitions.c.id == series.c.definition_id)
        .where(definitions.c.dag_id.in_(sorted(wanted.dag_ids)))
        .order_by(datasets.c.name, series.c.column_name, series.c.metric, series.c.level.desc(), series.c.dimensions)
    )
    return list(connection.execute(query))


def series_by_id(connection: sa.Connection, ids: Collection[int], dag_ids: Collection[str]) -> list[sa.Row[Any]]:
    query = (
        sa.select(series, datasets.c.name.label("dataset"), definitions.c.dag_id)
        .join(datasets, datasets.c.id == series.c.dataset_id)
        .join(definitions, definitions.c.id == series.c.definition_id)
        .where(series.c.id.in_(list(ids)), definitions.c.dag_id.in_(sorted(dag_ids)))
    )
    return list(connection.execute(query))


def anomaly_counts(connection: sa.Connection, wanted: Filter, ids: Collection[int] | None = None) -> dict[int, sa.Row[Any]]:
    """Per series (of these) with an anomaly in range: how many anomalous points, the newest, and the worst severity and score."""
    query = (
        sa.select(
            verdicts.c.series_id,
            sa.func.count(verdicts.c.start.distinct()).label("anomalies"),
            sa.func.max(verdicts.c.start).label("newest"),
            sa.func.max(verdicts.c.severity).label("severity"),
            sa.func.max(sa.func.abs(sa.func.coalesce(verdicts.c.score, 0))).label("score"),
        )
        .where(verdicts.c.severity > 0, *wanted.in_range(verdicts.c.start))
        .group_by(verdicts.c.series_id)
    )
    if ids is not None:
        query = query.where(verdicts.c.series_id.in_(list(ids)))
    return {row.series_id: row for row in connection.execute(query)}


def _verdict_columns() -> list[Any]:
    names = ("series_id", "start", "value", "expected", "lower", "upper", "score", "severity", "reason", "history")
    return [
        *(verdicts.c[name] for name in names),
        points.c.end,
        points.c.status,
        parameter_sets.c.detector,
        parameter_sets.c.parameters,
    ]


def _with_points(query: sa.Select[Any]) -> sa.Select[Any]:
    return (
        query.select_from(verdicts)
        .join(points, (points.c.series_id == verdicts.c.series_id) & (points.c.start == verdicts.c.start))
        .join(parameter_sets, parameter_sets.c.id == verdicts.c.parameter_set_id)
    )


def worst_verdicts(connection: sa.Connection, ids: Collection[int], wanted: Filter) -> dict[int, sa.Row[Any]]:
    """The worst anomaly in range of each of these series: by severity, then by distance, then the newest."""
    query = _with_points(sa.select(*_verdict_columns())).where(
        verdicts.c.series_id.in_(list(ids)), verdicts.c.severity > 0, *wanted.in_range(verdicts.c.start)
    )
    rows = sorted(connection.execute(query), key=lambda row: (row.severity, abs(row.score or 0), row.start))
    return {row.series_id: row for row in rows}


def latest_points(connection: sa.Connection, ids: Collection[int]) -> dict[int, sa.Row[Any]]:
    query = sa.select(latest).where(latest.c.series_id.in_(list(ids)))
    return {row.series_id: row for row in connection.execute(query)}


def latest_verdicts(connection: sa.Connection, ids: Collection[int]) -> dict[int, sa.Row[Any]]:
    query = _with_points(sa.select(*_verdict_columns())).join(
        latest, (latest.c.series_id == verdicts.c.series_id) & (latest.c.start == verdicts.c.start)
    )
    rows = sorted(connection.execute(query.where(verdicts.c.series_id.in_(list(ids)))), key=lambda row: row.severity)
    return {row.series_id: row for row in rows}


def chart_points(connection: sa.Connection, ids: Collection[int], wanted: Filter) -> list[sa.Row[Any]]:
    query = (
        sa.select(
            points,
            measurements.c.dag_id,
            measurements.c.task_id,
            measurements.c.run_id,
            measurements.c.map_index,
            measurements.c.try_number,
        )
        .join(measurements, measurements.c.id == points.c.measurement_id)
        .where(points.c.series_id.in_(list(ids)), *wanted.in_range(points.c.start))
        .order_by(points.c.series_id, points.c.start)
    )
    return list(connection.execute(query))


def chart_verdicts(connection: sa.Connection, ids: Collection[int], wanted: Filter) -> list[sa.Row[Any]]:
    query = (
        _with_points(sa.select(*_verdict_columns(), slots.c.name.label("slot")))
        .join(slots, slots.c.id == verdicts.c.slot_id)
        .where(verdicts.c.series_id.in_(list(ids)), *wanted.in_range(verdicts.c.start))
    )
    return list(connection.execute(query))


def calendar(connection: sa.Connection, dataset_ids: Collection[int], wanted: Filter) -> list[sa.Row[Any]]:
    query = (
        sa.select(periods)
        .join(
            datasets,
            (datasets.c.id == periods.c.dataset_id) & (datasets.c.grain == periods.c.grain) & (datasets.c.timezone == periods.c.timezone),
        )
        .where(periods.c.dataset_id.in_(list(dataset_ids)), *wanted.in_range(periods.c.start))
        .order_by(periods.c.dataset_id, periods.c.start)
    )
    return list(connection.execute(query))


def dataset_rows(connection: sa.Connection, dag_ids: Collection[str]) -> list[sa.Row[Any]]:
    """Datasets that one of these DAGs measures."""
    measured = sa.select(definitions.c.dataset_id).where(definitions.c.dag_id.in_(sorted(dag_ids)))
    return list(connection.execute(sa.select(datasets).where(datasets.c.id.in_(measured)).order_by(datasets.c.name))) if dag_ids else []


def annotation_rows(connection: sa.Connection, dataset_ids: Collection[int], wanted: Filter) -> list[sa.Row[Any]]:
    query = sa.select(dataset_annotations).where(
        dataset_annotations.c.dataset_id.in_(list(dataset_ids)), *wanted.in_range(dataset_annotations.c.start)
    )
    return list(connection.execute(query.order_by(dataset_annotations.c.start)))


def narrow(rows: Sequence[sa.Row[Any]], wanted: Filter, anomalous: Collection[int]) -> tuple[list[sa.Row[Any]], dict[str, dict[str, int]]]:
    """The series that pass every filter; and per facet its values' counts among those that pass all filters but the facet's own."""
    words = wanted.text.lower().split()
    chosen: dict[str, set[str]] = {}
    for name in ("dataset", "column", "metric", "level"):
        if getattr(wanted, name):
            chosen[name] = {canonical_json(value) for value in getattr(wanted, name)}
    for name, values in wanted.dimensions.items():
        chosen[f"dim.{name}"] = {canonical_json(value) for value in values}
    kept: list[sa.Row[Any]] = []
    facets: dict[str, dict[str, int]] = {}
    for row in rows:
        if wanted.anomalous and row.id not in anomalous:
            continue
        dims = json.loads(row.dimensions)
        text = f"{row.dataset} {row.column_name} {row.metric} {row.column_name}.{row.metric} {' '.join(map(str, dims.values()))}".lower()
        if not all(word in text for word in words):
            continue
        has = {"dataset": row.dataset, "column": row.column_name, "metric": row.metric, "level": row.level}
        has |= {f"dim.{name}": value for name, value in dims.items()}
        mine = {name: canonical_json(value) for name, value in has.items()}
        failed = [name for name, values in chosen.items() if mine.get(name) not in values]
        if not failed:
            kept.append(row)
        for name, value in mine.items():
            if not failed or failed == [name]:
                counts = facets.setdefault(name, {})
                counts[value] = counts.get(value, 0) + 1
    return kept, facets
