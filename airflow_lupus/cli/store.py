"""`airflow lupus store …`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import sqlalchemy as sa

from airflow_lupus.exceptions import LupusError
from airflow_lupus.stores.database import HEAD

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_lupus.stores.sql import SqlStore

COUNTED = ("datasets", "series", "points", "verdicts")


def status(_args: Namespace) -> None:
    """Say where the store is and what is in it."""
    database = _store().database
    say(f"{'store':10}{database.where}")
    try:
        found = database.version()
        newest = "" if found == HEAD else f" (this package has {HEAD}: airflow lupus store upgrade)"
        say(f"{'schema':10}{found or 'none'}{newest}")
        if found == HEAD:
            with database.reading() as tx:
                for name in COUNTED:
                    count = tx.execute(sa.select(sa.func.count()).select_from(getattr(tx.tables, name))).scalar()
                    say(f"{name:10}{count:,}")
    except LupusError as error:
        raise SystemExit(str(error)) from error


def upgrade(_args: Namespace) -> None:
    """Create or migrate the tables."""
    store = _store()
    try:
        done = store.upgrade()
    except LupusError as error:
        raise SystemExit(str(error)) from error
    say(f"upgraded to schema {HEAD}" if done else f"schema {HEAD} is there already")


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
