"""Processes to be killed: forked from a server that has imported everything, so that each costs hundredths of a second."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import forkserver, get_context
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext

PRELOADED = [
    "faults.work",
    "airflow_lupus.engines.duckdb",
    "alembic.command",
    "alembic.config",
    "pandas",
    "psycopg2",
    "pymysql",
    "sqlalchemy.dialects.mysql",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "sqlite3",
]
"""Without any connection: what is open must not be shared by a fork."""
WRITES = ("INSERT", "UPDATE", "DELETE", "COPY")
BEGUN, WRITTEN, HELD, ENDED = "begun", "written", "held", "ended"
pause: Callable[[], None]
"""For work in a child: report `HELD` and wait for `go`."""


@dataclass(frozen=True)
class Failure:
    """The error that ended a child's work."""

    kinds: tuple[str, ...]
    """The names of its class and of those that this one is derived from."""
    text: str
    retry: bool | None

    @property
    def kind(self) -> str:
        return self.kinds[0]


class Child:
    """A process that does some work, and reports how far it got.

    :param work: a function of a module; its answer must pickle.
    :param hold: stop before the write statement of this number (from 1) until `go` is called.
    :param uid: the user to become first, where the tests run as root.
    """

    def __init__(self, work: Callable[..., Any], *args: Any, hold: int | None = None, uid: int | None = None) -> None:
        context = _forks()
        self._reports, theirs = context.Pipe(duplex=False)
        orders, self._orders = context.Pipe(duplex=False)
        self.process = context.Process(target=_run, args=(theirs, orders, work, args, hold, uid), daemon=True)
        self.process.start()
        theirs.close()
        orders.close()
        self.phases: list[str] = []
        self.times: list[float] = []
        self.outcome: Any = None

    def follow(self, until: str | None = None, within: float = 120) -> bool:
        """Read what it reports until a phase is reached, or its end; whether the phase was."""
        deadline = time.monotonic() + within
        while until is None or until not in self.phases:
            if not self._reports.poll(max(0.0, deadline - time.monotonic())):
                raise AssertionError(f"the child did nothing for {within} s after {self.phases}")
            try:
                at, phase, value = self._reports.recv()
            except (EOFError, OSError):
                return False
            self.phases.append(phase)
            self.times.append(at)
            if phase == ENDED:
                self.outcome = value
        return True

    def go(self) -> None:
        self._orders.send(None)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.join()
        self.follow()

    def result(self, within: float = 120) -> Any:
        """What its work came to, or the `Failure` that ended it."""
        self.follow(within=within)
        self.process.join(within)
        assert ENDED in self.phases, f"died with {self.process.exitcode} after {self.phases}"
        return self.outcome


def done(work: Callable[..., Any], *args: Any) -> Any:
    """The answer of some work in a process of its own, which must not fail."""
    result = Child(work, *args).result()
    assert not isinstance(result, Failure), result
    return result


def together(works: Iterable[tuple[Any, ...]], within: float = 600) -> list[Child]:
    """Processes that work at once, when all of them have ended."""
    children = [Child(*work) for work in works]
    for child in children:
        child.result(within)
    return children


@lru_cache(maxsize=1)
def _forks() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # the server imports before it is told our path
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return context


def _run(
    reports: Connection, orders: Connection, work: Callable[..., Any], args: tuple[Any, ...], hold: int | None, uid: int | None
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's, which ends us
    if uid is not None and os.geteuid() == 0:
        os.setgid(uid)
        os.setuid(uid)

    def report(phase: str, value: Any = None) -> None:
        reports.send((time.monotonic(), phase, value))

    def wait() -> None:
        report(HELD)
        orders.recv()

    global pause  # noqa: PLW0603  one child, one parent
    pause = wait
    statements = 0

    def executing(_connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal statements
        if statement.lstrip().upper().startswith(WRITES):
            statements += 1
            report(WRITTEN)
            if statements == hold:
                wait()

    sa.event.listen(sa.Engine, "begin", lambda _: report(BEGUN))
    sa.event.listen(sa.Engine, "before_cursor_execute", executing)
    sa.event.listen(sa.Engine, "rollback", lambda _: report("rolled back"))
    sa.event.listen(sa.Engine, "commit", lambda _: report("committing"))
    try:
        value = work(*args)
    except Exception as error:
        names = tuple(base.__name__ for base in type(error).__mro__)
        value = Failure(names, str(error), getattr(error, "retry", None))
    report(ENDED, value)
