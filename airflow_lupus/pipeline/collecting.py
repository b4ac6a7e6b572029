"""From periods to stored points, in chunks that fit into memory: what the collect task, the first run's history and a backfill share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_lupus.model import Measurement, PeriodRecord, PeriodStatus, digest
from airflow_lupus.pipeline.measuring import measure
from airflow_lupus.stores.base import DatasetInfo, Saved, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_lupus.engines.base import Engine
    from airflow_lupus.model import Period, SeriesInfo, TaskRef
    from airflow_lupus.pipeline.measuring import Opened
    from airflow_lupus.specs import MeasureSpec
    from airflow_lupus.stores.base import Store


@dataclass(frozen=True)
class Job:
    """What a collect task measures, whatever the periods."""

    spec: MeasureSpec
    definition: Mapping[str, Any]
    """The source's."""
    open: Callable[[Sequence[Period]], Opened]
    engine: Engine
    dataset: Mapping[str, Any] = field(default_factory=dict)
    """Owner, runbook, shared: see `DatasetInfo`."""

    @property
    def full_definition(self) -> dict[str, Any]:
        """What of source and spec decides the meaning of the job's series beyond their identity."""
        return {**self.definition, **self.spec.definition()}

    @property
    def definition_hash(self) -> str:
        """The full definition as `Store.covered` knows it."""
        return digest(self.full_definition)

    @property
    def info(self) -> DatasetInfo:
        """The dataset as the task declares it."""
        return DatasetInfo(self.spec.dataset, self.spec.grain, **self.dataset)


@dataclass
class Collected:
    """What became of a job's periods so far."""

    total: int
    """Periods asked for."""
    periods: list[PeriodRecord] = field(default_factory=list)
    saved: Saved = field(default_factory=Saved)
    rows: int = 0
    points: int = 0
    _series: set[int] = field(default_factory=set, repr=False)

    @property
    def series(self) -> int:
        """How many different series have a point."""
        return len(self._series)

    @property
    def missing(self) -> list[PeriodRecord]:
        return self.of(PeriodStatus.MISSING)

    def of(self, status: PeriodStatus) -> list[PeriodRecord]:
        """The periods that arrived so."""
        return [record for record in self.periods if record.status is status]

    def add(self, measurement: Measurement, saved: Saved) -> None:
        """Count a chunk in."""
        self.periods += measurement.periods
        self.saved = Saved(*(getattr(self.saved, name) + getattr(saved, name) for name in Saved.__dataclass_fields__))
        self.rows += measurement.rows_read or 0
        self.points += sum(map(len, measurement.points.values()))
        self._series.update(hash(info.key) for info in measurement.points)


def collect(
    store: Store,
    job: Job,
    periods: Sequence[Period],
    task: TaskRef,
    *,
    origin: str = "run",
    progress: Callable[[Collected], None] | None = None,
) -> Collected:
    """Measure periods and save them, chunk by chunk; each chunk is one transaction.

    :param origin: why they are measured: see `Measurement.origin`.
    :param progress: told after every chunk.
    """
    done = Collected(len(periods))
    measured = measure(job.spec, job.open(periods), job.engine, periods)
    measurement = replace(measured.measurement, origin=origin)
    done.add(measurement, store.save(job.info, job.full_definition, measured.scope, measurement, task))
    if progress is not None:
        progress(done)
    return done


def record_failed(store: Store, job: Job, periods: Sequence[Period], task: TaskRef, reason: str) -> None:
    """Let the store say that these periods were not measured, and why, so that the next detect tells of it."""
    records = tuple(PeriodRecord(period, PeriodStatus.FAILED, reason=reason) for period in periods)
    nothing: dict[SeriesInfo, Any] = {}
    store.save(job.info, job.full_definition, Scope((), ()), Measurement(records, nothing), task)
