"""What the page reads. Every query is filtered by the DAGs that the user may see before anything is counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from airflow_lupus.model import Severity
from airflow_lupus.stores import bulk

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow_lupus.model import DimensionValue
    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.schema import Tables


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
    retired: bool = False
    """Whether to show what is retired too."""
    as_of: int | None = None
    """An instant: points as they were known then."""

    def in_range(self, column: sa.ColumnElement[int]) -> list[sa.ColumnElement[bool]]:
        conditions = []
        if self.start is not None:
            conditions.append(column >= self.start)
        if self.end is not None:
            conditions.append(column < self.end)
        return conditions


def is_anomaly(verdicts: Any) -> list[sa.ColumnElement[bool]]:
    """What an anomaly is, as literals: SQLite takes an index over some rows only for the very words that it was made with, and the list
    lets every database look up each severity's part of the range."""
    severity = verdicts.c.severity
    return [severity > sa.literal_column("0"), severity.in_([sa.literal_column(str(int(member))) for member in Severity if member])]


def series_by_id(tx: Transaction, ids: Collection[int], dag_ids: Collection[str]) -> list[sa.Row[Any]]:
    t = tx.tables
    query = (
        sa.select(t.series, t.datasets.c.name.label("dataset"), t.definitions.c.dag_id)
        .join(t.datasets, t.datasets.c.id == t.series.c.dataset_id)
        .join(t.definitions, t.definitions.c.id == t.series.c.definition_id)
        .where(t.series.c.id.in_(list(ids)), t.definitions.c.dag_id.in_(sorted(dag_ids)))
    )
    return list(tx.execute(query))


def anomaly_counts(tx: Transaction, wanted: Filter, ids: Collection[int] | None = None) -> dict[int, sa.Row[Any]]:
    """Per series (of these) with an anomaly in range: how many anomalous points, the newest, and the worst severity and score."""
    t = tx.tables
    query = (
        sa.select(
            t.verdicts.c.series_id,
            sa.func.count(t.verdicts.c.start.distinct()).label("anomalies"),
            sa.func.max(t.verdicts.c.start).label("newest"),
            sa.func.max(t.verdicts.c.severity).label("severity"),
            sa.func.max(sa.func.abs(sa.func.coalesce(t.verdicts.c.score, 0))).label("score"),
        )
        .where(*is_anomaly(t.verdicts), *wanted.in_range(t.verdicts.c.start))
        .group_by(t.verdicts.c.series_id)
    )
    if ids is not None:
        query = query.where(t.verdicts.c.series_id.in_(list(ids)))
    return {row.series_id: row for row in tx.execute(query)}


def _end(table: sa.Table) -> sa.Label[int]:
    return (table.c.start + table.c.seconds).label("end")


def _verdict_columns(t: Tables) -> list[Any]:
    names = ("series_id", "start", "value", "expected", "lower", "upper", "score", "severity", "reason", "history")
    return [
        *(t.verdicts.c[name] for name in names),
        _end(t.points),
        t.points.c.status,
        t.parameter_sets.c.detector,
        t.parameter_sets.c.parameters,
    ]


def _with_points(t: Tables, query: sa.Select[Any]) -> sa.Select[Any]:
    return (
        query.select_from(t.verdicts)
        .join(t.points, (t.points.c.series_id == t.verdicts.c.series_id) & (t.points.c.start == t.verdicts.c.start))
        .join(t.parameter_sets, t.parameter_sets.c.id == t.verdicts.c.parameter_set_id)
    )


def worst_verdicts(tx: Transaction, ids: Collection[int], wanted: Filter) -> dict[int, sa.Row[Any]]:
    """The worst anomaly in range of each of these series: by severity, then by distance, then the newest."""
    t = tx.tables
    query = _with_points(t, sa.select(*_verdict_columns(t))).where(
        t.verdicts.c.series_id.in_(list(ids)), *is_anomaly(t.verdicts), *wanted.in_range(t.verdicts.c.start)
    )
    rows = sorted(tx.execute(query), key=lambda row: (row.severity, abs(row.score or 0), row.start))
    return {row.series_id: row for row in rows}


class Newest(NamedTuple):
    """The newest point of a series; one of thousands, so that it is no more than a tuple."""

    series_id: int
    start: int
    value: float | None
    seconds: int
    status: int
    severity: int | None

    @property
    def end(self) -> int:
        return self.start + self.seconds


def latest_points(tx: Transaction, ids: Collection[int]) -> dict[int, Newest]:
    latest = tx.tables.latest
    found: dict[int, Newest] = {}
    for condition in bulk.among(tx, latest.c.series_id, ids):
        rows = tx.rows(sa.select(*[latest.c[name] for name in Newest._fields]).where(condition))
        found.update({row[0]: Newest._make(row) for row in rows})
    return found


