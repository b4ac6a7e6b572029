"""The values that everything else speaks of: grains, periods, series, points and verdicts. See `docs/concepts.md` for the words."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum, StrEnum
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from airflow_lupus.exceptions import SpecError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNITS = ("hour", "day", "week", "month")
TOTAL, LEAF = "total", "leaf"
ANY_COLUMN = "*"
"""The column of metrics that are about the whole table."""
FIXED = -(2**62)
"""The start of partials that belong to no period: what a dataset is compared with."""
ENTITY_COUNT = "count of each"
"""How a partial tells a count per entity from a count of rows."""

DimensionValue = str | int | float | bool | None


@lru_cache
def zone(name: str) -> ZoneInfo:
    """The time zone of that name, or an error that names the closest ones."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: the name of a folder, such as "America"
        msg = f"Unknown timezone {name!r}: {did_you_mean(name, available_timezones())}"
        raise SpecError(msg) from error


def from_epoch(seconds: int) -> datetime:
    """The instant that stores keep as whole seconds since 1970-01-01 UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def naive(instant: datetime, timezone: str) -> datetime:
    """What clocks of a zone show at an instant: how columns without a time zone have it."""
    return instant.astimezone(zone(timezone)).replace(tzinfo=None)


@dataclass(frozen=True, order=True)
class Period:
    """The half-open interval `[start, end)` that a point describes; both are instants in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is not UTC or self.end.tzinfo is not UTC:
            object.__setattr__(self, "start", self.start.astimezone(UTC))
            object.__setattr__(self, "end", self.end.astimezone(UTC))

    @property
    def epoch(self) -> int:
        """The start in whole seconds since 1970-01-01 UTC: the key under which stores keep it."""
        return int(self.start.timestamp())

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


@dataclass(frozen=True)
class Grain:
    """How long a period is, and in which time zone its days begin.

    Hours are cut at full hours of the zone's standard time (of 2020, in the few zones that have changed it by half an hour), days at
    local midnight, weeks on Monday, months on the first.

    >>> day = Grain("day", "America/New_York")
    >>> day.containing(datetime(2013, 3, 10, 12, tzinfo=UTC)).end.isoformat()   # 23 hours: the clocks went forward
    '2013-03-11T04:00:00+00:00'
    """

    unit: str = "day"
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            msg = f"Unknown grain {self.unit!r}: {did_you_mean(self.unit, UNITS)}"
            raise SpecError(msg)
        zone(self.timezone)

    def __str__(self) -> str:
        return f"{self.unit} in {self.timezone}"

    @cached_property
    def _zone(self) -> ZoneInfo:
        return zone(self.timezone)

    @cached_property
    def _hour_offset(self) -> float:
        """Seconds from UTC to standard time: one for all times, so that hours neither overlap nor leave gaps where summer time, or a
        change of standard time, moves a zone's clocks by half an hour."""
        at = datetime(2020, 1, 1, tzinfo=self._zone)
        return ((at.utcoffset() or timedelta()) - (at.dst() or timedelta())).total_seconds()

    def local(self, instant: datetime) -> datetime:
        return instant.astimezone(self._zone)

    def containing(self, instant: datetime) -> Period:
        """The period in which an instant lies."""
        if instant.tzinfo is None:
            msg = f"An instant needs a time zone: {instant!r}"
            raise ValueError(msg)
        if self.unit == "hour":
            return self._hour(instant)
        first = self._first_day(self.local(instant).date())
        end = self._midnight(self._next_first(first))
        if instant >= end:  # clocks went back over midnight, to a date whose period had ended at the first of two midnights
            first, end = self._next_first(first), self._midnight(self._next_first(self._next_first(first)))
        return Period(self._midnight(first), end)

    def next(self, period: Period) -> Period:
        return self.containing(period.end)

    def previous(self, period: Period) -> Period:
        return self.containing(period.start - timedelta(seconds=1))

    def shift(self, period: Period, count: int) -> Period:
        """The period `count` later, or earlier when negative."""
        for _ in range(abs(count)):
            period = self.next(period) if count > 0 else self.previous(period)
        return period

    def last_ended(self, instant: datetime) -> Period:
        """The last period that ended at or before an instant: at 03:00 that is yesterday."""
        return self.previous(self.containing(instant))

    def periods(self, start: datetime, end: datetime) -> Iterator[Period]:
        """The periods that start inside `[start, end)`, in order."""
        period = self.containing(start)
        if period.start < start:
            period = self.next(period)
        while period.start < end:
            yield period
            period = self.next(period)

    def parse(self, text: str) -> datetime:
        """An ISO date or time, in this grain's zone where it names none.

        >>> Grain("day", "America/New_York").parse("2013-02-08").isoformat()
        '2013-02-08T05:00:00+00:00'
        """
        try:
            instant = datetime.fromisoformat(text)
            if instant.tzinfo is None:
                instant = instant.replace(tzinfo=self._zone)
            return instant.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            msg = f"Not an ISO date or time: {text!r}"
            raise SpecError(msg) from error

    def _hour(self, instant: datetime) -> Period:
        seconds = int((instant.timestamp() + self._hour_offset) % 3600)
        start = instant.astimezone(UTC).replace(microsecond=0) - timedelta(seconds=seconds)
        return Period(start, start + timedelta(hours=1))

    def _first_day(self, day: date) -> date:
        if self.unit == "week":
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self.unit == "month" else day

    def _next_first(self, first: date) -> date:
        if self.unit == "month":
            return (first + timedelta(days=31)).replace(day=1)
        return first + timedelta(days=7 if self.unit == "week" else 1)

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).astimezone(UTC)


