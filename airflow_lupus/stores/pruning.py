"""Deleting what is older than a dataset keeps: in small transactions, so that nobody waits long for them, and without counting as a change.

Each transaction holds the dataset's lock, as collects and detects do. A pruning that is killed has pruned less, and the next one goes on.
The newest point of a series stays, with its verdicts, whatever its age; so do points that others were rolled up to.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.exceptions import SpecError, did_you_mean
from airflow_lupus.model import Grain, Reason
from airflow_lupus.stores import bulk, partials
from airflow_lupus.stores.coarser import rolled_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.retention import Limits
    from airflow_lupus.stores.schema import Tables
    from airflow_lupus.stores.sql import SqlStore

BATCH = 5_000
"""Rows that one transaction deletes, about."""
SETTLED = ("sent", "logged", "failed")
_EVER = 2**62
Condition = sa.ColumnElement[bool]


@dataclass(frozen=True)
class Kept:
    """A dataset, and what its owner says of how long it keeps what."""

    id: int
    name: str
    grain: Grain
    retention: Mapping[str, int | str]


def datasets(store: SqlStore, name: str | None = None) -> list[Kept]:
    """All datasets in order of their names, or the one of this name.

    :raises SpecError: there is none of this name.
    """
    with store.reading() as tx:
        table = tx.tables.datasets
        rows = tx.execute(sa.select(table).order_by(table.c.name)).all()
    found = [Kept(row.id, row.name, Grain(row.grain, row.timezone), json.loads(row.retention or "{}")) for row in rows]
    if name is None:
        return found
    if all(each.name != name for each in found):
        msg = f"There is no dataset {name!r} in the store: {did_you_mean(name, [each.name for each in found])}"
        raise SpecError(msg)
    return [each for each in found if each.name == name]


@dataclass(frozen=True)
class Pruning:
    """What there is to prune of one dataset.

    >>> from airflow_lupus.stores.retention import Limits
    >>> from airflow_lupus.stores.sql import SqlStore
    >>> Pruning(SqlStore.in_memory(), 1, Limits.of({"points": 730}, now=0)).count()
    {}
    """

    store: SqlStore
    dataset_id: int
    limits: Limits

    def count(self) -> dict[str, int]:
        """How many rows would go, by what they are; only what there is any of."""
        with self.store.reading() as tx:
            found = {what: sum(rows for _, rows in self._old_by_series(tx, what)) for what in self._by_series(tx.tables)}
            found["partials"] = self._old_partials(tx)
            found["periods"] = sum(len(starts) for _, starts in self._old_periods(tx))
            found["measurements"] = len(self._unreferenced(tx))
            found["deliveries"] = len(self._settled(tx))
        return {what: number for what, number in found.items() if number}

    def run(self, progress: Callable[[int], None]) -> dict[str, int]:
        """Prune.

        :param progress: told after each transaction how many rows went so far.
        :returns: how many rows went, by what they were.
        """
        gone: dict[str, int] = {}
        for what, batch in self._batches():
            started = time.monotonic()
            gone[what] = gone.get(what, 0) + self.store.writing(partial(self._locked, batch))
            progress(sum(gone.values()))
            time.sleep(min(time.monotonic() - started, 1.0))  # SQLite has no queue: whoever waits must find a gap
        return gone

    def _locked(self, batch: Callable[[Transaction], int], tx: Transaction) -> int:
        table = tx.tables.datasets
        tx.execute(sa.select(table.c.id).where(table.c.id == self.dataset_id).with_for_update())
        return batch(tx)

    def _batches(self) -> Iterator[tuple[str, Callable[[Transaction], int]]]:
        """Transactions to be, each with what it deletes. Verdicts go before their points: without them they would mean nothing."""
        for what in self._by_series(self.store.tables):
            with self.store.reading() as tx:
                old = self._old_by_series(tx, what)
            for ids, parts in _groups(old):
                for _ in range(parts):
                    yield what, partial(self._prune_series, what, ids)
        with self.store.reading() as tx:
            old_partials = self._old_partials(tx)
        for _ in range(-(-old_partials // BATCH)):
            yield "partials", self._prune_partials
        with self.store.reading() as tx:
            periods = self._old_periods(tx)
        for condition, starts in periods:
            for some in _slices(starts):
                yield "periods", partial(_delete, self.store.tables.periods.c.start, some, condition)
        for what, find, column in (
            ("measurements", self._unreferenced, self.store.tables.measurements.c.id),
            ("deliveries", self._settled, self.store.tables.deliveries.c.id),
        ):
            with self.store.reading() as tx:
                ids = find(tx)
            for some in _slices(ids):
                yield what, partial(_delete, column, some, sa.true())

    def _by_series(self, t: Tables) -> dict[str, tuple[sa.Table, Condition]]:
        """What belongs to series, in the order in which it goes: its table, and which of its rows are old."""
        limits = self.limits
        rules: dict[str, tuple[sa.Table, Condition]] = {}
        if limits.verdicts is not None:
            rules["verdicts"] = (t.verdicts, _before(t, t.verdicts, limits.verdicts))
        if limits.bands is not None:
            whole = (t.verdicts.c.severity == 0) & (t.verdicts.c.reason == int(Reason.NORMAL)) & t.verdicts.c.value.is_not(None)
            condition = _before(t, t.verdicts, limits.bands) & whole
            rules["bands"] = (t.verdicts, condition if limits.verdicts is None else condition & ~rules["verdicts"][1])
        replaced = [] if limits.revisions is None else [t.point_revisions.c.replaced_at < limits.revisions]
        if limits.points is not None:
            replaced.append(_before(t, t.point_revisions, limits.points))
        if replaced:
            rules["revisions"] = (t.point_revisions, sa.or_(*replaced))
        if limits.points is not None:
            kept = t.points.c.measurement_id.in_(rolled_up(t, self.dataset_id))
            rules["points"] = (t.points, _before(t, t.points, limits.points) & ~kept)
        return rules

    def _old_by_series(self, tx: Transaction, what: str) -> list[tuple[int, int]]:
        """(series id, old rows), for those that have any."""
        table, old = self._by_series(tx.tables)[what]
        query = sa.select(table.c.series_id, sa.func.count()).where(table.c.series_id.in_(self._series(tx.tables)), old)
        return [(row[0], row[1]) for row in tx.rows(query.group_by(table.c.series_id).order_by(table.c.series_id))]

    def _series(self, t: Tables) -> sa.Select[Any]:
        return sa.select(t.series.c.id).where(t.series.c.dataset_id == self.dataset_id)

    def _prune_series(self, what: str, ids: Sequence[int], tx: Transaction) -> int:
        """The earliest old rows of these series, no more than a batch of them."""
        t = tx.tables
        table, old = self._by_series(t)[what]
        number = 0
        for condition in bulk.among(tx, table.c.series_id, ids):
            last = sa.select(table.c.start).where(condition, old).order_by(table.c.start).limit(1).offset(BATCH - 1)
            bound = tx.execute(last).scalar()
            which = condition & old if bound is None else condition & old & (table.c.start <= bound)
            if what == "bands":
                shrunk = {"value": None, "score": None, "history": 0, "history_end": None}
                number += tx.execute(sa.update(table).where(which).values(**shrunk)).rowcount
                continue
            if what == "points":
                self._remember(tx)
                among = next(bulk.among(tx, t.verdicts.c.series_id, ids))
                early = sa.true() if bound is None else t.verdicts.c.start <= bound
                # A detect that had read these points may have judged them meanwhile.
                tx.execute(sa.delete(t.verdicts).where(among, early, _before(t, t.verdicts, self.limits.points or 0)))
            number += tx.execute(sa.delete(table).where(which)).rowcount
        return number

    def _remember(self, tx: Transaction) -> None:
        """Say up to when history is not whole any more: see `judging.commit`."""
        table, limit = tx.tables.datasets, self.limits.points
        later = (table.c.id == self.dataset_id) & (sa.func.coalesce(table.c.pruned_before, -_EVER) < limit)
        tx.execute(sa.update(table).where(later).values(pruned_before=limit))

    def _partials(self, t: Tables) -> Condition:
        table = t.partials
        return (table.c.dataset_id == self.dataset_id) & (table.c.start < self.limits.partials) & ~partials.lasting(table)

    def _old_partials(self, tx: Transaction) -> int:
        if self.limits.partials is None:
            return 0
        query = sa.select(sa.func.count()).select_from(tx.tables.partials).where(self._partials(tx.tables))
        return int(tx.execute(query).scalar_one())

    def _prune_partials(self, tx: Transaction) -> int:
        """The earliest, about a batch of them: all of a period together."""
        table, old = tx.tables.partials, self._partials(tx.tables)
        if self.limits.points is not None:
            self._remember(tx)
        last = tx.execute(sa.select(table.c.start).where(old).order_by(table.c.start).limit(1).offset(BATCH - 1)).scalar()
        return tx.execute(sa.delete(table).where(old if last is None else old & (table.c.start <= last))).rowcount

    def _old_periods(self, tx: Transaction) -> list[tuple[Condition, list[int]]]:
        """Starts in the calendar, by grain and zone. The newest stays: a dataset that rested for long is not to look like a new one."""
        periods, limit = tx.tables.periods, self.limits.points
        if limit is None:
            return []
        of_dataset = periods.c.dataset_id == self.dataset_id
        kinds = tx.execute(
            sa.select(periods.c.grain, periods.c.timezone, sa.func.max(periods.c.start).label("newest"))
            .where(of_dataset)
            .group_by(periods.c.grain, periods.c.timezone)
        ).all()
        found = []
        for kind in kinds:
            condition = of_dataset & (periods.c.grain == kind.grain) & (periods.c.timezone == kind.timezone)
            condition &= periods.c.measurement_id.not_in(rolled_up(tx.tables, self.dataset_id))
            query = sa.select(periods.c.start).where(condition, periods.c.start < min(limit, kind.newest)).order_by(periods.c.start)
            found.append((condition, [row[0] for row in tx.rows(query)]))
        return found

    def _unreferenced(self, tx: Transaction) -> list[int]:
        """Measurements of which nothing that stays tells. What nothing refers to once is never referred to again."""
        t = tx.tables
        rules = self._by_series(t)
        query = sa.select(t.measurements.c.id).where(
            t.measurements.c.dataset_id == self.dataset_id, t.measurements.c.collected_at < self.limits.log
        )
        found = {row[0] for row in tx.rows(query)}
        for what, table, names in (
            ("points", t.points, ["measurement_id"]),
            ("revisions", t.point_revisions, ["measurement_id", "replaced_by"]),
        ):
            stays = ~rules[what][1] if what in rules else sa.true()
            for name in names if found else ():
                query = sa.select(table.c[name]).distinct().where(table.c.series_id.in_(self._series(t)), stays)
                found -= {row[0] for row in tx.rows(query)}
        if found:
            found -= self._in_partials(tx)
        return sorted(found - self._in_calendar(tx))

    def _in_partials(self, tx: Transaction) -> set[int]:
        """Measurements that the partials, as far as they stay, refer to."""
        table = tx.tables.partials
        query = sa.select(table.c.measurement_id).distinct().where(table.c.dataset_id == self.dataset_id)
        return {row[0] for row in tx.rows(query if self.limits.partials is None else query.where(~self._partials(tx.tables)))}

    def _in_calendar(self, tx: Transaction) -> set[int]:
        """Measurements that the calendar, as far as it stays, refers to."""
        periods = tx.tables.periods
        of_dataset = periods.c.dataset_id == self.dataset_id
        newest = (
            sa.select(periods.c.grain, periods.c.timezone, sa.func.max(periods.c.start).label("newest"))
            .where(of_dataset)
            .group_by(periods.c.grain, periods.c.timezone)
            .subquery()
        )
        limit = -_EVER if self.limits.points is None else self.limits.points
        query = (
            sa.select(periods.c.measurement_id)
            .distinct()
            .join(newest, (newest.c.grain == periods.c.grain) & (newest.c.timezone == periods.c.timezone))
            .where(
                of_dataset,
                (periods.c.start >= limit)
                | (periods.c.start == newest.c.newest)
                | periods.c.measurement_id.in_(rolled_up(tx.tables, self.dataset_id)),
            )
        )
        return {row[0] for row in tx.rows(query)}

    def _settled(self, tx: Transaction) -> list[int]:
        deliveries = tx.tables.deliveries
        query = sa.select(deliveries.c.id).where(
            deliveries.c.dataset_id == self.dataset_id, deliveries.c.state.in_(SETTLED), deliveries.c.changed_at < self.limits.log
        )
        return [row[0] for row in tx.rows(query.order_by(deliveries.c.id))]


def _before(t: Tables, table: sa.Table, limit: int) -> Condition:
    """Before the limit, and not of the series' newest point."""
    newest = sa.select(t.latest.c.start).where(t.latest.c.series_id == table.c.series_id).scalar_subquery()
    return (table.c.start < limit) & (table.c.start < sa.func.coalesce(newest, _EVER))


def _delete(column: sa.Column[int], values: Sequence[int], condition: Condition, tx: Transaction) -> int:
    return sum(tx.execute(sa.delete(column.table).where(condition, some)).rowcount for some in bulk.among(tx, column, values))


def _groups(old: Sequence[tuple[int, int]]) -> Iterator[tuple[list[int], int]]:
    """Series whose old rows together make a batch, and how many batches they take."""
    ids: list[int] = []
    total = 0
    for series_id, rows in old:
        if ids and (total + rows > BATCH or len(ids) == bulk.CHUNK):
            yield ids, -(-total // BATCH)
            ids, total = [], 0
        ids.append(series_id)
        total += rows
    if ids:
        yield ids, -(-total // BATCH)


def _slices(values: Sequence[int]) -> Iterator[Sequence[int]]:
    for i in range(0, len(values), bulk.CHUNK):
        yield values[i : i + bulk.CHUNK]
