"""The store in any database that SQLAlchemy speaks to; proved on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import json
import logging
import time
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa

from airflow_lupus.model import FIXED, Grain, Period, PeriodRecord, PeriodStatus, from_epoch
from airflow_lupus.stores import judging, outbox, partials, saving
from airflow_lupus.stores.base import DatasetInfo
from airflow_lupus.stores.database import Database, connect
from airflow_lupus.stores.errors import Transient
from airflow_lupus.stores.schema import DEFAULT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager

    from airflow_lupus.model import Measurement, TaskRef
    from airflow_lupus.stores.base import (
        Completion,
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
    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.partials import StoredHistogram
    from airflow_lupus.stores.schema import Tables

log = logging.getLogger(__name__)

TRIES = 5
"""How often a transaction is tried that the database ends."""
T = TypeVar("T")


class SqlStore:
    """Keeps what was measured and judged; each method is one transaction and safe to repeat.

    >>> store = SqlStore.in_memory()
    >>> store.upgrade()
    False
    """

    def __init__(self, engine: sa.Engine, *, schema: str | None = None, prefix: str = DEFAULT_PREFIX) -> None:
        self.database = Database(engine, prefix=prefix, schema=schema)
        self._ready = False
        self._lock = Lock()

    @classmethod
    def at(cls, url: str | sa.URL, *, schema: str | None = None, prefix: str = DEFAULT_PREFIX) -> SqlStore:
        """The store in the database at an SQLAlchemy URL.

        :param schema: the database schema of its tables; by default the connection's own.
        :param prefix: begins the names of its tables.
        """
        return cls(connect(url), schema=schema, prefix=prefix)

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
            done = self.database.upgrade()
            self._ready = True
        return done

    @property
    def engine(self) -> sa.Engine:
        return self.database.engine

    @property
    def tables(self) -> Tables:
        return self.database.tables

    def reading(self) -> AbstractContextManager[Transaction]:
        """A transaction that reads one consistent state."""
        self.upgrade()
        return self.database.reading()

    def writing(self, work: Callable[[Transaction], T]) -> T:
        """Do this in one transaction, and again if the database ended it: for a deadlock, a restart, two that met something new.

        A dataset, or a set of parameters, that two tasks bring in for the first time is there by the second try.
        """
        self.upgrade()
        for left in reversed(range(TRIES)):
            try:
                with self.database.writing() as tx:
                    return work(tx)
            except (sa.exc.IntegrityError, Transient) as error:
                if not left:
                    raise
                log.info("Trying again, since the database ended the transaction: %s", str(error).splitlines()[0])
                time.sleep(0.05 * (TRIES - left))
        raise AssertionError  # the last try has returned or raised

    def save(
        self,
        dataset: DatasetInfo,
        definition: Mapping[str, object],
        scope: Scope,
        measurement: Measurement,
        task: TaskRef,
        complete: Completion | None = None,
    ) -> Saved:
        return self.writing(lambda tx: saving.save(tx, dataset, definition, scope, measurement, task, complete))

    def fixed_histograms(self, dataset: str, grain: Grain, column: str, name: str) -> list[StoredHistogram]:
        with self.reading() as tx:
            datasets = tx.tables.datasets
            found = tx.execute(sa.select(datasets.c.id).where(datasets.c.name == dataset)).scalar()
            return [] if found is None else partials.histograms(tx, found, grain, column, name, [FIXED])

    def declared(self, dataset: str) -> tuple[DatasetInfo, str] | None:
        with self.reading() as tx:
            row = tx.execute(sa.select(tx.tables.datasets).where(tx.tables.datasets.c.name == dataset)).first()
        if row is None:
            return None
        retention = json.loads(row.retention) if row.retention else {}
        grain = Grain(row.grain, row.timezone)
        return DatasetInfo(row.name, grain, bool(row.shared), row.owner, row.runbook, retention), row.dag_id

    def has_periods(self, dataset: str, grain: Grain) -> bool:
        with self.reading() as tx:
            datasets, periods = tx.tables.datasets, tx.tables.periods
            query = (
                sa.select(periods.c.start)
                .join(datasets, datasets.c.id == periods.c.dataset_id)
                .where(datasets.c.name == dataset, periods.c.grain == grain.unit, periods.c.timezone == grain.timezone)
                .limit(1)
            )
            return tx.execute(query).first() is not None

    def choice(self, dataset: str) -> str | None:
        with self.reading() as tx:
            datasets = tx.tables.datasets
            found: str | None = tx.execute(sa.select(datasets.c.choice).where(datasets.c.name == dataset)).scalar()
            return found

    def pruned_before(self, dataset: str) -> int | None:
        with self.reading() as tx:
            datasets = tx.tables.datasets
            return tx.execute(sa.select(datasets.c.pruned_before).where(datasets.c.name == dataset)).scalar()

    def covered(self, dataset: str, task: TaskRef, definition_hash: str) -> list[tuple[int, int]]:
        with self.reading() as tx:
            datasets, definitions, measurements = tx.tables.datasets, tx.tables.definitions, tx.tables.measurements
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
            return [(row.first_start, row.last_end) for row in tx.execute(query)]

    def judging(self, dataset: str, task: TaskRef, slots: Sequence[SlotKey]) -> JudgingState:
        with self.reading() as tx:
            return judging.state(tx, dataset, task, slots)

    def history(self, series: Collection[int], since: int | None, as_of: int | None = None) -> History:
        with self.reading() as tx:
            return judging.history(tx, series, since, as_of)

    def save_verdicts(
        self,
        state: JudgingState,
        task: TaskRef,
        tables: Mapping[str, tuple[SlotKey, VerdictTable]],
        deliveries: Callable[[Judged], Sequence[NewDelivery]] | None = None,
        *,
        partial: bool = False,
    ) -> Judged:
        def commit(tx: Transaction) -> Judged:
            judged = judging.commit(tx, state, task, tables, partial=partial)
            if deliveries is not None and not judged.conflict:
                judging.enqueue(tx, state.dataset, task, deliveries(judged))
            return judged

        return self.writing(commit)

    def period_records(self, dataset: str, grain: Grain, first_start: int, last_end: int) -> list[PeriodRecord]:
        with self.reading() as tx:
            datasets, periods = tx.tables.datasets, tx.tables.periods
            query = (
                sa.select(periods)
                .join(datasets, datasets.c.id == periods.c.dataset_id)
                .where(datasets.c.name == dataset, periods.c.grain == grain.unit, periods.c.timezone == grain.timezone)
                .where(periods.c.start >= first_start, periods.c.start < last_end)
                .order_by(periods.c.start)
            )
            return [
                PeriodRecord(
                    Period(from_epoch(row.start), from_epoch(row.end)),
                    PeriodStatus(row.status),
                    row.rows,
                    row.reason,
                    tuple(json.loads(row.absent_groups)),
                )
                for row in tx.execute(query)
            ]

    def due(self, dataset: str, task: TaskRef, destinations: Collection[str]) -> list[Delivery]:
        with self.reading() as tx:
            return outbox.due(tx, dataset, task, destinations)

    def claim(self, delivery_id: int) -> bool:
        return self.writing(lambda tx: outbox.claim(tx, delivery_id))

    def settle(self, delivery_id: int, state: str, error: str | None = None) -> None:
        self.writing(lambda tx: outbox.settle(tx, delivery_id, state, error))
