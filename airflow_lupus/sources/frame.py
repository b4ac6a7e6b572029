"""Rows that Python has in hand, or makes when the task runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_lupus.exceptions import SpecError
from airflow_lupus.sources.base import Source


@dataclass(eq=False)
class Frame(Source):
    """A frame of pandas, Polars (eager or lazy), Arrow or DuckDB; a function that returns one; or what an upstream task returned.

    :param frame: the frame, an Arrow dataset, anything else that has Arrow's `__arrow_c_stream__`; or a function `f(start, end)` that
        returns one. It is called when the task runs, with the first period's start and the last one's end in the dataset's zone, and may
        return more rows than these periods'. If it returns None or raises `DataMissing`, the periods are missing. Or the return value of
        a TaskFlow task (an `XComArg`), which goes through XCom: for small pandas frames.
    :param name: the dataset's name where the operator gives none; by default that of the function or of the upstream task.

    >>> from datetime import datetime
    >>> def orders(start: datetime, end: datetime): ...
    >>> Frame(orders).default_dataset
    'orders'
    """

    frame: Any
    name: str | None = None
    template_fields: ClassVar[tuple[str, ...]] = ("upstream",)

    def __post_init__(self) -> None:
        # Airflow calls what it finds callable in a template field: only what it is to resolve may stand there.
        self.upstream = self.frame if hasattr(self.frame, "iter_references") and hasattr(self.frame, "resolve") else None
        self.from_upstream = self.upstream is not None
        self._own_name: str | None = None
        if self.from_upstream:
            self._own_name = next(iter(self.frame.iter_references()))[0].task_id
        elif callable(self.frame) and getattr(self.frame, "__name__", "<lambda>") != "<lambda>":
            self._own_name = self.frame.__name__

    def __repr__(self) -> str:
        return f"Frame({self.name or self._own_name or type(self.frame).__name__})"

    @property
    def default_dataset(self) -> str:
        name = self.name or self._own_name
        if name is None:
            msg = f"{self!r} has no name of its own: give it a name, or the operator a dataset"
            raise SpecError(msg)
        return name

    def definition(self) -> dict[str, Any]:
        return {"frame": self._own_name or self.name}

    def check_ranged(self) -> None:
        if self.from_upstream:
            msg = f"{self!r}: an upstream task returns the frame of one run; many periods at once need a function, or another source"
            raise SpecError(msg)
