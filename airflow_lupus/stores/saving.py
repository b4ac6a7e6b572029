"""Saving a measurement: one transaction that replaces what the task's spec covers, and touches nothing that did not change."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.exceptions import OwnershipError
from airflow_lupus.model import MEASURED, canonical_json, digest
from airflow_lupus.stores import bulk, calendar, latest, partials
from airflow_lupus.stores.base import Saved
from airflow_lupus.stores.series import IMPORTED, claim, covered, known_series, series_ids
from airflow_lupus.stores.texts import check_names, clean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_lupus.model import Measurement, Point, TaskRef
    from airflow_lupus.stores.base import Completion, DatasetInfo, Scope
    from airflow_lupus.stores.database import Transaction

SAME = 1e-9
"""Values closer than this, relatively, are the same measurement: threads add floats in another order each time."""
POINT = ("series_id", "start", "value", "n", "measurement_id", "seconds", "status", "reason")


@dataclass
class _Edit:
    """What is to be written."""

    added: list[tuple[Any, ...]] = field(default_factory=list)
    updated: list[tuple[Any, ...]] = field(default_factory=list)
    retracted: list[tuple[int, int]] = field(default_factory=list)
    replaced: list[tuple[Any, ...]] = field(default_factory=list)
    """Points as they were, with 1 for those that are retracted."""
    unchanged: int = 0

    def first_changes(self) -> dict[int, int]:
        """Per series the earliest start at which something changed."""
        first: dict[int, int] = {}
        for row in (*self.added, *self.updated, *self.retracted):
            series_id, start = row[0], row[1]
            if start < first.get(series_id, start + 1):
                first[series_id] = start
        return first


def save(
    tx: Transaction,
    dataset: DatasetInfo,
    definition: Mapping[str, Any],
    scope: Scope,
    measurement: Measurement,
    task: TaskRef,
    complete: Completion | None = None,
) -> Saved:
    """See `Store.save`. The dataset's row is locked to the end of the transaction, so that its revisions come in order."""
    now = int(time.time())
    t = tx.tables
    check_names(dataset, measurement, task)
    row = lock_dataset(tx, dataset, task)
    if complete is not None:
        scope, measurement = complete(tx, row.id, scope, measurement)
        check_names(dataset, measurement, task)
    defined_as = IMPORTED if measurement.origin == "import" else digest(definition)
    definition_id = _definition(tx, row.id, definition, defined_as, task)
    found = known_series(tx, row.id, dataset.grain)
    redefined = claim(tx, row.id, found, measurement.points, definition_id, defined_as, task)
    ids = series_ids(tx, row.id, definition_id, found, measurement.points)
    starts = {record.period.epoch: record for record in measurement.periods}
    replaced = {start for start, record in starts.items() if record.status in MEASURED}
    known_periods = calendar.known_periods(tx, row.id, dataset, starts)
    points_there = replaced if any(start in known_periods for start in replaced) else set()
    retractable = covered(found, scope)
    concerned = retractable | {ids[info.key.identity] for info in measurement.points}
    known = _known_points(tx, row.id, dataset, concerned, points_there)
    following = {record.period.epoch: record for record in measurement.following}
    known |= _known_points(tx, row.id, dataset, covered(found, replace(scope, pairs=scope.following)), following)
    revision = row.revision + 1
    last_end = int(max(record.period.end for record in measurement.periods).timestamp())
    figures = {"rows_read": measurement.rows_read, "bytes_read": measurement.bytes_read, "points_changed": 0}
    measurement_id = log_measurement(tx, row.id, definition_id, task, (min(starts), last_end), measurement.origin, figures)
    edit = _compare(tx, measurement, ids, starts | following, known, measurement_id, definition_id, retract=retractable)
    _write(tx, edit, revision, now, measurement_id)
    partials.replace(tx, row.id, dataset.grain, scope, measurement, replaced, measurement_id, anything_there=bool(points_there))
    calendar.save_periods(
        tx, row.id, dataset, known_periods, calendar.absent_groups(found, scope, measurement), measurement, measurement_id
    )
    for text in _definition_changes(row, dataset, redefined, task):
        tx.insert(t.annotations, dataset_id=row.id, start=min(starts), kind="definition_change", text=text, created_at=now)
    if dataset.schema_change is not None:
        tx.insert(t.annotations, dataset_id=row.id, start=min(starts), kind="schema_change", text=dataset.schema_change, created_at=now)
    saved = Saved(len(edit.added), len(edit.updated), len(edit.retracted), edit.unchanged, redefined)
    if saved.changed:
        latest.follow(tx, (*edit.added, *edit.updated), edit.retracted)
        record_changes(tx, row, revision, edit.first_changes())
        tx.execute(sa.update(t.measurements).where(t.measurements.c.id == measurement_id).values(points_changed=saved.changed))
    return saved


