"""Saving a measurement: one transaction that replaces what the task's spec covers, and touches nothing that did not change."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.exceptions import OwnershipError
from airflow_lupus.model import PeriodStatus, canonical_json, digest
from airflow_lupus.stores.base import Saved
from airflow_lupus.stores.schema import (
    dataset_annotations,
    datasets,
    definitions,
    latest,
    measurements,
    periods,
    point_revisions,
    points,
    series,
    verdicts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_lupus.model import Measurement, Point, SeriesInfo, TaskRef
    from airflow_lupus.stores.base import DatasetInfo, Scope

SAME = 1e-9
"""Values closer than this, relatively, are the same measurement: threads add floats in another order each time."""
CHUNK = 500
"""Keys in one statement: below every database's limit of parameters."""


@dataclass(frozen=True)
class _Known:
    """A point as the store has it."""

    value: float | None
    status: int
    n: int | None
    reason: str | None
    measurement_id: int
    defined_as: str


def save(
    connection: sa.Connection,
    dataset: DatasetInfo,
    definition: Mapping[str, Any],
    scope: Scope,
    measurement: Measurement,
    task: TaskRef,
) -> Saved:
    """See `Store.save`. The dataset's row is locked to the end of the transaction, so that its revisions come in order."""
    now = int(time.time())
    row = lock_dataset(connection, dataset, task)
    definition_id, defined_as = _definition(connection, row.id, definition, task), digest(definition)
    found = _known_series(connection, row.id)
    redefined = _claim(connection, found, measurement.points, definition_id, defined_as, task)
    ids = _series_ids(connection, row.id, definition_id, found, measurement.points)
    starts = {record.period.epoch: record for record in measurement.periods}
    replaced = {start for start, record in starts.items() if record.status in {PeriodStatus.OK, PeriodStatus.EMPTY}}
    known = _known_points(connection, row.id, dataset, scope, replaced)
    revision = row.revision + 1
    measurement_id = _insert(
        connection,
        measurements,
        dataset_id=row.id,
        definition_id=definition_id,
        **_task(task),
        first_start=min(starts),
        last_end=int(max(record.period.end for record in measurement.periods).timestamp()),
        collected_at=now,
        rows_read=measurement.rows_read,
        bytes_read=measurement.bytes_read,
        points_changed=0,
    )
    stamp = {"revision": revision, "measurement_id": measurement_id}
    added, updated, unchanged, replacements = [], [], 0, []
    for info, new_points in measurement.points.items():
        series_id = ids[info.key.identity]
        for point in new_points:
            old = known.pop((series_id, point.start), None)
            columns = {"value": point.value, "status": int(point.status), "n": point.n, "reason": point.reason, **stamp}
            if old is None:
                end = int(starts[point.start].period.end.timestamp())
                added.append({"series_id": series_id, "start": point.start, "end": end, **columns})
            elif _same(old, point) and old.defined_as == defined_as:
                unchanged += 1
            else:
                updated.append({"s": series_id, "t": point.start, **columns})
                replacements.append(_revision_row(series_id, point.start, old, revision, now, retracted=False))
    retracted = list(known)
    replacements += [_revision_row(*key, old, revision, now, retracted=True) for key, old in known.items()]
    _write(connection, added, updated, retracted, replacements)
    _save_periods(connection, row.id, dataset, scope, measurement, measurement_id)
    for text in _definition_changes(row, dataset, redefined, task):
        _insert(connection, dataset_annotations, dataset_id=row.id, start=min(starts), kind="definition_change", text=text, created_at=now)
    saved = Saved(len(added), len(updated), len(retracted), unchanged, redefined)
    touched = {item["series_id"] for item in added} | {item["s"] for item in updated} | {series_id for series_id, _ in retracted}
    refresh_latest(connection, touched)
    if saved.changed:
        connection.execute(sa.update(datasets).where(datasets.c.id == row.id).values(revision=revision))
        connection.execute(sa.update(measurements).where(measurements.c.id == measurement_id).values(points_changed=saved.changed))
    return saved


