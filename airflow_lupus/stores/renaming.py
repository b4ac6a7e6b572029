"""Another name for a dataset, a column or a dimension, under which its history goes on."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.exceptions import OwnershipError, SpecError, did_you_mean
from airflow_lupus.model import ANY_COLUMN, DimensionValue, Grain, SeriesKey, canonical_json, digest, dimensions
from airflow_lupus.specs import RESERVED
from airflow_lupus.stores import bulk, joining, partials
from airflow_lupus.stores.saving import record_changes
from airflow_lupus.stores.series import IMPORTED
from airflow_lupus.stores.texts import check_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_lupus.stores.database import Transaction


@dataclass(frozen=True)
class Rename:
    """What gets another name.

    :param what: `dataset`, `column` or `dimension`.
    :param dataset: the dataset, by its old name.
    """

    what: str
    dataset: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.what} {self.old!r} was renamed to {self.new!r}"


@dataclass(frozen=True)
class Renamed:
    """What a rename comes to."""

    series: int
    """That have the new name now."""
    joined: int
    """Those of them that had been measured under it before."""
    replaced: int
    """Points that both names had: the new name's count."""


@dataclass(frozen=True)
class _Plan:
    dataset: sa.Row[Any]
    target: sa.Row[Any] | None
    """The dataset that has the new name already."""
    keys: Mapping[int, SeriesKey]
    """Series → what it is to be."""
    rows: Mapping[int, sa.Row[Any]]
    pairs: Mapping[int, int]
    """Series that is measured under the new name → the one that it joins."""


def preview(tx: Transaction, change: Rename) -> Renamed:
    """What `rename` would do; errors as there."""
    return _outcome(tx, _plan(tx, change))


def rename(tx: Transaction, change: Rename) -> Renamed:
    """Give something another name, under the lock of its dataset.

    Series that are measured under the new name already join those of the old: see `joining.join_series`. What they were measured by stays,
    so their history is the baseline of what follows as long as the task's definition is the same, apart from the name.

    :raises SpecError: there is no such name, the new one cannot be, or the two datasets have different grains.
    :raises OwnershipError: the new name is another DAG's dataset.
    """
    t = tx.tables
    names = [change.old, change.new] if change.what == "dataset" else [change.dataset]
    tx.execute(sa.select(t.datasets.c.id).where(t.datasets.c.name.in_(names)).order_by(t.datasets.c.id).with_for_update()).all()
    plan = _plan(tx, change)
    outcome = _outcome(tx, plan)
    revision = 1 + max(row.revision for row in (plan.dataset, plan.target) if row is not None)
    since = _since(tx, plan)
    slots: dict[int, int] = {}
    redefined: set[int] = set()
    if plan.target is not None:
        partials.move(tx, plan.target.id, plan.dataset.id)
        slots = joining.join_datasets(tx, plan.target, plan.dataset)
        new_only = set(_ids(tx, plan.dataset.id)) - plan.keys.keys() - plan.pairs.keys()
        joining.move_verdicts(tx, slots, new_only)
    if change.what != "dataset":
        partials.rename(tx, plan.dataset.id, change.what, change.old, change.new)
    if change.what == "column":
        redefined = _rename_in_definitions(tx, plan.dataset.id, change)
    if change.what == "dimension":
        _rename_in_calendar(tx, plan.dataset.id, change)
    newer = _newer(tx, plan)
    highest = joining.join_series(tx, plan.pairs, revision, slots)
    _write_series(tx, plan, newer)
    if plan.target is not None:
        _take_over(tx, plan.dataset, plan.target, highest)
    else:
        if change.what == "dataset":
            tx.execute(sa.update(t.datasets).where(t.datasets.c.id == plan.dataset.id).values(name=change.new))
        # Rules for detectors name columns: another one may be in force for these.
        changed = (set(plan.keys) if change.what == "column" else set(plan.pairs.values())) | redefined - set(plan.pairs)
        record_changes(tx, plan.dataset, highest, first_points(tx, changed))
    note = {"dataset_id": plan.dataset.id, "start": since, "kind": "renamed", "text": str(change), "created_at": int(time.time())}
    tx.execute(sa.insert(t.annotations).values(**note))
    return outcome


