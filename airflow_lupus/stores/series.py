"""The series of a dataset: which are known, whose definition they have, and the ids of new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.exceptions import OwnershipError
from airflow_lupus.model import canonical_json
from airflow_lupus.stores import bulk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_lupus.model import Grain, SeriesInfo, TaskRef
    from airflow_lupus.stores.base import Scope
    from airflow_lupus.stores.database import Transaction

IMPORTED = "imported"
"""The hash of definitions that came with imported history: it belongs to whatever the series is now."""


@dataclass(frozen=True)
class KnownSeries:
    """A series as the store has it."""

    id: int
    definition_id: int
    column: str
    metric: str
    dimensions: str
    dimension_names: str
    retired: bool


def known_series(tx: Transaction, dataset_id: int, grain: Grain) -> dict[str, KnownSeries]:
    """Identity → series of the dataset at this grain."""
    series = tx.tables.series
    columns = ("identity", "id", "definition_id", "column_name", "metric", "dimensions", "dimension_names", "retired_at")
    query = sa.select(*[series.c[name] for name in columns]).where(
        series.c.dataset_id == dataset_id, series.c.grain == grain.unit, series.c.timezone == grain.timezone
    )
    return {row[0]: KnownSeries(*row[1:7], row[7] is not None) for row in tx.rows(query)}  # type: ignore[call-arg]


def claim(
    tx: Transaction,
    dataset_id: int,
    found: Mapping[str, KnownSeries],
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


def series_ids(
    tx: Transaction, dataset_id: int, definition_id: int, found: Mapping[str, KnownSeries], measured: Iterable[SeriesInfo]
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


def covered(found: Mapping[str, KnownSeries], scope: Scope) -> set[int]:
    """The known series that the scope covers."""
    names = {canonical_json(sorted(dimension_names)) for dimension_names in scope.dimension_names}
    pairs = set(scope.pairs)
    return {series.id for series in found.values() if (series.column, series.metric) in pairs and series.dimension_names in names}