def _definition_changes(row: sa.Row[Any], dataset: DatasetInfo, redefined: int, task: TaskRef) -> list[str]:
    """What the page is to say of changed definitions, for those who wonder why a series begins anew."""
    changes = []
    if redefined:
        changes.append(f"{task.task} changed the definition of {redefined} series; their baseline restarts here")
    if row.dag_id == task.dag_id and (row.grain, row.timezone) != (dataset.grain.unit, dataset.grain.timezone):
        changes.append(f"{task.task} changed the grain from {row.grain} in {row.timezone} to {dataset.grain}; new series begin here")
    return changes


def lock_dataset(connection: sa.Connection, dataset: DatasetInfo, task: TaskRef) -> sa.Row[Any]:
    """The dataset's row, created if need be, locked, and with what the task declares; another DAG's dataset is refused."""
    query = sa.select(datasets).where(datasets.c.name == dataset.name).with_for_update()
    row = connection.execute(query).first()
    declared = {
        "grain": dataset.grain.unit,
        "timezone": dataset.grain.timezone,
        "shared": int(dataset.shared),
        "owner": dataset.owner,
        "runbook": dataset.runbook,
    }
    if row is None:
        _insert(connection, datasets, name=dataset.name, dag_id=task.dag_id, revision=0, **declared)
        return connection.execute(query).one()
    if row.dag_id != task.dag_id:
        if not dataset.shared:
            msg = (
                f"Dataset {dataset.name!r} belongs to DAG {row.dag_id!r}, and task {task.task!r} writes it too: "
                "give one of them another dataset name, or say shared=True here if both are meant"
            )
            raise OwnershipError(msg)
        return row  # what a dataset is, its owner says
    if any(getattr(row, name) != value for name, value in declared.items()):  # the row answered is as it was before
        connection.execute(sa.update(datasets).where(datasets.c.id == row.id).values(**declared))
    return row


def refresh_latest(connection: sa.Connection, series_ids: Iterable[int]) -> None:
    """Bring the table of newest points up to date for these series."""
    for chunk in chunks(series_ids):
        newest = (
            sa.select(points.c.series_id, sa.func.max(points.c.start).label("start"))
            .where(points.c.series_id.in_(chunk))
            .group_by(points.c.series_id)
            .subquery()
        )
        worst = (
            sa.select(sa.func.max(verdicts.c.severity))
            .where(verdicts.c.series_id == points.c.series_id, verdicts.c.start == points.c.start)
            .scalar_subquery()
        )
        rows = sa.select(points.c.series_id, points.c.start, points.c.end, points.c.value, points.c.status, worst).join(
            newest, (newest.c.series_id == points.c.series_id) & (newest.c.start == points.c.start)
        )
        connection.execute(sa.delete(latest).where(latest.c.series_id.in_(chunk)))
        connection.execute(sa.insert(latest).from_select(["series_id", "start", "end", "value", "status", "severity"], rows))


def _insert(connection: sa.Connection, table: sa.Table, **values: Any) -> int:
    key = connection.execute(sa.insert(table).values(**values)).inserted_primary_key
    return int(key[0]) if key else 0


def _task(task: TaskRef) -> dict[str, Any]:
    names = {"dag_id": task.dag_id, "task_id": task.task_id, "run_id": task.run_id}
    return {**names, "map_index": task.map_index, "try_number": task.try_number}


def _definition(connection: sa.Connection, dataset_id: int, definition: Mapping[str, Any], task: TaskRef) -> int:
    key = {"dataset_id": dataset_id, "dag_id": task.dag_id, "task_id": task.task_id, "hash": digest(definition)}
    found = connection.execute(sa.select(definitions.c.id).filter_by(**key)).scalar()
    return int(found) if found is not None else _insert(connection, definitions, **key, spec=canonical_json(definition))


def _known_series(connection: sa.Connection, dataset_id: int) -> dict[str, sa.Row[Any]]:
    query: sa.Select[Any] = (
        sa.select(
            series.c.id,
            series.c.identity,
            series.c.definition_id,
            definitions.c.dag_id,
            definitions.c.task_id,
            definitions.c.hash,
        )
        .join(definitions, definitions.c.id == series.c.definition_id)
        .where(series.c.dataset_id == dataset_id)
    )
    return {row.identity: row for row in connection.execute(query).all()}