def _plan(tx: Transaction, change: Rename) -> _Plan:
    t = tx.tables
    rows = {row.name: row for row in tx.execute(sa.select(t.datasets))}
    if change.dataset not in rows:
        msg = f"The store has no dataset {change.dataset!r}: {did_you_mean(change.dataset, rows)}"
        raise SpecError(msg)
    if not change.new or change.new == change.old:
        msg = f"{change.old!r} needs another name to be renamed to, not {change.new!r}"
        raise SpecError(msg)
    if ANY_COLUMN in {change.old, change.new}:
        msg = f"{ANY_COLUMN!r} stands for the whole table and cannot be renamed, nor can anything be called so"
        raise SpecError(msg)
    check_text(change.what, change.new)
    dataset = rows[change.dataset]
    target = rows.get(change.new) if change.what == "dataset" else None
    if target is not None:
        _refuse(change, dataset, target)
    every = tx.execute(sa.select(t.series).where(t.series.c.dataset_id.in_([row.id for row in (dataset, target) if row is not None])))
    series = {row.id: row for row in every}
    mine = {row.id: row for row in series.values() if row.dataset_id == dataset.id}
    grouped = _groups(mine, change)
    keys = {series_id: key for series_id, row in mine.items() if (key := _renamed(change, row, grouped)) is not None}
    if not keys and change.what != "dataset":
        _refuse_unknown(change, mine)
    found = {row.identity: row.id for row in series.values()}
    pairs = {found[key.identity]: series_id for series_id, key in keys.items() if key.identity in found}
    return _Plan(dataset, target, keys, series, pairs)


def _refuse(change: Rename, dataset: sa.Row[Any], target: sa.Row[Any]) -> None:
    if target.dag_id != dataset.dag_id:
        msg = (
            f"Dataset {change.new!r} belongs to DAG {target.dag_id!r}, and {change.old!r} to {dataset.dag_id!r}: "
            "only datasets of one DAG can be joined"
        )
        raise OwnershipError(msg)
    grains = [Grain(row.grain, row.timezone) for row in (dataset, target)]
    if grains[0] != grains[1]:
        msg = (
            f"Dataset {change.old!r} is measured by {grains[0]} and {change.new!r} by {grains[1]}: "
            "their points are of other periods, so their histories cannot be joined"
        )
        raise SpecError(msg)


def _refuse_unknown(change: Rename, mine: Mapping[int, sa.Row[Any]]) -> None:
    if change.what == "column":
        valid = {row.column_name for row in mine.values()} - {ANY_COLUMN}
    else:
        valid = {name for row in mine.values() for name in json.loads(row.dimension_names)}
        if change.old in valid:
            msg = f"Dimension {change.old!r} of dataset {change.dataset!r} has the values of a column: rename the column"
            raise SpecError(msg)
    msg = f"Dataset {change.dataset!r} has no {change.what} {change.old!r}: {did_you_mean(change.old, valid)}"
    raise SpecError(msg)


def _groups(mine: Mapping[int, sa.Row[Any]], change: Rename) -> bool:
    """Whether the dataset is grouped by this name; else it is a dimension only of those series that count a column's values."""
    return any(row.column_name != change.old and change.old in json.loads(row.dimension_names) for row in mine.values())


def _renamed(change: Rename, row: sa.Row[Any], grouped: bool) -> SeriesKey | None:
    """What a series is to be; None: what it is."""
    dims: dict[str, DimensionValue] = json.loads(row.dimensions)
    dataset, column = change.dataset, row.column_name
    if change.what == "dataset":
        dataset = change.new
    elif change.what == "column":
        if column != change.old:
            return None
        column = change.new
        if not grouped and change.old in dims:
            dims = _with(dims, change)
    else:
        if change.old not in dims or not grouped:
            return None
        if change.new in RESERVED:
            msg = f"A dimension cannot be called {change.new!r}: that is a name of our own tables"
            raise SpecError(msg)
        dims = _with(dims, change)
    return SeriesKey(dataset, column, row.metric, dimensions(dims), row.level, Grain(row.grain, row.timezone))


def _with(dims: Mapping[str, DimensionValue], change: Rename) -> dict[str, DimensionValue]:
    if change.new in dims:
        msg = f"Dataset {change.dataset!r} has series with both dimensions {change.old!r} and {change.new!r}: they stay two"
        raise SpecError(msg)
    return {change.new if name == change.old else name: value for name, value in dims.items()}


def _outcome(tx: Transaction, plan: _Plan) -> Renamed:
    points = tx.tables.points
    replaced = 0
    newer: set[tuple[int, int]] = set()
    for condition in bulk.among(tx, points.c.series_id, plan.pairs):
        newer.update((plan.pairs[row[0]], row[1]) for row in tx.rows(sa.select(points.c.series_id, points.c.start).where(condition)))
    if newer:
        first, last = min(start for _, start in newer), max(start for _, start in newer)
        for condition in bulk.among(tx, points.c.series_id, plan.pairs.values()):
            query = sa.select(points.c.series_id, points.c.start).where(condition, points.c.start.between(first, last))
            replaced += sum(tuple(row) in newer for row in tx.rows(query))
    return Renamed(len(plan.keys), len(plan.pairs), replaced)


def _since(tx: Transaction, plan: _Plan) -> int:
    """The first period under the new name, or else the newest."""
    t = tx.tables
    first = first_points(tx, plan.pairs)
    if first:
        return min(first.values())
    newest = tx.execute(sa.select(sa.func.max(t.periods.c.start)).where(t.periods.c.dataset_id == plan.dataset.id)).scalar()
    return int(time.time()) if newest is None else int(newest)


