"""Real stores: SQLite in memory and in a file, PostgreSQL, MariaDB, and the database that LUPUS_TEST_STORE_URL names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from airflow_lupus.stores.schema import Tables
from airflow_lupus.stores.sql import SqlStore
from support import servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CUSTOM = os.environ.get("LUPUS_TEST_STORE_URL", "")
"""An empty database that the tests may fill and empty as they like."""
KINDS = ("memory", "sqlite", "postgres", "mariadb", *(["custom"] if CUSTOM else []))
ON_DISK = KINDS[1:]
"""Stores that several processes can open."""
MARKER = "tests_of_lupus"


def new_postgres_database() -> sa.URL:
    """The address of a fresh database."""
    return servers.postgres().new_database()


def url_of(kind: str, folder: Path) -> sa.URL:
    """The address of a fresh store of that kind."""
    if kind == "postgres":
        return new_postgres_database()
    if kind == "mariadb":
        return servers.maria().new_database()
    if kind == "custom":
        return emptied(sa.make_url(CUSTOM))
    return sa.make_url("sqlite://" if kind == "memory" else f"sqlite:///{folder / 'lupus.db'}")


def emptied(url: sa.URL) -> sa.URL:
    """A database without a store, which has to be the tests' own: one that was empty when they first saw it, as their marker tells."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail("tests on LUPUS_TEST_STORE_URL share one database: run them in one process, without -n", pytrace=False)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        inspector = sa.inspect(connection)
        names = inspector.get_table_names()
        if MARKER not in names:
            if names:
                pytest.fail(f"LUPUS_TEST_STORE_URL leads to a database that holds {names[:5]}: give an empty one", pytrace=False)
            sa.Table(MARKER, sa.MetaData(), sa.Column("made", sa.Integer)).create(connection)
        if Tables().view in inspector.get_view_names():
            connection.execute(sa.text(f"DROP VIEW {Tables().view}"))
        found = sa.MetaData()
        found.reflect(connection, only=[name for name in names if name != MARKER])
        found.drop_all(connection)
    return url


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
