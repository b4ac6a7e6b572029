"""The configured store: `[lupus] store_conn_id`, or SQLite beside Airflow's own home."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from airflow_lupus import config
from airflow_lupus.exceptions import StoreConfigError
from airflow_lupus.hooks.connections import sql_hook
from airflow_lupus.stores.sql import SqlStore

FILE_NAME = "lupus.db"
LOCAL_EXECUTORS = ("LocalExecutor", "SequentialExecutor", "InProcessExecutor")


def get_store() -> SqlStore:
    """The store that `[lupus] store_conn_id` names. Set, it must resolve: falling back would split history in two.

    :raises StoreConfigError: no connection is named and tasks run on other machines, where a local file would be another store.
    """
    from airflow.sdk import conf

    conn_id = config.get("store_conn_id")
    return _by_connection(conn_id) if conn_id else _local(_executors(conf.get("core", "executor", fallback="LocalExecutor")))


@lru_cache
def _by_connection(conn_id: str) -> SqlStore:
    from sqlalchemy import make_url

    from airflow_lupus.stores.database import connect

    hook = sql_hook(conn_id, "[lupus] store_conn_id")
    try:
        url = make_url(hook.sqlalchemy_url)
    except NotImplementedError:
        url = make_url(hook.get_uri())
    return SqlStore(connect(url))


@lru_cache
def _local(executors: tuple[str, ...]) -> SqlStore:
    remote = [name for name in executors if name not in LOCAL_EXECUTORS]
    if remote:
        msg = (
            f"{remote[0]} runs tasks on other machines, where a local file would be another store: create a connection to a database "
            "that all of them reach, for example `airflow connections add lupus_store --conn-uri postgresql://…`, and set "
            "[lupus] store_conn_id to it"
        )
        raise StoreConfigError(msg)
    return SqlStore.at(f"sqlite:///{_airflow_home() / FILE_NAME}")


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
