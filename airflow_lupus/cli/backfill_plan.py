"""What a backfill is asked to do, and what of it is done: the store knows, by the backfill's name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import TaskRef
from airflow_lupus.periods import PeriodRule, RunDates, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.cli.dags import Collecting
    from airflow_lupus.model import Grain, Period
    from airflow_lupus.stores.base import Store


@dataclass(frozen=True)
class Range:
    """The half-open range that a DAG is asked to fill, as text: each dataset reads it in its own zone."""

    dag_id: str
    start: str
    end: str

    @classmethod
    def parse(cls, dag_id: str, start: str, end: str) -> Range:
        return cls(dag_id, _normal(start), _normal(end))

    def collecting(self, task_id: str) -> TaskRef:
        """The name under which a task's measurements are stored: the same for the same range."""
        return TaskRef(self.dag_id, task_id, f"lupus_backfill__{self.start}__{self.end}")

    def judging(self, task_id: str) -> TaskRef:
        """Another, since what was collected under a run's own name, perhaps a part of the range, would be all that it judges."""
        return TaskRef(self.dag_id, task_id, f"lupus_judge__{self.start}__{self.end}")

    def periods(self, grain: Grain) -> tuple[Period, ...]:
        return resolve(PeriodRule(grain, (self.start, self.end)), RunDates()).periods


@dataclass(frozen=True)
class Part:
    """What one collect task has to do."""

    work: Collecting
    ref: TaskRef
    periods: Sequence[Period]
    to_come: Sequence[Period]

    @classmethod
    def of(cls, work: Collecting, asked: Range, store: Store | None) -> Part:
        """
        :param store: where to look for what an earlier start has done; None: nowhere.
        """
        ref, periods = asked.collecting(work.name), asked.periods(work.grain)
        stored = covered(store, work, ref, periods) if store is not None else set()
        return cls(work, ref, periods, [period for period in periods if period not in stored])

    @property
    def done(self) -> int:
        return len(self.periods) - len(self.to_come)

    @property
    def title(self) -> str:
        grain, unit = self.work.grain, self.work.grain.unit
        start, end = grain.local(self.periods[0].start), grain.local(self.periods[-1].end)
        count = f"{len(self.periods):,} {unit}{'s' if len(self.periods) > 1 else ''}"
        return f"{self.work.name}: {count} of {self.work.dataset} [{start:%Y-%m-%d %H:%M}, {end:%Y-%m-%d %H:%M}) {grain.timezone}"


def covered(store: Store, work: Collecting, ref: TaskRef, periods: Sequence[Period]) -> set[Period]:
    """The periods that a backfill has stored under its task's present definition."""
    spans = store.covered(work.dataset, ref, work.job.definition_hash)
    return {period for period in periods if any(first <= period.epoch < last for first, last in spans)}


def _normal(text: str) -> str:
    """A date as it is always written, so that 2013-01-01 and 2013-01-01T00:00 are the same backfill.

    >>> _normal("2013-01-01T00:00"), _normal("2013-01-01 06:00")
    ('2013-01-01', '2013-01-01T06:00:00')
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"Not an ISO date or time: {text!r}"
        raise SpecError(msg) from error
    at_midnight = instant.tzinfo is None and (instant.hour, instant.minute, instant.second, instant.microsecond) == (0, 0, 0, 0)
    return instant.date().isoformat() if at_midnight else instant.isoformat()
