"""Airflow connections, with errors that say what to create."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import SpecError, did_you_mean
from airflow_lupus.sources.base import PASSWORD, SECRET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Connection


def connection(conn_id: str, what: str) -> Connection:
    """The connection of that id, or an error that names it and how to create it.

    Airflow lets no task list its connections; the closest ones can be told only of those given as environment variables.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        prefix = "AIRFLOW_CONN_"
        known = [name.removeprefix(prefix).lower() for name in os.environ if name.startswith(prefix)]
        hint = f" ({did_you_mean(conn_id, known)})" if known else ""
        msg = f"{what}: there is no Airflow connection {conn_id!r}{hint}; create it with `airflow connections add {conn_id} …`"
        raise SpecError(msg) from error


def sql_hook(conn_id: str, what: str) -> Any:
    """The DB-API hook of a connection; other connection types are refused."""
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    found = connection(conn_id, what)
    try:
        hook = found.get_hook()  # type: ignore[no-untyped-call]
    except Exception as error:
        msg = f"{what}: connection {conn_id!r} of type {found.conn_type!r} has no hook here; is its provider installed?"
        raise SpecError(msg) from error
    if not isinstance(hook, DbApiHook):
        msg = f"{what}: connection {conn_id!r} is of type {found.conn_type!r}, which is not an SQL database"
        raise SpecError(msg)
    return hook


def masked(text: str, options: Mapping[str, Any]) -> str:
    """A text without the secrets that are among these options: for errors that other packages word.

    >>> masked("cannot log in to db://me:pw123@host with key-1", {"uri": "db://me:pw123@host", "access_key": "key-1"})
    'cannot log in to db://me:***@host with ***'
    """
    for name, value in options.items():
        secrets = [str(value)] if SECRET.search(name) else PASSWORD.findall(str(value))
        for secret in filter(None, secrets):
            text = text.replace(secret, "***")
    return text
