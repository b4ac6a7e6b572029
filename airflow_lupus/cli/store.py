"""`airflow lupus store …`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import sqlalchemy as sa

from airflow_lupus.exceptions import LupusError
from airflow_lupus.stores import database, schema

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_lupus.stores.sql import SqlStore

COUNTED = (schema.datasets, schema.series, schema.points, schema.verdicts)


def status(_args: Namespace) -> None:
    """Say where the store is and what is in it."""
    store = _store()
    say(f"{'store':10}{store.engine.url.render_as_string(hide_password=True)}")
    try:
        with database.reading(store.engine) as connection:
            found = database.version(connection)
            counts = (
                {table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() for table in COUNTED}
                if found
                else {}
            )
    except LupusError as error:
        raise SystemExit(str(error)) from error
    newest = "" if found == database.HEAD else f" (this package has {database.HEAD}: airflow lupus store upgrade)"
    say(f"{'schema':10}{found or 'none'}{newest}")
    for name, count in counts.items():
        say(f"{name.removeprefix(schema.PREFIX):10}{count:,}")


def upgrade(_args: Namespace) -> None:
    """Create or migrate the tables."""
    store = _store()
    try:
        done = store.upgrade()
    except LupusError as error:
        raise SystemExit(str(error)) from error
    say(f"upgraded to schema {database.HEAD}" if done else f"schema {database.HEAD} is there already")


def _store() -> SqlStore:
    # As `airflow connections` does: otherwise connections of the metadata database are not found.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    from airflow_lupus.hooks.store import get_store

    try:
        return get_store()
    except LupusError as error:
        raise SystemExit(str(error)) from error


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
