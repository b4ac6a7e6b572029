"""Points out of a store and into another, by the parts that the commands are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lupus.pipeline import importing
from airflow_lupus.stores.exporting import COLUMNS, exported

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_lupus.stores.base import Saved
    from airflow_lupus.stores.sql import SqlStore


def export(store: SqlStore, **options: Any) -> list[tuple[Any, ...]]:
    with store.reading() as tx:
        return [row for rows in exported(tx, **options) for row in rows]


def import_(
    store: SqlStore, rows: Iterable[Sequence[Any]], columns: Sequence[str] = COLUMNS, dag_id: str = "nyc", **form: Any
) -> dict[str, Saved]:
    """Two rows at a time."""
    rows = list(rows)
    batches = iter([rows[i : i + 2] for i in range(0, len(rows), 2)])
    with importing.staged(importing.Rows("old.csv", columns, batches), importing.Form(**form)) as stage:
        return importing.save(store, stage, importing.check(store, stage, dag_id, "old.csv"), dag_id)
