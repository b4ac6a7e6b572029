"""The newest point of every series, and its worst severity: a small table that the overview reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.stores import bulk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from airflow_lupus.stores.database import Transaction

LATEST = ("series_id", "start", "value", "seconds", "status")


def follow(tx: Transaction, written: Iterable[Sequence[Any]], retracted: Collection[tuple[int, int]]) -> None:
    """Take in what was saved. New newest points are known here; only where points went, or their values changed, has one to look.

    :param written: rows of points: series, start, value, n, measurement, seconds, status, reason.
    :param retracted: series and start of points that went.
    """
    latest = tx.tables.latest
    newest: dict[int, Sequence[Any]] = {}
    for row in written:
        if row[0] not in newest or row[1] > newest[row[0]][1]:
            newest[row[0]] = row
    before: dict[int, int] = {}
    for condition in bulk.among(tx, latest.c.series_id, {*newest, *(series_id for series_id, _ in retracted)}):
        before.update(tx.rows(sa.select(latest.c.series_id, latest.c.start).where(condition)))
    later = [row for series_id, row in newest.items() if row[1] > before.get(series_id, row[1] - 1)]
    rows = [(row[0], row[1], row[2], row[5], row[6], None) for row in later]
    bulk.upsert(tx, latest, bulk.columns((*LATEST, "severity"), rows))
    at = {series_id for series_id, row in newest.items() if row[1] == before.get(series_id)}  # its verdict stays until it is judged again
    lost = {series_id for series_id, start in retracted if start == before.get(series_id)}
    refresh(tx, at | lost)


def refresh(tx: Transaction, series_ids: Collection[int]) -> None:
    """Look up anew which point of these series is the newest, and how it was judged."""
    t = tx.tables
    others = t.points.alias()
    newest = sa.select(sa.func.max(others.c.start)).where(others.c.series_id == t.series.c.id).correlate(t.series).scalar_subquery()
    worst = sa.select(sa.func.max(t.verdicts.c.severity)).where(
        t.verdicts.c.series_id == t.points.c.series_id, t.verdicts.c.start == t.points.c.start
    )
    bulk.delete(tx, t.latest, {"series_id": sorted(series_ids)})
    for condition in bulk.among(tx, t.series.c.id, series_ids):
        rows = (
            sa.select(*[t.points.c[name] for name in LATEST], worst.scalar_subquery())
            .select_from(t.series)
            .join(t.points, (t.points.c.series_id == t.series.c.id) & (t.points.c.start == newest))
            .where(condition)
        )
        tx.execute(sa.insert(t.latest).from_select([*LATEST, "severity"], rows))


def refresh_severity(tx: Transaction, series_ids: Collection[int]) -> None:
    """The worst verdict of the newest points."""
    latest, verdicts = tx.tables.latest, tx.tables.verdicts
    worst = sa.select(sa.func.max(verdicts.c.severity)).where(
        verdicts.c.series_id == latest.c.series_id, verdicts.c.start == latest.c.start
    )
    for condition in bulk.among(tx, latest.c.series_id, series_ids):
        tx.execute(sa.update(latest).where(condition).values(severity=worst.scalar_subquery()))