def _claim(
    connection: sa.Connection,
    found: Mapping[str, sa.Row[Any]],
    measured: Mapping[SeriesInfo, list[Point]],
    definition_id: int,
    defined_as: str,
    task: TaskRef,
) -> int:
    """Make the task's definition that of the series it measures; how many were defined otherwise by the same task before."""
    claimed, changed = [], 0
    for info in measured:
        row = found.get(info.key.identity)
        if row is None or row.definition_id == definition_id:
            continue
        alike = row.hash == defined_as
        if not alike and (row.dag_id, row.task_id) != (task.dag_id, task.task_id):
            msg = (
                f"Series {info.key} is already measured by {row.dag_id}.{row.task_id}, from another source or with another filter than "
                f"{task.task} has: give one of them another dataset name"
            )
            raise OwnershipError(msg)
        if row.dag_id == task.dag_id:  # changed by its task, or taken on by one that was renamed
            claimed.append(row.id)
            changed += not alike
    for chunk in chunks(claimed):
        connection.execute(sa.update(series).where(series.c.id.in_(chunk)).values(definition_id=definition_id))
    return changed


def _series_ids(
    connection: sa.Connection,
    dataset_id: int,
    definition_id: int,
    found: Mapping[str, sa.Row[Any]],
    measured: Mapping[SeriesInfo, list[Point]],
) -> dict[str, int]:
    new = [
        {
            "identity": info.key.identity,
            "dataset_id": dataset_id,
            "definition_id": definition_id,
            "column_name": info.key.column,
            "metric": info.key.metric,
            "dimensions": canonical_json(dict(info.key.dimensions)),
            "dimension_names": canonical_json([name for name, _ in info.key.dimensions]),
            "level": info.key.level,
            "grain": info.key.grain.unit,
            "timezone": info.key.grain.timezone,
            "kind": info.kind,
            "unit": info.unit,
        }
        for info in measured
        if info.key.identity not in found
    ]
    if new:
        connection.execute(sa.insert(series), new)
        rows = connection.execute(sa.select(series.c.identity, series.c.id).where(series.c.dataset_id == dataset_id))
        return {row.identity: row.id for row in rows}
    return {identity: row.id for identity, row in found.items()}


def _known_points(
    connection: sa.Connection, dataset_id: int, dataset: DatasetInfo, scope: Scope, starts: set[int]
) -> dict[tuple[int, int], _Known]:
    """The points that the measurement is about to replace."""
    if not starts:
        return {}
    covered = [series.c.dimension_names == canonical_json(sorted(names)) for names in scope.dimension_names]
    columns: dict[str, list[str]] = {}
    for column, metric in scope.pairs:
        columns.setdefault(column, []).append(metric)
    query = (
        sa.select(points, definitions.c.hash)
        .join(series, series.c.id == points.c.series_id)
        .join(measurements, measurements.c.id == points.c.measurement_id)
        .join(definitions, definitions.c.id == measurements.c.definition_id)
        .where(
            series.c.dataset_id == dataset_id,
            series.c.grain == dataset.grain.unit,
            series.c.timezone == dataset.grain.timezone,
            sa.or_(*[(series.c.column_name == column) & series.c.metric.in_(metrics) for column, metrics in columns.items()]),
            sa.or_(*covered),
            points.c.start.between(min(starts), max(starts)),
        )
    )
    return {
        (row.series_id, row.start): _Known(row.value, row.status, row.n, row.reason, row.measurement_id, row.hash)
        for row in connection.execute(query)
        if row.start in starts
    }


def _same(old: _Known, new: Point) -> bool:
    if (old.status, old.n) != (int(new.status), new.n):
        return False
    if old.value is None or new.value is None:
        return old.value == new.value
    return math.isclose(old.value, new.value, rel_tol=SAME)


def _revision_row(series_id: int, start: int, old: _Known, revision: int, now: int, *, retracted: bool) -> dict[str, Any]:
    kept = {"value": old.value, "status": old.status, "n": old.n, "reason": old.reason, "measurement_id": old.measurement_id}
    return {"series_id": series_id, "start": start, "revision": revision, "replaced_at": now, "retracted": int(retracted), **kept}