def lock_dataset(tx: Transaction, dataset: DatasetInfo, task: TaskRef) -> sa.Row[Any]:
    """The dataset's row, created if need be, locked, and with what the task declares; another DAG's dataset is refused."""
    datasets = tx.tables.datasets
    query = sa.select(datasets).where(datasets.c.name == dataset.name).with_for_update()
    row = tx.execute(query).first()
    declared = {
        "grain": dataset.grain.unit,
        "timezone": dataset.grain.timezone,
        "shared": int(dataset.shared),
        "owner": dataset.owner,
        "runbook": dataset.runbook,
        "retention": canonical_json(dict(dataset.retention)) if dataset.retention else None,
        "retired_at": None,
        **({"choice": dataset.choice} if dataset.choice is not None else {}),
    }
    if row is None:
        tx.insert(datasets, name=dataset.name, dag_id=task.dag_id, revision=0, changes_from=0, **declared)
        return tx.execute(query).one()
    if row.dag_id != task.dag_id:
        if not dataset.shared:
            msg = (
                f"Dataset {dataset.name!r} belongs to DAG {row.dag_id!r}, and task {task.task!r} writes it too: "
                "give one of them another dataset name, or say shared=True here if both are meant"
            )
            raise OwnershipError(msg)
        if row.retired_at is not None:
            tx.execute(sa.update(datasets).where(datasets.c.id == row.id).values(retired_at=None))
        return row  # what else a dataset is, its owner says
    if any(getattr(row, name) != value for name, value in declared.items()):  # the row answered is as it was before
        tx.execute(sa.update(datasets).where(datasets.c.id == row.id).values(**declared))
    return row


def record_changes(tx: Transaction, row: sa.Row[Any], revision: int, first: Mapping[int, int]) -> None:
    """Move the dataset on to a revision, and remember what changed in it for those detectors that have judged up to here.

    A detector that has yet to judge anything looks at everything; so nothing is remembered while all are like that.
    """
    t = tx.tables
    live = sa.select(t.slots.c.id).where(t.slots.c.dataset_id == row.id, t.slots.c.judged_revision >= max(row.changes_from, 1)).limit(1)
    values: dict[str, int] = {"revision": revision}
    if tx.execute(live).first() is None:
        values["changes_from"] = revision
    else:
        columns = {"dataset_id": [row.id] * len(first), "revision": [revision] * len(first)}
        bulk.insert(tx, t.changes, {**columns, "series_id": list(first), "start": list(first.values())})
    tx.execute(sa.update(t.datasets).where(t.datasets.c.id == row.id).values(**values))


def _definition_changes(row: sa.Row[Any], dataset: DatasetInfo, redefined: int, task: TaskRef) -> list[str]:
    """What the page is to say of changed definitions, for those who wonder why a series begins anew."""
    changes = []
    if redefined:
        changes.append(f"{task.task} changed the definition of {redefined} series; their baseline restarts here")
    if row.dag_id == task.dag_id and (row.grain, row.timezone) != (dataset.grain.unit, dataset.grain.timezone):
        changes.append(f"{task.task} changed the grain from {row.grain} in {row.timezone} to {dataset.grain}; new series begin here")
    return changes


def log_measurement(
    tx: Transaction, dataset_id: int, definition_id: int, task: TaskRef, span: tuple[int, int], origin: str, figures: Mapping[str, Any]
) -> int:
    """The line that says which task measured what of a dataset and when; its id.

    :param span: start of the first period, end of the last.
    """
    return tx.insert(
        tx.tables.measurements,
        dataset_id=dataset_id,
        definition_id=definition_id,
        **vars(task),
        first_start=span[0],
        last_end=span[1],
        collected_at=int(time.time()),
        origin=origin,
        **figures,
    )


