"""Saving a measurement: one transaction that replaces what the task's spec covers, and touches nothing that did not change."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.exceptions import OwnershipError, SpecError
from airflow_lupus.model import PeriodStatus, canonical_json, digest
from airflow_lupus.stores import bulk, partials
from airflow_lupus.stores.base import Saved
from airflow_lupus.stores.schema import NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from airflow_lupus.model import Grain, Measurement, Point, SeriesInfo, TaskRef
    from airflow_lupus.stores.base import DatasetInfo, Scope
    from airflow_lupus.stores.database import Transaction

SAME = 1e-9
"""Values closer than this, relatively, are the same measurement: threads add floats in another order each time."""
IMPORTED = "imported"
"""The hash of definitions that came with imported history: it belongs to whatever the series is now."""
LIMITS = {"unit": 50, "runbook": None, "group": None}
"""Characters that a text may have, where it is not as many as a name."""
MEASURED = {PeriodStatus.OK, PeriodStatus.EMPTY}
POINT = ("series_id", "start", "value", "n", "measurement_id", "seconds", "status", "reason")


@dataclass(frozen=True)
class _Series:
    """A series as the store has it."""

    id: int
    definition_id: int
    column: str
    metric: str
    dimensions: str
    dimension_names: str
    retired: bool


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
) -> Saved:
    """See `Store.save`. The dataset's row is locked to the end of the transaction, so that its revisions come in order."""
    check_names(dataset, measurement, task)
    now = int(time.time())
    t = tx.tables
    row = lock_dataset(tx, dataset, task)
    defined_as = IMPORTED if measurement.origin == "import" else digest(definition)
    definition_id = _definition(tx, row.id, definition, defined_as, task)
    found = _known_series(tx, row.id, dataset.grain)
    redefined = _claim(tx, row.id, found, measurement.points, definition_id, defined_as, task)
    ids = _series_ids(tx, row.id, definition_id, found, measurement.points)
    starts = {record.period.epoch: record for record in measurement.periods}
    replaced = {start for start, record in starts.items() if record.status in MEASURED}
    known_periods = _known_periods(tx, row.id, dataset, starts)
    points_there = replaced if any(start in known_periods for start in replaced) else set()
    covered = _covered(found, scope) | {ids[info.key.identity] for info in measurement.points}
    known = _known_points(tx, row.id, dataset, covered, points_there)
    revision = row.revision + 1
    measurement_id = _insert(
        tx,
        t.measurements,
        dataset_id=row.id,
        definition_id=definition_id,
        **_task(task),
        first_start=min(starts),
        last_end=int(max(record.period.end for record in measurement.periods).timestamp()),
        collected_at=now,
        rows_read=measurement.rows_read,
        bytes_read=measurement.bytes_read,
        points_changed=0,
        origin=measurement.origin,
    )
    edit = _compare(tx, measurement, ids, starts, known, measurement_id, definition_id, retract=_covered(found, scope))
    _write(tx, edit, revision, now, measurement_id)
    partials.replace(tx, row.id, dataset.grain, scope, measurement, replaced, measurement_id, anything_there=bool(points_there))
    _save_periods(tx, row.id, dataset, known_periods, _absent_groups(found, scope, measurement), measurement, measurement_id)
    for text in _definition_changes(row, dataset, redefined, task):
        _insert(tx, t.annotations, dataset_id=row.id, start=min(starts), kind="definition_change", text=text, created_at=now)
    saved = Saved(len(edit.added), len(edit.updated), len(edit.retracted), edit.unchanged, redefined)
    if saved.changed:
        _refresh_latest(tx, edit)
        record_changes(tx, row, revision, edit.first_changes())
        tx.execute(sa.update(t.measurements).where(t.measurements.c.id == measurement_id).values(points_changed=saved.changed))
    return saved


def check_names(dataset: DatasetInfo, measurement: Measurement, task: TaskRef) -> None:
    """Refuse names that not every database can keep, before anything is written."""
    names: dict[str, set[str | None]] = defaultdict(set, dataset={dataset.name}, owner={dataset.owner}, runbook={dataset.runbook})
    names |= {"DAG id": {task.dag_id}, "task id": {task.task_id}, "run id": {task.run_id}}
    for info in measurement.points:
        names["column"].add(info.key.column)
        names["metric"].add(info.key.metric)
        names["unit"].add(info.unit)
        names["dimension"].update(name for name, _ in info.key.dimensions)
        names["group"].update(value for _, value in info.key.dimensions if isinstance(value, str))
    for what, values in names.items():
        for value in values - {None}:
            check_text(what, str(value))


