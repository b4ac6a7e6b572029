"""Making one history of two: of a series that was measured under two names, and of a dataset that was.

What is newer is usually little, so its rows move to the ids of the older.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.model import MEASURED, PeriodStatus
from airflow_lupus.stores import bulk, latest
from airflow_lupus.stores.judging import VERDICT
from airflow_lupus.stores.saving import POINT
from airflow_lupus.stores.series import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from airflow_lupus.stores.database import Transaction

REVISION = (*POINT, "retracted", "revision", "replaced_at", "replaced_by")
SERIES_AT_ONCE = 500
TOLD = ("sent", "logged", "sending")
MEASUREMENT, RETRACTED, NUMBER, REPLACED_AT = (REVISION.index(name) for name in ("measurement_id", "retracted", "revision", "replaced_at"))
LATER = 2**62
"""An instant after all others."""


def join_series(tx: Transaction, pairs: Mapping[int, int], revision: int, slots: Mapping[int, int] | None = None) -> int:
    """Give the points, revisions and verdicts of some series to others; the highest revision that their past has now.

    Where both have a point the newer series' counts, and the older's becomes a revision. Verdicts that had another history are dropped,
    except those of the newer series: its points stay judged until they are judged again, so that nothing becomes news.

    :param pairs: newer series → older series, which stays.
    :param revision: of the dataset.
    :param slots: detectors' slots that others take over.
    """
    highest = revision
    ordered = sorted(pairs)
    for i in range(0, len(ordered), SERIES_AT_ONCE):
        part = {newer: pairs[newer] for newer in ordered[i : i + SERIES_AT_ONCE]}
        highest = max(highest, _join(tx, part, revision, slots or {}))
    return highest


def _join(tx: Transaction, pairs: Mapping[int, int], revision: int, slots: Mapping[int, int]) -> int:
    t = tx.tables
    newer_points = {(pairs[row[0]], row[1]): (pairs[row[0]], *row[1:]) for row in _rows(tx, t.points, POINT, pairs)}
    newer_past = [(pairs[row[0]], *row[1:]) for row in _rows(tx, t.point_revisions, REVISION, pairs)]
    keys = {*newer_points, *(row[:2] for row in newer_past)}
    starts = {start for _, start in keys}
    older_points = {row[:2]: row for row in _rows(tx, t.points, POINT, pairs.values(), starts) if row[:2] in keys}
    older_past = [row for row in _rows(tx, t.point_revisions, REVISION, pairs.values(), starts) if row[:2] in keys]
    past: dict[tuple[int, int], list[tuple[Any, ...]]] = defaultdict(list)
    for row in (*older_past, *newer_past):
        past[row[:2]].append(row)
    for key, point in older_points.items():
        if key in newer_points:
            past[key].append((*point, 0, revision, LATER, newer_points[key][MEASUREMENT]))
    every = [*newer_points.values(), *older_points.values(), *(row for rows in past.values() for row in rows)]
    collected = _collected(tx, {row[MEASUREMENT] for row in every})
    lined_up = []
    for key, rows in past.items():
        current = newer_points.get(key) or older_points.get(key)
        lined_up += _one_after_another(rows, collected, None if current is None else collected[current[MEASUREMENT]])

    dropped = _verdicts_of_another_history(tx, pairs, newer_points)
    judged = [(pairs[row[0]], row[1], slots.get(row[2], row[2]), *row[3:]) for row in _rows(tx, t.verdicts, VERDICT, pairs)]
    bulk.delete(tx, t.point_revisions, bulk.columns(("series_id", "start"), {row[:2] for row in older_past}))
    bulk.delete(tx, t.verdicts, bulk.columns(("series_id", "start"), dropped))
    for table in (t.points, t.point_revisions, t.verdicts, t.changes, t.latest):
        for condition in bulk.among(tx, table.c.series_id, pairs):
            tx.execute(sa.delete(table).where(condition))
    bulk.insert(tx, t.point_revisions, bulk.columns(REVISION, lined_up))
    bulk.upsert(tx, t.points, bulk.columns(POINT, newer_points.values()))
    bulk.upsert(tx, t.verdicts, bulk.columns(VERDICT, judged))
    for condition in bulk.among(tx, t.series.c.id, pairs):
        tx.execute(sa.delete(t.series).where(condition))
    latest.refresh(tx, set(pairs.values()))
    return max((row[NUMBER] for row in lined_up), default=revision)


def _rows(
    tx: Transaction, table: sa.Table, names: Iterable[str], ids: Collection[int], starts: Collection[int] | None = None
) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for condition in bulk.among(tx, table.c.series_id, ids):
        query = sa.select(*[table.c[name] for name in names]).where(condition)
        if starts is not None:
            query = query.where(table.c.start.between(min(starts, default=0), max(starts, default=-1)))
        found += tx.rows(query)
    return found


def _collected(tx: Transaction, ids: Collection[int]) -> dict[int, int]:
    measurements = tx.tables.measurements
    found: dict[int, int] = {}
    for condition in bulk.among(tx, measurements.c.id, ids):
        found.update(tx.rows(sa.select(measurements.c.id, measurements.c.collected_at).where(condition)))
    return found


def _one_after_another(rows: list[tuple[Any, ...]], collected: Mapping[int, int], current: int | None) -> list[tuple[Any, ...]]:
    """Revisions of one point from two histories, each known until the next was, so that at any instant there was one value."""
    ordered = sorted(rows, key=lambda row: (collected[row[MEASUREMENT]], row[REPLACED_AT]))
    bounds = [*(collected[row[MEASUREMENT]] for row in ordered[1:]), LATER]
    ends = []
    for row, bound in zip(ordered, bounds, strict=True):
        end = min(row[REPLACED_AT], bound, LATER if current is None else current)
        ends.append(max(end, collected[row[MEASUREMENT]]))
    lined_up, number = [], -1
    for end, row in sorted(zip(ends, ordered, strict=True), key=lambda pair: (pair[0], pair[1][NUMBER])):
        number = max(row[NUMBER], number + 1)
        lined_up.append((*row[:NUMBER], number, end, row[-1]))
    return lined_up


def _verdicts_of_another_history(
    tx: Transaction, pairs: Mapping[int, int], newer_points: Collection[tuple[int, int]]
) -> set[tuple[int, int]]:
    """The older series' verdicts of points that are replaced, or that have points of the newer series before them."""
    t = tx.tables
    first: dict[int, int] = {}
    for series_id, start in newer_points:
        first[series_id] = min(start, first.get(series_id, start))
    if not first:
        return set()
    alike = _alike(tx, pairs)
    found: set[tuple[int, int]] = set()
    for condition in bulk.among(tx, t.verdicts.c.series_id, first):
        query = sa.select(t.verdicts.c.series_id, t.verdicts.c.start).where(condition, t.verdicts.c.start >= min(first.values()))
        found.update(tuple(row) for row in tx.rows(query))
    return {key for key in found if key in newer_points or (key[0] in alike and key[1] > first[key[0]])}


