"""`airflow lupus store …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from airflow_lupus.cli.common import command, open_store, say
from airflow_lupus.stores import database, schema

if TYPE_CHECKING:
    from argparse import Namespace

COUNTED = (schema.datasets, schema.series, schema.points, schema.verdicts)


@command
def status(_args: Namespace) -> None:
    """Say where the store is and what is in it."""
    store = open_store()
    say(f"{'store':10}{store.engine.url.render_as_string(hide_password=True)}")
    with database.reading(store.engine) as connection:
        found = database.version(connection)
        counts = (
            {table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() for table in COUNTED} if found else {}
        )
    newest = "" if found == database.HEAD else f" (this package has {database.HEAD}: airflow lupus store upgrade)"
    say(f"{'schema':10}{found or 'none'}{newest}")
    for name, number in counts.items():
        say(f"{name.removeprefix(schema.PREFIX):10}{number:,}")


@command
def upgrade(_args: Namespace) -> None:
    """Create or migrate the tables."""
    done = open_store().upgrade()
    say(f"upgraded to schema {database.HEAD}" if done else f"schema {database.HEAD} is there already")
