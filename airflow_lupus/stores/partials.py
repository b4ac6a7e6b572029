"""Partials as the store has them: replaced with the points that they belong to, and read to roll periods up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.model import ENTITY_COUNT, FIXED, canonical_json, digest
from airflow_lupus.stores import bulk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from airflow_lupus.model import DimensionValue, Grain, Measurement, Partial, Period
    from airflow_lupus.stores.base import Scope
    from airflow_lupus.stores.database import Transaction

KEY = ("dataset_id", "grain", "timezone", "start", "identity")
HISTOGRAM = "histogram "
"""What the name of a histogram begins with, which stands where other partials have their metrics: what drift is told from."""
FIRST_HISTOGRAM = "first histogram "
"""One that later periods are compared with for ever."""
EDGES = "edges"
"""The level of a partial that has the edges of a histogram's bins."""


@dataclass(frozen=True)
class StoredPartial:
    """A partial, and the definition that it was measured under."""

    start: int
    metrics: tuple[str, ...]
    dimensions: str
    level: str
    state: str
    definition_id: int
    defined_as: str
    """The definition's hash: tasks may share one."""


def replace(
    tx: Transaction,
    dataset_id: int,
    grain: Grain,
    scope: Scope,
    measurement: Measurement,
    starts: Collection[int],
    measurement_id: int,
    *,
    anything_there: bool,
) -> None:
    """Put a measurement's partials where those of its metrics were, in the periods that it has measured."""
    if anything_there:
        _clear(tx, dataset_id, grain, scope, measurement, starts)
    kept = [partial for partial in measurement.partials if partial.start in starts or partial.start == FIXED]
    identities: dict[tuple[Any, ...], str] = {}
    columns: dict[str, list[Any]] = {
        "dataset_id": [dataset_id] * len(kept),
        "grain": [grain.unit] * len(kept),
        "timezone": [grain.timezone] * len(kept),
        "start": [partial.start for partial in kept],
        "identity": [_identity(partial, identities) for partial in kept],
        "column_name": [partial.column for partial in kept],
        "metrics": [canonical_json(partial.metrics) for partial in kept],
        "dimensions": [canonical_json(dict(partial.dimensions)) for partial in kept],
        "level": [partial.level for partial in kept],
        "state": [partial.state for partial in kept],
        "measurement_id": [measurement_id] * len(kept),
    }
    bulk.upsert(tx, tx.tables.partials, columns)


def _identity(partial: Partial, known: dict[tuple[Any, ...], str]) -> str:
    key = (partial.column, partial.metrics, _typed(partial.dimensions), partial.level)
    if key not in known:
        known[key] = digest(key)
    return known[key]


def _typed(dims: Iterable[tuple[str, DimensionValue]]) -> tuple[Any, ...]:
    """Dimensions of which 1 and True are two."""
    return tuple((name, type(value).__name__, value) for name, value in dims)


def move(tx: Transaction, dataset_id: int, to: int) -> None:
    """Make a dataset's partials another's, where they count."""
    table = tx.tables.partials
    rows = tx.rows(sa.select(*[table.c[name] for name in KEY[1:]]).where(table.c.dataset_id == dataset_id))
    bulk.delete(tx, table, {"dataset_id": [to] * len(rows), **bulk.columns(KEY[1:], rows)})
    tx.execute(sa.update(table).where(table.c.dataset_id == dataset_id).values(dataset_id=to))


def rename(tx: Transaction, dataset_id: int, what: str, old: str, new: str) -> None:
    """Let a dataset's partials follow a renamed column or dimension; where there are some of the new name, those count."""
    table = tx.tables.partials
    names = ("identity", "column_name", "metrics", "dimensions", "level")
    for identity, column, metrics, text, level in tx.rows(
        sa.select(*[table.c[name] for name in names]).distinct().where(table.c.dataset_id == dataset_id)
    ):
        dims = json.loads(text)
        if column != old if what == "column" else old not in dims:
            continue
        named = new if what == "column" else column
        dims = dims if what == "column" else {new if name == old else name: value for name, value in dims.items()}
        renamed = digest((named, tuple(json.loads(metrics)), _typed(sorted(dims.items())), level))
        taken = tx.rows(
            sa.select(*[table.c[name] for name in KEY[1:4]]).where(table.c.dataset_id == dataset_id, table.c.identity == renamed)
        )
        own = {"dataset_id": [dataset_id] * len(taken), "identity": [identity] * len(taken)}
        bulk.delete(tx, table, {**own, **bulk.columns(KEY[1:4], taken)})
        values = {"identity": renamed, "column_name": named, "dimensions": canonical_json(dims)}
        tx.execute(sa.update(table).where(table.c.dataset_id == dataset_id, table.c.identity == identity).values(**values))


def forget(tx: Transaction, dataset_id: int, wanted: Callable[[str, Sequence[str], Mapping[str, DimensionValue]], bool]) -> int:
    """Delete a dataset's partials of which this is true, by column, metrics and dimensions; how many those are."""
    table = tx.tables.partials
    names = ("identity", "column_name", "metrics", "dimensions")
    rows = tx.rows(sa.select(*[table.c[name] for name in names]).distinct().where(table.c.dataset_id == dataset_id))
    gone = [row[0] for row in rows if wanted(row[1], [_written(metric) for metric in json.loads(row[2])], json.loads(row[3]))]
    deleted = 0
    for i in range(0, len(gone), bulk.CHUNK):
        some = table.c.identity.in_(gone[i : i + bulk.CHUNK])
        deleted += tx.execute(sa.delete(table).where(table.c.dataset_id == dataset_id, some)).rowcount
    return deleted


