"""What the commands have in common: words on the screen, errors as exits, the store."""

from __future__ import annotations

import os
import sys
from functools import wraps
from typing import TYPE_CHECKING

from airflow_lupus.exceptions import LupusError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from airflow_lupus.stores.sql import SqlStore


def command(work: Callable[[Namespace], None]) -> Callable[[Namespace], None]:
    """A command whose errors are one sentence and exit code 1, which sees the connections of Airflow's metadata database, and
    whose output is free of logs unless it is `--verbose`."""

    @wraps(work)
    def run(args: Namespace) -> None:
        from airflow.utils.cli import suppress_logs_and_warning

        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"  # as `airflow connections` does
        args.verbose = getattr(args, "verbose", False)
        try:
            suppress_logs_and_warning(work)(args)
        except LupusError as error:
            raise SystemExit(str(error)) from error

    return run


def say(text: str = "") -> None:
    """A line on standard output, at once: what reads it may be a file or another program."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def open_store() -> SqlStore:
    """The configured store."""
    from airflow_lupus.hooks.store import get_store

    return get_store()


def schema_of(store: SqlStore) -> str | None:
    """The store's schema version, None where there is no store: told without creating one, as connecting to SQLite would."""
    from pathlib import Path

    url = store.engine.url
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists()):
        return None
    return store.database.version()


def line(what: str, text: str = "") -> None:
    """A line of a block: what it is about, and what there is to say of it."""
    say(f"  {what:10}{text}".rstrip())


def count(number: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "day"), count(1200, "day"), count(3, "series")
    ('1 day', '1,200 days', '3 series')
    """
    return f"{number:,} {noun}" + ("" if number == 1 or noun.endswith("s") else "s")
