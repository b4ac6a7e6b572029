"""What was restated: points whose value a later measurement replaced, or that it did not find any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_lupus.stores.database import Transaction

RUN = ("dag_id", "task_id", "run_id", "map_index", "try_number")


@dataclass(frozen=True)
class Restated:
    """Which restatements are asked for.

    :param dag_ids: of series that these DAGs measure; None: of all.
    :param start: of periods that start at this instant (epoch seconds) or later,
    :param end: and before this one.
    :param since: replaced at this instant or later.
    :param retired: of retired series too.
    """

    dag_ids: Collection[str] | None = None
    dataset: str | None = None
    start: int | None = None
    end: int | None = None
    since: int | None = None
    retired: bool = False


def restatements(tx: Transaction, wanted: Restated, limit: int, offset: int = 0) -> tuple[int, list[sa.Row[Any]]]:
    """How many there are, and some of them, the newest first.

    A row has its series; `start`, `end`; `before`, `before_status`; `after`, `after_status`, both None where it was `retracted`;
    `replaced_at`; the task that replaced it as `by_…`, and the one that had measured it as `was_…`.
    """
    t = tx.tables
    if wanted.dag_ids is not None and not wanted.dag_ids:
        return 0, []
    old, following, later = t.point_revisions, t.point_revisions.alias(), t.point_revisions.alias()
    by, was = t.measurements.alias(), t.measurements.alias()
    source = (
        old.join(t.series, t.series.c.id == old.c.series_id)
        .join(t.datasets, t.datasets.c.id == t.series.c.dataset_id)
        .join(t.definitions, t.definitions.c.id == t.series.c.definition_id)
    )
    conditions = _conditions(tx, wanted)
    total = tx.execute(sa.select(sa.func.count()).select_from(source).where(*conditions)).scalar_one()
    next_revision = (
        sa.select(sa.func.min(later.c.revision))
        .where(later.c.series_id == old.c.series_id, later.c.start == old.c.start, later.c.revision > old.c.revision)
        .correlate(old)
        .scalar_subquery()
    )
    same = (following.c.series_id == old.c.series_id) & (following.c.start == old.c.start) & (following.c.revision == next_revision)
    everything = (
        source.outerjoin(following, same)
        .outerjoin(t.points, (t.points.c.series_id == old.c.series_id) & (t.points.c.start == old.c.start))
        .outerjoin(by, by.c.id == old.c.replaced_by)
        .outerjoin(was, was.c.id == old.c.measurement_id)
    )
    query = (
        sa.select(
            t.datasets.c.name.label("dataset"),
            *[t.series.c[name] for name in ("column_name", "metric", "dimensions", "level", "unit", "timezone")],
            old.c.series_id,
            old.c.start,
            (old.c.start + old.c.seconds).label("end"),
            old.c.value.label("before"),
            old.c.status.label("before_status"),
            *[_after(old, following, t.points, name).label(label) for name, label in (("value", "after"), ("status", "after_status"))],
            old.c.retracted,
            old.c.replaced_at,
            *[table.c[name].label(f"{prefix}_{name}") for prefix, table in (("by", by), ("was", was)) for name in RUN],
            was.c.collected_at,
        )
        .select_from(everything)
        .where(*conditions)
        .order_by(old.c.replaced_at.desc(), old.c.series_id, old.c.start, old.c.revision.desc())
        .limit(limit)
        .offset(offset)
    )
    return total, list(tx.execute(query))


def _conditions(tx: Transaction, wanted: Restated) -> list[sa.ColumnElement[bool]]:
    t = tx.tables
    old = t.point_revisions
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.dag_ids is not None:
        conditions.append(t.definitions.c.dag_id.in_(sorted(wanted.dag_ids)))
    if wanted.dataset is not None:
        conditions.append(t.datasets.c.name == wanted.dataset)
    if wanted.start is not None:
        conditions.append(old.c.start >= wanted.start)
    if wanted.end is not None:
        conditions.append(old.c.start < wanted.end)
    if wanted.since is not None:
        conditions.append(old.c.replaced_at >= wanted.since)
    if not wanted.retired:
        conditions.append(t.series.c.retired_at.is_(None))
    return conditions


def _after(old: sa.Table, following: Any, points: sa.Table, name: str) -> sa.ColumnElement[Any]:
    """What a point became: the value that was replaced next, or the one that counts."""
    known = sa.case((following.c.revision.is_not(None), following.c[name]), else_=points.c[name])
    return sa.case((old.c.retracted == 1, None), else_=known)
