"""What a store does: the one interface between pipeline and page on one side and a database on the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np

    from airflow_lupus.model import Grain, Measurement, PeriodRecord, SeriesInfo, TaskRef
    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.partials import StoredHistogram


@dataclass(frozen=True)
class DatasetInfo:
    """A dataset as a collect task declares it."""

    name: str
    grain: Grain
    shared: bool = False
    owner: str | None = None
    runbook: str | None = None
    retention: Mapping[str, int | str] = field(default_factory=dict)
    """Days to keep, by what is kept, and what to roll up to; see `stores/retention.py`."""
    choice: str | None = None
    """What was chosen to be measured, where the task names nothing; None: leave what the store has."""
    schema_change: str | None = None
    """How the source's columns differ from those that it was chosen for, if that was not told before."""


@dataclass(frozen=True)
class Scope:
    """What a collect task's spec covers: for these, what it does not find any more is retracted."""

    pairs: Collection[tuple[str, str]]
    """(column, metric)"""
    dimension_names: Collection[tuple[str, ...]]
    """What its series are grouped by, entity columns included; `()` for totals."""
    group_columns: tuple[str, ...] = ()
    following: Collection[tuple[str, str]] = ()
    """Of the pairs those whose points in other periods follow from what was measured too: see `Measurement.following`."""


@dataclass(frozen=True)
class Saved:
    """What a save changed."""

    added: int = 0
    updated: int = 0
    retracted: int = 0
    unchanged: int = 0
    redefined: int = 0
    """Series whose definition changed, so that their baseline restarts."""

    @property
    def changed(self) -> int:
        return self.added + self.updated + self.retracted


@dataclass(frozen=True)
class StoredSeries:
    id: int
    info: SeriesInfo
    definition_id: int


@dataclass(frozen=True)
class SlotKey:
    """One detector in one detect task; its name stays the same while its parameters change."""

    name: str
    detector: str
    parameters: Mapping[str, Any]
    lookback: int | None = None
    """Periods before a point that its verdict may see; None: all."""


@dataclass
class JudgingState:
    """What a detect task starts from, read in one consistent state of the store."""

    dataset: str
    grain: Grain
    revision: int
    series: list[StoredSeries]
    watermarks: Mapping[str, int]
    """Slot name → the dataset's revision up to which it has judged."""
    changed: Mapping[str, Mapping[int, int]]
    """Slot name → series id → start of the earliest point that came, changed or went since."""
    target: tuple[int, int] | None
    """What this run's collect tasks measured: start of the first period, end of the last."""
    newest: int | None
    """Start of the dataset's newest measured period."""
    owner: str | None = None
    runbook: str | None = None


@dataclass(frozen=True)
class History:
    """Points of many series as columns, ordered by series and start."""

    series_id: np.ndarray
    start: np.ndarray
    value: np.ndarray
    """NaN where the point has no value."""
    n: np.ndarray
    """NaN where unknown."""


@dataclass
class VerdictTable:
    """Verdicts of one slot as columns."""

    series_id: np.ndarray
    start: np.ndarray
    value: np.ndarray
    expected: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    score: np.ndarray
    severity: np.ndarray
    reason: np.ndarray
    history: np.ndarray
    history_end: np.ndarray
    """Epoch seconds; -1 where there was none."""

    def __len__(self) -> int:
        return len(self.series_id)

    def where(self, wanted: np.ndarray) -> VerdictTable:
        """Those of the verdicts for which this is true."""
        return VerdictTable(**{name: column[wanted] for name, column in vars(self).items()})

    @classmethod
    def joined(cls, tables: Sequence[VerdictTable]) -> VerdictTable:
        """All verdicts of these tables, of which there is one at least."""
        import numpy as np

        return cls(**{name: np.concatenate([vars(table)[name] for table in tables]) for name in vars(tables[0])})


@dataclass(frozen=True)
class NewDelivery:
    """A digest that a destination is to get."""

    destination: str
    first_start: int
    last_end: int
    digest: str