def _alike(tx: Transaction, pairs: Mapping[int, int]) -> set[int]:
    """The older series that are defined as the newer are, so that one's points count for the other."""
    t = tx.tables
    hashes: dict[int, str] = {}
    for condition in bulk.among(tx, t.series.c.id, {*pairs, *pairs.values()}):
        query = sa.select(t.series.c.id, t.definitions.c.hash).join(t.definitions, t.definitions.c.id == t.series.c.definition_id)
        hashes.update(tx.rows(query.where(condition)))
    return {older for newer, older in pairs.items() if hashes[newer] == hashes[older] or IMPORTED in {hashes[newer], hashes[older]}}


def move_definitions(tx: Transaction, moved: Mapping[int, int]) -> None:
    """Let other definitions stand for some, which are deleted."""
    t = tx.tables
    for gone, stays in moved.items():
        for table in (t.measurements, t.series):
            tx.execute(sa.update(table).where(table.c.definition_id == gone).values(definition_id=stays))
        tx.execute(sa.delete(t.definitions).where(t.definitions.c.id == gone))


def join_datasets(tx: Transaction, newer: sa.Row[Any], older: sa.Row[Any]) -> dict[int, int]:
    """Give all that belongs to a dataset, apart from its series' points, to another, and delete its row; slots that others take over.

    The newer arrival calendar counts, except where it has nothing and the older has rows.
    """
    t = tx.tables
    _join_calendars(tx, newer.id, older.id)
    _join_deliveries(tx, newer.id, older.id)
    move_definitions(tx, _twins(tx, t.definitions, newer.id, older.id, ("dag_id", "task_id", "hash")))
    slots = _twins(tx, t.slots, newer.id, older.id, ("dag_id", "task_id", "name"))
    tx.execute(sa.delete(t.slots).where(t.slots.c.id.in_(list(slots))))
    for table in (t.definitions, t.measurements, t.series, t.slots, t.periods, t.deliveries, t.annotations):
        tx.execute(sa.update(table).where(table.c.dataset_id == newer.id).values(dataset_id=older.id))
    tx.execute(sa.delete(t.changes).where(t.changes.c.dataset_id.in_([newer.id, older.id])))
    tx.execute(sa.delete(t.datasets).where(t.datasets.c.id == newer.id))
    return slots


