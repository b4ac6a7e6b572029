"""The configured store: `[lupus] store_conn_id`, or SQLite beside Airflow's own home."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_lupus import config
from airflow_lupus.exceptions import StoreConfigError
from airflow_lupus.hooks import mysql
from airflow_lupus.hooks.connections import connection, sql_hook
from airflow_lupus.stores.sql import SqlStore

if TYPE_CHECKING:
    from sqlalchemy import URL

FILE_NAME = "lupus.db"
LOCAL_EXECUTORS = ("LocalExecutor", "SequentialExecutor", "InProcessExecutor")
CONFIGURED = ("[lupus] store_conn_id", "[lupus] store_schema")
PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,19}")


def get_store() -> SqlStore:
    """The store that `[lupus] store_conn_id` names. Set, it must resolve: falling back would split history in two.

    :raises StoreConfigError: no connection is named and tasks run on other machines, where a local file would be another store; or
        schema or prefix cannot be names of the database's.
    """
    from airflow.sdk import conf

    conn_id, schema, prefix = config.get("store_conn_id"), config.get("store_schema"), _prefix(config.get("table_prefix"))
    if conn_id:
        return _by_connection(conn_id, schema, prefix)
    if schema:
        msg = f"[lupus] store_schema = {schema!r} needs a [lupus] store_conn_id: the SQLite file in AIRFLOW_HOME has no schemas"
        raise StoreConfigError(msg)
    return _local(_executors(conf.get("core", "executor", fallback="LocalExecutor")), prefix)


def store_at(conn_id: str, schema: str | None = None, prefix: str | None = None) -> SqlStore:
    """The store in another connection's database; a prefix that is not said is the configured one."""
    chosen = _prefix(config.get("table_prefix")) if prefix is None else _prefix(prefix, "--prefix")
    return _by_connection(conn_id, schema or "", chosen, ("--to", "--schema"))


@lru_cache
def _by_connection(conn_id: str, schema: str, prefix: str, said: tuple[str, str] = CONFIGURED) -> SqlStore:
    """
    :param said: where connection and schema are named.
    """
    url = _url(conn_id, said[0])
    if schema and url.get_backend_name() == "sqlite":
        msg = f"{said[1]} = {schema!r}: SQLite has no schemas, and connection {conn_id!r} leads to it"
        raise StoreConfigError(msg)
    return SqlStore.at(url, schema=schema or None, prefix=prefix)


def _url(conn_id: str, what: str) -> URL:
    """The SQLAlchemy address of an Airflow connection: our own for MySQL and MariaDB, else the one that its hook knows."""
    from sqlalchemy import make_url

    found = connection(conn_id, what)
    if found.conn_type in mysql.CONN_TYPES:
        return mysql.mysql_url(found, what)
    hook = sql_hook(conn_id, what)
    try:
        return make_url(hook.sqlalchemy_url)
    except NotImplementedError:
        return make_url(hook.get_uri())


def _prefix(prefix: str, what: str = "[lupus] table_prefix") -> str:
    if not PREFIX.fullmatch(prefix):
        msg = f"{what} = {prefix!r} cannot begin a table's name: use up to 20 letters, digits and underscores, the first not a digit"
        raise StoreConfigError(msg)
    return prefix


@lru_cache
def _local(executors: tuple[str, ...], prefix: str) -> SqlStore:
    remote = [name for name in executors if name not in LOCAL_EXECUTORS]
    if remote:
        msg = (
            f"{remote[0]} runs tasks on other machines, where a local file would be another store: create a connection to a database "
            "that all of them reach, for example `airflow connections add lupus_store --conn-uri postgresql://…`, and set "
            "[lupus] store_conn_id to it"
        )
        raise StoreConfigError(msg)
    return SqlStore.at(f"sqlite:///{_airflow_home() / FILE_NAME}", prefix=prefix)


def _executors(configured: str) -> tuple[str, ...]:
    """Class names of the configured executors, aliases and teams aside: `Alias:path.Class,Class;team=Class`.

    >>> _executors("LocalExecutor, far:airflow.x.CeleryExecutor;team1=LocalExecutor")
    ('LocalExecutor', 'CeleryExecutor', 'LocalExecutor')
    """
    names = [part.rsplit("=", 1)[-1] for team in configured.split(";") for part in team.split(",")]
    return tuple(name.strip().rsplit(":", 1)[-1].rsplit(".", 1)[-1] for name in names if name.strip())


def _airflow_home() -> Path:
    import os

    return Path(os.path.expandvars(os.environ.get("AIRFLOW_HOME", "~/airflow"))).expanduser()