class PeriodStatus(StrEnum):
    """How a dataset's period arrived."""

    OK = "ok"
    EMPTY = "empty"
    MISSING = "missing"
    FAILED = "failed"


MEASURED = frozenset({PeriodStatus.OK, PeriodStatus.EMPTY})
"""How a period arrives of which there is something to say."""


class PointStatus(IntEnum):
    """Why a point's value is what it is; everything but OK is stored with a NULL value."""

    OK = 0
    UNDEFINED = 1
    NAN = 2
    INF = 3
    MINUS_INF = 4
    FAILED = 5

    @property
    def label(self) -> str:
        return {3: "inf", 4: "-inf"}.get(self.value, self.name.lower())


class Severity(IntEnum):
    """How bad an anomaly is; NONE is an ordinary point."""

    NONE = 0
    WARNING = 1
    MAJOR = 2
    CRITICAL = 3

    @property
    def label(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, name: str | Severity) -> Severity:
        names = [member.label for member in cls if member]
        if isinstance(name, Severity):
            return name
        if name not in names:
            msg = f"Unknown severity {name!r}: {did_you_mean(name, names)}"
            raise SpecError(msg)
        return cls[name.upper()]


class Reason(IntEnum):
    """Why a verdict says what it says."""

    NORMAL = 0
    POINT = 1
    THRESHOLD = 2
    INSUFFICIENT_HISTORY = 3
    UNDEFINED = 4

    @property
    def label(self) -> str:
        return self.name.lower()


def canonical_json(value: Any) -> str:
    """JSON that is equal exactly when the values are: keys sorted, no white space, text as it is."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return sha256(canonical_json(value).encode()).hexdigest()


@dataclass(frozen=True)
class SeriesKey:
    """What makes a series itself: a change of any part is another series.

    A group that is NULL is `{"origin": None}`; a total is `{}` at level `total`: absent is not NULL.
    """

    dataset: str
    column: str
    metric: str
    dimensions: tuple[tuple[str, DimensionValue], ...]
    level: str
    grain: Grain

    @cached_property
    def identity(self) -> str:
        """SHA-256 of the canonical identity: equal in every store, process and version."""
        return digest(
            {
                "dataset": self.dataset,
                "column": self.column,
                "metric": self.metric,
                "dimensions": [[name, type(value).__name__, value] for name, value in self.dimensions],
                "level": self.level,
                "grain": [self.grain.unit, self.grain.timezone],
            }
        )

    @property
    def name(self) -> str:
        """What detector patterns match: `dep_time.null_ratio`, `*.row_count`."""
        return f"{self.column}.{self.metric}"

    def __str__(self) -> str:
        where = " · ".join(f"{name}={value}" for name, value in self.dimensions)
        return f"{self.dataset} · {self.name}" + (f" · {where}" if where else "")


def dimensions(values: Mapping[str, DimensionValue]) -> tuple[tuple[str, DimensionValue], ...]:
    """Dimensions in their one order: by name."""
    return tuple(sorted(values.items()))


@dataclass(frozen=True)
class Point:
    """One value of a series for one period."""

    start: int
    """Epoch seconds of the period's start."""
    value: float | None
    n: int | None
    """Rows behind the value."""
    status: PointStatus = PointStatus.OK
    reason: str | None = None

    @classmethod
    def of(cls, start: int, value: float | None, n: int | None) -> Point:
        """A point of whatever a metric came to: NaN and infinities are statuses, since not every database can store them.

        >>> Point.of(0, float("inf"), 3).status.label
        'inf'
        """
        if value is None:
            return cls(start, None, n, PointStatus.UNDEFINED)
        if math.isnan(value):
            return cls(start, None, n, PointStatus.NAN)
        if math.isinf(value):
            return cls(start, None, n, PointStatus.INF if value > 0 else PointStatus.MINUS_INF)
        return cls(start, float(value), n)


@dataclass(frozen=True)
class PeriodRecord:
    """What is known of one period of a dataset, apart from its points."""

    period: Period
    status: PeriodStatus
    rows: int | None = None
    reason: str | None = None
    absent_groups: tuple[Mapping[str, DimensionValue], ...] = ()


@dataclass(frozen=True)
class SeriesInfo:
    """A series as the catalogue of metrics describes it: what detectors and the page need to know about its values."""

    key: SeriesKey
    kind: str
    unit: str | None = None


@dataclass(frozen=True)
class TaskRef:
    """The task instance that measures or judges: every point leads back to one."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int = -1
    try_number: int = 1

    @property
    def task(self) -> str:
        return f"{self.dag_id}.{self.task_id}"


@dataclass(frozen=True)
class Partial:
    """Of one group of rows in one period: what of a column merges with other periods' into that of a longer one."""

    start: int
    column: str
    metrics: tuple[str, ...]
    """Those whose values it is for; a count per entity is `ENTITY_COUNT`."""
    dimensions: tuple[tuple[str, DimensionValue], ...]
    level: str
    state: str
    """See `airflow_lupus.metrics.partials`."""


@dataclass(frozen=True)
class Measurement:
    """The outcome of one collect task: what `Store.save` replaces the covered periods with."""

    periods: tuple[PeriodRecord, ...]
    points: Mapping[SeriesInfo, list[Point]]
    rows_read: int | None = None
    bytes_read: int | None = None
    origin: str = "run"
    """Why: `run`; `history`, which a dataset's first run adds; `backfill`, by the command; `import`. Only what a run measured is news."""
    partials: tuple[Partial, ...] = ()
    following: tuple[PeriodRecord, ...] = ()
    """Other periods of which some points follow from what was measured: see `Scope.following`."""
