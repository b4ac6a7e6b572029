"""What a detect task reads before it judges, and how its verdicts are committed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from airflow_lupus.exceptions import DataMissing, did_you_mean
from airflow_lupus.model import Grain, Reason, SeriesInfo, SeriesKey, canonical_json, digest, dimensions, from_epoch
from airflow_lupus.stores import bulk, latest
from airflow_lupus.stores.base import History, Judged, JudgingState, StoredSeries, VerdictTable
from airflow_lupus.stores.series import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from airflow_lupus.model import TaskRef
    from airflow_lupus.stores.base import NewDelivery, SlotKey
    from airflow_lupus.stores.database import Transaction

NUMBERS = ("value", "expected", "lower", "upper", "score")
INTEGERS = ("history_end", "history", "severity", "reason")
VERDICT = ("series_id", "start", "slot_id", "parameter_set_id", *NUMBERS, *INTEGERS)
SEVERITY, REASON, HISTORY = (VERDICT.index(name) for name in ("severity", "reason", "history"))
PARAMETERS, FIRST_NUMBER, LOWER, UPPER = (VERDICT.index(name) for name in ("parameter_set_id", "value", "lower", "upper"))
SAME = 1e-9
NEVER, EVER = -(2**62), 2**62
FORGOTTEN = 30 * 86_400
"""Seconds after which a detector that judges no more need not be able to go on where it stopped."""


def state(tx: Transaction, dataset: str, task: TaskRef, keys: Sequence[SlotKey]) -> JudgingState:
    """See `Store.judging`."""
    t = tx.tables
    row = tx.execute(sa.select(t.datasets).where(t.datasets.c.name == dataset)).first()
    if row is None:
        names = tx.execute(sa.select(t.datasets.c.name)).scalars().all()
        msg = f"Nothing was ever collected for dataset {dataset!r}: {did_you_mean(dataset, names)}"
        raise DataMissing(msg)
    grain = Grain(row.grain, row.timezone)
    columns = ("id", "definition_id", "column_name", "metric", "dimensions", "level", "kind", "unit")
    query = sa.select(*[t.series.c[name] for name in columns]).where(
        t.series.c.dataset_id == row.id,
        t.series.c.grain == row.grain,
        t.series.c.timezone == row.timezone,
        t.series.c.retired_at.is_(None),
    )
    stored = [_stored(dataset, grain, item) for item in tx.rows(query)]
    known = tx.execute(sa.select(t.slots).filter_by(dataset_id=row.id, dag_id=task.dag_id, task_id=task.task_id))
    found = {slot.name: slot.judged_revision for slot in known}
    # Before `changes_from` nobody remembers what changed: whoever has judged less looks at everything.
    watermarks = {key.name: mark if (mark := found.get(key.name, 0)) >= row.changes_from else 0 for key in keys}
    changed = {mark: _changed(tx, row.id, mark) for mark in set(watermarks.values())}
    span: Any = tx.execute(
        sa.select(sa.func.min(t.measurements.c.first_start), sa.func.max(t.measurements.c.last_end)).filter_by(
            dataset_id=row.id, dag_id=task.dag_id, run_id=task.run_id, origin="run"
        )
    ).one()
    newest = tx.execute(sa.select(sa.func.max(t.periods.c.start)).filter_by(dataset_id=row.id, grain=row.grain, timezone=row.timezone))
    return JudgingState(
        dataset=dataset,
        grain=grain,
        revision=row.revision,
        series=stored,
        watermarks=watermarks,
        changed={name: changed[mark] for name, mark in watermarks.items()},
        target=None if span[0] is None else (span[0], span[1]),
        newest=newest.scalar(),
        owner=row.owner,
        runbook=row.runbook,
    )


def history(tx: Transaction, ids: Collection[int], since: int | None, as_of: int | None = None) -> History:
    """See `Store.history`."""
    rows: list[Any] = []
    for condition in bulk.among(tx, tx.tables.points.c.series_id, ids):
        rows += tx.rows(_points(tx, condition, since, as_of))
    if as_of is not None:
        for condition in bulk.among(tx, tx.tables.point_revisions.c.series_id, ids):
            rows += tx.rows(_replaced_points(tx, condition, since, as_of))
        rows.sort(key=lambda row: row[:2])
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return History(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float64),  # None becomes NaN
        np.array(columns[3], dtype=np.float64),
    )


def _points(tx: Transaction, condition: sa.ColumnElement[bool], since: int | None, as_of: int | None) -> sa.Select[Any]:
    points, measurements = tx.tables.points, tx.tables.measurements
    query: sa.Select[Any] = sa.select(points.c.series_id, points.c.start, points.c.value, points.c.n).where(condition)
    query = _current_definition(tx, query, points).order_by(points.c.series_id, points.c.start)
    if since is not None:
        query = query.where(points.c.start >= since)
    if as_of is not None:
        query = query.where(measurements.c.collected_at <= as_of)
    return query


def _replaced_points(tx: Transaction, condition: sa.ColumnElement[bool], since: int | None, as_of: int) -> sa.Select[Any]:
    """Points that were known then and have been replaced or retracted since."""
    old, measurements = tx.tables.point_revisions, tx.tables.measurements
    query: sa.Select[Any] = sa.select(old.c.series_id, old.c.start, old.c.value, old.c.n).where(condition, old.c.replaced_at > as_of)
    query = _current_definition(tx, query, old).where(measurements.c.collected_at <= as_of)
    return query if since is None else query.where(old.c.start >= since)


def _current_definition(tx: Transaction, query: sa.Select[Any], points: sa.Table) -> sa.Select[Any]:
    """Only what was measured as the series is defined now, or imported as such."""
    t = tx.tables
    measured, current = t.definitions.alias(), t.definitions.alias()
    return (
        query.join(t.measurements, t.measurements.c.id == points.c.measurement_id)
        .join(t.series, t.series.c.id == points.c.series_id)
        .join(measured, measured.c.id == t.measurements.c.definition_id)
        .join(current, current.c.id == t.series.c.definition_id)
        .where((measured.c.hash == current.c.hash) | (measured.c.hash == IMPORTED))
    )


def commit(
    tx: Transaction,
    state: JudgingState,
    task: TaskRef,
    tables: Mapping[str, tuple[SlotKey, VerdictTable]],
    *,
    partial: bool = False,
) -> Judged:
    """See `Store.save_verdicts`."""
    t = tx.tables
    row = tx.execute(sa.select(t.datasets).where(t.datasets.c.name == state.dataset).with_for_update()).first()
    if row is None or row.revision != state.revision:  # None: renamed meanwhile
        return Judged(conflict=True)
    written, fresh = 0, {}
    touched: set[int] = set()
    for name, (key, table) in tables.items():
        slot_id = _slot(tx, row.id, task, name)
        parameter_set_id = _parameter_set(tx, key)
        old = _old_verdicts(tx, slot_id, table)
        gone, cut_until = _pruned(tx, row, state.grain, key, table)
        added, updated = [], []
        news = set()
        for verdict in _rows(table, slot_id, parameter_set_id):
            before = old.get(verdict[:2])
            if verdict[:2] in gone or (before is not None and verdict[1] < cut_until and _saw_more(before, verdict)):
                continue
            if verdict[SEVERITY] and (before is None or not before[SEVERITY]):
                news.add((verdict[:2], before is None))
            if before is None:
                added.append(verdict)
            elif before != verdict and not _same(before, verdict):
                updated.append(verdict)
        bulk.insert(tx, t.verdicts, bulk.columns(VERDICT, added))
        bulk.upsert(tx, t.verdicts, bulk.columns(VERDICT, updated))
        if not partial:
            stamp = {"judged_revision": state.revision, "judged_at": int(time.time())}
            tx.execute(sa.update(t.slots).where(t.slots.c.id == slot_id).values(**stamp))
        written += len(added) + len(updated)
        touched |= {verdict[0] for verdict in added} | {verdict[0] for verdict in updated}
        # A point judged before is news again only while it is the newest: what is closed stays quiet.
        fresh[name] = {at for at, first in news if first or at[1] == state.newest}
    latest.refresh_severity(tx, touched)
    if tables and not partial:
        _forget_changes(tx, row)
    return Judged(written=written, fresh=fresh)


def _pruned(tx: Transaction, row: sa.Row[Any], grain: Grain, key: SlotKey, table: VerdictTable) -> tuple[set[tuple[int, int]], int]:
    """The judged points that were pruned meanwhile, and up to when verdicts cannot see all of their history any more."""
    if row.pruned_before is None or not len(table):
        return set(), NEVER
    early = table.start < row.pruned_before
    judged = set(zip(table.series_id[early].tolist(), table.start[early].tolist(), strict=True))
    there: set[tuple[int, int]] = set()
    points = tx.tables.points
    for condition in bulk.among(tx, points.c.series_id, {series_id for series_id, _ in judged}):
        there.update(tx.rows(sa.select(points.c.series_id, points.c.start).where(condition, points.c.start < row.pruned_before)))
    if key.lookback is None:
        return judged - there, EVER
    return judged - there, grain.shift(grain.containing(from_epoch(row.pruned_before)), key.lookback).epoch


def _saw_more(before: tuple[Any, ...], verdict: tuple[Any, ...]) -> bool:
    """Whether the verdict before knew the same value, and more of the history than is left of it."""
    if before[PARAMETERS] != verdict[PARAMETERS] and verdict[REASON] != int(Reason.INSUFFICIENT_HISTORY):
        return False  # what other parameters make of it is another answer
    value, old = verdict[FIRST_NUMBER], before[FIRST_NUMBER]
    if old is None and before[REASON] == int(Reason.NORMAL):  # only its band was kept
        lower, upper = before[LOWER], before[UPPER]
        return value is not None and (lower is None or value >= lower) and (upper is None or value <= upper)
    return _close(old, value) and before[HISTORY] > verdict[HISTORY]


def _forget_changes(tx: Transaction, row: sa.Row[Any]) -> None:
    """Drop what every detector that still judges has looked at."""
    t = tx.tables
    judging = sa.select(sa.func.min(t.slots.c.judged_revision)).where(
        t.slots.c.dataset_id == row.id, t.slots.c.judged_at > int(time.time()) - FORGOTTEN, t.slots.c.judged_revision >= row.changes_from
    )
    seen = tx.execute(judging).scalar()
    if seen is not None and seen > row.changes_from:
        tx.execute(sa.delete(t.changes).where(t.changes.c.dataset_id == row.id, t.changes.c.revision <= seen))
        tx.execute(sa.update(t.datasets).where(t.datasets.c.id == row.id).values(changes_from=seen))


def enqueue(tx: Transaction, dataset: str, task: TaskRef, new: Sequence[NewDelivery]) -> None:
    """Put digests into the outbox, unless the same task has told the same destination of the same periods before."""
    datasets, deliveries = tx.tables.datasets, tx.tables.deliveries
    dataset_id = tx.execute(sa.select(datasets.c.id).where(datasets.c.name == dataset)).scalar_one()
    now = int(time.time())
    for delivery in new:
        key = {
            "dataset_id": dataset_id,
            "dag_id": task.dag_id,
            "task_id": task.task_id,
            "destination": delivery.destination,
            "first_start": delivery.first_start,
            "last_end": delivery.last_end,
        }
        if tx.execute(sa.select(deliveries.c.id).filter_by(**key)).first() is None:
            stamp = {"state": "pending", "attempts": 0, "created_at": now, "changed_at": now}
            tx.execute(sa.insert(deliveries).values(**key, digest=delivery.digest, **stamp))


def _stored(dataset: str, grain: Grain, row: tuple[Any, ...]) -> StoredSeries:
    series_id, definition_id, column, metric, dims, level, kind, unit = row
    key = SeriesKey(dataset, column, metric, dimensions(json.loads(dims)), level, grain)
    return StoredSeries(series_id, SeriesInfo(key, kind, unit), definition_id)


def _changed(tx: Transaction, dataset_id: int, since: int) -> dict[int, int]:
    """The earliest start per series that came, changed or went after a revision of the dataset; since 0: its first point."""
    t = tx.tables
    if since:
        query = (
            sa.select(t.changes.c.series_id, sa.func.min(t.changes.c.start))
            .where(t.changes.c.dataset_id == dataset_id, t.changes.c.revision > since)
            .group_by(t.changes.c.series_id)
        )
        return dict(tx.rows(query))
    first = sa.select(sa.func.min(t.points.c.start)).where(t.points.c.series_id == t.series.c.id).scalar_subquery()
    found = tx.rows(sa.select(t.series.c.id, first).where(t.series.c.dataset_id == dataset_id))
    return {series_id: start for series_id, start in found if start is not None}


def _slot(tx: Transaction, dataset_id: int, task: TaskRef, name: str) -> int:
    slots = tx.tables.slots
    key = {"dataset_id": dataset_id, "dag_id": task.dag_id, "task_id": task.task_id, "name": name}
    found = tx.execute(sa.select(slots.c.id).filter_by(**key)).scalar()
    return tx.insert(slots, **key, judged_revision=0, judged_at=0) if found is None else int(found)


def _parameter_set(tx: Transaction, key: SlotKey) -> int:
    sets = tx.tables.parameter_sets
    content = {"detector": key.detector, "parameters": dict(key.parameters)}
    hashed = digest(content)
    found = tx.execute(sa.select(sets.c.id).where(sets.c.hash == hashed)).scalar()
    if found is None:
        values = {"hash": hashed, "detector": key.detector, "parameters": canonical_json(content["parameters"])}
        return tx.insert(sets, **values)
    return int(found)


def _old_verdicts(tx: Transaction, slot_id: int, table: VerdictTable) -> dict[tuple[int, int], tuple[Any, ...]]:
    found: dict[tuple[int, int], tuple[Any, ...]] = {}
    if len(table):
        verdicts = tx.tables.verdicts
        first, last = int(table.start.min()), int(table.start.max())
        for condition in bulk.among(tx, verdicts.c.series_id, set(table.series_id.tolist())):
            query = sa.select(*[verdicts.c[name] for name in VERDICT]).where(
                condition, verdicts.c.slot_id == slot_id, verdicts.c.start.between(first, last)
            )
            found.update({row[:2]: row for row in tx.rows(query)})
    return found


def _rows(table: VerdictTable, slot_id: int, parameter_set_id: int) -> Iterator[tuple[Any, ...]]:
    """Verdicts as the database has them: NULL for what is not finite."""
    columns: dict[str, list[Any]] = {"series_id": table.series_id.tolist(), "start": table.start.tolist()}
    columns |= {"slot_id": [slot_id] * len(table), "parameter_set_id": [parameter_set_id] * len(table)}
    for name in NUMBERS:
        column = getattr(table, name)
        values, finite = column.tolist(), np.isfinite(column)
        columns[name] = values if finite.all() else [value if ok else None for value, ok in zip(values, finite.tolist(), strict=True)]
    columns["history_end"] = [None if end < 0 else end for end in table.history_end.tolist()]
    columns |= {name: getattr(table, name).tolist() for name in ("history", "severity", "reason")}
    return zip(*(columns[name] for name in VERDICT), strict=True)


def _same(old: tuple[Any, ...], new: tuple[Any, ...]) -> bool:
    last_number = FIRST_NUMBER + len(NUMBERS)
    if old[:FIRST_NUMBER] != new[:FIRST_NUMBER] or old[last_number:] != new[last_number:]:
        return False
    return all(_close(a, b) for a, b in zip(old[FIRST_NUMBER:last_number], new[FIRST_NUMBER:last_number], strict=True))


def _close(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return abs(old - new) <= SAME * max(abs(old), abs(new), 1e-300)