def _clear(tx: Transaction, dataset_id: int, grain: Grain, scope: Scope, measurement: Measurement, starts: Collection[int]) -> None:
    """Delete the partials of metrics that were measured anew. What is imported says nothing of how its groups merge."""
    table = tx.tables.partials
    names = {tuple(sorted(each)) for each in scope.dimension_names}
    pairs = {*scope.pairs, *((info.key.column, info.key.metric) for info in measurement.points)}
    query = sa.select(table.c.start, table.c.identity, table.c.column_name, table.c.metrics, table.c.dimensions).where(
        table.c.dataset_id == dataset_id,
        table.c.grain == grain.unit,
        table.c.timezone == grain.timezone,
        table.c.start.between(min(starts), max(starts)),
    )
    gone = []
    for start, identity, column, metrics, dims in tx.rows(query):
        same = start in starts and any((column, _written(metric)) in pairs for metric in json.loads(metrics))
        if same and (measurement.origin == "import" or tuple(sorted(json.loads(dims))) in names):
            gone.append((dataset_id, grain.unit, grain.timezone, start, identity))
    bulk.delete(tx, table, bulk.columns(KEY, gone))


def _written(metric: str) -> str:
    return metric.replace(ENTITY_COUNT, "count", 1)


def columns_in(tx: Transaction, dataset_id: int, grain: Grain, period: Period) -> list[str]:
    """The columns that partials inside a longer period are of."""
    table = tx.tables.partials
    query = sa.select(table.c.column_name).distinct().where(*_inside(table, dataset_id, grain, period))
    return sorted(row[0] for row in tx.rows(query))


def of_column(tx: Transaction, dataset_id: int, grain: Grain, period: Period, column: str) -> list[StoredPartial]:
    """A column's partials inside a longer period, in order of time."""
    t = tx.tables
    names = ("start", "metrics", "dimensions", "level", "state")
    query = (
        sa.select(*[t.partials.c[name] for name in names], t.measurements.c.definition_id, t.definitions.c.hash)
        .join(t.measurements, t.measurements.c.id == t.partials.c.measurement_id)
        .join(t.definitions, t.definitions.c.id == t.measurements.c.definition_id)
        .where(*_inside(t.partials, dataset_id, grain, period), t.partials.c.column_name == column)
        .order_by(t.partials.c.start)
    )
    return [StoredPartial(row[0], tuple(json.loads(row[1])), *row[2:]) for row in tx.rows(query)]


@dataclass(frozen=True)
class StoredHistogram:
    """A histogram of a group, or the edges of its bins."""

    start: int
    level: str
    dimensions: tuple[tuple[str, DimensionValue], ...]
    state: str


def histogram_starts(tx: Transaction, dataset_id: int, grain: Grain, column: str, name: str) -> list[int]:
    """The periods that a histogram is kept of, in order."""
    table = tx.tables.partials
    query = sa.select(table.c.start).distinct().where(*_histogram(table, dataset_id, grain, column, name), table.c.start > FIXED)
    return sorted(row[0] for row in tx.rows(query))


def histograms(tx: Transaction, dataset_id: int, grain: Grain, column: str, name: str, starts: Collection[int]) -> list[StoredHistogram]:
    """The histograms of these periods."""
    table = tx.tables.partials
    found = []
    for condition in bulk.among(tx, table.c.start, starts):
        query = sa.select(*[table.c[each] for each in ("start", "level", "dimensions", "state")]).where(
            *_histogram(table, dataset_id, grain, column, name), condition
        )
        found += [StoredHistogram(row[0], row[1], tuple(sorted(json.loads(row[2]).items())), row[3]) for row in tx.rows(query)]
    return found


def lasting(table: sa.Table) -> sa.ColumnElement[bool]:
    """Which partials are no period's own, or needed for ever: age says nothing of them."""
    return (table.c.start == FIXED) | table.c.metrics.like(f'["{FIRST_HISTOGRAM}%')


def _histogram(table: sa.Table, dataset_id: int, grain: Grain, column: str, name: str) -> list[sa.ColumnElement[bool]]:
    return [*_of(table, dataset_id, grain), table.c.column_name == column, table.c.metrics == canonical_json([name])]


def _of(table: sa.Table, dataset_id: int, grain: Grain) -> list[sa.ColumnElement[bool]]:
    return [table.c.dataset_id == dataset_id, table.c.grain == grain.unit, table.c.timezone == grain.timezone]


def _inside(table: sa.Table, dataset_id: int, grain: Grain, period: Period) -> list[sa.ColumnElement[bool]]:
    """Those of metrics, which merge."""
    merging = ~table.c.metrics.like(f'["%{HISTOGRAM}%')
    return [*_of(table, dataset_id, grain), merging, table.c.start >= period.epoch, table.c.start < int(period.end.timestamp())]