def _definition(tx: Transaction, dataset_id: int, definition: Mapping[str, Any], defined_as: str, task: TaskRef) -> int:
    definitions = tx.tables.definitions
    key = {"dataset_id": dataset_id, "dag_id": task.dag_id, "task_id": task.task_id, "hash": defined_as}
    found = tx.execute(sa.select(definitions.c.id).filter_by(**key)).scalar()
    return int(found) if found is not None else tx.insert(definitions, **key, spec=canonical_json(definition))


def _known_points(
    tx: Transaction, dataset_id: int, dataset: DatasetInfo, series_ids: Collection[int], starts: Collection[int]
) -> dict[tuple[int, int], tuple[Any, ...]]:
    """The points that the measurement is about to replace: key → value, n, measurement, seconds, status, reason."""
    if not starts or not series_ids:
        return {}
    t = tx.tables
    query = (
        sa.select(*[t.points.c[name] for name in POINT])
        .join(t.series, t.series.c.id == t.points.c.series_id)
        .where(
            t.series.c.dataset_id == dataset_id,
            t.series.c.grain == dataset.grain.unit,
            t.series.c.timezone == dataset.grain.timezone,
            t.points.c.start.between(min(starts), max(starts)),
        )
    )
    return {row[:2]: row[2:] for row in tx.rows(query) if row[0] in series_ids and row[1] in starts}


def _compare(
    tx: Transaction,
    measurement: Measurement,
    ids: Mapping[str, int],
    starts: Mapping[int, Any],
    known: dict[tuple[int, int], tuple[Any, ...]],
    measurement_id: int,
    definition_id: int,
    *,
    retract: Collection[int],
) -> _Edit:
    """What of a measurement is new, changed or gone. A value measured under another definition is another measurement."""
    edit = _Edit()
    theirs = {row[2] for row in known.values()}
    ours = theirs if measurement.origin == "import" else _measurements_as(tx, definition_id, theirs)
    seconds = {start: int(record.period.end.timestamp()) - start for start, record in starts.items()}
    for info, new_points in measurement.points.items():
        series_id = ids[info.key.identity]
        for point in new_points:
            start = point.start
            old = known.pop((series_id, start), None)
            if old is not None and _same(old, point) and old[2] in ours:
                edit.unchanged += 1
                continue
            reason = point.reason and clean(point.reason)
            row = (series_id, start, point.value, point.n, measurement_id, seconds[start], int(point.status), reason)
            if old is None:
                edit.added.append(row)
            else:
                edit.updated.append(row)
                edit.replaced.append((series_id, start, *old, 0))
    for key, old in known.items():
        if key[0] in retract:
            edit.retracted.append(key)
            edit.replaced.append((*key, *old, 1))
    return edit


def _measurements_as(tx: Transaction, definition_id: int, measurement_ids: Collection[int]) -> set[int]:
    """Those of these measurements that were made under the same definition, or imported as such."""
    t = tx.tables
    current = t.definitions.alias()
    mine = sa.select(current.c.hash).where(current.c.id == definition_id).scalar_subquery()
    alike: set[int] = set()
    for condition in bulk.among(tx, t.measurements.c.id, measurement_ids):
        query = (
            sa.select(t.measurements.c.id)
            .join(t.definitions, t.definitions.c.id == t.measurements.c.definition_id)
            .where(condition, t.definitions.c.hash.in_([mine, IMPORTED]))
        )
        alike.update(row[0] for row in tx.rows(query))
    return alike


def _same(old: tuple[Any, ...], new: Point) -> bool:
    value, n, _, _, status, _ = old
    if status != new.status or n != new.n:
        return False
    if value is None or new.value is None:
        return value is new.value
    return value == new.value or math.isclose(value, new.value, rel_tol=SAME)


def _write(tx: Transaction, edit: _Edit, revision: int, now: int, measurement_id: int) -> None:
    t = tx.tables
    count = len(edit.replaced)
    stamp = {"revision": [revision] * count, "replaced_at": [now] * count, "replaced_by": [measurement_id] * count}
    bulk.insert(tx, t.point_revisions, {**bulk.columns((*POINT, "retracted"), edit.replaced), **stamp})
    bulk.insert(tx, t.points, bulk.columns(POINT, edit.added))
    bulk.upsert(tx, t.points, bulk.columns(POINT, edit.updated))
    keys = bulk.columns(("series_id", "start"), edit.retracted)
    bulk.delete(tx, t.points, keys)
    bulk.delete(tx, t.verdicts, keys)
