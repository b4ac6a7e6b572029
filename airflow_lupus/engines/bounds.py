"""The bounds of periods as a time column has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import naive

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

INSTANT, CLOCK, DATE = "instant", "clock", "date"
"""What a time column holds: times with a zone, times without one, dates."""


def bounds(spec: MeasureSpec, form: str | None, native: str, periods: Sequence[Period]) -> tuple[list[datetime], list[datetime]]:
    """Starts and ends of periods, without a zone: of instants in UTC, of times without a zone and of dates as clocks show them.

    :param form: what the time column holds, or None for what is no time.
    :param native: its type, for messages.
    """
    if form is None:
        msg = f"time_column {spec.time_column!r} is of type {native}, not a time"
        raise SpecError(msg)
    if form == DATE and spec.grain.unit == "hour":
        msg = f"time_column {spec.time_column!r} is a date: it cannot be cut into hours"
        raise SpecError(msg)
    zone = {INSTANT: "UTC", CLOCK: spec.time_column_timezone, DATE: spec.grain.timezone}[form]
    return [naive(period.start, zone) for period in periods], [naive(period.end, zone) for period in periods]


def one_period(spec: MeasureSpec, periods: Sequence[Period]) -> None:
    """Raise for several periods where no time column tells which row belongs to which."""
    if len(periods) > 1:
        msg = f"dataset {spec.dataset!r}: {len(periods)} periods at once need a time_column, or {{period}} in the path"
        raise SpecError(msg)
