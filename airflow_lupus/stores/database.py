"""The database behind a store: how it is connected to, how transactions begin, how its schema gets to this version."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from airflow_lupus.exceptions import StoreConfigError, StoreError
from airflow_lupus.stores import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

HEAD = "0001"
"""The newest migration. A test compares it with the files."""
BUSY_SECONDS = 30
_WRITES = "lupus_writes"
_LOCK_KEY = 0x6C75707573  # "lupus": the advisory lock under which PostgreSQL migrates


def connect(url: str | sa.URL, **engine_options: Any) -> sa.Engine:
    """An engine for a store's database; SQLite is put into WAL mode, in which readers and a writer do not wait for each other."""
    url = sa.make_url(url)
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, **engine_options)
    in_memory = url.database in {None, "", ":memory:"}
    if in_memory:
        engine_options |= {"poolclass": StaticPool}  # one connection, or each would see a database of its own
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    return prepare(sa.create_engine(url, connect_args=arguments, **engine_options), wal=not in_memory)


def prepare(engine: sa.Engine, *, wal: bool = True) -> sa.Engine:
    """Make an SQLite engine begin transactions itself: the driver would begin them late and let two writers deadlock."""

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        if wal:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")

    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes: all of it is committed, or nothing."""
    with translated(engine), engine.connect() as connection:
        connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that reads one consistent state."""
    with translated(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            yield connection


@contextmanager
def translated(engine: sa.Engine) -> Iterator[None]:
    """Database errors as store errors that name the database, without its password."""
    try:
        yield
    except sa.exc.OperationalError as error:
        where = engine.url.render_as_string(hide_password=True)
        msg = f"The metrics store {where} is out of reach or busy: {str(error.orig).strip().splitlines()[0]}"
        raise StoreError(msg) from error


def version(connection: sa.Connection) -> str | None:
    """The schema version that a database has; None for one that has no tables of ours."""
    if not sa.inspect(connection).has_table(schema.VERSION_TABLE):
        return None
    row = connection.execute(sa.text(f"SELECT version_num FROM {schema.VERSION_TABLE}")).first()
    return str(row[0]) if row else None


def upgrade(engine: sa.Engine) -> bool:
    """Bring the schema to this version if it is older; True if something was done. Many may ask at once: one does it."""
    with reading(engine) as connection:
        found = version(connection)
    if found == HEAD:
        return False
    _refuse_newer(found, engine)
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
        if version(connection) == HEAD:  # somebody else was first
            return False
        started = time.monotonic()
        _migrate(connection)
        where = engine.url.render_as_string(hide_password=True)
        log.info(
            "Upgraded the metrics store %s from %s to schema %s in %.1f s",
            where,
            found or "nothing",
            HEAD,
            time.monotonic() - started,
        )
    return True


def _refuse_newer(found: str | None, engine: sa.Engine) -> None:
    if found is not None and found > HEAD:
        where = engine.url.render_as_string(hide_password=True)
        msg = f"The metrics store {where} has schema {found}, newer than this airflow-lupus knows ({HEAD}): upgrade the package here too"
        raise StoreConfigError(msg)


def _migrate(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
