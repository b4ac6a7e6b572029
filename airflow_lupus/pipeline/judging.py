"""From stored points to verdicts: what is new, what became stale, and each detector's judgement of it as of its own time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_lupus.detectors.base import Frame, Verdicts
from airflow_lupus.exceptions import StoreError
from airflow_lupus.metrics import known_metric
from airflow_lupus.model import PeriodStatus, Reason, Severity, from_epoch
from airflow_lupus.periods import SHORTEST
from airflow_lupus.stores.base import SlotKey, VerdictTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_lupus.detectors.base import Detector
    from airflow_lupus.detectors.patterns import Rules
    from airflow_lupus.model import Grain, PeriodRecord, SeriesInfo, TaskRef
    from airflow_lupus.stores.base import History, Judged, JudgingState, NewDelivery, Store, StoredSeries

TRIES = 5
"""How often to judge again when points change meanwhile."""
CELLS = 500_000
"""Series × periods that are judged at once: some 900 bytes each at the peak, when their verdicts are written."""


@dataclass(frozen=True)
class Anomaly:
    """A point that a detector found anomalous."""

    series_id: int
    info: SeriesInfo
    start: int
    value: float
    expected: float | None
    lower: float | None
    upper: float | None
    score: float | None
    severity: Severity
    reason: Reason
    detector: str
    parameters: Mapping[str, Any]

    @property
    def key(self) -> tuple[int, int]:
        return self.series_id, self.start


@dataclass
class Report:
    """What a detect task came to."""

    dataset: str
    grain: Grain
    target: tuple[int, int]
    """Start of the first judged period of this run and end of its last."""
    anomalies: list[Anomaly] = field(default_factory=list)
    """In the run's own periods, worst first, each point once."""
    news: list[Anomaly] = field(default_factory=list)
    """Those of them that nobody was told of."""
    problems: list[PeriodRecord] = field(default_factory=list)
    """The run's periods that are missing, empty or failed."""
    judged: int = 0
    insufficient: int = 0
    written: int = 0
    owner: str | None = None
    runbook: str | None = None

    @property
    def newest(self) -> list[Anomaly]:
        """Anomalies of the run's newest period, which `fail_on` looks at."""
        last = self.grain.last_ended(from_epoch(self.target[1])).epoch
        return [anomaly for anomaly in self.anomalies if anomaly.start == last]


def judge(
    store: Store,
    dataset: str,
    rules: Rules,
    task: TaskRef,
    target_of: Callable[[Grain], tuple[int, int]],
    deliveries: Callable[[Report], Sequence[NewDelivery]] | None = None,
) -> Report:
    """Judge a run's periods, and every verdict that changed points have made stale; commit verdicts and digests in one transaction.

    What is too large for that is written block by block; the run's own verdicts still come last, together with the digests.

    :param target_of: the run's periods as (first start, last end), asked only when no collect task of the same run says them.
    :param deliveries: the digests that the report gives rise to.
    """
    named = rules.slots()
    keys = {name: SlotKey(name, detector.name, detector.parameters(), detector.lookback) for name, _, detector in named}
    for _ in range(TRIES):
        state = store.judging(dataset, task, list(keys.values()))
        if state.series:
            rules.refuse_unmatched({series.info.key.name for series in state.series}, dataset)
        report = Report(dataset, state.grain, state.target or target_of(state.grain), owner=state.owner, runbook=state.runbook)
        first, end = report.target
        report.problems = [
            record for record in store.period_records(dataset, state.grain, first, end) if record.status is not PeriodStatus.OK
        ]
        findings = _Findings(state, report)
        tables = {}
        early: Judged | None = None
        for name, rule, detector in named:
            members = [series for series in state.series if rules.rule_for(series.info.key.name) is rule]
            blocks = _blocks(state, members, detector, state.changed[name], report.target)
            kept = []
            for block in blocks:
                table = _judge_slot(store, state, block, detector, state.changed[name], report.target)
                findings.add(keys[name], table)
                if len(blocks) > 1:  # too much for one transaction: only what the digest is about has to wait for it
                    inside = (table.start >= first) & (table.start < end) & (deliveries is not None)
                    early = store.save_verdicts(state, task, {name: (keys[name], table.where(~inside))}, partial=True)
                    if early.conflict:
                        break
                    findings.written += early.written
                    findings.fresh |= early.fresh[name]
                    table = table.where(inside)
                kept.append(table)
            if early is not None and early.conflict:
                break
            tables[name] = (keys[name], VerdictTable.joined(kept) if kept else _no_verdicts())
        if early is not None and early.conflict:
            continue
        report.anomalies = findings.worst_first()

        def digests(judged: Judged, report: Report = report, findings: _Findings = findings) -> Sequence[NewDelivery]:
            fresh = findings.fresh.union(*judged.fresh.values())
            report.news = [anomaly for anomaly in report.anomalies if anomaly.key in fresh]
            return deliveries(report) if deliveries else ()

        outcome = store.save_verdicts(state, task, tables, digests)
        if not outcome.conflict:
            report.written = findings.written + outcome.written
            return report
    msg = f"Dataset {dataset!r} was written {TRIES} times while it was judged; the next run judges what is left"
    raise StoreError(msg)


