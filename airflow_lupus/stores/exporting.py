"""The points of a store as rows that say everything in words: what `pipeline.importing` reads."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.exceptions import SpecError, did_you_mean
from airflow_lupus.model import Grain, PointStatus, from_epoch
from airflow_lupus.stores import bulk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from airflow_lupus.stores.database import Transaction

COLUMNS = ("dataset", "grain", "timezone", "column", "metric", "dimensions", "level", "period", "value", "n")
AT_ONCE = 200_000
"""Points that are held at once, or those of one series."""
NUMBERS = {PointStatus.NAN: float("nan"), PointStatus.INF: float("inf"), PointStatus.MINUS_INF: float("-inf")}


def exported(
    tx: Transaction, datasets: Collection[str] = (), start: str | None = None, end: str | None = None, as_of: int | None = None
) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of `COLUMNS`, some at a time, in an order that the ids of a store do not change.

    Of each dataset its present grain. Points that could not be computed are left out: nothing is known of them that could be imported.

    :param datasets: their names; none: all.
    :param start: the first date or time, in each dataset's zone; `end`: the one after the last.
    :param as_of: epoch seconds: what was known then, instead of what is known now.
    """
    for row in _chosen(tx, datasets):
        grain = Grain(row.grain, row.timezone)
        span = [None if text is None else int(grain.parse(text).timestamp()) for text in (start, end)]
        series = _series(tx, row)
        counts = _counts(tx, row.id, revised=as_of is not None)
        for part in _parts([one for one in series if one.id in counts], counts):
            points = _points(tx, [one.id for one in part], span, as_of)
            rows = []
            for one in part:
                words = (row.name, row.grain, row.timezone, one.column_name, one.metric, one.dimensions, one.level)
                rows += [(*words, period_text(grain, at), value, n) for at, value, n in sorted(points.get(one.id, ()), key=_start)]
            yield rows


@lru_cache(maxsize=100_000)
def period_text(grain: Grain, start: int) -> str:
    """A period's start as its zone's clocks and calendars have it; hours with their distance from UTC, since clocks go back.

    >>> period_text(Grain("day", "America/New_York"), 1360299600), period_text(Grain("hour", "America/New_York"), 1360299600)
    ('2013-02-08', '2013-02-08T00:00:00-05:00')
    """
    local = grain.local(from_epoch(start))
    date = local.date().isoformat()
    return date if grain.unit != "hour" and grain.parse(date).timestamp() == start else local.isoformat()


def _chosen(tx: Transaction, names: Collection[str]) -> list[sa.Row[Any]]:
    found = sorted(tx.execute(sa.select(tx.tables.datasets)), key=lambda row: str(row.name))
    known = {row.name for row in found}
    for name in names:
        if name not in known:
            msg = f"There is no dataset {name!r}: {did_you_mean(name, known)}"
            raise SpecError(msg)
    return [row for row in found if not names or row.name in names]


def _series(tx: Transaction, dataset: sa.Row[Any]) -> list[sa.Row[Any]]:
    """Sorted here: databases do not agree on the order of texts."""
    series = tx.tables.series
    query = sa.select(series).filter_by(dataset_id=dataset.id, grain=dataset.grain, timezone=dataset.timezone)
    return sorted(tx.execute(query), key=lambda row: (row.column_name, row.metric, row.level != "total", row.dimensions))


def _counts(tx: Transaction, dataset_id: int, *, revised: bool) -> dict[int, int]:
    """How many points of each series there are to read, or a few less."""
    t = tx.tables
    counts: dict[int, int] = defaultdict(int)
    for table in (t.points, t.point_revisions) if revised else (t.points,):
        query = sa.select(table.c.series_id, sa.func.count()).join(t.series, t.series.c.id == table.c.series_id)
        for series_id, count in tx.rows(query.where(t.series.c.dataset_id == dataset_id).group_by(table.c.series_id)):
            counts[series_id] += count
    return counts


def _parts(series: Sequence[sa.Row[Any]], counts: dict[int, int]) -> Iterator[list[sa.Row[Any]]]:
    part: list[sa.Row[Any]] = []
    size = 0
    for one in series:
        if part and size + counts[one.id] > AT_ONCE:
            yield part
            part, size = [], 0
        part.append(one)
        size += counts[one.id]
    if part:
        yield part


def _points(tx: Transaction, ids: Collection[int], span: Sequence[int | None], as_of: int | None) -> dict[int, list[tuple[Any, ...]]]:
    """Series id → start, value and rows behind it."""
    t = tx.tables
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for table in (t.points,) if as_of is None else (t.points, t.point_revisions):
        for condition in bulk.among(tx, table.c.series_id, ids):
            names = ("series_id", "start", "value", "n", "status")
            query = sa.select(*[table.c[name] for name in names]).where(condition, table.c.status != int(PointStatus.FAILED))
            if span[0] is not None:
                query = query.where(table.c.start >= span[0])
            if span[1] is not None:
                query = query.where(table.c.start < span[1])
            if as_of is not None:
                query = query.join(t.measurements, t.measurements.c.id == table.c.measurement_id)
                query = query.where(t.measurements.c.collected_at <= as_of)
                if table is t.point_revisions:
                    query = query.where(table.c.replaced_at > as_of)
            for series_id, start, value, n, status in tx.rows(query):
                found[series_id].append((start, NUMBERS.get(status, value), n))
    return found


def _start(point: tuple[Any, ...]) -> int:
    return int(point[0])
