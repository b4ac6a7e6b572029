"""The two transactions that matter, each with what must be there before it: what faults strike and retries complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faults import work
from faults.children import done

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Operation:
    """Some work on a store that others have filled before."""

    name: str
    work: Callable[..., Any]
    args: tuple[Any, ...]
    before: Callable[[str], None]

    def __str__(self) -> str:
        return self.name


def _collected(url: str) -> None:
    done(work.collect, url, *work.OLD, "before")
    done(work.detect, url, "before")


def _collected_again(url: str) -> None:
    _collected(url)
    done(work.collect, url, *work.NEW)


OPERATIONS = (
    Operation("collect", work.collect, work.NEW, _collected),
    Operation("detect", work.detect, (), _collected_again),
)