def _blocks(
    state: JudgingState, members: Sequence[StoredSeries], detector: Detector, changed: Mapping[int, int], target: tuple[int, int]
) -> list[Sequence[StoredSeries]]:
    """The members in blocks of which the history fits into memory."""
    earliest = min(target[0], *(changed.get(series.id, target[0]) for series in members)) if members else target[0]
    newest = max(state.newest or earliest, target[1])
    periods = int((newest - earliest) / SHORTEST[state.grain.unit].total_seconds()) + 1 + (detector.lookback or 0)
    size = max(1, CELLS // periods)
    return [members[i : i + size] for i in range(0, len(members), size)]


def _judge_slot(
    store: Store,
    state: JudgingState,
    members: Sequence[StoredSeries],
    detector: Detector,
    changed: Mapping[int, int],
    target: tuple[int, int],
) -> VerdictTable:
    """The verdicts of one detector: of each member's points in the target and of all from its earliest change on."""
    first, end = target
    if not members:
        return _no_verdicts()
    earliest = min(first, *(changed.get(series.id, first) for series in members))
    since = None
    if detector.lookback is not None:
        period = state.grain.containing(from_epoch(earliest))
        since = state.grain.shift(period, -detector.lookback).epoch
    history = store.history([series.id for series in members], since)
    if not len(history.start):
        return _no_verdicts()
    axis, frame, rows = _frame(state.grain, members, history)
    changes = np.array([changed.get(series.id, np.iinfo(np.int64).max) for series in members])
    in_target = (axis >= first) & (axis < end)
    present = frame.judge
    frame = Frame(frame.values, frame.n, present & (in_target[None, :] | (axis[None, :] >= changes[:, None])), frame.kinds, frame.bad)
    verdicts = detector.judge(frame)
    return _table(rows, axis, frame, verdicts)


def _frame(grain: Grain, members: Sequence[StoredSeries], history: History) -> tuple[np.ndarray, Frame, np.ndarray]:
    """The points on their calendar; the frame's `judge` marks where there is a point at all."""
    first = from_epoch(int(history.start.min()))
    last = from_epoch(int(history.start.max()) + 1)
    axis = np.array([period.epoch for period in grain.periods(first, last)], dtype=np.int64)
    ids = np.array([series.id for series in members])
    order = np.argsort(ids)
    row = order[np.searchsorted(ids[order], history.series_id)]
    column = np.searchsorted(axis, history.start)
    shape = (len(members), len(axis))
    values, n, present = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    values[row, column] = history.value
    n[row, column] = history.n
    present[row, column] = True
    kinds = np.array([series.info.kind for series in members])
    bad = np.array([_bad_direction(series.info) for series in members])
    return axis, Frame(values, n, present, kinds, bad), ids


def _bad_direction(info: SeriesInfo) -> int:
    metric = known_metric(info.key.metric)
    return 0 if metric is None else {"up": 1, "down": -1}.get(metric.bad_direction, 0)


def _table(ids: np.ndarray, axis: np.ndarray, frame: Frame, verdicts: Verdicts) -> VerdictTable:
    row, column = np.nonzero(frame.judge)
    last = verdicts.last[row, column]
    return VerdictTable(
        series_id=ids[row],
        start=axis[column],
        value=frame.values[row, column],
        expected=verdicts.expected[row, column],
        lower=verdicts.lower[row, column],
        upper=verdicts.upper[row, column],
        score=verdicts.score[row, column],
        severity=verdicts.severity[row, column],
        reason=verdicts.reason[row, column],
        history=verdicts.history[row, column],
        history_end=np.where(last >= 0, axis[np.maximum(last, 0)], -1),
    )


def _no_verdicts() -> VerdictTable:
    floats, integers = np.empty(0), np.empty(0, dtype=np.int64)
    return VerdictTable(integers, integers, *[floats] * 5, *[integers] * 4)


class _Findings:
    """What the blocks of a judgement come to: the run's own anomalies, each point once by its worst verdict."""

    def __init__(self, state: JudgingState, report: Report) -> None:
        self.by_id = {series.id: series.info for series in state.series}
        self.report = report
        self.worst: dict[tuple[int, int], Anomaly] = {}
        self.written = 0
        self.fresh: set[tuple[int, int]] = set()

    def add(self, key: SlotKey, table: VerdictTable) -> None:
        """Take in the verdicts of a slot."""
        first, end = self.report.target
        inside = (table.start >= first) & (table.start < end)
        self.report.judged += len(table)
        self.report.insufficient += int(((table.reason == int(Reason.INSUFFICIENT_HISTORY)) & inside).sum())
        for i in np.flatnonzero((table.severity > 0) & inside):
            anomaly = Anomaly(
                series_id=int(table.series_id[i]),
                info=self.by_id[int(table.series_id[i])],
                start=int(table.start[i]),
                value=float(table.value[i]),
                expected=_known(table.expected[i]),
                lower=_known(table.lower[i]),
                upper=_known(table.upper[i]),
                score=_known(table.score[i]),
                severity=Severity(int(table.severity[i])),
                reason=Reason(int(table.reason[i])),
                detector=key.detector,
                parameters=key.parameters,
            )
            before = self.worst.get(anomaly.key)
            if before is None or _badness(anomaly) > _badness(before):
                self.worst[anomaly.key] = anomaly

    def worst_first(self) -> list[Anomaly]:
        """Equally bad ones by name, whatever order the database has."""
        ordered = sorted(self.worst.values(), key=lambda anomaly: (str(anomaly.info.key), anomaly.info.key.identity))
        return sorted(ordered, key=_badness, reverse=True)


def _known(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _badness(anomaly: Anomaly) -> tuple[int, float, int]:
    return int(anomaly.severity), abs(anomaly.score or 0.0), anomaly.start