def check_text(what: str, text: str) -> None:
    """Refuse a text that not every database can keep as it is."""
    limit = LIMITS.get(what, NAME_LENGTH)
    if limit and len(text) > limit:
        msg = f"A {what} may have {limit} characters: {text[:60]!r}… has {len(text)}"
        raise SpecError(msg)
    if clean(text, nul=what != "group") != text:
        msg = f"A {what} cannot have a NUL or half of a character in it: {text[:60]!r}"
        raise SpecError(msg)


def clean(text: str, *, nul: bool = True) -> str:
    """Text that every database can keep: without unpaired surrogates and, except in JSON, which escapes it, NUL."""
    whole = text.encode(errors="replace").decode()
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}") if nul else whole


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
    }
    if row is None:
        _insert(tx, datasets, name=dataset.name, dag_id=task.dag_id, revision=0, changes_from=0, **declared)
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


def series_ids(tx: Transaction, dataset_id: int, definition_id: int, grain: Grain, measured: Collection[SeriesInfo]) -> dict[str, int]:
    """Identity → id of a dataset's series at a grain; those of `measured` that are new are made."""
    return _series_ids(tx, dataset_id, definition_id, _known_series(tx, dataset_id, grain), measured)


def refresh_latest(tx: Transaction, series_ids: Collection[int]) -> None:
    """Look up anew which point of these series is the newest, and how it was judged."""
    t = tx.tables
    others = t.points.alias()
    newest = sa.select(sa.func.max(others.c.start)).where(others.c.series_id == t.series.c.id).correlate(t.series).scalar_subquery()
    worst = sa.select(sa.func.max(t.verdicts.c.severity)).where(
        t.verdicts.c.series_id == t.points.c.series_id, t.verdicts.c.start == t.points.c.start
    )
    bulk.delete(tx, t.latest, {"series_id": sorted(series_ids)})
    for condition in bulk.among(tx, t.series.c.id, series_ids):
        names = ("series_id", "start", "value", "seconds", "status")
        rows = (
            sa.select(*[t.points.c[name] for name in names], worst.scalar_subquery())
            .select_from(t.series)
            .join(t.points, (t.points.c.series_id == t.series.c.id) & (t.points.c.start == newest))
            .where(condition)
        )
        tx.execute(sa.insert(t.latest).from_select([*names, "severity"], rows))


def _definition_changes(row: sa.Row[Any], dataset: DatasetInfo, redefined: int, task: TaskRef) -> list[str]:
    """What the page is to say of changed definitions, for those who wonder why a series begins anew."""
    changes = []
    if redefined:
        changes.append(f"{task.task} changed the definition of {redefined} series; their baseline restarts here")
    if row.dag_id == task.dag_id and (row.grain, row.timezone) != (dataset.grain.unit, dataset.grain.timezone):
        changes.append(f"{task.task} changed the grain from {row.grain} in {row.timezone} to {dataset.grain}; new series begin here")
    return changes


def _insert(tx: Transaction, table: sa.Table, **values: Any) -> int:
    key = tx.execute(sa.insert(table).values(**values)).inserted_primary_key
    return int(key[0]) if key else 0


def _task(task: TaskRef) -> dict[str, Any]:
    names = {"dag_id": task.dag_id, "task_id": task.task_id, "run_id": task.run_id}
    return {**names, "map_index": task.map_index, "try_number": task.try_number}


def _definition(tx: Transaction, dataset_id: int, definition: Mapping[str, Any], defined_as: str, task: TaskRef) -> int:
    definitions = tx.tables.definitions
    key = {"dataset_id": dataset_id, "dag_id": task.dag_id, "task_id": task.task_id, "hash": defined_as}
    found = tx.execute(sa.select(definitions.c.id).filter_by(**key)).scalar()
    return int(found) if found is not None else _insert(tx, definitions, **key, spec=canonical_json(definition))


def _known_series(tx: Transaction, dataset_id: int, grain: Grain) -> dict[str, _Series]:
    """Identity → series of the dataset at this grain."""
    series = tx.tables.series
    columns = ("identity", "id", "definition_id", "column_name", "metric", "dimensions", "dimension_names", "retired_at")
    query = sa.select(*[series.c[name] for name in columns]).where(
        series.c.dataset_id == dataset_id, series.c.grain == grain.unit, series.c.timezone == grain.timezone
    )
    return {row[0]: _Series(*row[1:7], row[7] is not None) for row in tx.rows(query)}  # type: ignore[call-arg]


