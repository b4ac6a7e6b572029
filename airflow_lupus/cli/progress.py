"""How far a long command is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_lupus.cli.common import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVERY = 5.0
"""Seconds between plain lines."""


@contextmanager
def progress_of(title: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show the way from `done` to `total`; what it gives is to be told how much is done."""
    if not sys.stdout.isatty():
        yield _lines(total)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task(title, total=total, completed=done)
        yield lambda now: progress.update(task, completed=now)


def _lines(total: int) -> Callable[[int], None]:
    """A line now and then, and one at the end."""
    told = time.monotonic()

    def tell(now: int) -> None:
        nonlocal told
        if now == total or time.monotonic() - told >= EVERY:
            told = time.monotonic()
            say(f"  {now:,} of {total:,} ({now / total:.0%})")

    return tell
