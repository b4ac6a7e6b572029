"""What an error has to be, for a task's log to help: ours, one line, the database named without its password, and what to do."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from faults.children import Failure

PASSWORD = "s3cret"


def with_password(url: str) -> str:
    """The same database with a password; these servers let every one in."""
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite":
        return url
    return address.set(password=PASSWORD).render_as_string(hide_password=False)


class Unexplained(AssertionError):
    """An error that does not help; apart from other failed assertions, so that a test can await it alone."""


def explained(outcome: Any, url: str, says: str, *, retry: bool = True) -> None:
    """Assert that some work ended in a clear error.

    :param says: a pattern that its text has to match.
    :param retry: whether trying again can help.
    """
    if not isinstance(outcome, Failure):
        raise Unexplained(f"no error, but {outcome!r}")
    wanted = {
        "a StoreError": "StoreError" in outcome.kinds,
        "no password": PASSWORD not in outcome.text,
        "the store named": sa.make_url(url).render_as_string(hide_password=True) in outcome.text,
        "one line": "\n" not in outcome.text.strip(),
        f"text like {says!r}": re.search(says, outcome.text, re.IGNORECASE),
        f"retry={retry}": outcome.retry is retry,
    }
    missing = [name for name, there in wanted.items() if not there]
    if missing:
        raise Unexplained(f"wanted {', '.join(missing)} in {outcome.kind} with retry={outcome.retry}: {outcome.text}")