def _claim(
    tx: Transaction,
    dataset_id: int,
    found: Mapping[str, _Series],
    measured: Iterable[SeriesInfo],
    definition_id: int,
    defined_as: str,
    task: TaskRef,
) -> int:
    """Make the task's definition that of the series it measures; how many were defined otherwise by the same task before."""
    t = tx.tables
    rows = tx.execute(sa.select(t.definitions).where(t.definitions.c.dataset_id == dataset_id))
    definitions = {row.id: row for row in rows}
    claimed, revived, changed = [], [], 0
    for info in measured:
        series = found.get(info.key.identity)
        if series is None:
            continue
        if series.retired:
            revived.append(series.id)
        if series.definition_id == definition_id or defined_as == IMPORTED:
            continue
        row = definitions[series.definition_id]
        alike = row.hash in {defined_as, IMPORTED}
        if not alike and (row.dag_id, row.task_id) != (task.dag_id, task.task_id):
            msg = (
                f"Series {info.key} is already measured by {row.dag_id}.{row.task_id}, from another source or with another filter than "
                f"{task.task} has: give one of them another dataset name"
            )
            raise OwnershipError(msg)
        if row.dag_id == task.dag_id or row.hash == IMPORTED:  # changed by its task, or taken on by one that was renamed
            claimed.append(series.id)
            changed += not alike
    for condition in bulk.among(tx, t.series.c.id, claimed):
        tx.execute(sa.update(t.series).where(condition).values(definition_id=definition_id))
    for condition in bulk.among(tx, t.series.c.id, revived):
        tx.execute(sa.update(t.series).where(condition).values(retired_at=None))
    return changed


def _series_ids(
    tx: Transaction, dataset_id: int, definition_id: int, found: Mapping[str, _Series], measured: Iterable[SeriesInfo]
) -> dict[str, int]:
    """Identity → id of the measured series; those that are new are made."""
    new = [info for info in measured if info.key.identity not in found]
    ids = {identity: series.id for identity, series in found.items()}
    if new:
        series = tx.tables.series
        columns: dict[str, list[Any]] = {
            "identity": [info.key.identity for info in new],
            "dataset_id": [dataset_id] * len(new),
            "definition_id": [definition_id] * len(new),
            "column_name": [info.key.column for info in new],
            "metric": [info.key.metric for info in new],
            "dimensions": [canonical_json(dict(info.key.dimensions)) for info in new],
            "dimension_names": [canonical_json([name for name, _ in info.key.dimensions]) for info in new],
            "level": [info.key.level for info in new],
            "grain": [info.key.grain.unit for info in new],
            "timezone": [info.key.grain.timezone for info in new],
            "kind": [info.kind for info in new],
            "unit": [info.unit for info in new],
        }
        bulk.insert(tx, series, columns)
        ids.update(tx.rows(sa.select(series.c.identity, series.c.id).where(series.c.dataset_id == dataset_id)))
    return ids


def _covered(found: Mapping[str, _Series], scope: Scope) -> set[int]:
    """The known series that the scope covers."""
    names = {canonical_json(sorted(dimension_names)) for dimension_names in scope.dimension_names}
    pairs = set(scope.pairs)
    return {series.id for series in found.values() if (series.column, series.metric) in pairs and series.dimension_names in names}


def _known_points(
    tx: Transaction, dataset_id: int, dataset: DatasetInfo, covered: Collection[int], starts: Collection[int]
) -> dict[tuple[int, int], tuple[Any, ...]]:
    """The points that the measurement is about to replace: key → value, n, measurement, seconds, status, reason."""
    if not starts or not covered:
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
    wanted = set(covered)
    return {row[:2]: row[2:] for row in tx.rows(query) if row[0] in wanted and row[1] in starts}


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
        if not known:
            edit.added += [
                (series_id, p.start, p.value, p.n, measurement_id, seconds[p.start], int(p.status), p.reason and clean(p.reason))
                for p in new_points
            ]
            continue
        for point in new_points:
            start = point.start
            old = known.pop((series_id, start), None)
            if old is not None and _same(old, point) and old[2] in ours:
                edit.unchanged += 1
                continue
            reason = clean(point.reason) if point.reason else point.reason
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
    if edit.replaced:
        columns = dict(zip((*POINT, "retracted"), zip(*edit.replaced, strict=True), strict=True))
        count = len(edit.replaced)
        stamp = {"revision": [revision] * count, "replaced_at": [now] * count, "replaced_by": [measurement_id] * count}
        bulk.insert(tx, t.point_revisions, {**columns, **stamp})
    if edit.added:
        bulk.insert(tx, t.points, dict(zip(POINT, zip(*edit.added, strict=True), strict=True)))
    if edit.updated:
        bulk.upsert(tx, t.points, dict(zip(POINT, zip(*edit.updated, strict=True), strict=True)))
    if edit.retracted:
        keys = dict(zip(("series_id", "start"), zip(*edit.retracted, strict=True), strict=True))
        bulk.delete(tx, t.points, keys)
        bulk.delete(tx, t.verdicts, keys)


