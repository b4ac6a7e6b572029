"""Points of longer periods that shorter ones were rolled up to: told by the origin of their measurement, and kept for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.model import MEASURED, TaskRef
from airflow_lupus.stores import bulk, latest
from airflow_lupus.stores.saving import POINT, log_measurement
from airflow_lupus.stores.series import known_series, series_ids

if TYPE_CHECKING:
    from airflow_lupus.model import Grain, Period, PeriodStatus, Point, SeriesInfo
    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.schema import Tables

ORIGIN = "roll_up"
RUN = "lupus_roll_up"


def rolled_up(t: Tables, dataset_id: int) -> sa.Select[Any]:
    """The measurements of a dataset that were rolled up."""
    return sa.select(t.measurements.c.id).where(t.measurements.c.dataset_id == dataset_id, t.measurements.c.origin == ORIGIN)


@dataclass
class Whole:
    """A longer period, rolled up."""

    grain: Grain
    period: Period
    status: PeriodStatus
    rows: int
    reason: str | None
    points: dict[int, dict[SeriesInfo, Point]] = field(default_factory=dict)
    """Definition → series → point."""


def measured_before(tx: Transaction, dataset_id: int, grain: Grain, limit: int) -> list[tuple[int, str, int]]:
    """Start, status and rows of the calendar's measured periods before a limit."""
    periods = tx.tables.periods
    query = sa.select(periods.c.start, periods.c.status, periods.c.rows).where(
        periods.c.dataset_id == dataset_id,
        periods.c.grain == grain.unit,
        periods.c.timezone == grain.timezone,
        periods.c.start < limit,
        periods.c.status.in_(sorted(map(str, MEASURED))),
    )
    return [(start, status, rows or 0) for start, status, rows in tx.rows(query.order_by(periods.c.start))]


def pruned_before(tx: Transaction, dataset_id: int, *, lock: bool) -> int | None:
    """The instant before which points of a dataset were pruned; its row stays locked to the end of the transaction, if asked."""
    table = tx.tables.datasets
    query = sa.select(table.c.pruned_before).where(table.c.id == dataset_id)
    found: int | None = tx.execute(query.with_for_update() if lock else query).scalar_one()
    return found


def metrics_in(tx: Transaction, dataset_id: int, grain: Grain, period: Period) -> list[tuple[str, str, str | None, int]]:
    """Column, metric, unit and number of the series that have points inside a longer period."""
    t = tx.tables
    has_points = sa.exists().where(
        t.points.c.series_id == t.series.c.id,
        t.points.c.start >= period.epoch,
        t.points.c.start < int(period.end.timestamp()),
    )
    key = (t.series.c.column_name, t.series.c.metric)
    of_dataset = (t.series.c.dataset_id == dataset_id) & (t.series.c.grain == grain.unit) & (t.series.c.timezone == grain.timezone)
    query = sa.select(*key, sa.func.max(t.series.c.unit), sa.func.count()).where(of_dataset, has_points).group_by(*key).order_by(*key)
    return [(row[0], row[1], row[2], row[3]) for row in tx.rows(query)]


def save(tx: Transaction, dataset_id: int, whole: Whole) -> int:
    """Write what differs from what is there; what was measured at the longer grain itself stays. The number of points written."""
    written, measurement_id = 0, None
    for definition_id, points in sorted(whole.points.items()):
        ids = series_ids(tx, dataset_id, definition_id, known_series(tx, dataset_id, whole.grain), points)
        rows = {ids[info.key.identity]: point for info, point in points.items()}
        known = _known(tx, dataset_id, whole.period, list(rows))
        new = {id_: point for id_, point in rows.items() if id_ not in known or known[id_] not in {None, _content(point)}}
        if new:
            measurement_id = _measurement(tx, dataset_id, definition_id, whole, len(new))
            _write(tx, whole.period, measurement_id, new)
            written += len(new)
    if measurement_id is not None:
        _save_period(tx, dataset_id, whole, measurement_id)
    return written


def _content(point: Point) -> tuple[Any, ...]:
    return (point.value, point.n, int(point.status))


def _known(tx: Transaction, dataset_id: int, period: Period, series: list[int]) -> dict[int, tuple[Any, ...] | None]:
    """Series → what an earlier roll-up came to; None: it was measured."""
    t = tx.tables
    ours = {row[0] for row in tx.rows(rolled_up(t, dataset_id))}
    found: dict[int, tuple[Any, ...] | None] = {}
    names = ("series_id", "measurement_id", "value", "n", "status")
    for condition in bulk.among(tx, t.points.c.series_id, series):
        for row in tx.rows(sa.select(*[t.points.c[name] for name in names]).where(condition, t.points.c.start == period.epoch)):
            found[row[0]] = tuple(row[2:]) if row[1] in ours else None
    return found


def _measurement(tx: Transaction, dataset_id: int, definition_id: int, whole: Whole, points: int) -> int:
    definitions = tx.tables.definitions
    of = tx.execute(sa.select(definitions).where(definitions.c.id == definition_id)).one()
    span = (whole.period.epoch, int(whole.period.end.timestamp()))
    return log_measurement(tx, dataset_id, definition_id, TaskRef(of.dag_id, of.task_id, RUN), span, ORIGIN, {"points_changed": points})


def _write(tx: Transaction, period: Period, measurement_id: int, points: dict[int, Point]) -> None:
    seconds = int((period.end - period.start).total_seconds())
    rows = [
        (series_id, period.epoch, point.value, point.n, measurement_id, seconds, int(point.status), None)
        for series_id, point in points.items()
    ]
    bulk.upsert(tx, tx.tables.points, bulk.columns(POINT, rows))
    latest.refresh(tx, points)


def _save_period(tx: Transaction, dataset_id: int, whole: Whole, measurement_id: int) -> None:
    t = tx.tables
    key = {"dataset_id": dataset_id, "grain": whole.grain.unit, "timezone": whole.grain.timezone, "start": whole.period.epoch}
    there = tx.execute(sa.select(t.periods.c.measurement_id).filter_by(**key)).scalar()
    if there is not None and there not in {row[0] for row in tx.rows(rolled_up(t, dataset_id))}:
        return
    record = {"status": str(whole.status), "rows": whole.rows, "reason": whole.reason, "absent_groups": "[]"}
    values = {**key, "end": int(whole.period.end.timestamp()), **record, "measurement_id": measurement_id}
    bulk.upsert(tx, t.periods, bulk.by_name([values]))