def latest_verdicts(tx: Transaction, ids: Collection[int]) -> dict[int, sa.Row[Any]]:
    t = tx.tables
    query = _with_points(t, sa.select(*_verdict_columns(t))).join(
        t.latest, (t.latest.c.series_id == t.verdicts.c.series_id) & (t.latest.c.start == t.verdicts.c.start)
    )
    rows = sorted(tx.execute(query.where(t.verdicts.c.series_id.in_(list(ids)))), key=lambda row: row.severity)
    return {row.series_id: row for row in rows}


def chart_points(tx: Transaction, ids: Collection[int], wanted: Filter) -> list[sa.Row[Any]]:
    """Points with the task that measured them, in order; as they were known at an instant, where one is asked for."""
    t = tx.tables
    query = _measured(t, t.points, ids, wanted)
    if wanted.as_of is None:
        return list(tx.execute(query.order_by(t.points.c.series_id, t.points.c.start)))
    known = t.measurements.c.collected_at <= wanted.as_of
    replaced = _measured(t, t.point_revisions, ids, wanted).where(known, t.point_revisions.c.replaced_at > wanted.as_of)
    rows = [*tx.execute(query.where(known)), *tx.execute(replaced)]
    return sorted(rows, key=lambda row: (row.series_id, row.start))


def _measured(t: Tables, table: sa.Table, ids: Collection[int], wanted: Filter) -> sa.Select[Any]:
    """Points, current or replaced, with the task that measured them."""
    names = ("series_id", "start", "value", "n", "measurement_id", "seconds", "status", "reason")
    tasks = ("dag_id", "task_id", "run_id", "map_index", "try_number")
    return (
        sa.select(*[table.c[name] for name in names], _end(table), *[t.measurements.c[name] for name in tasks])
        .join(t.measurements, t.measurements.c.id == table.c.measurement_id)
        .where(table.c.series_id.in_(list(ids)), *wanted.in_range(table.c.start))
    )


def chart_verdicts(tx: Transaction, ids: Collection[int], wanted: Filter) -> list[sa.Row[Any]]:
    t = tx.tables
    query = (
        _with_points(t, sa.select(*_verdict_columns(t), t.slots.c.name.label("slot")))
        .join(t.slots, t.slots.c.id == t.verdicts.c.slot_id)
        .where(t.verdicts.c.series_id.in_(list(ids)), *wanted.in_range(t.verdicts.c.start))
    )
    if wanted.as_of is not None:  # what was judged of a value that has been replaced since is not kept
        query = query.join(t.measurements, t.measurements.c.id == t.points.c.measurement_id)
        query = query.where(t.measurements.c.collected_at <= wanted.as_of)
    return list(tx.execute(query))


def calendar(tx: Transaction, dataset_ids: Collection[int], wanted: Filter) -> list[sa.Row[Any]]:
    t = tx.tables
    query = (
        sa.select(t.periods)
        .join(
            t.datasets,
            (t.datasets.c.id == t.periods.c.dataset_id)
            & (t.datasets.c.grain == t.periods.c.grain)
            & (t.datasets.c.timezone == t.periods.c.timezone),
        )
        .where(t.periods.c.dataset_id.in_(list(dataset_ids)), *wanted.in_range(t.periods.c.start))
        .order_by(t.periods.c.dataset_id, t.periods.c.start)
    )
    if wanted.as_of is not None:
        query = query.join(t.measurements, t.measurements.c.id == t.periods.c.measurement_id)
        query = query.where(t.measurements.c.collected_at <= wanted.as_of)
    return list(tx.execute(query))


def dataset_rows(tx: Transaction, wanted: Filter) -> list[sa.Row[Any]]:
    """Datasets that one of the DAGs measures."""
    t = tx.tables
    if not wanted.dag_ids:
        return []
    measured = sa.select(t.definitions.c.dataset_id).where(t.definitions.c.dag_id.in_(sorted(wanted.dag_ids)))
    query = sa.select(t.datasets).where(t.datasets.c.id.in_(measured)).order_by(t.datasets.c.name)
    return list(tx.execute(query if wanted.retired else query.where(t.datasets.c.retired_at.is_(None))))


def annotation_rows(tx: Transaction, dataset_ids: Collection[int], wanted: Filter) -> list[sa.Row[Any]]:
    t = tx.tables
    query = sa.select(t.annotations).where(t.annotations.c.dataset_id.in_(list(dataset_ids)), *wanted.in_range(t.annotations.c.start))
    if wanted.as_of is not None:
        query = query.where(t.annotations.c.created_at <= wanted.as_of)
    return list(tx.execute(query.order_by(t.annotations.c.start)))
