"""The kinds of store under fault, how a prepared one is copied, and the least that each needs to be opened elsewhere."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import sqlalchemy as sa

from support import servers

if TYPE_CHECKING:
    from collections.abc import Callable

SERVERS = {"postgres": (servers.PostgresServer, servers.postgres), "mariadb": (servers.MariaServer, servers.maria)}
"""Kind → a server of one's own, that may be killed, and the one that this process' tests share."""
KINDS = ("sqlite", *SERVERS)


def text(url: sa.URL) -> str:
    """A URL as it crosses to another process, password included."""
    return url.render_as_string(hide_password=False)


def fresh(kind: str, folder: Path, server: servers.Server | None = None) -> str:
    """The address of a new, empty database that other processes reach."""
    if kind in SERVERS:
        return text((server or SERVERS[kind][1]()).new_database())
    return f"sqlite:///{folder / uuid4().hex}.db"


def prepared(kind: str, folder: Path, prepare: Callable[[str], None], server: servers.Server | None = None) -> Callable[[], str]:
    """Prepare one store; every call of the answer is the address of a fresh copy of it.

    :param server: a server of one's own instead of the shared one.
    """
    server = server or (SERVERS[kind][1]() if kind in SERVERS else None)
    origin = sa.make_url(fresh(kind, folder, server))
    prepare(text(origin))
    if kind == "sqlite":
        with sqlite3.connect(str(origin.database)) as connection:  # a process that ends without closing leaves its last writes in the log
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def copy() -> str:
        url = origin.set(database=f"lupus_{uuid4().hex}")
        if kind == "sqlite":
            url = origin.set(database=str(folder / f"{uuid4().hex}.db"))
            shutil.copyfile(str(origin.database), str(url.database))
        elif server is not None and kind == "postgres":
            server.execute(f'CREATE DATABASE "{url.database}" TEMPLATE "{origin.database}"')
        elif server is not None:
            url = server.new_database()
            _copy_tables(server, str(origin.database), str(url.database))
        return text(url)

    return copy


def _copy_tables(server: servers.Server, origin: str, copy: str) -> None:
    """MariaDB copies no whole database: every table as it describes it itself, with its rows, and the view."""
    engine = sa.create_engine(server.url.set(database=copy), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET foreign_key_checks = 0")
        inspector = sa.inspect(connection)
        for name in inspector.get_table_names(schema=origin):
            statement = connection.exec_driver_sql(f"SHOW CREATE TABLE `{origin}`.`{name}`").one()[1]
            connection.exec_driver_sql(statement.replace("%", "%%"))
            connection.exec_driver_sql(f"INSERT INTO `{name}` SELECT * FROM `{origin}`.`{name}`")
        for name in inspector.get_view_names(schema=origin):
            statement = connection.exec_driver_sql(f"SHOW CREATE VIEW `{origin}`.`{name}`").one()[1]
            connection.exec_driver_sql(statement.replace(f"`{origin}`.", f"`{copy}`.").replace("%", "%%"))


def discard(url: str) -> None:
    """Remove a copy, so that two hundred of them fit on a disk."""
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite":
        for suffix in ("", "-wal", "-shm"):
            Path(str(address.database) + suffix).unlink(missing_ok=True)
    elif address.get_backend_name() == "postgresql":
        servers.postgres().execute(f'DROP DATABASE "{address.database}" WITH (FORCE)')
    else:
        servers.maria().execute(f"DROP DATABASE `{address.database}`")
