"""What an error has to be, for a task's log to help: ours, one line, the database named without its password, and what to do."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from faults.children import Failure

PASSWORD = "s3cret"


def with_password(url: str) -> str:
    """The same database with a password."""
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite":
        return url
    if address.get_backend_name() == "mysql":  # PostgreSQL's lets every one in
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE USER IF NOT EXISTS tester@localhost IDENTIFIED BY '{PASSWORD}'")
            connection.exec_driver_sql("GRANT ALL ON *.* TO tester@localhost WITH GRANT OPTION")
        address = address.set(username="tester")
    return address.set(password=PASSWORD).render_as_string(hide_password=False)


def explained(outcome: Any, url: str, says: str, *, retry: bool = True) -> None:
    """Assert that some work ended in a clear error.

    :param says: a pattern that its text has to match.
    :param retry: whether trying again can help.
    """
    assert isinstance(outcome, Failure), f"no error, but {outcome!r}"
    wanted = {
        "a StoreError": "StoreError" in outcome.kinds,
        "no password": PASSWORD not in outcome.text,
        "the store named": sa.make_url(url).render_as_string(hide_password=True) in outcome.text,
        "one line": "\n" not in outcome.text.strip(),
        f"text like {says!r}": re.search(says, outcome.text, re.IGNORECASE),
        f"retry={retry}": outcome.retry is retry,
    }
    missing = [name for name, there in wanted.items() if not there]
    assert not missing, f"wanted {', '.join(missing)} in {outcome.kind} with retry={outcome.retry}: {outcome.text}"
