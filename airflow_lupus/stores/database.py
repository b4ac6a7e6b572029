"""The database behind a store: how it is connected to, how transactions begin, how its schema gets to this version."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from airflow_lupus.exceptions import StoreConfigError, StoreError
from airflow_lupus.stores.errors import translated, wrapped
from airflow_lupus.stores.schema import DEFAULT_PREFIX, Tables

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

HEAD = "0003"
"""The newest migration. A test compares it with the files."""
BUSY_SECONDS = 60
"""How long a transaction waits for another's lock."""
MYSQL = ("mysql", "mariadb")
MYSQL_WAITS = ("innodb_lock_wait_timeout", "lock_wait_timeout")
"""For a row, and for a table that is being changed; by default a day."""
_WRITES = "lupus_writes"
_LOCK_KEY = 0x6C75707573  # "lupus": PostgreSQL migrates under this advisory lock and writes under its shared form


@dataclass(frozen=True)
class Transaction:
    """A connection inside a transaction, and the tables that it is about."""

    connection: sa.Connection
    tables: Tables

    @property
    def dialect(self) -> str:
        return self.connection.dialect.name

    def execute(self, statement: sa.Executable, parameters: Any = None) -> sa.CursorResult[Any]:
        return self.connection.execute(statement, parameters)

    def insert(self, table: sa.Table, **values: Any) -> int:
        """Insert a row; the id that it gets, 0 where the table counts none."""
        key = self.connection.execute(sa.insert(table).values(**values)).inserted_primary_key
        return int(key[0]) if key else 0

    def rows(self, statement: sa.Select[Any]) -> list[Any]:
        """The rows as the driver's own tuples: a million of them cost half of what named ones do."""
        result = self.connection.execute(statement)
        try:
            with wrapped(self.connection, "fetch"):
                return list(result.cursor.fetchall())
        finally:
            result.close()


