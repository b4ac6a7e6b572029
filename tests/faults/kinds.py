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

SERVERS = {"postgres": (servers.PostgresServer, servers.postgres)}
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
        else:  # no way to copy a whole database inside the server
            url = sa.make_url(fresh(kind, folder, server))
            prepare(text(url))
        return text(url)

    return copy


def discard(url: str) -> None:
    """Remove a copy, so that two hundred of them fit on a disk."""
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite":
        for suffix in ("", "-wal", "-shm"):
            Path(str(address.database) + suffix).unlink(missing_ok=True)
    elif address.get_backend_name() == "postgresql":
        servers.postgres().execute(f'DROP DATABASE "{address.database}" WITH (FORCE)')
