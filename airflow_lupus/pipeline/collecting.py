"""From periods to stored points, in chunks that fit into memory: what the collect task, the first run's history and a backfill share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_lupus.pipeline.measuring import measure, save
from airflow_lupus.stores.base import Saved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_lupus.engines.base import Engine
    from airflow_lupus.model import Period, PeriodRecord, TaskRef
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


@dataclass
class Collected:
    """What became of a job's periods so far."""

    total: int
    """Periods asked for."""
    periods: list[PeriodRecord] = field(default_factory=list)
    saved: Saved = field(default_factory=Saved)
    rows: int = 0
    series: int = 0
    """The most that one chunk had."""


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
    measured.measurement = replace(measured.measurement, origin=origin)
    done.saved = save(store, job.spec, job.definition, measured, task, **job.dataset)
    done.periods += measured.measurement.periods
    done.rows += measured.measurement.rows_read or 0
    done.series = len(measured.measurement.points)
    if progress is not None:
        progress(done)
    return done
