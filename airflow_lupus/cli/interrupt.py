"""Ctrl-C in a command that has much to do."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

EXIT_CODE = 130
"""As shells have it."""


class Interrupted(Exception):
    """Ctrl-C was pressed, and what was being worked on is stored or, after a second one, left."""


class Interrupt:
    """The first Ctrl-C asks to stop at the next commit, the second stops at once; either way the store holds whole periods only."""

    def __init__(self) -> None:
        self.asked = self.at_once = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, type_: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        signal.signal(signal.SIGINT, self._before)
        if error is not None and self.at_once:  # whatever libraries make of it: DuckDB a RuntimeError
            raise Interrupted from error

    def heed(self) -> None:
        """Stop here, if that was asked for."""
        if self.asked:
            raise Interrupted

    def _ask(self, *_: object) -> None:
        if self.asked:
            self.at_once = True
            raise KeyboardInterrupt
        self.asked = True
        os.write(2, b"\nStopping when what is being worked on is stored; Ctrl-C again stops at once\n")  # streams may be busy