def _refresh_latest(tx: Transaction, edit: _Edit) -> None:
    """New newest points are known here; only where points went has one to look."""
    latest = tx.tables.latest
    newest: dict[int, tuple[Any, ...]] = {}
    for row in (*edit.added, *edit.updated):
        if row[0] not in newest or row[1] > newest[row[0]][1]:
            newest[row[0]] = row
    before: dict[int, int] = {}
    gone = dict.fromkeys(series_id for series_id, _ in edit.retracted)
    for condition in bulk.among(tx, latest.c.series_id, {*newest, *gone}):
        before.update(tx.rows(sa.select(latest.c.series_id, latest.c.start).where(condition)))
    later = [row for series_id, row in newest.items() if row[1] > before.get(series_id, row[1] - 1)]
    if later:
        rows = [(row[0], row[1], row[2], row[5], row[6], None) for row in later]
        names = ("series_id", "start", "value", "seconds", "status", "severity")
        bulk.upsert(tx, latest, dict(zip(names, zip(*rows, strict=True), strict=True)))
    at = {series_id for series_id, row in newest.items() if row[1] == before.get(series_id)}  # its verdict stays until it is judged again
    lost = {series_id for series_id, start in edit.retracted if start == before.get(series_id)}
    if at | lost:
        refresh_latest(tx, at | lost)


def _known_periods(tx: Transaction, dataset_id: int, dataset: DatasetInfo, starts: Collection[int]) -> dict[int, sa.Row[Any]]:
    periods = tx.tables.periods
    query = (
        sa.select(periods)
        .filter_by(dataset_id=dataset_id, grain=dataset.grain.unit, timezone=dataset.grain.timezone)
        .where(periods.c.start.between(min(starts), max(starts)))
    )
    return {row.start: row for row in tx.execute(query) if row.start in starts}


def _save_periods(
    tx: Transaction,
    dataset_id: int,
    dataset: DatasetInfo,
    found: Mapping[int, sa.Row[Any]],
    absent: Mapping[int, str],
    measurement: Measurement,
    measurement_id: int,
) -> None:
    """The arrival calendar. What is missing now but was measured before keeps its record: its points are still there."""
    rows = []
    for record in measurement.periods:
        start = record.period.epoch
        reason = clean(record.reason) if record.reason else record.reason
        columns = {"status": str(record.status), "rows": record.rows, "reason": reason, "absent_groups": absent.get(start, "[]")}
        old = found.get(start)
        if old is not None:
            if record.status not in MEASURED and old.status in MEASURED:
                continue
            if measurement.origin == "import" or all(getattr(old, name) == value for name, value in columns.items()):
                continue
        end = int(record.period.end.timestamp())
        rows.append({"start": start, "end": end, **columns, "measurement_id": measurement_id})
    if rows:
        key = {"dataset_id": dataset_id, "grain": dataset.grain.unit, "timezone": dataset.grain.timezone}
        constant = {name: [value] * len(rows) for name, value in key.items()}
        bulk.upsert(tx, tx.tables.periods, {**constant, **{name: [row[name] for row in rows] for name in rows[0]}})


def _absent_groups(found: Mapping[str, _Series], scope: Scope, measurement: Measurement) -> dict[int, str]:
    """For each period with rows: the groups that the dataset is known to have and that had none, as canonical JSON."""
    names = tuple(sorted(scope.group_columns))
    if not names:
        return {}
    present: dict[int, set[str]] = {record.period.epoch: set() for record in measurement.periods if record.status is PeriodStatus.OK}
    known: set[str] = {
        series.dimensions for series in found.values() if not series.retired and series.dimension_names == canonical_json(names)
    }
    groups: dict[str, set[int]] = defaultdict(set)
    for info, new_points in measurement.points.items():
        if tuple(name for name, _ in info.key.dimensions) == names:
            groups[canonical_json(dict(info.key.dimensions))].update(point.start for point in new_points)
    for group, group_starts in groups.items():
        for start in group_starts & present.keys():
            present[start].add(group)
    known |= groups.keys()
    return {start: "[" + ",".join(sorted(known - there)) + "]" for start, there in present.items()}