def _write(
    connection: sa.Connection,
    added: list[dict[str, Any]],
    updated: list[dict[str, Any]],
    retracted: list[tuple[int, int]],
    replacements: list[dict[str, Any]],
) -> None:
    if replacements:
        connection.execute(sa.insert(point_revisions), replacements)
    if added:
        connection.execute(sa.insert(points), added)
    at = (points.c.series_id == sa.bindparam("s")) & (points.c.start == sa.bindparam("t"))
    if updated:
        names = ("value", "status", "n", "reason", "revision", "measurement_id")
        connection.execute(sa.update(points).where(at).values({name: sa.bindparam(name) for name in names}), updated)
    if retracted:
        keys = [{"s": series_id, "t": start} for series_id, start in retracted]
        connection.execute(sa.delete(points).where(at), keys)
        of = (verdicts.c.series_id == sa.bindparam("s")) & (verdicts.c.start == sa.bindparam("t"))
        connection.execute(sa.delete(verdicts).where(of), keys)


def _save_periods(
    connection: sa.Connection, dataset_id: int, dataset: DatasetInfo, scope: Scope, measurement: Measurement, measurement_id: int
) -> None:
    """The arrival calendar. What is missing now but was measured before keeps its record: its points are still there."""
    key = {"dataset_id": dataset_id, "grain": dataset.grain.unit, "timezone": dataset.grain.timezone}
    starts = [record.period.epoch for record in measurement.periods]
    query = sa.select(periods).filter_by(**key).where(periods.c.start.between(min(starts), max(starts)))
    found = {row.start: row for row in connection.execute(query)}
    absent = _absent_groups(connection, dataset_id, scope, measurement)
    measured = {PeriodStatus.OK, PeriodStatus.EMPTY}
    added, updated = [], []
    for record in measurement.periods:
        start = record.period.epoch
        columns = {
            "status": str(record.status),
            "rows": record.rows,
            "reason": record.reason,
            "absent_groups": absent.get(start, "[]"),
        }
        old = found.get(start)
        if old is None:
            end = int(record.period.end.timestamp())
            added.append({**key, "start": start, "end": end, **columns, "measurement_id": measurement_id})
        elif (record.status in measured or old.status not in measured) and any(
            getattr(old, name) != value for name, value in columns.items()
        ):
            updated.append({"t": start, **columns, "m": measurement_id})
    if added:
        connection.execute(sa.insert(periods), added)
    if updated:
        at = sa.and_(*[periods.c[name] == value for name, value in key.items()], periods.c.start == sa.bindparam("t"))
        changes: dict[str, Any] = {name: sa.bindparam(name) for name in ("status", "rows", "reason", "absent_groups")}
        connection.execute(sa.update(periods).where(at).values(**changes, measurement_id=sa.bindparam("m")), updated)


def _absent_groups(connection: sa.Connection, dataset_id: int, scope: Scope, measurement: Measurement) -> dict[int, str]:
    """For each period with rows: the groups that the dataset is known to have and that had none, as canonical JSON."""
    names = tuple(sorted(scope.group_columns))
    if not names:
        return {}
    present: dict[int, set[str]] = {record.period.epoch: set() for record in measurement.periods if record.status is PeriodStatus.OK}
    for info, new_points in measurement.points.items():
        if tuple(name for name, _ in info.key.dimensions) == names:
            group = canonical_json(dict(info.key.dimensions))
            for point in new_points:
                if point.start in present:
                    present[point.start].add(group)
    query = (
        sa.select(series.c.dimensions)
        .distinct()
        .where(series.c.dataset_id == dataset_id, series.c.dimension_names == canonical_json(names))
    )
    known = set(connection.execute(query).scalars())
    return {start: "[" + ",".join(sorted(known - groups)) + "]" for start, groups in present.items()}


def chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    """Ids in pieces small enough for one statement."""
    ordered = sorted(ids)
    for i in range(0, len(ordered), CHUNK):
        yield ordered[i : i + CHUNK]
