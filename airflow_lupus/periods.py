"""Which periods a run measures: one rule for every kind of Airflow run, and without importing Airflow.

A cron DAG's data interval is empty, an asset-triggered run has no logical date, a partitioned run has a partition date: see
`docs/concepts.md` for the rule in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import SpecError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.model import Grain, Period

CONF_KEY = "lupus"
"""Where a run's conf asks for a range, and where an asset event's extra names its periods."""

MAX_PERIODS = 100_000
SHORTEST = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=28)}
"""Shorter than a period of each unit, or nearly, to know a range that is too long before it is cut."""


@dataclass(frozen=True)
class RunDates:
    """What a run knows of time. Everything may be absent."""

    data_interval: tuple[datetime, datetime] | None = None
    partition_date: datetime | None = None
    asset_extras: Sequence[Mapping[str, Any]] = ()
    logical_date: datetime | None = None
    run_after: datetime | None = None
    conf: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PeriodRule:
    """What the DAG's author says of periods: `period`, `period_offset`, `recollect`."""

    grain: Grain
    period: str | tuple[str, str] | None = None
    offset: int = 0
    recollect: int = 0

    def __post_init__(self) -> None:
        if self.recollect < 0:
            msg = f"recollect counts earlier periods to measure again, so it cannot be {self.recollect}"
            raise SpecError(msg)


@dataclass(frozen=True)
class Resolved:
    """The periods a run measures, in order; the newest is the last."""

    periods: tuple[Period, ...]
    because: str
    """Which part of the rule decided, for the first line of the task's log."""
    ranged: bool = False
    """A range run, asked for by the run's conf."""
    alert: bool = True
    """Whether anomalies are announced: a range run is silent unless its conf says `"alert": true`."""

    @property
    def start(self) -> datetime:
        return self.periods[0].start

    @property
    def end(self) -> datetime:
        return self.periods[-1].end

    def describe(self, grain: Grain) -> str:
        count = f"{len(self.periods)} {grain.unit}s" if len(self.periods) > 1 else f"1 {grain.unit}"
        start, end = grain.local(self.start), grain.local(self.end)
        return f"{count} [{start:%Y-%m-%d %H:%M}, {end:%Y-%m-%d %H:%M}) {grain.timezone}, from {self.because}"


def resolve(rule: PeriodRule, run: RunDates) -> Resolved:
    """The periods that a run measures.

    >>> from airflow_lupus.model import Grain
    >>> at_three = datetime(2013, 2, 9, 8, tzinfo=UTC)                      # 03:00 in New York
    >>> day = PeriodRule(Grain("day", "America/New_York"))
    >>> print(resolve(day, RunDates((at_three, at_three), logical_date=at_three)).describe(day.grain))
    1 day [2013-02-08 00:00, 2013-02-09 00:00) America/New_York, from the logical date
    """
    grain = rule.grain
    ranged = _asked_range(grain, run.conf)
    if ranged:
        return ranged
    periods, because = _base(rule, run)
    if rule.offset:
        periods = [grain.shift(period, rule.offset) for period in periods]
        because += f", offset {rule.offset:+d}"
    for _ in range(rule.recollect):
        periods.insert(0, grain.previous(periods[0]))
    if rule.recollect:
        because += f", recollecting {rule.recollect} before"
    return Resolved(tuple(periods), because)


def _base(rule: PeriodRule, run: RunDates) -> tuple[list[Period], str]:
    grain = rule.grain
    if rule.period == "current":
        instant, what = _instant(run)
        return [grain.containing(instant)], f'period="current" at {what}'
    if isinstance(rule.period, str):
        return [grain.containing(grain.parse(rule.period))], "the explicit period"
    if rule.period is not None:
        start, end = (grain.parse(part) for part in rule.period)
        return _between(grain, start, end, "the explicit period"), "the explicit period"
    if run.data_interval and run.data_interval[0] < run.data_interval[1]:
        start, end = run.data_interval
        periods = list(grain.periods(start, end))
        if periods:
            return periods, "the data interval"
        return [grain.last_ended(end)], "the data interval's end"  # an interval inside one period: hourly runs of a daily dataset
    if run.partition_date is not None:
        return [grain.containing(run.partition_date)], "the partition date"
    periods = _from_assets(grain, run.asset_extras)
    if periods:
        return periods, "the triggering asset events"
    instant, what = _instant(run)
    return [grain.last_ended(instant)], what


def _instant(run: RunDates) -> tuple[datetime, str]:
    if run.logical_date is not None:
        return run.logical_date, "the logical date"
    if run.run_after is not None:
        return run.run_after, "run_after"
    return datetime.now(UTC), "the clock"  # dag.test() of a date-less run


def _from_assets(grain: Grain, extras: Sequence[Mapping[str, Any]]) -> list[Period]:
    """The periods that the triggering events say they wrote, each once, in order."""
    found: set[Period] = set()
    for extra in extras:
        said = extra.get(CONF_KEY)
        if not isinstance(said, dict) or "start" not in said or "end" not in said:
            continue
        start, end = grain.parse(str(said["start"])), grain.parse(str(said["end"]))
        whole = [period for period in grain.periods(start, end) if period.end <= end]
        found.update(whole or [grain.last_ended(end)])
    return sorted(found)


def _asked_range(grain: Grain, conf: Mapping[str, Any] | None) -> Resolved | None:
    asked = (conf or {}).get(CONF_KEY)
    if asked is None:
        return None
    known = {"start", "end", "alert"}
    if not isinstance(asked, dict):
        msg = f'The run\'s conf "{CONF_KEY}" must be an object such as {{"start": "2013-01-01", "end": "2014-01-01"}}, not {asked!r}'
        raise SpecError(msg)
    for key in asked:
        if key not in known:
            msg = f'Unknown key {key!r} in the run\'s conf "{CONF_KEY}": {did_you_mean(key, known)}'
            raise SpecError(msg)
    if not {"start", "end"} <= asked.keys():
        msg = f'The run\'s conf "{CONF_KEY}" needs both "start" and "end"'
        raise SpecError(msg)
    alert = asked.get("alert", False)
    if not isinstance(alert, bool):
        msg = f'"alert" in the run\'s conf must be true or false, not {alert!r}'
        raise SpecError(msg)
    periods = _between(grain, grain.parse(str(asked["start"])), grain.parse(str(asked["end"])), "the run's conf")
    return Resolved(tuple(periods), "the run's conf", ranged=True, alert=alert)


def _between(grain: Grain, start: datetime, end: datetime, where: str) -> list[Period]:
    if (end - start) / SHORTEST[grain.unit] > MAX_PERIODS:  # a typing error in the year, most likely
        msg = f"{where} asks for more than {MAX_PERIODS:,} {grain.unit}s: [{start.isoformat()}, {end.isoformat()})"
        raise SpecError(msg)
    periods = list(grain.periods(start, end))
    if not periods:
        msg = f"No {grain.unit} in {grain.timezone} starts inside [{start.isoformat()}, {end.isoformat()}) of {where}"
        raise SpecError(msg)
    return periods