@dataclass(frozen=True)
class Delivery:
    """A digest in the outbox."""

    id: int
    destination: str
    digest: str
    state: str
    attempts: int
    error: str | None = None


@dataclass
class Judged:
    """The outcome of committing verdicts."""

    conflict: bool = False
    """The dataset changed since it was read: nothing was written, judge again."""
    written: int = 0
    fresh: Mapping[str, set[tuple[int, int]]] = field(default_factory=dict)
    """Slot name → (series id, start) of anomalies that no earlier run had found."""


Completion = Callable[["Transaction", int, Scope, "Measurement"], tuple[Scope, "Measurement"]]
"""A transaction, a dataset's id, a scope and a measurement → these as they are to be saved."""


class Store(Protocol):
    """Keeps what was measured and judged. Every method is one transaction, and safe to repeat."""

    def upgrade(self) -> bool:
        """Bring the schema to this version; True if it was older."""
        ...

    def save(
        self,
        dataset: DatasetInfo,
        definition: Mapping[str, Any],
        scope: Scope,
        measurement: Measurement,
        task: TaskRef,
        complete: Completion | None = None,
    ) -> Saved:
        """Replace what the scope covers, in the measured periods, with what was measured; missing and failed periods keep their points.

        :param complete: adds, under the dataset's lock, what follows from the measurement and from what the store holds already.
        """
        ...

    def fixed_histograms(self, dataset: str, grain: Grain, column: str, name: str) -> list[StoredHistogram]:
        """What a column is compared with, and the edges of its bins: see `airflow_lupus.stores.partials`."""
        ...

    def declared(self, dataset: str) -> tuple[DatasetInfo, str] | None:
        """A dataset as it was declared last, and the DAG that owns it; None: there is none of that name."""
        ...

    def has_periods(self, dataset: str, grain: Grain) -> bool:
        """Whether anything was ever collected for a dataset at this grain: its first run finds nothing."""
        ...

    def choice(self, dataset: str) -> str | None:
        """What was chosen to be measured of a dataset, see `pipeline/choosing.py`; None: nothing was."""
        ...

    def pruned_before(self, dataset: str) -> int | None:
        """The instant before which points of a dataset were pruned; None: none were."""
        ...

    def covered(self, dataset: str, task: TaskRef, definition_hash: str) -> list[tuple[int, int]]:
        """What a run of a task has committed under a definition, as (first start, last end): where an interrupted backfill goes on."""
        ...

    def judging(self, dataset: str, task: TaskRef, slots: Sequence[SlotKey]) -> JudgingState:
        """What a detect task needs to know before it judges."""
        ...

    def history(self, series: Collection[int], since: int | None, as_of: int | None = None) -> History:
        """The points of these series' current definitions from `since` on; `as_of` an instant (epoch seconds): as they were known then."""
        ...

    def save_verdicts(
        self,
        state: JudgingState,
        task: TaskRef,
        tables: Mapping[str, tuple[SlotKey, VerdictTable]],
        deliveries: Callable[[Judged], Sequence[NewDelivery]] | None = None,
        *,
        partial: bool = False,
    ) -> Judged:
        """Commit verdicts that differ from what is there and, in the same transaction, the digests that they give rise to.

        Nothing is written if the dataset changed since `state` was read. `partial`: more verdicts follow, so these slots have not yet
        judged all up to the state's revision.
        """
        ...

    def period_records(self, dataset: str, grain: Grain, first_start: int, last_end: int) -> list[PeriodRecord]:
        """How periods arrived."""
        ...

    def due(self, dataset: str, task: TaskRef, destinations: Collection[str]) -> list[Delivery]:
        """Digests that these destinations have not got."""
        ...

    def claim(self, delivery_id: int) -> bool:
        """Take a digest to send it; False if another task has it."""
        ...

    def settle(self, delivery_id: int, state: str, error: str | None = None) -> None:
        """Record how sending went: `sent`, `logged` or `failed`."""
        ...
