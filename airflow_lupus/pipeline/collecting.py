"""From periods to stored points, in chunks that fit into memory: what the collect task, the first run's history and a backfill share."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import TooMuchAtOnce
from airflow_lupus.model import Measurement, PeriodRecord, PeriodStatus, digest
from airflow_lupus.pipeline.choosing import Change, Choice, by_type, choose
from airflow_lupus.pipeline.drifting import prepare
from airflow_lupus.pipeline.measuring import measure
from airflow_lupus.stores.base import DatasetInfo, Saved, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_lupus.engines.base import Engine
    from airflow_lupus.model import Period, TaskRef
    from airflow_lupus.pipeline.drifting import Drifting, OpenReference
    from airflow_lupus.pipeline.measuring import Measured, Opened
    from airflow_lupus.specs import MeasureSpec
    from airflow_lupus.stores.base import Store
    from airflow_lupus.stores.database import Transaction

POINTS_AT_ONCE = 500_000
"""Points that a chunk holds in Python: about 0.4 kB each while they are measured and 1 kB while they are saved, so half a gigabyte."""
AT_ONCE = 31
"""So few periods are tried in one chunk; of more, one is measured first to see how large they are."""
GROWTH = 64
"""How much larger the next chunk may be."""


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
    follow: bool = False
    """Whether to choose anew what to measure when the source's columns change, where the spec names nothing."""
    open_reference: OpenReference | None = None

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
    bytes: int | None = None
    """Of the files read; None: the source does not tell."""
    points: int = 0
    schema_change: str | None = None
    """How the source's columns differ from those that were chosen to be measured."""
    failed: dict[str, str] = field(default_factory=dict)
    """Column and metric → why it could not be computed for some group: see `Measured.failed`."""
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

    def add(self, measured: Measured, saved: Saved) -> None:
        """Count a chunk in."""
        self.periods += measured.measurement.periods
        self.saved = Saved(*(getattr(self.saved, each.name) + getattr(saved, each.name) for each in fields(Saved)))
        self.rows += measured.measurement.rows_read or 0
        if measured.measurement.bytes_read is not None:
            self.bytes = (self.bytes or 0) + measured.measurement.bytes_read
        self.points += measured.points
        self.failed = {**measured.failed, **self.failed}
        self._series.update(hash(info.key) for info in measured.measurement.points)


class Sizes:
    """How many periods to measure at once: few at first, then as many as their points fit into memory.

    :param first: the first chunk.
    :param budget: points that may be held at once, by the most that periods had so far.
    """

    def __init__(self, first: int, budget: int = POINTS_AT_ONCE) -> None:
        self.budget = budget
        self._next = first
        self._per_period = 0.0
        self._burnt = False

    @property
    def limit(self) -> int:
        """Points at which a chunk is given up: one that came somewhat larger than those before is not."""
        return 2 * self.budget

    def next(self, remaining: int) -> int:
        return max(1, min(self._next, remaining))

    def fitted(self, periods: int, points: int) -> None:
        """A chunk of so many periods came to so many points."""
        self._per_period = max(self._per_period, points / periods)
        grown = periods + max(1, periods // 4) if self._burnt else periods * GROWTH
        self._next = min(grown, int(self.budget / self._per_period)) if self._per_period else grown

    def too_many(self, periods: int) -> None:
        """A chunk did not fit: halve it, and grow slowly from now on, since it may have been the engine's memory and not the points."""
        self._burnt = True
        self._next = periods // 2


def collect(
    store: Store,
    job: Job,
    periods: Sequence[Period],
    task: TaskRef,
    *,
    origin: str = "run",
    progress: Callable[[Collected], None] | None = None,
    budget: int = POINTS_AT_ONCE,
) -> Collected:
    """Measure periods and save them in chunks, oldest first; each chunk is one transaction, and a line in the measurements.

    The source is opened once and scanned once a chunk: a year of little data takes three scans.

    :param origin: why they are measured: see `Measurement.origin`.
    :param progress: told after every chunk.
    :param budget: points to hold in memory at once, or nearly; never less than one period's.
    :raises TooMuchAtOnce: not even one period fits into memory. What was saved before stays.
    """
    done = Collected(len(periods))
    opened = job.open(periods)
    waiting = sorted(periods)
    job, done.schema_change = settled(store, job, opened, waiting)
    drifting = prepare(store, job, waiting[0])
    sizes = Sizes(1 if len(periods) > AT_ONCE else len(periods), budget)
    while waiting:
        chunk = waiting[: sizes.next(len(waiting))]
        try:
            most = sizes.limit if len(chunk) > 1 else None
            measured = measure(job.spec, opened.of(chunk), job.engine, chunk, most_points=most, drifting=drifting)
        except TooMuchAtOnce:
            if len(chunk) == 1:
                raise
            sizes.too_many(len(chunk))
            continue
        sizes.fitted(len(chunk), measured.points)
        save(store, job, measured, task, done, origin, drifting)
        del waiting[: len(chunk)], measured  # not held while the next chunk is measured
        if progress is not None:
            progress(done)
    return done


def settled(store: Store, job: Job, opened: Opened, periods: Sequence[Period]) -> tuple[Job, str | None]:
    """A job that knows what to measure, and how the source's columns differ from those that this was chosen for.

    What is chosen is kept with the dataset. A change of the source's columns is told once, and never followed by itself.
    """
    relation = opened.relation
    if job.spec.metric_sets or relation is None:
        return job, None
    types = job.engine.types(relation)
    text = store.choice(job.spec.dataset)
    choice = None if text is None else Choice.from_text(text)
    change = Change() if choice is None else Change.between(choice.columns, types)
    if choice is not None and not (change and job.follow):
        told, declared = str(change) or None, dict(job.dataset)
        if told is not None and told != choice.told:
            declared |= {"choice": replace(choice, told=told).text, "schema_change": told}
        return replace(job, spec=choice.spec(job.spec, types), dataset=declared), told
    readable = [period for period in periods if period not in opened.absent and period not in opened.failed][-1:]
    choice = choose(job.spec, job.engine, opened.of(readable).relation or relation, types, readable)
    if choice is None:
        return replace(job, spec=by_type(job.spec, types)), None
    declared = {**job.dataset, "choice": choice.text} | ({"schema_change": change.followed} if change else {})
    return replace(job, spec=choice.spec(job.spec, types), dataset=declared), None


def save(store: Store, job: Job, measured: Measured, task: TaskRef, done: Collected, origin: str, drifting: Drifting | None = None) -> None:
    """Save a chunk, with what of it is compared with references, and count it in."""
    measurement = replace(measured.measurement, origin=origin)
    if drifting is None:
        done.add(measured, store.save(job.info, job.full_definition, measured.scope, measurement, task))
        return
    whole = measurement

    def complete(tx: Transaction, dataset_id: int, scope: Scope, measurement: Measurement) -> tuple[Scope, Measurement]:
        nonlocal whole
        scope, whole = drifting.complete(measured.profiles, tx, dataset_id, scope, measurement)
        return scope, whole

    saved = store.save(job.info, job.full_definition, measured.scope, measurement, task, complete)
    done.add(replace(measured, measurement=whole), saved)


def record_failed(store: Store, job: Job, periods: Sequence[Period], task: TaskRef, reason: str) -> None:
    """Let the store say that these periods were not measured, and why, so that the next detect tells of it."""
    records = tuple(PeriodRecord(period, PeriodStatus.FAILED, reason=reason) for period in periods)
    store.save(job.info, job.full_definition, Scope((), ()), Measurement(records, {}), task)
