"""Statistics of times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lupus.metrics.base import ENDS, MAX, TIME, VALID, Metric
from airflow_lupus.metrics.order import Max, Min

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.base import Array, Bound

TIMES = frozenset({TIME})


class Earliest(Min):
    """`min` of a time column: the earliest time, in seconds since 1970 (UTC), to the microsecond. A date is when it begins.

    >>> from datetime import UTC, datetime
    >>> Earliest().of([datetime(1970, 1, 2, tzinfo=UTC), None])
    86400.0
    """

    accepts = TIMES
    unit = "seconds since 1970"

    @classmethod
    def parse(cls, name: str) -> Metric | None:  # noqa: ARG003  `min` becomes this by the column's type
        return None

    def of(self, values: Sequence[Any]) -> float | None:
        return super().of([value if value is None else value.timestamp() for value in values])


class Latest(Max):
    """`max` of a time column: the latest time, in seconds since 1970 (UTC), to the microsecond. A date is when it begins.

    >>> from datetime import UTC, datetime
    >>> Latest().of([datetime(1970, 1, 2, tzinfo=UTC), None])
    86400.0
    """

    accepts = TIMES
    unit = "seconds since 1970"

    @classmethod
    def parse(cls, name: str) -> Metric | None:  # noqa: ARG003  `max` becomes this by the column's type
        return None

    def of(self, values: Sequence[Any]) -> float | None:
        return super().of([value if value is None else value.timestamp() for value in values])


class Freshness(Metric):
    """How long before the end of the period the column's latest time is, in seconds; negative where it lies after it.

    With the dataset's own `time_column` it says how long before midnight a day's rows ended.

    >>> Freshness().name
    'freshness'
    """

    name, kind, unit, bad_direction, accepts = "freshness", "extreme", "seconds", "up", TIMES
    needs = (MAX, VALID, ENDS)

    def value(self, state: Bound) -> Array:
        return state[ENDS] - state[MAX]
