"""The store in any database that SQLAlchemy speaks to; proved on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from airflow_lupus.model import Period, PeriodRecord, PeriodStatus, from_epoch
from airflow_lupus.stores import database, judging, outbox, saving
from airflow_lupus.stores.schema import datasets, definitions, measurements, periods

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from airflow_lupus.model import Grain, Measurement, TaskRef
    from airflow_lupus.stores.base import (
        DatasetInfo,
        Delivery,
        History,
        Judged,
        JudgingState,
        NewDelivery,
        Saved,
        Scope,
        SlotKey,
        VerdictTable,
    )

T = TypeVar("T")


class SqlStore:
    """Keeps what was measured and judged; each method is one transaction and safe to repeat.

    >>> store = SqlStore.in_memory()
    >>> store.upgrade()
    False
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._ready = False
        self._lock = Lock()

    @classmethod
    def at(cls, url: str | sa.URL) -> SqlStore:
        """The store in the database at an SQLAlchemy URL."""
        return cls(database.connect(url))

    @classmethod
    def in_memory(cls) -> SqlStore:
        """A store that lives as long as this object: the real thing, for trials and tests."""
        store = cls.at("sqlite://")
        store.upgrade()
        return store

    def upgrade(self) -> bool:
        """Bring the schema to this version; True if it was older."""
        with self._lock:
            if self._ready:
                return False
            done = database.upgrade(self.engine)
            self._ready = True
        return done

    def save(self, dataset: DatasetInfo, definition: Mapping[str, Any], scope: Scope, measurement: Measurement, task: TaskRef) -> Saved:
        return self._write(lambda connection: saving.save(connection, dataset, definition, scope, measurement, task))

    def has_periods(self, dataset: str, grain: Grain) -> bool:
        self.upgrade()
        query = (
            sa.select(periods.c.start)
            .join(datasets, datasets.c.id == periods.c.dataset_id)
            .where(datasets.c.name == dataset, periods.c.grain == grain.unit, periods.c.timezone == grain.timezone)
            .limit(1)
        )
        with database.reading(self.engine) as connection:
            return connection.execute(query).first() is not None

    def covered(self, dataset: str, task: TaskRef, definition_hash: str) -> list[tuple[int, int]]:
        self.upgrade()
        query = (
            sa.select(measurements.c.first_start, measurements.c.last_end)
            .join(datasets, datasets.c.id == measurements.c.dataset_id)
            .join(definitions, definitions.c.id == measurements.c.definition_id)
            .where(
                datasets.c.name == dataset,
                definitions.c.hash == definition_hash,
                measurements.c.dag_id == task.dag_id,
                measurements.c.task_id == task.task_id,
                measurements.c.run_id == task.run_id,
            )
            .order_by(measurements.c.id)
        )
        with database.reading(self.engine) as connection:
            return [(row.first_start, row.last_end) for row in connection.execute(query)]

    def judging(self, dataset: str, task: TaskRef, slots: Sequence[SlotKey]) -> JudgingState:
        self.upgrade()
        with database.reading(self.engine) as connection:
            return judging.state(connection, dataset, task, slots)

    def history(self, series: Collection[int], since: int | None) -> History:
        self.upgrade()
        with database.reading(self.engine) as connection:
            return judging.history(connection, series, since)

    def save_verdicts(
        self,
        state: JudgingState,
        task: TaskRef,
        tables: Mapping[str, tuple[SlotKey, VerdictTable]],
        deliveries: Callable[[Judged], Sequence[NewDelivery]] | None = None,
    ) -> Judged:
        """Commit verdicts and, in the same transaction, the digests that they give rise to."""

        def commit(connection: sa.Connection) -> Judged:
            judged = judging.commit(connection, state, task, tables)
            if deliveries is not None and not judged.conflict:
                judging.enqueue(connection, state.dataset, task, deliveries(judged))
            return judged

        return self._write(commit)

    def _write(self, work: Callable[[sa.Connection], T]) -> T:
        """Do this in one transaction, and again if another task was first to bring in what both needed.

        A dataset, or a set of parameters, that two tasks meet for the first time at once is there by the second try.
        """
        self.upgrade()
        try:
            with database.writing(self.engine) as connection:
                return work(connection)
        except sa.exc.IntegrityError:
            with database.writing(self.engine) as connection:
                return work(connection)

    def period_records(self, dataset: str, grain: Grain, first_start: int, last_end: int) -> list[PeriodRecord]:
        self.upgrade()
        query = (
            sa.select(periods)
            .join(datasets, datasets.c.id == periods.c.dataset_id)
            .where(datasets.c.name == dataset, periods.c.grain == grain.unit, periods.c.timezone == grain.timezone)
            .where(periods.c.start >= first_start, periods.c.start < last_end)
            .order_by(periods.c.start)
        )
        with database.reading(self.engine) as connection:
            return [
                PeriodRecord(
                    Period(from_epoch(row.start), from_epoch(row.end)),
                    PeriodStatus(row.status),
                    row.rows,
                    row.reason,
                    tuple(json.loads(row.absent_groups)),
                )
                for row in connection.execute(query)
            ]

    def due(self, dataset: str, task: TaskRef, destinations: Collection[str]) -> list[Delivery]:
        """Digests that these destinations have not got."""
        with database.reading(self.engine) as connection:
            return outbox.due(connection, dataset, task, destinations)

    def claim(self, delivery_id: int) -> bool:
        """Take a digest to send it; False if another task has it."""
        with database.writing(self.engine) as connection:
            return outbox.claim(connection, delivery_id)

    def settle(self, delivery_id: int, state: str, error: str | None = None) -> None:
        """Record how sending went."""
        with database.writing(self.engine) as connection:
            outbox.settle(connection, delivery_id, state, error)
