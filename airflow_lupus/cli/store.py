"""`airflow lupus store …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from airflow_lupus.cli.common import command, open_store, say
from airflow_lupus.stores.database import HEAD

if TYPE_CHECKING:
    from argparse import Namespace

COUNTED = ("datasets", "series", "points", "verdicts")


@command
def status(_args: Namespace) -> None:
    """Say where the store is and what is in it."""
    database = open_store().database
    say(f"{'store':10}{database.where}")
    found = database.version()
    newest = "" if found == HEAD else f" (this package has {HEAD}: airflow lupus store upgrade)"
    say(f"{'schema':10}{found or 'none'}{newest}")
    if found == HEAD:
        with database.reading() as tx:
            for name in COUNTED:
                number = tx.execute(sa.select(sa.func.count()).select_from(getattr(tx.tables, name))).scalar()
                say(f"{name:10}{number:,}")


@command
def upgrade(_args: Namespace) -> None:
    """Create or migrate the tables."""
    done = open_store().upgrade()
    say(f"upgraded to schema {HEAD}" if done else f"schema {HEAD} is there already")
