"""The periods before a dataset's first run: collected silently, newest first, so that detectors have a past from the first day on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_lupus.exceptions import TooMuchAtOnce
from airflow_lupus.model import PeriodStatus
from airflow_lupus.pipeline.collecting import Collected, Sizes, save, settled
from airflow_lupus.pipeline.drifting import prepare
from airflow_lupus.pipeline.measuring import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_lupus.model import Period, TaskRef
    from airflow_lupus.pipeline.collecting import Job
    from airflow_lupus.stores.base import Store

ORIGIN = "history"
EVER = -(2**62)
"""Before any period."""


def before_first_run(store: Store, job: Job, periods: Sequence[Period], task: TaskRef, count: int) -> list[Period]:
    """The periods before these that a dataset's first run is to collect, newest first; none when this is not the first run.

    To be asked before the run's own periods are saved. A run whose dataset has nothing before them but what the run itself brought in is
    the first one again, retried or cleared: it gets the periods that it has not covered yet. What was pruned is not brought back.
    """
    name, grain = job.spec.dataset, job.spec.grain
    covered = []
    if store.has_periods(name, grain):
        covered = store.covered(name, task, job.definition_hash)
        earlier = store.period_records(name, grain, EVER, periods[0].epoch)
        if not covered or any(not _within(record.period, covered) for record in earlier):
            return []
    wanted = [grain.previous(periods[0])]
    while len(wanted) < count:
        wanted.append(grain.previous(wanted[-1]))
    pruned = store.pruned_before(name)
    return [period for period in wanted if not _within(period, covered) and (pruned is None or period.epoch >= pruned)]


def collect_history(
    store: Store,
    job: Job,
    periods: Sequence[Period],
    task: TaskRef,
    *,
    run: Collected,
    most_rows: int,
    progress: Callable[[Collected], None] | None = None,
) -> Collected:
    """Measure periods backward in chunks, until rows enough were read, and save them as history.

    What is before the source's first row is not recorded: it is neither empty nor missing. A period without data between others is.

    :param periods: newest first.
    :param run: what became of the run's own periods: it tells how large a chunk may be.
    :param most_rows: after so many rows no further chunk is read.
    """
    done = Collected(len(periods))
    opened = job.open(periods)
    job, _ = settled(store, job, opened, sorted(periods))
    drifting = prepare(store, job, periods[0])
    sizes = Sizes(1)
    if run.points:
        sizes.fitted(len(run.periods), run.points)
    per_period = run.rows / len(run.periods)
    waiting = list(periods)
    silent: list[Period] = []
    while waiting and done.rows < most_rows:
        fitting = int((most_rows - done.rows) / per_period) if per_period else len(waiting)
        count = sizes.next(max(1, min(len(waiting), fitting)))
        chunk = sorted([*silent, *waiting[:count]])
        try:
            most = sizes.limit if count > 1 else None
            measured = measure(job.spec, opened.of(chunk), job.engine, chunk, most_points=most, drifting=drifting)
        except TooMuchAtOnce:
            if count == 1:
                raise
            sizes.too_many(count)
            continue
        del waiting[:count]
        rows = measured.measurement.rows_read or 0
        sizes.fitted(len(chunk), measured.points)
        per_period = max(per_period, rows / len(chunk))
        first = next((record.period for record in measured.measurement.periods if record.status is PeriodStatus.OK), None)
        silent = [period for period in chunk if first is None or period < first]  # a gap, if anything older has rows
        if first is not None:
            save(store, job, measured.since(first), task, done, ORIGIN, drifting)
            if progress is not None:
                progress(done)
    return done


def _within(period: Period, covered: Sequence[tuple[int, int]]) -> bool:
    return any(start <= period.epoch < end for start, end in covered)
