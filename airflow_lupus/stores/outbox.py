"""The outbox: digests are committed with the verdicts and delivered afterwards, each to each destination at most once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from airflow_lupus.stores.base import Delivery

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_lupus.model import TaskRef
    from airflow_lupus.stores.database import Transaction

KEEP_TRYING = 3 * 86_400
"""Seconds after which a digest that nobody could deliver is old news."""


def due(tx: Transaction, dataset: str, task: TaskRef, destinations: Collection[str]) -> list[Delivery]:
    """Digests of a task that these destinations have not got, oldest first."""
    datasets, deliveries = tx.tables.datasets, tx.tables.deliveries
    query = (
        sa.select(deliveries)
        .join(datasets, datasets.c.id == deliveries.c.dataset_id)
        .where(
            datasets.c.name == dataset,
            deliveries.c.dag_id == task.dag_id,
            deliveries.c.task_id == task.task_id,
            deliveries.c.destination.in_(list(destinations)),
            deliveries.c.state.in_(["pending", "failed"]),
            deliveries.c.created_at > int(time.time()) - KEEP_TRYING,
        )
        .order_by(deliveries.c.id)
    )
    return [Delivery(row.id, row.destination, row.digest, row.state, row.attempts, row.error) for row in tx.execute(query)]


def claim(tx: Transaction, delivery_id: int) -> bool:
    """Take a digest to send it; False if another task has it.

    A sender that dies now leaves it claimed, and it is not sent again: nobody can know whether it was.
    """
    deliveries = tx.tables.deliveries
    taken = tx.execute(
        sa.update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state.in_(["pending", "failed"]))
        .values(state="sending", attempts=deliveries.c.attempts + 1, changed_at=int(time.time()))
    )
    return taken.rowcount == 1


def settle(tx: Transaction, delivery_id: int, state: str, error: str | None = None) -> None:
    """Record how sending went: `sent`, `logged` (no such connection) or `failed`."""
    deliveries = tx.tables.deliveries
    tx.execute(sa.update(deliveries).where(deliveries.c.id == delivery_id).values(state=state, error=error, changed_at=int(time.time())))