class Database:
    """A database and the tables of ours in it.

    :param engine: how to reach it; see `connect`.
    :param prefix: begins the names of our tables.
    :param schema: the schema they are in; None: the connection's own.
    """

    def __init__(self, engine: sa.Engine, *, prefix: str = DEFAULT_PREFIX, schema: str | None = None) -> None:
        self.engine = engine
        self.tables = Tables(prefix, schema)
        self._versions = sa.table(self.tables.version_table, sa.column("version_num"), schema=schema)

    @property
    def where(self) -> str:
        """The address, without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A transaction that writes: all of it is committed, or nothing. Refused when another package has changed the schema meanwhile."""
        with self._begun(writes=True) as transaction:
            if transaction.dialect == "postgresql":
                transaction.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_LOCK_KEY)))
            self._refuse(transaction.execute(sa.select(self._versions.c.version_num)).scalar())
            yield transaction

    @contextmanager
    def founding(self) -> Iterator[Transaction]:
        """A transaction that writes into a store which it may have to create first, and that goes with it when it fails; except in
        MariaDB and MySQL, which commit each change of a schema by itself. Refused when there is a store of another schema in use."""
        if self.engine.dialect.name in MYSQL:
            with self.reading() as transaction:
                self._refuse_in_use(transaction.connection)
            self.upgrade()
        with self._begun(writes=True) as transaction, self._alone(transaction):
            if self._version_in(transaction.connection) != HEAD:
                self._refuse_in_use(transaction.connection)
                self._migrate(transaction.connection)
            yield transaction

    def _refuse_in_use(self, connection: sa.Connection) -> None:
        """Tables of an older schema that nobody has written to, perhaps since creating them was interrupted, are in nobody's way."""
        found = self._version_in(connection)
        self._refuse_newer(found)
        datasets = sa.table(self.tables.datasets.name, schema=self.tables.metadata.schema)
        if found in {None, HEAD} or connection.execute(sa.select(sa.literal(1)).select_from(datasets).limit(1)).first() is None:
            return
        msg = f"{self.where} holds a metrics store of schema {found} already: name an empty database, or another schema or prefix"
        raise StoreConfigError(msg)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A transaction that reads one consistent state."""
        with self._begun(writes=False) as transaction:
            yield transaction

    @contextmanager
    def _begun(self, *, writes: bool) -> Iterator[Transaction]:
        with translated(self.where), self.engine.connect() as connection:
            name = connection.dialect.name
            if writes:
                connection.execution_options(**{_WRITES: True})
                if name in MYSQL:  # its default would go on reading what was there before the dataset's lock was got
                    connection.execution_options(isolation_level="READ COMMITTED")
            elif name in MYSQL:
                connection.execution_options(isolation_level="REPEATABLE READ")
            elif name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield Transaction(connection, self.tables)

    def version(self) -> str | None:
        """The schema version that the database has; None for one that has no tables of ours."""
        with self.reading() as transaction:
            return self._version_in(transaction.connection)

    def _version_in(self, connection: sa.Connection) -> str | None:
        if not sa.inspect(connection).has_table(self._versions.name, schema=self._versions.schema):
            return None
        row = connection.execute(sa.select(self._versions.c.version_num)).first()
        return str(row[0]) if row else None

    def upgrade(self) -> bool:
        """Bring the schema to this version if it is older; True if something was done. Many may ask at once: one does it."""
        found = self.version()
        if found == HEAD:
            return False
        self._refuse_newer(found)
        with self._begun(writes=True) as transaction, self._alone(transaction):
            connection = transaction.connection
            found = self._version_in(connection)
            if found == HEAD:  # somebody else was first
                return False
            self._refuse_newer(found)
            started = time.monotonic()
            self._migrate(connection)
        seconds = time.monotonic() - started
        log.info("Upgraded the metrics store %s from %s to schema %s in %.1f s", self.where, found or "nothing", HEAD, seconds)
        return True

    @contextmanager
    def _alone(self, transaction: Transaction) -> Iterator[None]:
        """While others that want to migrate, or in PostgreSQL to write, wait. SQLite has but one writer anyhow."""
        if transaction.dialect == "postgresql":
            transaction.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
        if transaction.dialect not in MYSQL:
            yield
            return
        database = f"{self.engine.url.database}.{self.tables.version_table}"  # these locks are the whole server's
        name = f"lupus:{sha256(database.encode()).hexdigest()[:40]}"
        patience = BUSY_SECONDS * 10
        if transaction.execute(sa.select(sa.func.get_lock(name, patience))).scalar() != 1:
            msg = f"Another process has been upgrading the metrics store {self.where} for {patience} s; try again when it is done"
            raise StoreError(msg)
        try:
            yield
            transaction.connection.exec_driver_sql("COMMIT")  # before others may look
        finally:
            with suppress(sa.exc.DBAPIError):  # a lost connection has released it
                transaction.execute(sa.select(sa.func.release_lock(name)))

    def _refuse_newer(self, found: str | None) -> None:
        if found is not None and found > HEAD:
            msg = (
                f"The metrics store {self.where} has schema {found}, newer than this airflow-lupus knows ({HEAD}): "
                "upgrade the package here too"
            )
            raise StoreConfigError(msg)

    def _refuse(self, found: str | None) -> None:
        """A process that began with this schema must not write into another."""
        self._refuse_newer(found)
        if found != HEAD:
            msg = (
                f"The metrics store {self.where} has schema {found or 'none'}, and this process works with {HEAD}: "
                "run `airflow lupus store upgrade`"
            )
            raise StoreConfigError(msg)

    def _migrate(self, connection: sa.Connection) -> None:
        from alembic import command
        from alembic.config import Config

        logging.getLogger("alembic").setLevel(logging.WARNING)
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes |= {"connection": connection, "tables": self.tables}
        command.upgrade(config, "head")


def connect(url: str | sa.URL, **engine_options: Any) -> sa.Engine:
    """An engine for a store's database; SQLite is put into WAL mode, in which readers and a writer do not wait for each other."""
    url = sa.make_url(url)
    backend = url.get_backend_name()
    if backend != "sqlite":
        engine = sa.create_engine(url, pool_pre_ping=True, **engine_options)
        return _waiting(engine, backend)
    in_memory = url.database in {None, "", ":memory:"}
    if in_memory:
        engine_options |= {"poolclass": StaticPool}  # one connection, or each would see a database of its own
    patience = float(str(url.query.get("timeout", BUSY_SECONDS)))
    arguments = {"timeout": patience, "check_same_thread": False}
    return _prepared(sa.create_engine(url, connect_args=arguments, **engine_options), patience, wal=not in_memory)


def _waiting(engine: sa.Engine, backend: str) -> sa.Engine:
    """Let no transaction wait for a lock for ever; a time-out that the address sets stays."""
    # MariaDB may be told to cut what is too long without a word: a name that was cut would not be found again.
    waits = [f"{name} = IF(@@session.{name} = @@global.{name}, {BUSY_SECONDS}, @@session.{name})" for name in MYSQL_WAITS]
    mysql = f"SET {', '.join(waits)}, sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
    patience = BUSY_SECONDS * 1000
    postgresql = f"SELECT set_config('lock_timeout', '{patience}', false) WHERE current_setting('lock_timeout') = '0'"
    statements = {"postgresql": postgresql, **dict.fromkeys(MYSQL, mysql)}
    if backend in statements:

        @sa.event.listens_for(engine, "connect")
        def _connected(connection: Any, _record: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute(statements[backend])
            connection.commit()

    return engine


def _prepared(engine: sa.Engine, patience: float, *, wal: bool) -> sa.Engine:
    """Make an SQLite engine begin transactions itself: the driver would begin them late and let two writers deadlock."""

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
        if wal:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")

    return engine
