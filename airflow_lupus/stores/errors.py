"""What a database's errors mean: sentences that name the store, say what happened, and what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from airflow_lupus.exceptions import SpecError, StoreConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

# What drivers write, in lower case; each has exceptions of its own for the same trouble.
FULL = ("disk is full", "disk full", "no space left", "is full", "could not extend")
COLLISION = ("deadlock", "could not serialize", "record has changed since last read")
BUSY = ("database is locked", "lock timeout", "lock wait timeout", "database table is locked")
RIGHTS = ("permission denied", "access denied", "command denied", "read-only", "readonly", "must be owner")
BROKEN = ("not a database", "malformed", "does not exist on the server")
SCHEMA = ("no such table", "does not exist", "doesn't exist", "no such column", "unknown column", "no column named")


class Transient(StoreError):
    """The database ended the transaction, for another one in its way or a restart: nothing was written, and trying again helps."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Database errors as errors of the store, whose address is told without its password.

    Broken uniqueness is left as it is: who writes knows what it means.
    """
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except sa.exc.StatementError as error:
        raise _meaning(error, where) from error
    except sa.exc.TimeoutError as error:
        msg = f"The metrics store {where} has no connection free: {error}"
        raise StoreError(msg) from error


@contextmanager
def wrapped(connection: sa.Connection, sql: str) -> Iterator[None]:
    """Errors of the driver's own cursor as SQLAlchemy would have raised them."""
    driver = connection.dialect.loaded_dbapi.Error
    try:
        yield
    except driver as error:
        raise sa.exc.DBAPIError.instance(sql, None, error, driver, dialect=connection.dialect) from error


def _meaning(error: sa.exc.StatementError, where: str) -> Exception:
    said = str(error.orig or error).strip()
    first = said.splitlines()[0] if said else type(error.orig).__name__
    store = f"The metrics store {where}"

    def has(words: tuple[str, ...]) -> bool:
        return any(word in said.lower() for word in words)

    if has(FULL):
        return StoreError(
            f"The disk of the metrics store {where} is full ({first}): nothing was written; free some space, then run the task again"
        )
    if has(COLLISION):
        return Transient(f"Two tasks collided in the metrics store {where} ({first}): nothing was written, try again")
    if has(BUSY):
        return StoreError(f"{store} is busy: another transaction held a lock for too long ({first}); nothing was written, try again")
    if has(RIGHTS):
        return StoreConfigError(f"{store} refuses this role or process ({first}): docs/connections.md lists the rights that it needs")
    if has(BROKEN):
        return StoreConfigError(f"{store} cannot be used: {first}; restore it from a backup, or name another one")
    if isinstance(error, sa.exc.DataError) or not isinstance(error, sa.exc.DBAPIError):
        return SpecError(f"{store} cannot keep a value: {first}; nothing was written")
    if has(SCHEMA) and "database" not in said.lower():
        return StoreConfigError(f"{store} is not as this airflow-lupus needs it ({first}): run `airflow lupus store upgrade`")
    lost = Transient if error.connection_invalidated else StoreError
    return lost(f"{store} is out of reach: {first}; nothing was written, try again")
