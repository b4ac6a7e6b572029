"""What a detect task reads before it judges, and how its verdicts are committed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from airflow_lupus.exceptions import DataMissing, did_you_mean
from airflow_lupus.model import Grain, SeriesInfo, SeriesKey, canonical_json, digest, dimensions
from airflow_lupus.stores.base import History, Judged, JudgingState, StoredSeries, VerdictTable
from airflow_lupus.stores.saving import chunks
from airflow_lupus.stores.schema import (
    datasets,
    definitions,
    deliveries,
    latest,
    measurements,
    parameter_sets,
    periods,
    point_revisions,
    points,
    series,
    slots,
    verdicts,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow_lupus.model import TaskRef
    from airflow_lupus.stores.base import NewDelivery, SlotKey

NUMBERS = ("value", "expected", "lower", "upper", "score")
SAME = 1e-9


def state(connection: sa.Connection, dataset: str, task: TaskRef, keys: Sequence[SlotKey]) -> JudgingState:
    """See `Store.judging`."""
    row = connection.execute(sa.select(datasets).where(datasets.c.name == dataset)).first()
    if row is None:
        names = connection.execute(sa.select(datasets.c.name)).scalars().all()
        msg = f"Nothing was ever collected for dataset {dataset!r}: {did_you_mean(dataset, names)}"
        raise DataMissing(msg)
    grain = Grain(row.grain, row.timezone)
    stored = [
        _stored(dataset, item)
        for item in connection.execute(sa.select(series).filter_by(dataset_id=row.id, grain=row.grain, timezone=row.timezone))
    ]
    known = connection.execute(sa.select(slots).filter_by(dataset_id=row.id, dag_id=task.dag_id, task_id=task.task_id))
    found = {slot.name: slot.judged_revision for slot in known}
    watermarks = {key.name: found.get(key.name, 0) for key in keys}
    changed = {mark: _changed(connection, row.id, mark) for mark in set(watermarks.values())}
    span = connection.execute(
        sa.select(sa.func.min(measurements.c.first_start), sa.func.max(measurements.c.last_end)).filter_by(
            dataset_id=row.id, dag_id=task.dag_id, run_id=task.run_id
        )
    ).one()
    newest = connection.execute(
        sa.select(sa.func.max(periods.c.start)).filter_by(dataset_id=row.id, grain=row.grain, timezone=row.timezone)
    )
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


def history(connection: sa.Connection, ids: Collection[int], since: int | None) -> History:
    """See `Store.history`."""
    measured, current = definitions.alias(), definitions.alias()
    parts: list[Any] = []
    for chunk in chunks(ids):
        query = (
            sa.select(points.c.series_id, points.c.start, points.c.value, points.c.n)
            .join(measurements, measurements.c.id == points.c.measurement_id)
            .join(series, series.c.id == points.c.series_id)
            .join(measured, measured.c.id == measurements.c.definition_id)
            .join(current, current.c.id == series.c.definition_id)
            .where(points.c.series_id.in_(chunk), measured.c.hash == current.c.hash)
            .order_by(points.c.series_id, points.c.start)
        )
        if since is not None:
            query = query.where(points.c.start >= since)
        parts += connection.execute(query).all()
    columns = list(zip(*parts, strict=True)) if parts else [(), (), (), ()]
    return History(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float64),  # None becomes NaN
        np.array(columns[3], dtype=np.float64),
    )


def commit(
    connection: sa.Connection,
    state: JudgingState,
    task: TaskRef,
    tables: Mapping[str, tuple[SlotKey, VerdictTable]],
) -> Judged:
    """Write verdicts that differ from what is there, unless the dataset changed since `state` was read."""
    row = connection.execute(sa.select(datasets).where(datasets.c.name == state.dataset).with_for_update()).one()
    if row.revision != state.revision:
        return Judged(conflict=True)
    written, fresh, touched = 0, {}, set()
    for name, (key, table) in tables.items():
        slot_id = _slot(connection, row.id, task, name)
        parameter_set_id = _parameter_set(connection, key)
        old = _old_verdicts(connection, slot_id, table)
        added, updated = [], []
        news = set()
        for verdict in _rows(table):
            at = (verdict["series_id"], verdict["start"])
            before = old.get(at)
            if verdict["severity"] and (before is None or not before.severity):
                news.add((at, before is None))
            verdict["parameter_set_id"] = parameter_set_id
            if before is None:
                added.append({**verdict, "slot_id": slot_id})
            elif not _same(before, verdict):
                updated.append(
                    {
                        **{k: v for k, v in verdict.items() if k not in {"series_id", "start"}},
                        "s": at[0],
                        "t": at[1],
                        "d": slot_id,
                    }
                )
        if added:
            connection.execute(sa.insert(verdicts), added)
        if updated:
            at_key = (
                (verdicts.c.series_id == sa.bindparam("s"))
                & (verdicts.c.start == sa.bindparam("t"))
                & (verdicts.c.slot_id == sa.bindparam("d"))
            )
            names = (*NUMBERS, "severity", "reason", "history", "history_end", "parameter_set_id")
            connection.execute(sa.update(verdicts).where(at_key).values({n: sa.bindparam(n) for n in names}), updated)
        connection.execute(sa.update(slots).where(slots.c.id == slot_id).values(judged_revision=state.revision))
        written += len(added) + len(updated)
        touched |= {item["series_id"] for item in added} | {item["s"] for item in updated}
        # A point judged before is news again only while it is the newest: what is closed stays quiet.
        fresh[name] = {at for at, first in news if first or at[1] == state.newest}
    _refresh_severity(connection, touched)
    return Judged(written=written, fresh=fresh)


def enqueue(connection: sa.Connection, dataset: str, task: TaskRef, new: Sequence[NewDelivery]) -> None:
    """Put digests into the outbox, unless the same task has told the same destination of the same periods before."""
    dataset_id = connection.execute(sa.select(datasets.c.id).where(datasets.c.name == dataset)).scalar_one()
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
        if connection.execute(sa.select(deliveries.c.id).filter_by(**key)).first() is None:
            stamp = {"state": "pending", "attempts": 0, "created_at": now, "changed_at": now}
            connection.execute(sa.insert(deliveries).values(**key, digest=delivery.digest, **stamp))


def _stored(dataset: str, row: sa.Row[Any]) -> StoredSeries:
    key = SeriesKey(dataset, row.column_name, row.metric, dimensions(json.loads(row.dimensions)), row.level, Grain(row.grain, row.timezone))
    return StoredSeries(row.id, SeriesInfo(key, row.kind, row.unit), row.definition_id)


def _changed(connection: sa.Connection, dataset_id: int, since: int) -> dict[int, int]:
    """The earliest start per series that came, changed or went after a revision of the dataset."""
    found: dict[int, int] = {}
    for table in (points, point_revisions):
        query = (
            sa.select(table.c.series_id, sa.func.min(table.c.start))
            .join(series, series.c.id == table.c.series_id)
            .where(series.c.dataset_id == dataset_id, table.c.revision > since)
            .group_by(table.c.series_id)
        )
        for series_id, start in connection.execute(query):
            found[series_id] = min(start, found.get(series_id, start))
    return found


def _slot(connection: sa.Connection, dataset_id: int, task: TaskRef, name: str) -> int:
    key = {"dataset_id": dataset_id, "dag_id": task.dag_id, "task_id": task.task_id, "name": name}
    found = connection.execute(sa.select(slots.c.id).filter_by(**key)).scalar()
    if found is None:
        inserted = connection.execute(sa.insert(slots).values(**key, judged_revision=0)).inserted_primary_key
        found = inserted[0] if inserted else 0
    return int(found)


def _parameter_set(connection: sa.Connection, key: SlotKey) -> int:
    content = {"detector": key.detector, "parameters": dict(key.parameters)}
    hashed = digest(content)
    found = connection.execute(sa.select(parameter_sets.c.id).where(parameter_sets.c.hash == hashed)).scalar()
    if found is None:
        values = {"hash": hashed, "detector": key.detector, "parameters": canonical_json(content["parameters"])}
        inserted = connection.execute(sa.insert(parameter_sets).values(**values)).inserted_primary_key
        found = inserted[0] if inserted else 0
    return int(found)


def _old_verdicts(connection: sa.Connection, slot_id: int, table: VerdictTable) -> dict[tuple[int, int], sa.Row[Any]]:
    found = {}
    if len(table):
        first, last = int(table.start.min()), int(table.start.max())
        for chunk in chunks(set(table.series_id.tolist())):
            query = sa.select(verdicts).where(
                verdicts.c.slot_id == slot_id, verdicts.c.series_id.in_(chunk), verdicts.c.start.between(first, last)
            )
            found.update({(row.series_id, row.start): row for row in connection.execute(query)})
    return found


def _rows(table: VerdictTable) -> list[dict[str, Any]]:
    columns: dict[str, list[Any]] = {"series_id": table.series_id.tolist(), "start": table.start.tolist()}
    for name in NUMBERS:
        column = getattr(table, name)
        columns[name] = [value if ok else None for value, ok in zip(column.tolist(), np.isfinite(column).tolist(), strict=True)]
    columns |= {name: getattr(table, name).tolist() for name in ("severity", "reason", "history")}
    columns["history_end"] = [None if end < 0 else end for end in table.history_end.tolist()]
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _same(old: sa.Row[Any], new: Mapping[str, Any]) -> bool:
    exact = ("severity", "reason", "history", "history_end", "parameter_set_id")
    if any(getattr(old, name) != new[name] for name in exact):
        return False
    return all(_close(getattr(old, name), new[name]) for name in NUMBERS)


def _close(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return abs(old - new) <= SAME * max(abs(old), abs(new), 1e-300)


def _refresh_severity(connection: sa.Connection, series_ids: Collection[int]) -> None:
    """The worst verdict of the newest points."""
    worst = sa.select(sa.func.max(verdicts.c.severity)).where(
        verdicts.c.series_id == latest.c.series_id, verdicts.c.start == latest.c.start
    )
    for chunk in chunks(series_ids):
        connection.execute(sa.update(latest).where(latest.c.series_id.in_(chunk)).values(severity=worst.scalar_subquery()))