def move_verdicts(tx: Transaction, slots: Mapping[int, int], series_ids: Collection[int]) -> None:
    """Let other slots stand for some in the verdicts of these series, which the others have not judged."""
    verdicts = tx.tables.verdicts
    for gone, stays in slots.items():
        for condition in bulk.among(tx, verdicts.c.series_id, series_ids):
            tx.execute(sa.update(verdicts).where(condition, verdicts.c.slot_id == gone).values(slot_id=stays))


def _twins(tx: Transaction, table: sa.Table, newer: int, older: int, names: tuple[str, ...]) -> dict[int, int]:
    """Rows of the newer dataset that the older has too: id → id."""
    other = table.alias()
    same = sa.and_(*[table.c[name] == other.c[name] for name in names])
    query = sa.select(table.c.id, other.c.id).join(other, same).where(table.c.dataset_id == newer, other.c.dataset_id == older)
    return dict(tx.rows(query))


def _join_calendars(tx: Transaction, newer: int, older: int) -> None:
    periods = tx.tables.periods
    names = ("grain", "timezone", "start")
    found = tx.execute(sa.select(periods).where(periods.c.dataset_id == older))
    old = {tuple(getattr(row, name) for name in names): row.status for row in found}
    goes: dict[int, set[tuple[Any, ...]]] = {newer: set(), older: set()}
    for row in tx.execute(sa.select(periods).where(periods.c.dataset_id == newer)):
        key = tuple(getattr(row, name) for name in names)
        if key in old:
            keeps_old = PeriodStatus(row.status) not in MEASURED and PeriodStatus(old[key]) in MEASURED
            goes[newer if keeps_old else older].add(key)
    for dataset_id, keys in goes.items():
        bulk.delete(tx, periods, bulk.columns(("dataset_id", *names), {(dataset_id, *key) for key in keys}))


def _join_deliveries(tx: Transaction, newer: int, older: int) -> None:
    """Of a digest that both have, the one that was sent stays: nobody is told again."""
    deliveries = tx.tables.deliveries
    twins = _twins(tx, deliveries, newer, older, ("dag_id", "task_id", "destination", "first_start", "last_end"))
    told = set(tx.execute(sa.select(deliveries.c.id).where(deliveries.c.state.in_(TOLD), deliveries.c.dataset_id == older)).scalars())
    gone = [mine if theirs in told else theirs for mine, theirs in twins.items()]
    bulk.delete(tx, deliveries, {"id": gone})