def first_points(tx: Transaction, ids: Collection[int]) -> dict[int, int]:
    """The start of each series' first point."""
    points = tx.tables.points
    first: dict[int, int] = {}
    for condition in bulk.among(tx, points.c.series_id, ids):
        first.update(tx.rows(sa.select(points.c.series_id, sa.func.min(points.c.start)).where(condition).group_by(points.c.series_id)))
    return first


def _ids(tx: Transaction, dataset_id: int) -> list[int]:
    series = tx.tables.series
    return [row[0] for row in tx.rows(sa.select(series.c.id).where(series.c.dataset_id == dataset_id))]


def _newer(tx: Transaction, plan: _Plan) -> dict[int, sa.Row[Any]]:
    """Older series → what it becomes: the task's word of it is the newer's, unless that only came with an import."""
    t = tx.tables
    found: dict[int, sa.Row[Any]] = {}
    for condition in bulk.among(tx, t.series.c.id, plan.pairs):
        query = sa.select(t.series, t.definitions.c.hash).join(t.definitions, t.definitions.c.id == t.series.c.definition_id)
        found.update({plan.pairs[row.id]: row for row in tx.execute(query.where(condition))})
    return found


def _write_series(tx: Transaction, plan: _Plan, newer: Mapping[int, sa.Row[Any]]) -> None:
    series = tx.tables.series
    stands: dict[int, int] = {}
    for condition in bulk.among(tx, series.c.id, plan.keys):  # as it is by now
        stands.update(tx.rows(sa.select(series.c.id, series.c.definition_id).where(condition)))
    rows = []
    for series_id, key in plan.keys.items():
        row = plan.rows[series_id]
        told = newer.get(series_id)
        values = {column.name: getattr(row, column.name) for column in series.columns}
        values |= {
            "identity": key.identity,
            "column_name": key.column,
            "dimensions": canonical_json(dict(key.dimensions)),
            "dimension_names": canonical_json([name for name, _ in key.dimensions]),
            "definition_id": stands[series_id],
        }
        if told is not None:
            values |= {"kind": told.kind, "unit": told.unit, "retired_at": told.retired_at}
            if told.hash != IMPORTED:
                values["definition_id"] = told.definition_id
        rows.append(values)
    bulk.upsert(tx, series, bulk.by_name(rows))


def _take_over(tx: Transaction, dataset: sa.Row[Any], target: sa.Row[Any], revision: int) -> None:
    """Make the older row the newer dataset. Detectors look at everything anew: the two had revisions of their own."""
    datasets = tx.tables.datasets
    values = {column.name: getattr(target, column.name) for column in datasets.columns if column.name != "id"}
    values |= {"revision": revision, "changes_from": revision}
    tx.execute(sa.update(datasets).where(datasets.c.id == dataset.id).values(**values))


def _rename_in_definitions(tx: Transaction, dataset_id: int, change: Rename) -> set[int]:
    """Where a definition names the column by itself, the task's next one names it anew: that is no other definition.

    Answers the series whose points of both definitions now count.
    """
    t = tx.tables
    rows = tx.execute(sa.select(t.definitions).where(t.definitions.c.dataset_id == dataset_id, t.definitions.c.hash != IMPORTED)).all()
    known = {(row.dag_id, row.task_id, row.hash): row.id for row in rows}
    moved: dict[int, int] = {}
    for row in rows:
        spec = json.loads(row.spec)
        renamed = dict(spec)
        if spec.get("time_column") == change.old:
            renamed["time_column"] = change.new
        if isinstance(spec.get("per_entity"), dict):
            renamed["per_entity"] = {change.new if name == change.old else name: value for name, value in spec["per_entity"].items()}
        if renamed == spec:
            continue
        hashed = digest(renamed)
        twin = known.get((row.dag_id, row.task_id, hashed))
        if twin is None:
            values = {"hash": hashed, "spec": canonical_json(renamed)}
            tx.execute(sa.update(t.definitions).where(t.definitions.c.id == row.id).values(**values))
        else:
            moved[row.id] = twin
    joining.move_definitions(tx, moved)
    return (
        {row[0] for row in tx.rows(sa.select(t.series.c.id).where(t.series.c.definition_id.in_(sorted(moved.values()))))}
        if moved
        else set()
    )


def _rename_in_calendar(tx: Transaction, dataset_id: int, change: Rename) -> None:
    """Absent groups by the new name."""
    periods = tx.tables.periods
    rows = []
    for row in tx.execute(sa.select(periods).where(periods.c.dataset_id == dataset_id, periods.c.absent_groups != "[]")):
        groups = [
            {change.new if name == change.old else name: value for name, value in group.items()} for group in json.loads(row.absent_groups)
        ]
        told = "[" + ",".join(sorted(map(canonical_json, groups))) + "]"
        if told != row.absent_groups:
            rows.append({**row._mapping, "absent_groups": told})
    bulk.upsert(tx, periods, bulk.by_name(rows))
